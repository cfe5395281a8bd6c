"""Why it is waiting, over real nodes: executions and messages, from whom, since when, and what was tried."""

from functools import partial
from typing import Any

import pytest

from support.parties import BUYER, CARRIER, DEFINITION, NAMES, SUPPLIER
from support.trio import Trio, until, work

pytestmark = pytest.mark.timeout(240)
ITEM = {"what", "for_whom", "for_whom_name", "since", "tried", "attempts", "last_error", "next_try_at"}


async def test_what_a_silent_partner_is_waited_for(trio: Trio) -> None:
    buyer, carrier = trio.members[BUYER], trio.members[CARRIER]
    going = await trio.begin(DEFINITION)
    asked = (await buyer.post("/collaborations", {"definition": DEFINITION}))["collaboration_id"]
    await trio.members[SUPPLIER].stop()
    await work(buyer)

    async def tried() -> list[dict[str, Any]] | None:
        items = (await buyer.get("/outbox"))["items"]
        late = [one for one in items if one["for_whom"] == SUPPLIER]
        return late if any(one["attempts"] for one in late) else None

    late = await until(tried)
    first = next(one for one in late if one["attempts"])
    assert set(first) >= ITEM
    assert first["for_whom_name"] == NAMES[SUPPLIER]
    assert first["last_error"]
    assert first["next_try_at"] >= first["since"] > 1_700_000_000_000
    assert going in {one["execution_id"] for one in late}

    waiting = {one["execution_id"]: one for one in (await buyer.get("/waiting"))["items"]}
    assert {going, asked} <= set(waiting)
    assert all(set(item) == ITEM for one in waiting.values() for item in one["waiting"])
    consents = [one["for_whom"] for one in waiting[asked]["waiting"] if one["what"] == "consent"]
    assert SUPPLIER in consents
    # The same things, by one shape, from the execution and from the outbox.
    alone = (await buyer.get(f"/executions/{going}/waiting"))["items"]
    theirs = [one for one in alone if one["what"].startswith("delivery") and one["for_whom"] == SUPPLIER]
    assert {(one["what"], one["since"]) for one in theirs} <= {(one["what"], one["since"]) for one in late}
    assert theirs

    pages: list[Any] = []
    cursor = None
    while True:
        page = await buyer.get("/outbox?limit=1" + (f"&cursor={cursor}" if cursor else ""))
        pages += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert [one["outbox_id"] for one in pages] == sorted({one["outbox_id"] for one in pages})
    assert len(pages) >= len(late)
    one = await buyer.get("/waiting?limit=1")
    two = await buyer.get(f"/waiting?limit=1&cursor={one['next_cursor']}")
    assert {one["items"][0]["execution_id"], two["items"][0]["execution_id"]} == {going, asked}

    async def empty(query: str = "") -> bool | None:
        return (await buyer.get("/outbox" + query))["items"] == [] or None

    await until(partial(empty, "?partner=blueline"))
    assert (await carrier.http.get("/waiting?cursor=x")).status_code == 422
    async with type(buyer.http)(base_url=buyer.http.base_url, trust_env=False) as stranger:
        for path in ("/waiting", "/outbox"):
            assert (await stranger.get(path)).status_code == 401

    await trio.members[SUPPLIER].start()
    await until(empty)
