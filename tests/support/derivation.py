"""Passphrases and passwords that cost next to nothing to check.

Each costs a fifth of a second of a core on purpose, and most tests need one. What that is worth is shown in
tests/tenants; programs that a test runs by name pay it, too.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from argon2 import PasswordHasher

from tallystick.tenants import passwords, vault


@contextmanager
def cheap() -> Iterator[None]:
    """Derive keys and hash passwords at argon2id's least cost; what is derived from says its cost, as ever."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vault, "_ARGON2", {"time_cost": 1, "memory_kib": 8, "lanes": 1})
        patch.setattr(passwords, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        yield
