"""The in-memory store keeps the port's promises."""

import pytest

from support.submissions import SubmissionStoreContract
from tallystick.ledger.memory import InMemorySubmissions
from tallystick.ledger.ports import SubmissionStore


class TestInMemorySubmissions(SubmissionStoreContract):
    """The contract, kept in memory."""

    @pytest.fixture
    def store(self) -> SubmissionStore:
        """Give an empty store."""
        return InMemorySubmissions()
