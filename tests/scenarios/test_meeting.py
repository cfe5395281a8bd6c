"""Organisations meet by invitation over real nodes: one exchange, one fingerprint, then a collaboration; and part."""

import asyncio
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from support.parties import BUYER, NAMES, SUPPLIER, TALK
from support.trio import Member, until, work
from tallystick.tenants import card as cards
from tallystick.tenants import invitation
from tallystick.tenants.keystore import Keystore

pytestmark = pytest.mark.timeout(300)


class Pair:
    """Two organisations on real nodes that have never met."""

    def __init__(self, folder: Path) -> None:
        folder.chmod(0o700)
        self.buyer = Member(BUYER, folder)
        self.supplier = Member(SUPPLIER, folder)

    async def start(self) -> None:
        """Make and run them."""
        await asyncio.gather(self.buyer.init(), self.supplier.init())
        await asyncio.gather(self.buyer.start(), self.supplier.start())

    async def stop(self) -> None:
        """End both."""
        await asyncio.gather(self.buyer.stop(), self.supplier.stop())

    async def meet(self) -> str:
        """Invited, accepted, compared, confirmed by both, linked both ways; the fingerprint."""
        made = await self.buyer.post("/invitations", {"note": "轴承"})
        waiting = await self.supplier.post("/invitations/accept", {"invitation": made["invitation"]})
        shown = waiting["fingerprint"]
        await self.buyer.post(f"/partners/{SUPPLIER}/confirm", {"fingerprint": shown})
        await self.supplier.post(f"/partners/{BUYER}/confirm", {"fingerprint": shown})
        for one, other in ((self.buyer, SUPPLIER), (self.supplier, BUYER)):
            await until(partial(linked, one, other))
        return str(shown)


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    two = Pair(tmp_path)
    try:
        await two.start()
        yield two
    finally:
        await two.stop()


async def linked(member: Member, org: str) -> bool | None:
    found = await member.get(f"/partners/{org}")
    return (found["connected"] and found["incoming"]) or None


async def begin(pair: Pair) -> str:
    """Proposed by the buyer, accepted by the supplier, started; the collaboration's path."""
    proposed = await pair.buyer.post("/collaborations", {"definition": TALK})
    path = f"/collaborations/{proposed['collaboration_id']}"

    async def known() -> bool | None:
        return (await pair.supplier.http.get(path)).status_code == 200 or None

    await until(known)
    await pair.supplier.post(f"{path}/consent", {"decision": "accepted"})
    await until(partial(status, pair.buyer, path, "ready"))
    await pair.buyer.post(f"{path}/start")
    return path


async def status(member: Member, path: str, wanted: str) -> bool | None:
    found = (await member.get(path))["status"]
    return found == wanted or None


async def finish(pair: Pair, path: str) -> None:
    async def look() -> bool | None:
        await work(pair.supplier)
        return await status(pair.buyer, path, "completed") and await status(pair.supplier, path, "completed")

    await until(look)


async def test_one_exchange_and_one_fingerprint_make_partners_who_work_together(pair: Pair) -> None:
    made = await pair.buyer.post("/invitations", {"note": "轴承", "hours": 1})
    waiting = await pair.supplier.post("/invitations/accept", {"invitation": made["link"]})
    assert (waiting["status"], waiting["delivered_at"] is not None) == ("pending", True)
    there = await pair.buyer.get(f"/partners/{SUPPLIER}")
    assert (there["status"], there["name"]) == ("pending", NAMES[SUPPLIER])
    assert there["fingerprint"] == waiting["fingerprint"]
    assert len(there["fingerprint"].replace(" ", "")) == 30

    # Nobody is a partner before its own administrator has confirmed.
    refused = await pair.buyer.http.post("/collaborations", json={"definition": TALK})
    assert refused.status_code == 422
    await pair.buyer.post(f"/partners/{SUPPLIER}/confirm", {"fingerprint": there["fingerprint"]})
    await asyncio.sleep(2)
    found = await pair.buyer.get(f"/partners/{SUPPLIER}")
    assert (found["status"], found["connected"], found["incoming"]) == ("active", False, False)
    await pair.supplier.post(f"/partners/{BUYER}/confirm", {"fingerprint": waiting["fingerprint"].replace(" ", "-")})
    await until(partial(linked, pair.buyer, SUPPLIER))
    await finish(pair, await begin(pair))

    state = {one["invitation_id"]: one for one in (await pair.buyer.get("/invitations"))["items"]}
    assert state[made["invitation_id"]]["state"] == "answered"
    assert state[made["invitation_id"]]["answered_by"] == SUPPLIER
    again = await pair.supplier.http.post("/invitations/accept", json={"invitation": made["invitation"]})
    assert (again.status_code, again.json()["code"]) == (409, "already_partners")


async def test_what_is_refused_while_meeting_is_refused_by_name(pair: Pair, tmp_path: Path) -> None:
    buyer, supplier = pair.buyer, pair.supplier
    made = await buyer.post("/invitations")
    head, payload, signature = made["invitation"].split(".")
    tampered = f"{head}.{payload}.{'A' * len(signature)}"
    assert await refusal(supplier, "/invitations/accept", {"invitation": tampered}) == (422, "bad_signature")
    assert await refusal(buyer, "/invitations/accept", {"invitation": made["link"]}) == (422, "own_invitation")
    unknown = made["link"][:-4] + "0000"
    assert await refusal(supplier, "/invitations/accept", {"invitation": unknown}) == (422, "unknown_invitation")
    withdrawn = await buyer.post("/invitations")
    assert (await buyer.http.delete(f"/invitations/{withdrawn['invitation_id']}")).status_code == 204
    used = {"invitation": withdrawn["invitation"]}
    assert await refusal(supplier, "/invitations/accept", used) == (422, "invitation_used")
    assert (await supplier.get("/partners"))["items"] == []

    waiting = await supplier.post("/invitations/accept", {"invitation": made["invitation"]})
    wrong = "".join(str((int(digit) + 1) % 10) for digit in waiting["fingerprint"].replace(" ", ""))
    for one, other in ((supplier, BUYER), (buyer, SUPPLIER)):
        answer = await refusal(one, f"/partners/{other}/confirm", {"fingerprint": wrong})
        assert answer == (422, "wrong_fingerprint")
        assert (await one.get(f"/partners/{other}"))["status"] == "pending"

    # Somebody else by the supplier's id, with an invitation of its own.
    (tmp_path / "else").mkdir(mode=0o700)
    impostor = Member(SUPPLIER, tmp_path / "else")
    try:
        await impostor.init()
        await impostor.start()
        for _ in range(2):  # while the first one waits, and when it is a partner
            fresh = await buyer.post("/invitations")
            given = {"invitation": fresh["invitation"]}
            assert await refusal(impostor, "/invitations/accept", given) == (422, "org_id_taken")
            if (await buyer.get(f"/partners/{SUPPLIER}"))["status"] == "pending":
                await buyer.post(f"/partners/{SUPPLIER}/confirm", {"fingerprint": waiting["fingerprint"]})
    finally:
        await impostor.stop()
    assert (await buyer.get(f"/partners/{SUPPLIER}"))["public_key"] == (await supplier.get("/organisation"))[
        "public_key"
    ]


async def refusal(member: Member, path: str, body: dict[str, Any]) -> tuple[int, str]:
    """Its status and its code."""
    answer = await member.http.post(path, json=body)
    return answer.status_code, answer.json()["code"]


async def test_an_answer_is_carried_by_hand_when_the_inviter_is_not_reached(pair: Pair, tmp_path: Path) -> None:
    """Invited, accepted, answered, compared, confirmed and shown at the command line."""
    await tally(pair.buyer, "invite", "-o", str(tmp_path / "invitation"), "--hours", "2", "--note", "轴承")
    await pair.buyer.stop()
    said = await tally(pair.supplier, "accept", str(tmp_path / "invitation"), "-o", str(tmp_path / "answer"))
    assert "bring it to 华夏汽车" in said
    await pair.buyer.start()
    assert "received" in await tally(pair.buyer, "answer", str(tmp_path / "answer"))
    assert "pending" in await tally(pair.buyer, "list")
    shown = (await tally(pair.buyer, "show", SUPPLIER, "--fingerprint-only")).strip()
    assert shown in said
    await tally(pair.buyer, "confirm", SUPPLIER, "--fingerprint", shown)
    await tally(pair.supplier, "confirm", BUYER, "--fingerprint", shown)
    await until(partial(linked, pair.buyer, SUPPLIER))
    assert "linked since" in await tally(pair.buyer, "list")
    assert f"answered by {SUPPLIER}" in await tally(pair.buyer, "invitations")
    assert "is suspended" in await tally(pair.buyer, "suspend", SUPPLIER)
    assert "is active again" in await tally(pair.buyer, "resume", SUPPLIER)


async def tally(member: Member, *words: str) -> str:
    """`tally partner`, as somebody types it beside the node; what it says."""
    process = await asyncio.create_subprocess_exec(
        *(str(Path(sys.executable).with_name("tally")), "partner", *words),
        *("--node", member.url, "--password-file", str(member.data.with_suffix(".password"))),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    return said.decode()


async def test_a_suspended_partner_waits_and_nothing_is_lost(pair: Pair) -> None:
    await pair.meet()
    path = await begin(pair)
    task = await until(partial(assigned, pair.supplier))
    suspended = await pair.buyer.post(f"/partners/{SUPPLIER}/suspend")
    assert suspended["status"] == "suspended"
    await until(partial(apart, pair.supplier, BUYER))
    await pair.supplier.post(f"/tasks/{task}/claim")
    await pair.supplier.post(f"/tasks/{task}/approve", {"comments": "同意"})
    await asyncio.sleep(2)
    assert (await pair.buyer.get(path))["status"] == "in_progress"
    refused = await pair.buyer.http.post("/collaborations", json={"definition": TALK})
    assert refused.status_code == 422

    # Ours waits as well, and says for what.
    await pair.buyer.post(f"/executions/{path.rsplit('/', 1)[-1]}/suspend", {"reason": "waits"})
    await until(partial(waits_for_resumption, pair.buyer, path))
    await pair.buyer.post(f"/partners/{SUPPLIER}/resume")
    await until(partial(linked, pair.buyer, SUPPLIER))
    await pair.buyer.post(f"/executions/{path.rsplit('/', 1)[-1]}/resume")
    await finish(pair, path)


async def assigned(member: Member) -> str | None:
    return next((str(one["task_id"]) for one in (await member.get("/tasks"))["items"]), None)


async def apart(member: Member, org: str) -> bool | None:
    return not (await member.get(f"/partners/{org}"))["connected"] or None


async def waits_for_resumption(member: Member, path: str) -> bool | None:
    items = (await member.get(f"/executions/{path.rsplit('/', 1)[-1]}/waiting"))["items"]
    return any("partner_suspended" in (one["tried"] or "") for one in items) or None


async def test_a_suspension_outlives_a_restart(pair: Pair) -> None:
    await pair.meet()
    await pair.buyer.post(f"/partners/{SUPPLIER}/suspend")
    await pair.buyer.stop()
    await pair.buyer.start()
    found = await pair.buyer.get(f"/partners/{SUPPLIER}")
    assert found["status"] == "suspended"
    assert found["last_seen"] >= found["card_issued_at"]
    await asyncio.sleep(2)
    assert not (await pair.supplier.get(f"/partners/{BUYER}"))["connected"]
    await pair.buyer.post(f"/partners/{SUPPLIER}/resume")
    await until(partial(linked, pair.supplier, BUYER))


async def test_removal_asks_for_force_while_something_is_open_and_history_stays(pair: Pair) -> None:
    shown = await pair.meet()
    path = await begin(pair)
    refused = await pair.buyer.http.post(f"/partners/{SUPPLIER}/remove", json={})
    assert (refused.status_code, refused.json()["code"]) == (409, "still_tied")
    assert "1 executions" in refused.json()["detail"]
    await finish(pair, path)

    async def removed() -> dict[str, Any] | None:
        answer = await pair.buyer.http.post(
            f"/partners/{SUPPLIER}/remove", json={}
        )  # the last attestation may be on its way
        return answer.json() if answer.status_code == 200 else None

    assert (await until(removed))["status"] == "removed"
    execution = path.rsplit("/", 1)[-1]
    verified = await pair.buyer.post(f"/executions/{execution}/verify")
    assert "FAIL" not in {check["status"] for check in verified["checks"]}
    refused = await pair.buyer.http.post("/collaborations", json={"definition": TALK})
    assert refused.status_code == 422
    card = await pair.supplier.get("/organisation/card")
    again = await pair.buyer.http.put(f"/partners/{SUPPLIER}", json={"card": card["card"]})
    assert (again.status_code, again.json()["state"]) == (409, "removed")

    # They may meet again, as the same two.
    await pair.supplier.post(f"/partners/{BUYER}/remove", {"force": True})
    assert await pair.meet() == shown
    await finish(pair, await begin(pair))


async def test_removal_by_force_says_what_it_breaks(pair: Pair) -> None:
    await pair.meet()
    path = await begin(pair)
    answer = await pair.buyer.post(f"/partners/{SUPPLIER}/remove", {"force": True})
    assert answer["open_executions"] == 1
    assert [one["execution_id"] for one in answer["newest_open"]] == [path.rsplit("/", 1)[-1]]
    await until(partial(apart, pair.supplier, BUYER))
    assert (await pair.buyer.get(path))["status"] == "in_progress"


async def test_somebody_who_passes_for_a_partner_is_pointed_out(pair: Pair, tmp_path: Path) -> None:
    """The id and the root key are new, so nothing forbids it; people read the name."""
    await pair.meet()
    made = await pair.buyer.post("/invitations", {})
    (tmp_path / "mallory").mkdir(mode=0o700)
    keys = Keystore.create(tmp_path / "mallory" / "keystore.json", "correct horse battery staple")
    card = cards.build(
        keys, org_id="n0rdic", name=NAMES[SUPPLIER].upper(), domain="n.example", endpoint_url="https://n.example",
        capabilities=[], chain_org="0x" + "0" * 64, leaf_url=None, tls_ca="",
    )  # fmt: skip
    name = invitation.name_of(made["invitation"])
    answer = invitation.answer(keys.signing_key, card, org_id="n0rdic", now=1, invitation=name)
    await pair.buyer.post("/invitations/answers", {"answer": answer})
    found = await pair.buyer.get("/partners/n0rdic")
    assert (found["status"], found["resembles"]) == ("pending", [SUPPLIER])
    assert (await pair.buyer.get(f"/partners/{SUPPLIER}"))["resembles"] == []
