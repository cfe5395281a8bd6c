"""Definitions as people write them, JSON or YAML, to plain JSON values.

YAML is read as the JSON that it could be: only ``true``, ``false``, ``null`` and numbers are more than text (YAML 1.2,
core schema), keys are text and stand once, and there are no aliases, tags or second documents, so that what is read is
no larger than what was written and ``no``, ``12:30`` and dates stay text.
"""

import json
import re
from collections.abc import Hashable
from typing import Any, NamedTuple

import yaml

from tallystick.core import canonical
from tallystick.core.definition.source import MAX_SOURCE_DEPTH, MAX_VALUES
from tallystick.core.errors import Invalid

MAX_BYTES = 1_000_000  # twice what a compiled definition may take
_INTEGER = re.compile(r"[-+]?[0-9]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")


class Loaded(NamedTuple):
    """What was read, and how it was written: ``json`` or ``yaml``."""

    document: Any
    format: str


def load(data: bytes) -> Loaded:
    """Read a definition of either format; whatever begins with a brace is JSON."""
    if len(data) > MAX_BYTES:
        raise Invalid(f"has {len(data)} bytes, {MAX_BYTES} are allowed", code="too_large")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Invalid("is not UTF-8", code="not_text") from error
    if text.lstrip().startswith("{"):
        try:
            return Loaded(_json(text), "json")
        except Invalid as fault:
            if fault.code != "malformed_json":
                raise
            return Loaded(_yaml(text, fault), "yaml")  # a flow mapping begins with a brace as well
    return Loaded(_yaml(text), "yaml")


def compose(data: bytes) -> yaml.Node | None:
    """The nodes of a file with their marks; None when it is not YAML, which most JSON is."""
    try:
        loader = _Loader(data.decode("utf-8-sig"))
        return loader.get_single_node()
    except (yaml.YAMLError, ValueError, RecursionError):
        return None


def _json(text: str) -> Any:
    """JSON may hold floats here: the one place for them is a retry policy, and the compiler knows where."""

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise Invalid("names one member twice", code="duplicate_member")
        return found

    def constant(name: str) -> Any:
        raise Invalid(f"holds {name}, which is no number", code="not_json")

    try:
        canonical.bound_depth(text.encode("utf-8", "surrogatepass"), MAX_SOURCE_DEPTH)
        return json.loads(text, object_pairs_hook=members, parse_constant=constant)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise Invalid(f"is not JSON at {where}: {error.msg}", code="malformed_json") from error
    except (ValueError, RecursionError) as error:
        raise Invalid(f"is not JSON: {error}", code="malformed_json") from error


def _yaml(text: str, first: Invalid | None = None) -> Any:
    try:
        return _Loader(text).get_single_data()
    except yaml.MarkedYAMLError as error:
        if first is not None:  # it looks like JSON, and is neither
            raise first from error
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        hint = "; put quotes around an expression that holds a colon" if "mapping values" in str(error.problem) else ""
        raise Invalid(f"is not YAML: {where}{error.problem}{hint}", code="malformed_yaml") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Invalid(f"is not YAML: {error}", code="malformed_yaml") from error


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with the core schema's few types, bounds, and neither aliases nor tags."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  # PyYAML keeps it on the class

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        self._nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """A node, within bounds."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            self._refuse("there are no aliases in a definition", event)
        if getattr(event, "anchor", None) is not None:
            self._refuse("there are no anchors in a definition", event)
        if getattr(event, "tag", None) not in {None, "!"}:
            self._refuse("there are no tags in a definition", event)
        self._depth, self._nodes = self._depth + 1, self._nodes + 1
        if self._depth > MAX_SOURCE_DEPTH or self._nodes > 2 * MAX_VALUES:
            self._refuse(f"a definition holds at most {MAX_VALUES} values in {MAX_SOURCE_DEPTH} levels", event)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """A mapping whose keys are text, each once."""
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._refuse("a key is text", key)
            if key.value in seen:
                self._refuse(f"the key {key.value[:80]} stands here twice", key)
            seen.add(key.value)
            key.tag = "tag:yaml.org,2002:str"  # true and 1 are words where they are keys
        return super().construct_mapping(node, deep=deep)

    @staticmethod
    def _refuse(problem: str, at: Any) -> None:
        raise yaml.MarkedYAMLError(problem=problem, problem_mark=at.start_mark)


def _integer(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    text = loader.construct_scalar(node)
    if len(text) > 20:
        _Loader._refuse("the number has too many digits", node)
    return int(text)


def _float(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> float:
    return float(loader.construct_scalar(node))


_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"(~|null|Null|NULL|)\Z"), ["~", "n", "N", ""])
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"(true|True|TRUE|false|False|FALSE)\Z"), list("tTfF")
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", _INTEGER, list("-+0123456789"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))
_Loader.add_constructor("tag:yaml.org,2002:int", _integer)
_Loader.add_constructor("tag:yaml.org,2002:float", _float)
