"""The documented examples of ``deploy/examples``, read as the command line reads them."""

import copy
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from tallystick.node.definitions.reading import load

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "examples"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))


@cache
def _read(name: str) -> Any:
    return load((FOLDER / f"{name}.yaml").read_bytes()).document


def example(name: str) -> dict[str, Any]:
    """A copy of the example's source, to do with as one likes."""
    found: dict[str, Any] = copy.deepcopy(_read(name))
    return found


def changed(name: str, change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    """The example after ``change``."""
    source = example(name)
    change(source)
    return source
