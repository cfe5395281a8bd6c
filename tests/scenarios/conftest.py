"""Three real nodes for a scenario."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.trio import Trio


@pytest.fixture
async def trio(tmp_path: Path) -> AsyncIterator[Trio]:
    """Started and introduced; stopped at the end, whatever happened."""
    three = Trio(tmp_path)
    try:
        await three.start()
        yield three
    finally:
        await three.stop()
