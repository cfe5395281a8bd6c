"""An agreement against what is pinned here: nobody speaks for a partner of ours with keys that are not the partner's.

A participant that is no partner of ours is known from the agreement only, so its keys are the proposer's word until it
becomes one.
"""

from tallystick.core import jws
from tallystick.core.agreement import Agreement, Participant, PublicKey
from tallystick.core.errors import BadSignature, Invalid, NotYet
from tallystick.node.record.context import Context
from tallystick.node.record.unit import Unit
from tallystick.tenants import card as cards
from tallystick.tenants.models.partner import Partner, PartnerKeyRow

REPLACED_MS = 7 * 24 * 60 * 60 * 1000  # whoever drafts from an older card than ours has had a week to get the newer one


def check(unit: Unit, context: Context, agreement: Agreement) -> None:
    """Refuse an agreement that names another root key for a partner; wait for the card that has its signing keys.

    Cards travel by links of their own, so an agreement with a key that was just rotated in may come first, and one with
    the key before it for a week after.
    """
    for one in agreement.participants:
        known = None if one.org_id == context.org_id else unit.get(Partner, one.org_id)
        if known is not None:
            _check_one(unit, context, known, one)
            if agreement.parent is None:  # what a parent's agreement says stays so in its sub-workflows
                _check_name(known, one)


def verify(unit: Unit, raw: jws.Token, agreement: Agreement, partner: str) -> None:
    """Check the signature of what a partner says of an agreement before there is a log of it.

    It may refuse the agreement because that does not name its newest key, so a key of its card counts as well.
    """
    known = unit.get(Partner, partner)
    card = cards.verified(known.card) if known else None
    named = agreement.participant(partner)
    keys = [*(named.signing_keys if named else ()), *(card.signing_keys if card else ())]
    found = next((one.key for one in keys if one.kid == raw.kid), None)
    if card is not None and raw.kid in card.revoked:
        raise BadSignature(f"key {raw.kid[:16]} of {partner} was revoked", code="key_revoked")
    if found is None and known is not None and known.status != "removed":
        raise NotYet(f"no card of {partner} that is here has the key {raw.kid[:16]}", code="unknown_key")
    if found is None:
        raise BadSignature(f"key {raw.kid[:16]} is not a key of {partner}", code="unknown_key")
    jws.verify(raw, found)


def _check_one(unit: Unit, context: Context, known: Partner, named: Participant) -> None:
    if known.root_key != named.root_key:
        raise Invalid(
            f"agreement names another root key for {known.org_id} than the one pinned here", code="wrong_root_key"
        )
    card = cards.verified(known.card)
    held, revoked = set(card.signing_keys), set(card.revoked)
    if any(key.kid in revoked for key in named.signing_keys):  # whoever stole it may be the one who proposes
        raise Invalid(f"agreement names a key that {known.org_id} has revoked", code="key_revoked")
    if not all(key in held or _is_recent(unit, context, known, key) for key in named.signing_keys):
        if known.status == "removed":  # no newer card will come, and anybody may have made the key up
            raise Invalid(f"agreement names other keys for {known.org_id}, which was removed here", code="unknown_key")
        raise NotYet(
            f"no card that is here has the keys that the agreement names for {known.org_id}", code="unknown_key"
        )


def _check_name(known: Partner, named: Participant) -> None:
    """People consent by the names that they read; one who was renamed meanwhile is told to be proposed again."""
    name = cards.verified(known.card).name
    if named.name != name:
        raise Invalid(
            f"agreement calls {known.org_id} {named.name[:60]!r}, which its card here does not; propose it anew with"
            " its newest card",
            code="wrong_name",
        )


def _is_recent(unit: Unit, context: Context, known: Partner, key: PublicKey) -> bool:
    row = unit.get(PartnerKeyRow, (known.org_id, key.kid))
    return row is not None and row.key == key.key and context.now() < row.replaced_at + REPLACED_MS
