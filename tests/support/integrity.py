"""Read a node's database file from outside and check every execution's record as an auditor would."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec

from tallystick.core import agreement as agreements
from tallystick.core import canonical
from tallystick.core import entry as entries
from tallystick.core.engine.state import OPEN
from tallystick.core.replay import Replay


class Recorded(msgspec.Struct, frozen=True):
    """An execution that replayed without a fault."""

    id: str
    status: str
    size: int


def replay_all(database: Path) -> Iterator[Recorded]:
    """Replay every execution from its statements; AssertionError names the first one that does not add up.

    Sequence numbers are gapless, no statement stands twice, every signature holds, and the stored state, root and
    heads are those that replay gives.
    """
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        for row in connection.execute(
            "SELECT number, id, agreement_hash, status, size, root FROM execution"
        ).fetchall():
            yield _replay(connection, *row)


def _replay(
    connection: sqlite3.Connection,
    number: int,
    execution: str,
    agreement_hash: str,
    status: str,
    size: int,
    root: str,
) -> Recorded:
    found = connection.execute("SELECT document FROM agreement WHERE hash = ?", (agreement_hash,)).fetchone()
    agreement = agreements.read(canonical.parse(found[0]))
    replay = Replay(agreement, agreement_hash, execution)
    rows = connection.execute(
        "SELECT e.seq, e.leaf, s.token FROM entry e JOIN statement s ON s.number = e.number AND s.id = e.statement_id"
        " WHERE e.number = ? ORDER BY e.seq",
        (number,),
    ).fetchall()
    assert [row[0] for row in rows] == list(range(size)), f"{execution}: {len(rows)} entries, {size} are counted"
    seen: set[str] = set()
    roots = {0: replay.root}
    for _, leaf, token in rows:
        said = replay.open(token)
        assert said.id not in seen, f"{execution}: statement {said.id} stands twice"
        seen.add(said.id)
        replay.step(entries.read(canonical.parse(leaf)), said)
        roots[replay.state.size] = replay.root
    assert replay.root == root, f"{execution}: another root"
    assert replay.state.status == status, f"{execution}: {status} is stored, replay gives {replay.state.status}"
    heads = dict(connection.execute("SELECT size, root FROM head WHERE number = ?", (number,)).fetchall())
    assert all(roots.get(at) == one for at, one in heads.items()), f"{execution}: a head is of another tree"
    # Where nobody else takes part, only the start and the end have heads.
    assert status in OPEN or size in heads, f"{execution}: its end is under no head"
    return Recorded(execution, status, size)
