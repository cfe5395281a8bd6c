"""What people are told of a submission: its state and those before it, each transaction, and what it cost."""

from typing import Any

import msgspec

from tallystick.ledger.ports import Submission


def told(one: Submission) -> dict[str, Any]:
    """Amounts of wei are text, since they exceed what JSON numbers carry; times are milliseconds but ``block_time``."""
    return {
        "state": one.state,
        "since": one.since,
        "passed": msgspec.to_builtins(one.passed),
        "error": one.error,
        "relayer": one.relayer,
        "nonce": one.nonce,
        "transaction_hash": one.transaction_hash,
        "transactions": list(one.transactions),
        "block_number": one.block_number,
        "block_time": one.block_time,
        "gas_used": one.gas_used,
        "price": _wei(one.price),
        "cost": _wei(one.cost),
        "spent": _wei(one.spent),
        "log_size": one.log_size,
    }


def unsent(since: int) -> dict[str, Any]:
    """The same of what waits for its submission to be made."""
    return told(Submission(key="", to="", data=b"", since=since))


def _wei(amount: int | None) -> str | None:
    return None if amount is None else str(amount)
