"""What the demo prints at its end: who did what, what the chain holds, what the auditor found."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from .cast import Organisation
from .chain import Chain
from .console import Console

Item = Mapping[str, Any]


def organisations(console: Console, cast: Iterable[Organisation], urls: Mapping[str, str]) -> None:
    """Each organisation and the address of its own node."""
    console.title("Organisations")
    console.table((each.name, each.role, urls[each.org_id]) for each in cast)


def steps(console: Console, timeline: Sequence[Item]) -> None:
    """The execution's entries: when, who, with which key, what, and what followed."""
    console.title("Steps: who signed what and when")
    console.table(
        (
            each["seq"],
            clock(each["at"]),
            each["issuer_name"],
            f"key {each['signed_by_kid'][:8]}",
            each["kind"],
            each["outcome"] if each["outcome"] != "applied" else happened(each["events"]),
        )
        for each in timeline
    )


def clock(milliseconds: int) -> str:
    """A time of day, UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%H:%M:%S.%f")[:-3]


def happened(events: Sequence[Item]) -> str:
    """An entry's events in a few words: the work that they end and the work that they begin."""
    told = [_TOLD[event["type"]](event) for event in events if event["type"] in _TOLD]
    return ", ".join(told)


def _step(event: Item) -> str:
    return str(event.get("task", "")).rpartition(".")[0].replace("_", " ")


_TOLD: dict[str, Callable[[Item], str]] = {
    "proposed": lambda event: f"agreement of {len(event['participants'])}",
    "consented": lambda event: str(event["decision"]),
    "readied": lambda event: "ready",
    "started": lambda event: "started",
    "assigned": lambda event: f"→ {_step(event)} ({event['org']})",
    "delivering": lambda event: f"{_step(event)} delivering to {' + '.join(event['waiting'])}",
    "received": lambda event: f"{_step(event)} received by {event['org']}",
    "acknowledged": lambda event: f"{_step(event)} acknowledged by {event['org']}",
    "answered": lambda event: (
        f"{_step(event)} {event['status']}" + (f": {event['outcome']}" if "outcome" in event else "")
    ),
    "timed_out": lambda event: f"{_step(event)} timed out",
    "closed": lambda event: f"closed: {event['status']} ({event['outcome']})",
}


async def on_chain(
    console: Console, chain: Chain, definition: Item, anchors: Mapping[str, Sequence[Item]], names: Mapping[str, str]
) -> None:
    """What the chain holds of this execution, and what it cost; ``definition`` says where the workflow stands."""
    console.title("What the chain holds")
    at = f"registered at {clock(definition['registration_time'])}" if definition["registration_time"] else "not yet"
    console.line(f"  workflow {definition['workflow_hash']} in {definition['contract_address']}: {at}")
    mined = [
        (names[org_id], each)
        for org_id, items in anchors.items()
        for each in items
        if each.get("block_number") is not None
    ]
    console.table(
        (name, each["kind"], each["state"], f"block {each['block_number']}", _gas(each), each["transaction_hash"])
        for name, each in sorted(mined, key=lambda row: row[1]["block_number"])
    )
    latest = int((await chain.block())["number"], 16)
    transactions = {each["transaction_hash"]: each.get("gas_used") or 0 for _, each in mined}
    gas = f"{sum(transactions.values()):,} gas"
    console.line(f"  {len(transactions)} transactions for this execution, {gas}; the chain is at block {latest}")


def _gas(anchor: Item) -> str:
    return f"{anchor['gas_used']:,} gas" if anchor.get("gas_used") is not None else ""


def checks(console: Console, title: str, verdict: Item) -> None:
    """An auditor's check list."""
    console.title(f"{title}: {verdict['verdict']}")
    console.table((each["number"], each["status"], each["name"], each["detail"]) for each in verdict["checks"])
