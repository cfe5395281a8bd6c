"""Asking the contract itself, through an endpoint that the auditor names: ``ExecutionLedger.verify`` for each leaf.

The answer stands beside the report and changes no check of it: what an endpoint says is only as good as the endpoint.
One call by hand, so that an auditor's install needs no chain client.
"""

import json
import urllib.request
from collections.abc import Iterable
from urllib.parse import urlsplit

import msgspec

from tallystick.core import canonical
from tallystick.core.errors import Invalid, TallystickError, Unavailable
from tallystick.ledger.hashing import ADDRESS, WORD, keccak, to_hex, word
from tallystick.ledger.proofs import LeafProof

from .chain import octets

SELECTOR = keccak(b"verify(bytes32,bytes,uint64,bytes32[],bytes32)")[:4]
HEAD_WORDS = 5
TIMEOUT_S = 10.0
MAX_ANSWER = 64_000  # bytes: one word is expected


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the contract says of one leaf; ``holds`` is None, with the reason, when it did not say."""

    org: str
    index: int
    holds: bool | None
    reason: str = ""


def ask(url: str, anchors: Iterable[LeafProof], ledger: str | None) -> list[Answer]:
    """The contract's answer for each anchor; ``ledger`` is the address that the auditor trusts."""
    return [_answer(url, one, ledger) for one in anchors]


def _answer(url: str, one: LeafProof, ledger: str | None) -> Answer:
    try:
        octets(ledger or "", "execution_ledger", ADDRESS)
        result = _call(url, "eth_call", [{"to": ledger, "data": to_hex(call_data(one))}, "latest"])
        holds = {word(1): True, word(0): False}.get(octets(result, "answer", WORD))
        return Answer(org=one.org, index=one.index, holds=holds, reason="" if holds is not None else "no boolean")
    except TallystickError as error:
        return Answer(org=one.org, index=one.index, holds=None, reason=error.detail)


def call_data(one: LeafProof) -> bytes:
    """``verify(org, leaf, index, path, root)`` as the contract ABI encodes it."""
    leaf = octets(one.leaf, "leaf")
    path = [octets(node, "path", WORD) for node in one.path]
    padded = leaf + bytes(-len(leaf) % WORD)
    if not 0 <= one.index < 2**64:
        raise Invalid("index is no 64-bit number", code="bad_index")
    head = [
        octets(one.org, "org", WORD),
        word(HEAD_WORDS * WORD),
        word(one.index),
        word((HEAD_WORDS + 1) * WORD + len(padded)),
        octets(one.log_root, "log_root", WORD),
    ]
    return SELECTOR + b"".join(head) + word(len(leaf)) + padded + word(len(path)) + b"".join(path)


def _call(url: str, method: str, parameters: list[object]) -> str:
    if urlsplit(url).scheme not in {"http", "https"}:
        raise Invalid("the endpoint's address is neither http nor https", code="bad_url")
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, body, headers)  # noqa: S310 - the scheme is checked above
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310 - likewise
            answer = canonical.parse(response.read(MAX_ANSWER))
    except (OSError, ValueError, Invalid) as error:
        raise Unavailable(f"the endpoint does not answer {method}") from error
    if not isinstance(answer, dict) or not isinstance(answer.get("result"), str):
        raise Unavailable(f"the endpoint refuses {method}")
    return str(answer["result"])
