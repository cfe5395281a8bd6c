"""Forged copies of a bundle, to show a verifier at work: each names the check that must catch it.

The last one is the strongest: a real participant changes what it once answered, and re-signs its own statements, the
log and its heads, so that every signature holds and the engine agrees with every entry. What the others signed and
anchored does not.
"""

import copy
from collections.abc import Callable
from typing import Any

import msgspec

from tallystick.core import agreement as agreements
from tallystick.core import b64, canonical, jws
from tallystick.core.commitment import Opening, Place, commit
from tallystick.core.errors import Invalid
from tallystick.core.keys import SigningKey
from tallystick.core.replay import Replay
from tallystick.core.statement import ATTESTATION, HEAD, STATEMENT

Bundle = dict[str, Any]


class Forgery(msgspec.Struct, frozen=True, kw_only=True):
    """A forged bundle, what was done to it, and the name of the check that must fail."""

    name: str
    check: str
    bundle: Bundle


def forgeries(bundle: Bundle, key: SigningKey) -> list[Forgery]:
    """Five forged copies of a bundle that holds a document and an opened answer of the holder of ``key``."""
    return [
        _forged(bundle, "one byte of a document", "documents as committed", _document),
        _forged(bundle, "a signature", "statements signed", _signature),
        _forged(bundle, "a sequence number", "entries in sequence", _sequence),
        _forged(bundle, "a root", "heads signed", _root),
        resigned(bundle, key),
    ]


def resigned(bundle: Bundle, key: SigningKey) -> Forgery:
    """The history that the holder of ``key`` would rather have; only the coordinator can put its heads above it."""
    forged = copy.deepcopy(bundle)
    rewriting = _Rewriting(forged, key)
    rewriting.run()
    check = "attested by all" if rewriting.coordinates else "heads signed"
    return Forgery(name=f"a history re-signed by {rewriting.cheat}", check=check, bundle=forged)


def _forged(bundle: Bundle, name: str, check: str, change: Callable[[Bundle], None]) -> Forgery:
    forged = copy.deepcopy(bundle)
    change(forged)
    return Forgery(name=name, check=check, bundle=forged)


def _document(bundle: Bundle) -> None:
    if not bundle["documents"]:
        raise Invalid("the bundle holds no document", code="nothing_to_forge")
    name, data = next(iter(bundle["documents"].items()))
    content = bytearray(b64.decode(data))
    content[len(content) // 2] ^= 1
    bundle["documents"][name] = b64.encode(bytes(content))


def _signature(bundle: Bundle) -> None:
    name, token = next(iter(bundle["statements"].items()))
    body, _, signature = token.rpartition(".")
    changed = bytearray(b64.decode(signature))
    changed[0] ^= 1
    bundle["statements"][name] = f"{body}.{b64.encode(bytes(changed))}"


def _sequence(bundle: Bundle) -> None:
    bundle["entries"][-1]["seq"] += 1


def _root(bundle: Bundle) -> None:
    header, payload, signature = bundle["heads"][-1].split(".")
    head = canonical.parse(b64.decode(payload))
    head["root"] = f"{int(head['root'], 16) ^ 1:064x}"
    bundle["heads"][-1] = f"{header}.{b64.encode(canonical.encode(head))}.{signature}"


class _Rewriting:
    """One participant's new history, written into the bundle: the old statements, sequenced anew by the real engine."""

    def __init__(self, bundle: Bundle, key: SigningKey) -> None:
        self._bundle = bundle
        self._key = key
        agreement = agreements.read(bundle["agreement"])
        name = agreements.agreement_hash(bundle["agreement"])
        self._log = Replay(agreement, name, bundle["execution"])
        self._roots = [self._log.root]
        self._renamed: dict[str, str] = {}  # a statement that says something else has another id
        self.cheat = next((one.org_id for one in agreement.participants if _holds(one.signing_keys, key)), "")
        self.coordinates = self.cheat == agreement.coordinator

    def run(self) -> None:
        """Change one answer, then make everything that follows look right."""
        self._change(self._opening())
        old, self._bundle["entries"] = self._bundle["entries"], []
        for entry in old:
            self._sequence(entry["statement_id"], entry["at"])
        self._resign("attestations", ATTESTATION)
        if self.coordinates:
            self._resign("heads", HEAD)

    def _opening(self) -> dict[str, Any]:
        """The cheat's last opened value; of a form's fields, one that leaves the course of things as it is."""
        order = [entry["statement_id"] for entry in self._bundle["entries"] if entry["outcome"] == "applied"]
        mine = [
            one
            for one in self._bundle["openings"]
            if one["statement_id"] in order
            and self._payload(one["statement_id"])["iss"] == self.cheat
            and self._payload(one["statement_id"])["kind"] == "result"
        ]
        if not mine:
            raise Invalid("the bundle opens no answer of the key's holder", code="nothing_to_forge")
        found: dict[str, Any] = max(
            mine, key=lambda one: (not isinstance(one["value"], bool), order.index(one["statement_id"]))
        )
        return found

    def _change(self, opening: dict[str, Any]) -> None:
        opening["value"] = _another(opening["value"])
        place = Place(
            execution=self._bundle["execution"],
            issuer=self.cheat,
            task=opening["task"],
            attempt=opening["attempt"],
        )
        facts = {name: opening[name] for name in ("property", "salt", "value")}
        payload = self._payload(opening["statement_id"])
        payload["body"]["data"][opening["property"]] = commit(place, msgspec.convert(facts, Opening))
        self._restate(opening["statement_id"], payload)

    def _sequence(self, name: str, at: int) -> None:
        """The next entry, for the same statement; the cheat's own rest on the new history."""
        here = self._renamed.get(name, name)
        payload = self._payload(here)
        basis = payload["basis"]
        if payload["iss"] == self.cheat and basis and basis["root"] != self._roots[basis["size"]]:
            payload["basis"] = {**basis, "root": self._roots[basis["size"]]}
            here = self._restate(here, payload)
        token = self._bundle["statements"][here]
        said = self._log.open(token)
        self._bundle["entries"].append(msgspec.to_builtins(self._log.sequence(said, at)))
        self._roots.append(self._log.root)

    def _restate(self, old: str, payload: dict[str, Any]) -> str:
        token = jws.sign(self._key, STATEMENT, payload)
        new = jws.read(token, STATEMENT).id
        del self._bundle["statements"][old]
        self._bundle["statements"][new] = token
        self._renamed[old] = new
        for one in self._bundle["openings"]:
            if one["statement_id"] == old:
                one["statement_id"] = new
        return new

    def _resign(self, where: str, typ: str) -> None:
        for number, token in enumerate(self._bundle[where]):
            payload = jws.read(token, typ).payload
            if payload["iss"] == self.cheat:
                changed = {**payload, "root": self._roots[payload["size"]]}
                self._bundle[where][number] = jws.sign(self._key, typ, changed)

    def _payload(self, name: str) -> dict[str, Any]:
        return jws.read(self._bundle["statements"][name], STATEMENT).payload


def _holds(keys: list[agreements.PublicKey], key: SigningKey) -> bool:
    return any(one.key == key.public_hex for one in keys)


def _another(value: Any) -> Any:
    """A value that its author would rather have said."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, dict) and set(value) == {"$file"}:
        return {"$file": {**value["$file"], "name": f"other-{value['$file']['name']}"}}
    return f"9{value}" if isinstance(value, str) else "something else"
