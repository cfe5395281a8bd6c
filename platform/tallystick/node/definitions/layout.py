"""One layout for definitions: what differs between two files is then what differs between two definitions.

Order and comments stay as they are written. JSON has two blanks a level, and on one line whatever fits there; YAML has
two blanks a level, lists set in by two more, and quotes only where they are needed.
"""

import io
import json
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.emitter import RoundTripEmitter
from ruamel.yaml.error import YAMLError

from tallystick.core.errors import Invalid
from tallystick.node.definitions.reading import Loaded, load

WIDTH = 120


def laid_out(data: bytes) -> str:
    """The definition in the one layout of its format; it means the same, which is checked."""
    given = load(data)
    text = _json(given.document) + "\n" if given.format == "json" else _yaml(data.decode("utf-8-sig"))
    if load(text.encode()) != Loaded(given.document, given.format):
        raise Invalid("cannot be laid out without changing it; write it more plainly", code="not_laid_out")
    return text


def _yaml(text: str) -> str:
    yaml = YAML(typ="rt")
    yaml.Emitter = _Emitter
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = WIDTH
    yaml.allow_unicode = True
    out = io.StringIO()
    try:
        yaml.dump(yaml.load(text), out)
    except (YAMLError, ValueError) as error:
        raise Invalid(f"cannot be laid out: {error}", code="not_laid_out") from error
    lines = (line.rstrip() for line in out.getvalue().splitlines())
    return "\n".join(lines).strip("\n") + "\n"


class _Emitter(RoundTripEmitter):
    """Double quotes, as in JSON, where there are to be quotes and nothing in them has to be escaped."""

    def choose_scalar_style(self) -> Any:
        style = super().choose_scalar_style()
        is_plain = self.event.value and not set(self.event.value) & {'"', "\\"}  # an empty one may be a null
        return '"' if style == "'" and is_plain else style


def _json(value: Any, indent: int = 0, before: int = 0) -> str:
    """``before`` counts the characters that stand on the line already."""
    flat = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or not value or (indent and indent + before + len(flat) < WIDTH):
        return flat
    inner = indent + 2
    if isinstance(value, dict):
        keys = [json.dumps(key, ensure_ascii=False) + ": " for key in value]
        parts = [key + _json(one, inner, len(key)) for key, one in zip(keys, value.values(), strict=True)]
    else:
        parts = [_json(one, inner) for one in value]
    first, last = ("{", "}") if isinstance(value, dict) else ("[", "]")
    return f"{first}\n" + ",\n".join(" " * inner + part for part in parts) + f"\n{' ' * indent}{last}"
