"""Forged copies of a bundle, to show a verifier at work: each names the check that must catch it.

The last one is the strongest: a real participant, the coordinator, re-signs a history in which one of its own answers
is another. Every signature in it holds; what others signed and anchored does not.
"""

import copy
from collections.abc import Callable
from typing import Any

import msgspec

from tallystick.core import b64, canonical, jws
from tallystick.core import entry as entries
from tallystick.core.commitment import Opening, Place, commit
from tallystick.core.errors import Invalid
from tallystick.core.keys import SigningKey
from tallystick.core.merkle import Frontier, leaf_hash
from tallystick.core.statement import HEAD, STATEMENT

Bundle = dict[str, Any]


class Forgery(msgspec.Struct, frozen=True, kw_only=True):
    """A forged bundle, what was done to it, and the name of the check that must fail."""

    name: str
    check: str
    bundle: Bundle


def forgeries(bundle: Bundle, coordinator_key: SigningKey) -> list[Forgery]:
    """Five forged copies; the bundle must hold a document and an answer of the coordinator."""
    plan: tuple[tuple[str, str, Callable[[Bundle], None]], ...] = (
        ("one byte of a document", "documents as committed", _document),
        ("a signature", "statements signed", _signature),
        ("a sequence number", "entries in sequence", _sequence),
        ("a root", "heads signed", _root),
        (
            "a history re-signed by the coordinator",
            "attested by all",
            lambda forged: _history(forged, coordinator_key),
        ),
    )
    made = []
    for name, check, change in plan:
        forged = copy.deepcopy(bundle)
        change(forged)
        made.append(Forgery(name=name, check=check, bundle=forged))
    return made


def _document(bundle: Bundle) -> None:
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


def _history(bundle: Bundle, key: SigningKey) -> None:
    """Change the coordinator's last answer that holds a value, then make everything after it look right."""
    coordinator = bundle["agreement"]["coordinator"]
    opening = _last_answer(bundle, coordinator)
    old = opening["statement_id"]
    payload = jws.read(bundle["statements"].pop(old), STATEMENT).payload
    opening["value"] = "another answer"
    place = Place(execution=bundle["execution"], issuer=coordinator, task=opening["task"], attempt=opening["attempt"])
    changed = Opening(property=opening["property"], salt=opening["salt"], value=opening["value"])
    payload["body"]["data"][opening["property"]] = commit(place, changed)
    token = jws.sign(key, STATEMENT, payload)
    new = jws.read(token, STATEMENT).id
    bundle["statements"][new] = token
    for one in [*bundle["entries"], *bundle["openings"]]:
        if one["statement_id"] == old:
            one["statement_id"] = new
    roots = _roots(bundle)
    heads = [jws.read(head, HEAD).payload for head in bundle["heads"]]
    bundle["heads"] = [jws.sign(key, HEAD, {**head, "root": roots[head["size"]]}) for head in heads]


def _last_answer(bundle: Bundle, issuer: str) -> dict[str, Any]:
    for entry in reversed(bundle["entries"]):
        payload = jws.read(bundle["statements"][entry["statement_id"]], STATEMENT).payload
        if payload["iss"] != issuer or payload["kind"] != "result":
            continue
        for opening in bundle["openings"]:
            if opening["statement_id"] == entry["statement_id"] and isinstance(opening["value"], str):
                found: dict[str, Any] = opening
                return found
    raise Invalid("the bundle opens no answer of the coordinator", code="nothing_to_forge")


def _roots(bundle: Bundle) -> list[str]:
    frontier = Frontier()
    roots = [frontier.root().hex()]
    for document in bundle["entries"]:
        frontier = frontier.append(leaf_hash(entries.read(document).leaf()))
        roots.append(frontier.root().hex())
    return roots
