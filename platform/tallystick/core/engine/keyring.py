"""Which keys speak for an organisation at each place of the log.

The agreement's keys do from the start. A rotation adds one from its own entry on, and retires its organisation's others
once ``overlap`` further entries have followed. A revocation ends one with its own entry. The organisation's root key
signs both and nothing else, so whoever steals a key that speaks cannot keep it speaking. What stands in the log before
a key ends stays as good as it was. A place is the sequence number of an entry, or of the last entry under a head.
"""

import re

import msgspec
from nacl.bindings import crypto_core_ed25519_is_valid_point, crypto_scalarmult

from tallystick.core.agreement import Agreement, PublicKey, SealingKey
from tallystick.core.engine.state import State
from tallystick.core.engine.work import Work
from tallystick.core.keys import key_id
from tallystick.core.statement import ROOT_SIGNED, RevokeKey, RotateKey, Statement

MAX_KEYS = 32  # that one organisation can add to one execution: ten years of four a year need more, nobody plans that
MAX_OVERLAP = 10_000  # entries
_ED25519 = re.compile(r"[0-9a-f]{64}\Z")
_X25519_BYTES, _MLKEM_BYTES, _MLKEM_VECTOR, _MLKEM_Q = 32, 1184, 1152, 3329  # FIPS 203, ML-KEM-768
_SEALING_BYTES = {
    "x25519-hkdf-sha256-chacha20poly1305": _X25519_BYTES,
    "mlkem768x25519-hkdf-sha256-chacha20poly1305": _MLKEM_BYTES + _X25519_BYTES,
}


def public(agreement: Agreement, state: State, org: str, kid: str) -> str | None:
    """The signing key of that id that the organisation has, or has had, in the execution (hex)."""
    added = state.keys.get(kid)
    if added is not None and added.key:
        return added.key if added.org == org else None
    return agreement.key(org, kid)


def root(agreement: Agreement, org: str, kid: str) -> str | None:
    """The organisation's root key, if that is its id (hex)."""
    one = agreement.participant(org)
    return one.root_key if one and _named(one.root_key) == kid else None


def fault(state: State, kid: str, place: int) -> str | None:
    """Why a signature by the key does not count at that place; None when it does."""
    held = state.keys.get(kid)
    if held is None:
        return None
    if held.revoked is not None and place > held.revoked:
        return "key_revoked"
    if held.until is not None and place > held.until:
        return "key_retired"
    return None


def is_early(state: State, kid: str, place: int) -> bool:
    """Whether a statement stands before the key that signed it was known."""
    held = state.keys.get(kid)
    return held is not None and bool(held.key) and place <= held.since


def speaking(agreement: Agreement, state: State, org: str) -> list[PublicKey]:
    """The keys that speak for the organisation in the next entry, those on their way out first, the newest last."""
    one = agreement.participant(org)
    added = sorted((key.serial, kid, key.key) for kid, key in state.keys.items() if key.org == org and key.key)
    everything = [*(one.signing_keys if one else ()), *(PublicKey(kid=kid, key=key) for _, kid, key in added)]
    good = [key for key in everything if fault(state, key.kid, state.size) is None]
    return sorted(good, key=lambda key: not _leaves(state, key.kid))


def sealing(agreement: Agreement, state: State, org: str) -> SealingKey | None:
    """The key that values are sealed to for the organisation now."""
    one = agreement.participant(org)
    return state.sealing.get(org) or (one.sealing_key if one else None)


def judge(state: State, statement: Statement) -> str | None:
    """Why a statement is void for the key that signed it (most logs see no rotation: then there is nothing to ask)."""
    if not state.keys or statement.kind in ROOT_SIGNED:
        return None
    return fault(state, statement.kid, state.size)


def rotate(work: Work, statement: Statement, body: RotateKey) -> str | None:
    """Another key speaks from now on."""
    state, org, kid = work.state, statement.iss, body.key.kid
    if not _ED25519.match(body.key.key) or _named(body.key.key) != kid or not _is_point(body.key.key):
        return "bad_key"
    if not 0 <= body.overlap <= MAX_OVERLAP:
        return "bad_overlap"
    if _is_taken(work.agreement, state, kid):
        return "key_known"
    serials = [key.serial for key in state.keys.values() if key.org == org and key.key]
    if body.serial <= max(serials, default=0):
        return "stale_rotation"
    if len(serials) >= MAX_KEYS:
        return "too_many_keys"
    if body.sealing_key is not None and not _can_seal(work.agreement, body.sealing_key):
        return "bad_sealing_key"
    work.emit(
        {
            "type": "key_rotated",
            "org": org,
            "kid": kid,
            "key": body.key.key,
            "serial": body.serial,
            "retires": [one.kid for one in speaking(work.agreement, state, org)],
            "until": state.size + body.overlap,
            "sealing_key": msgspec.to_builtins(body.sealing_key),
        }
    )
    return None


def revoke(work: Work, statement: Statement, body: RevokeKey) -> str | None:
    """A key speaks no more; another one must, or nobody could hear of it."""
    state, org = work.state, statement.iss
    if public(work.agreement, state, org, body.kid) is None:
        return "unknown_key"
    held = state.keys.get(body.kid)
    if held is not None and held.revoked is not None:
        return "already_revoked"
    stay = [one.kid for one in speaking(work.agreement, state, org) if not _leaves(state, one.kid)]
    if not set(stay) - {body.kid}:
        return "last_key"
    work.emit({"type": "key_revoked", "org": org, "kid": body.kid, "reason": body.reason})
    return None


def _leaves(state: State, kid: str) -> bool:
    held = state.keys.get(kid)
    return held is not None and held.until is not None


def _is_taken(agreement: Agreement, state: State, kid: str) -> bool:
    """A key id names one key of one organisation for the execution's whole life, and never a root key."""
    if kid in state.keys:
        return True
    return any(
        kid == _named(one.root_key) or any(kid == key.kid for key in one.signing_keys) for one in agreement.participants
    )


def _named(key: str) -> str | None:
    try:
        return key_id(bytes.fromhex(key))
    except ValueError:
        return None


def _is_point(key: str) -> bool:
    return bool(crypto_core_ed25519_is_valid_point(bytes.fromhex(key)))


def _can_seal(agreement: Agreement, key: SealingKey) -> bool:
    """Nobody may take a key for their own that the others cannot seal to, or to which all can open what is sealed."""
    try:
        raw = bytes.fromhex(key.key)
    except ValueError:
        return False
    if key.suite != agreement.sealing_suite or len(raw) != _SEALING_BYTES[key.suite] or raw.hex() != key.key:
        return False
    return key.kid == key_id(raw) and _is_curve(raw[-_X25519_BYTES:]) and _is_lattice(raw[:-_X25519_BYTES])


def _is_curve(raw: bytes) -> bool:
    """A point of small order multiplies to zero, which libsodium refuses."""
    try:
        crypto_scalarmult(b"\x40" + bytes(31), raw)
    except RuntimeError:
        return False
    return True


def _is_lattice(raw: bytes) -> bool:
    """FIPS 203, 7.2: every coefficient, twelve bits each, lies below q."""
    packed = raw[:_MLKEM_VECTOR]
    triples = (int.from_bytes(packed[at : at + 3], "little") for at in range(0, len(packed), 3))
    return all(pair & 0xFFF < _MLKEM_Q and pair >> 12 < _MLKEM_Q for pair in triples)
