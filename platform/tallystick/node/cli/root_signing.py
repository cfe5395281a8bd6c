"""`tally keys sign`: fetch what waits for the root key, show what it says, sign it here and bring it back.

With ``--to`` and ``--from`` the three steps happen on different machines. Whatever a node or a file calls them, what
is shown and signed is read from the bytes themselves (:mod:`tallystick.tenants.root_signer`).
"""

import argparse
import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from tallystick.core.errors import Invalid
from tallystick.core.statement import RevokeKey, RotateKey, Statement
from tallystick.node.cli.signing_in import signed_in
from tallystick.node.cli.texts import Texts
from tallystick.node.client import Client
from tallystick.tenants import root_key, root_signer
from tallystick.tenants.card import Card
from tallystick.tenants.root_key import RootKey
from tallystick.tenants.root_signer import ToSign

PENDING = "/organisation/keys/pending"
AT_ONCE = 100  # inputs that are shown together, and tokens of one request
MAX_FILE = 20_000_000  # bytes
MAX_ROUNDS, MAX_PAGES = 1_000, 10_000


class ToSignFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What goes to the machine that has the root key."""

    v: Literal[1] = 1
    kind: Literal["tallystick-to-sign"] = "tallystick-to-sign"
    signing_inputs: list[str]


class SignedFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What comes back."""

    v: Literal[1] = 1
    kind: Literal["tallystick-signed"] = "tallystick-signed"
    tokens: list[str]


async def run(options: argparse.Namespace) -> int:
    """The step, or all of them, that the options ask for; the exit status."""
    speech = Texts("keys", options.lang)
    match bool(options.root_key), bool(options.source), bool(options.to):
        case True, False, False:
            async with signed_in(options) as client:
                return await _online(client, options, speech)
        case False, False, True:
            async with signed_in(options) as client:
                return await _fetch(client, options.to, speech)
        case True, True, True:
            return _offline(options, speech)
        case False, True, False:
            async with signed_in(options) as client:
                return await _bring_file(client, options.source, speech)
    raise Invalid("give --root-key, or --to, or --root-key with --from and --to, or --from", code="usage")


async def _online(client: Client, options: argparse.Namespace, speech: Texts) -> int:
    """Until nothing is pending that this root key may sign and the node wants."""
    root, taken, refused = _open(options), 0, 0
    for _ in range(MAX_ROUNDS):
        inputs = await _inputs(client)
        if not inputs:
            break
        before, refused = taken, 0
        for some in _parts(inputs):
            tokens = _signed(some, root, options, speech)
            accepted, wrong = await _bring(client, tokens, speech)
            taken, refused = taken + accepted, refused + wrong
        if taken == before:
            break  # the same would come again
    print(speech.text("sign.done", taken=taken, refused=refused) if taken or refused else speech.text("sign.nothing"))
    return 1 if refused else 0


async def _fetch(client: Client, to: Path, speech: Texts) -> int:
    inputs = await _inputs(client)
    _write(to, ToSignFile(signing_inputs=inputs))
    print(speech.text("sign.fetched", number=len(inputs), file=to))
    return 0


def _offline(options: argparse.Namespace, speech: Texts) -> int:
    """Without any node."""
    inputs = _read(options.source, ToSignFile).signing_inputs
    if len(inputs) > root_signer.MAX_INPUTS:
        raise Invalid(f"{options.source} has more than {root_signer.MAX_INPUTS} inputs", code="too_many")
    root = _open(options)
    tokens = [token for some in _parts(inputs) for token in _signed(some, root, options, speech)]
    _write(options.to, SignedFile(tokens=tokens))
    print(speech.text("sign.signed", number=len(tokens), file=options.to))
    return 0


async def _bring_file(client: Client, source: Path, speech: Texts) -> int:
    taken = refused = 0
    for some in _parts(_read(source, SignedFile).tokens):
        accepted, wrong = await _bring(client, some, speech)
        taken, refused = taken + accepted, refused + wrong
    print(speech.text("sign.done", taken=taken, refused=refused))
    return 1 if refused else 0


async def _inputs(client: Client) -> list[str]:
    """Every signing input that waits, as text; whatever else the node says of it is left aside."""
    inputs: list[str] = []
    page = await client.get(PENDING, limit=AT_ONCE)
    for _ in range(MAX_PAGES):
        inputs += [str(one["signing_input"]) for one in page["items"]]
        if not page["next_cursor"] or len(inputs) >= root_signer.MAX_INPUTS:
            break
        page = await client.get(PENDING, limit=AT_ONCE, cursor=page["next_cursor"])
    return inputs[: root_signer.MAX_INPUTS]


async def _bring(client: Client, tokens: list[str], speech: Texts) -> tuple[int, int]:
    if not tokens:
        return 0, 0
    answer = await client.post(PENDING, {"tokens": tokens})
    refused = [one for one in answer["items"] if one["outcome"] != "taken"]
    for one in refused:
        print(speech.text("sign.refused", code=_plain(one["code"]), detail=_plain(one["detail"])), file=sys.stderr)
    return len(answer["items"]) - len(refused), len(refused)


def _signed(inputs: list[str], root: RootKey, options: argparse.Namespace, speech: Texts) -> list[str]:
    """Sign all of them or none; the first that this root key does not sign ends it."""
    found = [root_signer.read(one, root) for one in inputs]
    for one in found:
        print("\n".join(lines(one, speech)))
    if found and not options.yes:
        _confirm(len(found), root, speech)
    return [root_signer.sign(one, root) for one in found]


def _confirm(number: int, root: RootKey, speech: Texts) -> None:
    if not sys.stdin.isatty():
        raise Invalid("there is no terminal to ask; look at what is shown, and give --yes", code="not_confirmed")
    if input(speech.text("sign.ask", number=number, kid=root.key.kid)).strip() != "yes":
        raise Invalid("nothing was signed", code="not_confirmed")


def lines(one: ToSign, speech: Texts) -> list[str]:
    """What is about to be signed."""
    if isinstance(one.content, Card):
        return _card_lines(one.content, speech)
    return _statement_lines(one.content, speech)


def _card_lines(card: Card, speech: Texts) -> list[str]:
    nats = card.nats
    facts: dict[str, Any] = {
        "name": ", ".join([card.name, *(f"{tag}: {name}" for tag, name in card.names.items())]),
        "domain": card.domain,
        "endpoint_url": card.endpoint_url,
        "operator": card.operator,
        "is_active": card.is_active,
        "capabilities": ", ".join(card.capabilities),
        "signing_keys": ", ".join(f"{key.kid} ({key.key})" for key in card.signing_keys),
        "sealing_key": f"{card.sealing_key.kid} ({card.sealing_key.suite}, SHA-256 {_digest(card.sealing_key.key)})",
        "chain_org": card.chain_org,
        "chain_admin": card.chain_admin,
        "log_key": card.log_key,
        "nats": f"{nats.leaf_url} {nats.nkey}" if nats else "-",
        "nats.tls_ca": f"SHA-256 {_digest(nats.tls_ca)}" if nats else "-",
    }
    head = speech.text("sign.card", org=card.id, when=speech.when(card.iat))
    return [head, *(f"  {name}: {value}" for name, value in facts.items())]


def _statement_lines(said: Statement, speech: Texts) -> list[str]:
    facts = {"execution": said.execution, "when": speech.when(said.iat)}
    match said.body:
        case RotateKey(key=key, overlap=overlap, sealing_key=sealing):
            line = speech.text("sign.rotate_key", kid=key.kid, public=key.key, overlap=overlap, **facts)
            return [
                line,
                *([speech.text("sign.sealing", kid=sealing.kid, digest=_digest(sealing.key))] if sealing else []),
            ]
        case RevokeKey(kid=kid, reason=reason, since=since):
            named = speech.when(since) if since is not None else "-"
            return [speech.text("sign.revoke_key", kid=kid, reason=reason, since=named, **facts)]
    raise Invalid("a root key signs rotations and revocations only", code="not_for_root")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _parts(items: list[str]) -> Iterator[list[str]]:
    for at in range(0, len(items), AT_ONCE):
        yield items[at : at + AT_ONCE]


def _open(options: argparse.Namespace) -> RootKey:
    return root_key.read(options.root_key, root_key.read_passphrase())


def _write(path: Path, content: ToSignFile | SignedFile) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=1))


def _read(path: Path, form: Any) -> Any:
    with path.open("rb") as file:
        data = file.read(MAX_FILE + 1)
    if len(data) > MAX_FILE:
        raise Invalid(f"{path} has more than {MAX_FILE} bytes", code="too_large")
    try:
        return msgspec.json.decode(data, type=form)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"{path} is not what is expected here: {error}", code="bad_file") from error


def _plain(text: Any) -> str:
    """What a node says, without what a terminal would act on."""
    return "".join(one for one in str(text)[:300] if one.isprintable())
