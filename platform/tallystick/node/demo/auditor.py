"""The auditor: inputs from the chain itself, `tally verify` in processes of its own, and forged copies to catch."""

from collections.abc import Mapping
from pathlib import Path

from .console import Console
from .stack import Stack
from .story import Ending


async def write_trust(stack: Stack, ending: Ending, where: Path) -> Path:
    """What the auditor knows without asking any node."""
    raise NotImplementedError


async def verify_all(console: Console, bundles: Mapping[str, Path], trust: Path) -> bool:
    """Check every organisation's bundle."""
    raise NotImplementedError


async def forge(console: Console, folders: Mapping[str, Path], bundles: Mapping[str, Path], trust: Path) -> bool:
    """Forge copies of one bundle; True when each fails at the check that names it."""
    raise NotImplementedError
