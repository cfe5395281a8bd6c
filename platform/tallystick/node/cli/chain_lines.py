"""What `tally chain` prints for people."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tallystick.node.cli.texts import Texts

CONTRACTS = ("org_registry", "workflow_registry", "execution_ledger")
WEI = Decimal(10**18)


def deployed(found: dict[str, Any], speech: Texts) -> list[str]:
    """Where the contracts stand."""
    created = found["created"]
    lines = [speech.text("deploy.created", names=", ".join(created)) if created else speech.text("deploy.found")]
    lines += [f"  {name:<18} {found[name]}" for name in CONTRACTS]
    lines.append(speech.text("deploy.chain", chain_id=found["chain_id"], genesis=found["genesis_hash"]))
    if found["factory_note"]:
        lines.append(speech.text("deploy.note", reason=found["factory_note"]))
    return lines


def status(found: dict[str, Any], speech: Texts) -> list[str]:
    """How the chain does."""
    lines = [speech.text("status.chain", chain_id=found["chain_id"], client=found["client"] or "?")]
    lines.append(speech.text("status.genesis", genesis=found["genesis_hash"] or "?"))
    for one in found["endpoints"]:
        state = speech.text(f"endpoint.{one['state']}")
        lines.append(speech.text("status.endpoint", name=one["endpoint"], state=state, since=speech.when(one["since"])))
        lines += [f"    {one['trouble']}"] if one["trouble"] else []
    if found["heads"]:
        none = speech.text("status.none")
        heads = {tag: none if number is None else number for tag, number in found["heads"].items()}
        lines.append(speech.text("status.heads", **heads))
    for one in found["contracts"]:
        verdict = "ours" if one["is_ours"] else "other" if one["code_hash"] else "nothing"
        lines.append(f"  {one['name']:<18} {one['address']}  {speech.text(f'contract.{verdict}')}")
    lines += _balances(found)
    return [*lines, speech.text("status.trouble", detail=found["trouble"])] if found["trouble"] else lines


def funded(found: dict[str, Any], speech: Texts) -> list[str]:
    """What the accounts have now."""
    return [speech.text("fund.done"), *_balances(found)]


def exported(found: dict[str, Any], speech: Texts) -> list[str]:
    """The files written."""
    return [speech.text("export.done"), *(f"  {path}" for path in found["files"])]


def sent(found: dict[str, Any], speech: Texts) -> list[str]:
    """State, since when, what for, the transaction, and what it cost so far."""
    lines = []
    for one in found["transactions"]:
        cost = f"{Decimal(one['spent']) / WEI:f} ETH"
        state = speech.text(f"state.{one['state']}")
        lines.append(
            f"{one['purpose']}  {state}, {speech.when(one['since'])}  {one['transaction_hash'] or '—'}  {cost}"
        )
        lines += [f"    {one['error']}"] if one["error"] else []
    return lines or [speech.text("transactions.none")]


def rotated(found: dict[str, Any], speech: Texts) -> list[str]:
    """What to give ether to, and what follows."""
    lines = [speech.text("rotated.log_key", address=found["log_key"]), speech.text("rotated.fund")]
    lines += [f"  {one}" for one in found["accounts"]]
    return [*lines, speech.text("rotated.next"), *(f"  {one}" for one in found["former_accounts"])]


def _balances(found: dict[str, Any]) -> list[str]:
    return [f"  {one['address']}  {Decimal(one['balance']) / WEI:f} ETH" for one in found["accounts"]]


LINES: dict[str, Callable[[dict[str, Any], Texts], list[str]]] = {
    "deploy": deployed,
    "status": status,
    "fund": funded,
    "export": exported,
    "rotate-keys": rotated,
    "transactions": sent,
}
