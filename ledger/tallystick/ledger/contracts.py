"""The three contracts as this package calls them."""

from collections.abc import Sequence
from typing import Any

import msgspec

from tallystick.core.errors import Invalid

from . import artifact
from .abi import Abi
from .chain import Chain
from .errors import Reverted, WrongChain
from .hashing import ADDRESS, WORD, address_word, keccak, to_hex, unhex

ROLE_LOG = 1
SCHEME_SECP256K1 = 1
ORG_TAG = keccak(b"tallystick/org/v1")
KEY_TAG = keccak(b"tallystick/key/v1")
ORG_REGISTRY, WORKFLOW_REGISTRY, EXECUTION_LEDGER = (Abi(artifact.load(name)) for name in artifact.NAMES)


class Contracts(msgspec.Struct, frozen=True, kw_only=True):
    """The addresses (``0x…``) that an organisation works with.

    Organisations stand in the ledger itself (contracts/SPEC.md), so ``org_registry`` is ``execution_ledger``.
    """

    org_registry: str
    workflow_registry: str
    execution_ledger: str

    def code_hashes(self) -> dict[str, str]:
        """What the code at each address hashes to when it is that of the committed artifacts."""
        ledger = artifact.load("ExecutionLedger").code_hash()
        return {
            "org_registry": ledger,
            "workflow_registry": artifact.load("WorkflowRegistry").code_hash(self.org_registry),
            "execution_ledger": ledger,
        }

    async def check(self, chain: Chain) -> None:
        """WrongChain unless the expected code stands at all three addresses, and the ledger holds its own keys."""
        for name, expected in self.code_hashes().items():
            address = getattr(self, name)
            if to_hex(keccak(await chain.code(address))) != expected:
                raise WrongChain(f"the code at {address} is not that of {name}", code="wrong_code")
        if self.org_registry.lower() != self.execution_ledger.lower():
            raise WrongChain("the organisations' keys stand in another contract than the ledger", code="wrong_code")


class Log(msgspec.Struct, frozen=True, kw_only=True):
    """The newest head of an organisation's log on the chain, and how many of its keys must sign the next one."""

    epoch: int
    size: int
    root: bytes
    quorum: int = 1


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What a log key signs: that the tree of ``new_size`` leaves with ``root`` extends that of ``old_size``."""

    org: bytes
    epoch: int
    old_size: int
    new_size: int
    root: bytes


class Registered(msgspec.Struct, frozen=True, kw_only=True):
    """A workflow's registration, as the registry has it: the number of its block, and that block's time (seconds)."""

    block: int
    time: int


def org_id(admin: str, salt: bytes) -> bytes:
    """The id of the organisation that ``admin`` creates with ``salt``, on any chain."""
    if len(salt) != WORD:
        raise Invalid(f"a salt has {WORD} bytes", code="bad_salt")
    return keccak(ORG_TAG + address_word(admin) + salt)


def create_org(salt: bytes) -> bytes:
    """Call data of ``createOrg``."""
    return ORG_REGISTRY.call("createOrg", salt)


def add_log_key(org: bytes, signer: str) -> bytes:
    """Call data of ``addKey`` for an address that shall sign heads."""
    return ORG_REGISTRY.call("addKey", org, ROLE_LOG, SCHEME_SECP256K1, unhex(signer, ADDRESS))


def retire_log_key(org: bytes, signer: str) -> bytes:
    """Call data of ``retire`` for a key that :func:`add_log_key` added."""
    return ORG_REGISTRY.call("retire", org, log_key_id(signer))


def log_key_id(signer: str) -> bytes:
    """The id of a log key (contracts/SPEC.md): ``keccak256(abi.encode(tag, role, scheme, key))``."""
    key = unhex(signer, ADDRESS)
    words = [ROLE_LOG, SCHEME_SECP256K1, 4 * WORD, len(key)]
    return keccak(KEY_TAG + b"".join(one.to_bytes(WORD, "big") for one in words) + key.ljust(WORD, b"\0"))


def transfer_admin(org: bytes, to: str) -> bytes:
    """Call data of ``transferAdmin``, by who administers it; it takes effect when the other accepts."""
    return ORG_REGISTRY.call("transferAdmin", org, to)


def accept_admin(org: bytes) -> bytes:
    """Call data of ``acceptAdmin``, by whom it was transferred to."""
    return ORG_REGISTRY.call("acceptAdmin", org)


def register_workflow(org: bytes, workflow_hash: bytes) -> bytes:
    """Call data of ``registerTrustedWorkflow``."""
    return WORKFLOW_REGISTRY.call("registerTrustedWorkflow", org, workflow_hash)


def anchor(head: Head, proof: Sequence[bytes], signatures: bytes) -> bytes:
    """Call data of ``anchor``; ``signatures`` as :func:`tallystick.ledger.accounts.sign_all` gives them."""
    return EXECUTION_LEDGER.call("anchor", head.org, head.new_size, head.root, list(proof), signatures)


def anchor_many(extensions: Sequence[tuple[Head, Sequence[bytes], bytes]]) -> bytes:
    """Call data of ``anchorMany``: heads with their proofs and signatures, one an organisation, in any order."""
    ordered = sorted(extensions, key=lambda one: one[0].org)
    words = [(head.org, head.new_size, head.root, list(proof), signed) for head, proof, signed in ordered]
    return EXECUTION_LEDGER.call("anchorMany", words)


def describe(error: Reverted) -> str:
    """A refusal in words: the contract's custom error where it gave one."""
    data = error.data or b""
    named = (abi.error(data) for abi in (EXECUTION_LEDGER, ORG_REGISTRY, WORKFLOW_REGISTRY))
    return next((name for name in named if name), error.detail)


async def admin_of(chain: Chain, registry: str, org: bytes) -> str:
    """An organisation's administrator; the zero address when it does not exist."""
    return str(await chain.view(registry, ORG_REGISTRY, "adminOf", org))


async def pending_admin_of(chain: Chain, registry: str, org: bytes) -> str:
    """Whom an organisation was transferred to that has not accepted yet; else the zero address."""
    return str(await chain.view(registry, ORG_REGISTRY, "pendingAdminOf", org))


async def was_log_key(chain: Chain, registry: str, org: bytes, signer: str) -> bool:
    """Whether a log key was ever added; a closed window is never reopened."""
    return bool(await chain.view(registry, ORG_REGISTRY, "wasLogKey", org, signer))


async def is_log_key(chain: Chain, registry: str, org: bytes, signer: str) -> bool:
    """Whether a head signed now would count."""
    return bool(await chain.view(registry, ORG_REGISTRY, "isLogKey", org, signer))


async def workflow_registered(chain: Chain, registry: str, org: bytes, workflow_hash: bytes) -> Registered | None:
    """The organisation's registration of the workflow in the newest block; None if there is none."""
    block, time, _, _ = await chain.view(registry, WORKFLOW_REGISTRY, "registrationOf", org, workflow_hash)
    return Registered(block=int(block), time=int(time)) if block else None


async def log_of(chain: Chain, ledger: str, org: bytes) -> Log:
    """The log's newest head."""
    epoch, size, quorum, _, root = await chain.view(ledger, EXECUTION_LEDGER, "logOf", org)
    return Log(epoch=epoch, size=size, root=root, quorum=max(1, quorum))


async def anchor_of(chain: Chain, ledger: str, org: bytes, root: bytes) -> Any:
    """(size, block number, time, epoch) of an anchored root; zeros when it is not anchored."""
    return await chain.view(ledger, EXECUTION_LEDGER, "anchorOf", org, root)
