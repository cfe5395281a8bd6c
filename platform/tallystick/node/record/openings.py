"""Committing values, sealing their openings to those entitled, and opening what others sealed to us."""

from typing import Any

import msgspec

from tallystick.core import canonical
from tallystick.core.agreement import Participant
from tallystick.core.commitment import Opening, Place, commit, commit_encoded, new_salt
from tallystick.core.errors import Invalid, TallystickError
from tallystick.core.manifest import is_file
from tallystick.core.statement import Statement
from tallystick.node.record import outgoing, quota
from tallystick.node.record.context import Context
from tallystick.node.record.loaded import Loaded
from tallystick.node.record.unit import Unit
from tallystick.tenants import sealing
from tallystick.tenants.models.record import EnvelopeRow, OpeningRow
from tallystick.tenants.openings import read_openings, write_openings

MAX_VALUES = 256_000  # bytes of JSON in one statement; files travel as chunks


class Committed(msgspec.Struct):
    """Values made ready for a statement: commitments by property, the openings to keep and seal, the values' bytes."""

    commitments: dict[str, str]
    openings: list[Opening]
    encoded: list[bytes]


def commit_values(place: Place, values: dict[str, Any]) -> Committed:
    """Commit each top-level property under a fresh salt."""
    openings = [Opening(property=name, salt=new_salt(), value=value) for name, value in sorted(values.items())]
    encoded = [canonical.encode(one.value) for one in openings]
    if sum(map(len, encoded)) + sum(len(name.encode()) + 4 for name in values) > MAX_VALUES:
        raise Invalid(f"data is larger than {MAX_VALUES} bytes; attach it as a document", code="too_large")
    commitments = {
        one.property: commit_encoded(place, one, content) for one, content in zip(openings, encoded, strict=True)
    }
    return Committed(commitments, openings, encoded)


def seal(openings: list[Opening], place: Place, kind: str, recipients: list[Participant]) -> tuple[dict[str, Any], str]:
    """The envelope for ``recipients`` and its ciphertext hash."""
    plaintext = write_openings(openings)
    keys = [(one.org_id, one.sealing_key.kid, one.sealing_key.suite, one.sealing_key.key) for one in recipients]
    return sealing.seal(plaintext, issuer=place.issuer, execution=place.execution, kind=kind, recipients=keys)


def keep(
    unit: Unit, context: Context, loaded: Loaded, said: Statement, openings: list[Opening], encoded: list[bytes]
) -> None:
    """Store openings that we made or read, and their values' canonical bytes."""
    task, attempt = said.place
    for one, content in zip(openings, encoded, strict=True):
        is_a_file = is_file(one.value)
        if is_a_file:
            quota.named(unit, context, said.iss, said.execution, outgoing.chunk_names(one.value))
        unit.replace(
            OpeningRow,
            number=loaded.row.number,
            statement_id=said.id,
            property=one.property,
            issuer=said.iss,
            task=task,
            attempt=attempt,
            salt=one.salt,
            value=content,
            file_sha256=outgoing.file_hash(one.value) if is_a_file else None,
        )


def keep_envelopes(unit: Unit, loaded: Loaded, said: Statement, envelopes: dict[str, dict[str, Any]]) -> None:
    """Store the envelopes that a statement commits to, so that they can be relayed."""
    for name in said.sealed:
        if name in envelopes and unit.get(EnvelopeRow, (loaded.row.number, name)) is None:
            unit.insert(
                EnvelopeRow,
                number=loaded.row.number,
                hash=name,
                statement_id=said.id,
                document=canonical.encode(envelopes[name]),
            )


def read(
    unit: Unit, context: Context, loaded: Loaded, said: Statement, envelopes: dict[str, dict[str, Any]]
) -> str | None:
    """Open what is sealed to us, check it against the commitments and keep it; why not, where it fails."""
    for name in said.sealed:
        envelope = envelopes.get(name)
        if envelope is None or not _for_us(envelope, context.org_id):
            continue
        try:
            opened = _opened(context, said, name, envelope)
            keep(unit, context, loaded, said, opened, [canonical.encode(one.value) for one in opened])
        except TallystickError as error:
            return f"{error.code}: {error.detail}"
    return None


def _for_us(envelope: dict[str, Any], org_id: str) -> bool:
    recipients = envelope.get("recipients", [])
    return isinstance(recipients, list) and any(
        isinstance(one, dict) and one.get("org_id") == org_id for one in recipients
    )


def _opened(context: Context, said: Statement, name: str, envelope: dict[str, Any]) -> list[Opening]:
    plaintext = sealing.open_envelope(
        envelope,
        keys=context.keystore.sealing_keys,
        me=context.org_id,
        issuer=said.iss,
        execution=said.execution,
        kind=said.kind,
        expected_hash=name,
    )
    openings = read_openings(plaintext)
    task, attempt = said.place
    place = Place(execution=said.execution, issuer=said.iss, task=task, attempt=attempt)
    for one in openings:
        if said.commitments.get(one.property) != commit(place, one):
            raise Invalid(f"the value of {one.property[:64]} is not the one committed to", code="commitment_mismatch")
    return openings
