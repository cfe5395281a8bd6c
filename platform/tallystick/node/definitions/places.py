"""In which line of a file each member of a definition stands."""

import yaml

from tallystick.core.definition.faults import at
from tallystick.node.definitions.reading import compose


def lines(data: bytes) -> dict[str, int]:
    """Line numbers, from 1, by JSON pointer; empty when the file cannot be walked (JSON set in with tabs)."""
    found: dict[str, int] = {}
    root = compose(data)
    todo: list[tuple[yaml.Node, str]] = [] if root is None else [(root, "")]
    while todo:
        node, pointer = todo.pop()
        found.setdefault(pointer, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                found[at(pointer, key.value)] = key.start_mark.line + 1
                todo.append((value, at(pointer, key.value)))
        elif isinstance(node, yaml.SequenceNode):
            todo += [(value, at(pointer, index)) for index, value in enumerate(node.value)]
    return found
