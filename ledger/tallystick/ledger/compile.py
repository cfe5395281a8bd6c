"""``python -m tallystick.ledger.compile [--check]``: the contracts to committed artifacts, and the comparison.

py-solc-x drives the npm ``solc`` through ``contracts/solc.js``. An artifact holds the ABI, both bytecodes and where the
runtime code has its immutables, and ``sources.json`` the compiler's version and whole input, so that only ``make
artifacts`` and tests ever need the compiler.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from solcx import compile_standard

from .artifact import FOLDER, NAMES, SOURCES
from .errors import LedgerError

CONTRACTS = Path(__file__).parents[3] / "contracts"
COMPILER = CONTRACTS / "solc.js"
SETTINGS = {
    "optimizer": {"enabled": True, "runs": 10_000},
    "evmVersion": "cancun",  # transient storage and `mcopy` are everywhere by now; nothing newer is needed
    "outputSelection": {
        "*": {"*": ["abi", "evm.bytecode.object", "evm.deployedBytecode", "storageLayout", "metadata"]}
    },
}


class CompilationFailed(LedgerError):
    """The compiler reported an error or a warning; ``detail`` is its report."""

    default_code = "compilation_failed"


def compile_sources(sources: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """The artifacts of all contracts in ``sources`` (path to text), by contract name."""
    return compile_input(standard_input(sources))


def standard_input(sources: Mapping[str, str]) -> dict[str, Any]:
    """What the compiler is given, as explorers that verify sources take it."""
    contents = {name: {"content": text} for name, text in sources.items()}
    return {"language": "Solidity", "sources": contents, "settings": SETTINGS}


def compile_input(given: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The artifacts of all contracts in a standard input, by name."""
    answer = compile_standard(dict(given), solc_binary=COMPILER)
    if answer.get("errors"):
        raise CompilationFailed("\n".join(one["formattedMessage"] for one in answer["errors"]))
    return {name: _artifact(name, found) for unit in answer["contracts"].values() for name, found in unit.items()}


def read_sources(folder: Path = CONTRACTS) -> dict[str, str]:
    """The sources beside ``SPEC.md``, by file name."""
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.sol"))}


def render() -> dict[Path, bytes]:
    """Every artifact file as it should stand."""
    given = standard_input(read_sources())
    compiled = compile_input(given)
    metadata = msgspec.json.decode(compiled[NAMES[0]].pop("metadata"))
    rendered = {FOLDER / f"{name}.json": _format(_without_metadata(compiled[name])) for name in NAMES}
    return {**rendered, SOURCES: _format({"compiler": metadata["compiler"]["version"], "input": given})}


def main(argv: list[str] | None = None) -> int:
    """Write the artifacts, or with ``--check`` say which differ and return 1."""
    parser = argparse.ArgumentParser(prog="python -m tallystick.ledger.compile", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare and write nothing")
    check = parser.parse_args(argv).check
    rendered = render()
    stale = [path for path, data in rendered.items() if not path.exists() or path.read_bytes() != data]
    for path in stale:
        if not check:
            path.write_bytes(rendered[path])
        sys.stdout.write(f"{path.name} {'differs from its source' if check else 'written'}\n")
    return 1 if check and stale else 0


def _artifact(name: str, found: dict[str, Any]) -> dict[str, Any]:
    runtime = found["evm"]["deployedBytecode"]
    places = [place for group in runtime.get("immutableReferences", {}).values() for place in group]
    return {
        "contract": name,
        "abi": found["abi"],
        "bytecode": "0x" + found["evm"]["bytecode"]["object"],
        "runtime": "0x" + runtime["object"],
        "immutables": sorted(({"start": one["start"], "length": one["length"]} for one in places), key=_start),
        "storage": {one["label"]: int(one["slot"]) for one in found["storageLayout"]["storage"]},
        "metadata": found["metadata"],
    }


def _without_metadata(artifact: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in artifact.items() if name != "metadata"}


def _start(place: dict[str, int]) -> int:
    return place["start"]


def _format(artifact: dict[str, Any]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(artifact), indent=1) + b"\n"


if __name__ == "__main__":
    sys.exit(main())
