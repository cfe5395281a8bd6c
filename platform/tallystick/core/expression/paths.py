"""What an expression reads, as far as its text tells."""

from collections.abc import Iterator

from tallystick.core.expression.parser import Node

Path = tuple[str, ...]


def paths(node: Node) -> Iterator[Path]:
    """Every variable that ``node`` reads with the members that are spelt out: ``steps["a"].b`` gives steps, a, b.

    A computed key ends its path, since only evaluating it would tell; a list's position belongs to the whole list.
    """
    path = _path(node)
    if path is not None:
        yield path
        return
    for child in node.children:
        yield from paths(child)


def _path(node: Node) -> Path | None:
    if node.kind == "name":
        return (str(node.value),)
    key = _key(node)
    target = None if key is None else _path(node.children[0])
    return None if key is None or target is None else (*target, key)


def _key(node: Node) -> str | None:
    """The member that a selection names."""
    if node.kind == "field":
        return str(node.value)
    literal = node.children[1] if node.kind == "index" else None
    return literal.value if literal and isinstance(literal.value, str) and literal.kind == "literal" else None
