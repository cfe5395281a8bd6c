"""The documented examples: one for each kind of step, and the two industrial workflows."""

import itertools
from pathlib import Path

from tallystick.core.errors import NotFound

_HERE = Path(__file__).resolve()
# In an installed package they stand beside this module, in a checkout in deploy/.
_FOLDERS = (_HERE.parent / "documented", _HERE.parents[4] / "deploy" / "examples")


def names() -> list[str]:
    """What examples there are."""
    return sorted(path.stem for path in _folder().glob("*.yaml"))


def summary(name: str) -> str:
    """What an example shows: the first sentence of its comment."""
    comment = itertools.takewhile(lambda line: line.startswith("#"), text(name).splitlines())
    return " ".join(line.lstrip("# ") for line in comment).partition(". ")[0].removeprefix(f"{name}: ")


def text(name: str) -> str:
    """An example as it is written."""
    if name not in names():
        raise NotFound(f"there is no example {name}; there are {', '.join(names())}", code="no_example")
    return (_folder() / f"{name}.yaml").read_text(encoding="utf-8")


def _folder() -> Path:
    found = next((folder for folder in _FOLDERS if folder.is_dir()), None)
    if found is None:
        raise NotFound("the examples are not installed", code="no_example")
    return found
