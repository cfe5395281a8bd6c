"""Source verification: what anybody needs to compile the contracts again and compare, as explorers ask for it.

A folder holds ``standard-input.json`` (the compiler's whole input: sources and settings), ``verification.json`` (the
compiler's version; of each contract its address, constructor's arguments and hashes) and each contract's ABI.
"""

from pathlib import Path

import msgspec

from . import artifact
from .abi import Abi
from .contracts import Contracts
from .deploy import Deployment
from .hashing import keccak, to_hex, unhex

VERSION = 1
INPUT = "standard-input.json"
FACTS = "verification.json"


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """One contract. ``creation_code`` ends with ``constructor_arguments``; hashes are Keccak-256."""

    contract: str
    qualified_name: str
    address: str
    constructor_arguments: str
    creation_code_hash: str
    code_hash: str
    abi_file: str


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """``verification.json``."""

    v: int
    chain_id: int
    genesis_hash: str | None
    language: str
    compiler: str
    standard_input: str
    factory: str | None
    salt: str | None
    contracts: list[Verified]


def export(deployment: Deployment, folder: Path) -> list[Path]:
    """Write the files; what was there of the same names is replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    sources = artifact.sources()
    files = {INPUT: msgspec.json.encode(sources.input)}
    found = []
    for name, address, registry in _standing(deployment.contracts):
        made = artifact.load(name)
        creation = Abi(made).deployment(*((registry,) if registry else ()))
        code = unhex(made.bytecode)
        files[f"{name}.abi.json"] = msgspec.json.encode(made.abi)
        found.append(
            Verified(
                contract=name,
                qualified_name=f"{name}.sol:{name}",
                address=address,
                constructor_arguments=to_hex(creation[len(code) :]),
                creation_code_hash=to_hex(keccak(creation)),
                code_hash=made.code_hash(registry),
                abi_file=f"{name}.abi.json",
            )
        )
    facts = Facts(
        v=VERSION,
        chain_id=deployment.chain_id,
        genesis_hash=deployment.genesis_hash,
        language=str(sources.input["language"]),
        compiler=f"v{sources.compiler}",
        standard_input=INPUT,
        factory=deployment.factory,
        salt=deployment.salt,
        contracts=found,
    )
    files[FACTS] = msgspec.json.encode(facts)
    for name, data in files.items():
        (folder / name).write_bytes(msgspec.json.format(data, indent=1) + b"\n")
    return [folder / name for name in sorted(files)]


def _standing(contracts: Contracts) -> list[tuple[str, str, str | None]]:
    """Name, address and what the constructor was given. OrgRegistry is a part of ExecutionLedger."""
    return [
        ("ExecutionLedger", contracts.execution_ledger, None),
        ("WorkflowRegistry", contracts.workflow_registry, contracts.org_registry),
    ]
