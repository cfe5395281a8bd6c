"""What the node's tests share: passphrases and passwords that cost next to nothing to check."""

import pytest


@pytest.fixture(autouse=True, scope="module")
def derives_cheaply(cheap_derivation: None) -> None:
    """As the name says, in a module's own fixtures, too."""
