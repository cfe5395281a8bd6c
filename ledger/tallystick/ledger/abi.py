"""Calls of a contract's functions and what they answer, by its ABI."""

from functools import cached_property
from typing import Any

from eth_abi.abi import decode, encode

from .artifact import Artifact
from .hashing import keccak, unhex


class Abi:
    """Encodes and decodes for one artifact; no contract here overloads a name."""

    def __init__(self, artifact: Artifact) -> None:
        self._artifact = artifact

    def call(self, name: str, *values: Any) -> bytes:
        """A call's data."""
        inputs = [_type(one) for one in self._functions[name]["inputs"]]
        return _selector(name, inputs) + encode(inputs, values)

    def answer(self, name: str, data: bytes) -> Any:
        """What a call answered; the value itself when there is but one."""
        values = decode([_type(one) for one in self._functions[name]["outputs"]], data)
        return values[0] if len(values) == 1 else values

    def deployment(self, *values: Any) -> bytes:
        """The data of the transaction that creates the contract."""
        inputs = [_type(one) for item in self._artifact.abi if item["type"] == "constructor" for one in item["inputs"]]
        return unhex(self._artifact.bytecode) + encode(inputs, values)

    def error(self, data: bytes) -> str | None:
        """A custom error in words: its name and values."""
        found = self._errors.get(data[:4])
        if found is None:
            return None
        values = decode([_type(one) for one in found["inputs"]], data[4:])
        shown = (f"{one['name']}={_show(value)}" for one, value in zip(found["inputs"], values, strict=True))
        return f"{found['name']}({', '.join(shown)})"

    @cached_property
    def _functions(self) -> dict[str, dict[str, Any]]:
        return {one["name"]: one for one in self._artifact.abi if one["type"] == "function"}

    @cached_property
    def _errors(self) -> dict[bytes, dict[str, Any]]:
        errors = (one for one in self._artifact.abi if one["type"] == "error")
        return {_selector(one["name"], [_type(each) for each in one["inputs"]]): one for one in errors}


def _selector(name: str, types: list[str]) -> bytes:
    return keccak(f"{name}({','.join(types)})".encode())[:4]


def _type(item: dict[str, Any]) -> str:
    kind = str(item["type"])
    if not kind.startswith("tuple"):
        return kind
    return f"({','.join(_type(one) for one in item['components'])}){kind.removeprefix('tuple')}"


def _show(value: Any) -> str:
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)
