"""Drafting an agreement from a definition, our own card and our partners' pinned cards."""

import os
import zoneinfo
from functools import cache
from typing import Any

import msgspec

from tallystick.core import agreement as agreements
from tallystick.core import b64, policy
from tallystick.core.agreement import Limits
from tallystick.core.definition.compile import OrgFacts, audiences, compile_definition
from tallystick.core.definition.faults import DefinitionErrors
from tallystick.core.errors import Invalid
from tallystick.node.parts import Parts
from tallystick.node.record.loaded import Loaded
from tallystick.node.schemas import definition_faults
from tallystick.node.services.organisation import own_card
from tallystick.tenants.card import Card
from tallystick.tenants.keystore import RootKeyAway
from tallystick.tenants.partners import MAX_PARTNERS

RETENTION_DAYS = 3650


def facts(parts: Parts, source: dict[str, Any]) -> dict[str, OrgFacts]:
    """What the compiler must know of each organisation in ``source``: whether it is active, and what it can do.

    Partners that are suspended, removed or inactive by their own word are told from organisations that nobody knows.
    Where one is named that nobody knows, it is those of all, so that the one who was meant can be suggested.
    """
    mine = own_card(parts)
    named = _named(source)
    found = parts.partners.standing(named)
    if named - {mine.id} != {card.id for card, _ in found}:
        found = parts.partners.standing()
    return {
        card.id: OrgFacts(is_active=is_active, capabilities=list(card.capabilities))
        for card, is_active in [*found, (mine, mine.is_active)]
    }


def _named(source: dict[str, Any]) -> set[str]:
    """The organisations that a definition names as participants, as far as it has the form of one."""
    participants = source.get("participants")
    members = [one for one in participants if isinstance(one, dict)] if isinstance(participants, list) else []
    named = [one.get("org_id") for one in members[:MAX_PARTNERS]]
    return {one for one in named if isinstance(one, str)}


def compiled_for(source: dict[str, Any], organisations: dict[str, OrgFacts]) -> dict[str, Any]:
    """The compiled form of a proposal that this node can run; pointers in :class:`DefinitionErrors` begin at it."""
    try:
        compiled = compile_definition(source, organisations, _time_zones())
    except DefinitionErrors as error:
        raise error.below("/definition") from None
    if faults := definition_faults(compiled, source, "/definition"):
        raise DefinitionErrors(faults)
    return compiled


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def draft(
    parts: Parts, source: dict[str, Any], compiled: dict[str, Any], terms: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The agreement document that every participant is asked to accept; ``terms`` are those that differ from ours."""
    given = terms or {}
    partners = [card for card, is_active in parts.partners.standing(_named(source)) if is_active]
    cards = {one.id: one for one in [own_card(parts), *partners]}
    members = [_participant(entry, cards) for entry in source["participants"]]
    me = parts.context.org_id
    if me not in {one["org_id"] for one in members}:
        raise Invalid("the proposing organisation must take part", code="not_a_participant", pointer="/participants")
    if len(members) > 1:
        _check_key(parts)
    return {
        "v": agreements.VERSION,
        "kind": "agreement",
        "salt": b64.encode(os.urandom(16)),
        "created_at": parts.context.now(),
        "initiator": me,
        "coordinator": me,
        "versions": agreements.VERSIONS,
        "definition": compiled,
        "visibility": audiences(compiled),
        "participants": members,
        "quorums": {"hand_over": "majority", "amend": "all"},
        "limits": {**msgspec.to_builtins(Limits()), **given.get("limits", {})},
        "retention_days": given.get("retention_days", RETENTION_DAYS),
        "anchoring": _anchoring(parts, compiled, given.get("anchoring")),
        "sealing_suite": parts.settings.sealing_suite,
        "parent": None,
        "replaces": None,
    }


def changed(
    parts: Parts, loaded: Loaded, source: dict[str, Any], compiled: dict[str, Any], terms: dict[str, Any]
) -> dict[str, Any]:
    """The agreement document of a change: drafted anew, it keeps who initiates and coordinates, and the other terms."""
    before = loaded.agreement
    document = draft(parts, source, compiled)
    if before.initiator not in {one["org_id"] for one in document["participants"]}:
        raise Invalid(
            f"{before.initiator} starts and coordinates it: it must take part", code="not_a_participant",
            pointer="/definition/participants",
        )  # fmt: skip
    kept = msgspec.to_builtins(before)
    if compiled != kept["definition"]:
        salt = (document["anchoring"] or {}).get("workflow_salt")  # the new definition is registered under its own
        kept["anchoring"] = {**kept["anchoring"], "workflow_salt": salt} if salt and kept["anchoring"] else None
    return {
        **document,
        "initiator": before.initiator,
        "coordinator": before.coordinator,
        "limits": {**kept["limits"], **terms.get("limits", {})},
        "retention_days": terms.get("retention_days", before.retention_days),
        "anchoring": _policy(kept["anchoring"], terms.get("anchoring")),
        "sealing_suite": before.sealing_suite,
        "replaces": {
            "execution": loaded.row.id,
            "agreement": loaded.row.agreement_hash,
            "version": before.version + 1,
            "by": parts.context.org_id,
        },
    }


def _check_key(parts: Parts) -> None:
    """Nobody is to accept an agreement in which a revoked key of ours speaks, for want of a card that has another."""
    keystore, kid = parts.context.keystore, parts.context.signing_key.kid
    if any(one.kid == kid and one.revoked_at is not None for one in keystore.signing_facts):
        raise RootKeyAway(keystore.root_public.kid)


def _anchoring(parts: Parts, compiled: dict[str, Any], asked: Any) -> dict[str, Any] | None:
    us = parts.context.onchain
    return _policy(msgspec.to_builtins(us.anchoring(compiled)) if us else None, asked)


def _policy(anchoring: dict[str, Any] | None, asked: Any) -> dict[str, Any] | None:
    """``anchoring`` with the terms that are asked for; pointers in :class:`DefinitionErrors` begin at ``/terms``."""
    if not asked:
        return anchoring
    if anchoring is None:
        raise Invalid("nothing is anchored here: settings name no chain", code="no_chain", pointer="/terms/anchoring")
    try:
        return anchoring | policy.terms(asked, {name: anchoring[name] for name in policy.DIRECT})
    except DefinitionErrors as error:
        raise error.below("/terms/anchoring") from None


def _participant(entry: dict[str, Any], cards: dict[str, Card]) -> dict[str, Any]:
    card = cards.get(entry["org_id"])
    if card is None:
        raise Invalid(f"{entry['org_id']} is not an active partner", code="unknown_partner", pointer="/participants")
    return {
        "org_id": card.id,
        "name": card.name,
        "role": entry.get("role", "participant"),
        "chain_org": card.chain_org,
        "log_key": card.log_key,
        "root_key": card.public_key,
        "signing_keys": msgspec.to_builtins(card.signing_keys),
        "sealing_key": msgspec.to_builtins(card.sealing_key),
        "can_terminate": entry.get("can_terminate", False),
        "need_activity_notifications": entry.get("need_activity_notifications", False),
    }
