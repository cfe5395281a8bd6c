"""What the node's tests share: passphrases and passwords that cost next to nothing to check."""

from collections.abc import Iterator

import pytest

from support.derivation import cheap


@pytest.fixture(autouse=True, scope="module")
def cheap_derivation() -> Iterator[None]:
    """As the name says, in a module's own fixtures, too."""
    with cheap():
        yield
