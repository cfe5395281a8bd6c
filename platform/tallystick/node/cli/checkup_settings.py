"""What `tally doctor` says of organisations' settings: what they may spend and when they anchor, or what is wrong."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tallystick.node.cli.checkup import ROOT, Finding

MEND = "tally settings set --data … , or mend the file by hand"


def findings(data: Path | None = None) -> Iterator[Finding]:
    """One line for each `settings.json` in the folder, or in those of the demo."""
    try:
        from tallystick.core.errors import TallystickError
        from tallystick.node.settings import load
    except ImportError:
        return  # other findings say what is missing
    folder = data or ROOT / ".demo"
    for path in sorted([*folder.glob("settings.json"), *folder.glob("*/data/settings.json")]):
        try:
            found = load(path.parent)
        except (OSError, TallystickError) as error:
            yield Finding(f"settings in {path.parent}", "broken", str(error), MEND)
            continue
        yield Finding(f"settings of {found.org_id}", "ok", "; ".join(_said(found)))


def _said(settings: Any) -> Iterator[str]:
    from tallystick.core import policy

    blockchain = settings.blockchain
    if blockchain is None:
        yield "anchors nothing"
        return
    for chain in (blockchain, *blockchain.also):
        budget = chain.budget
        spends = (
            f"{budget.wei} wei in {budget.period_seconds} s, alert at {budget.alert_percent} %"
            if budget
            else "no budget"
        )
        yield f"chain {chain.chain_id}: {spends}, at most {chain.fee_ceiling_gwei} gwei a unit of gas"
    terms = policy.terms(blockchain.policy)
    batch = f" by {terms['max_leaves']} leaves or {terms['max_age_seconds']} s" if terms["mode"] == "batched" else ""
    yield f"proposes {terms['mode']}{batch}"
    if blockchain.heartbeat:
        yield f"anchors every {terms['max_age_seconds']} s, whether anything happened or not"
