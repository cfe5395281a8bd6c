"""The process that signs and writes a node's rows on another core; started by :mod:`tallystick.node.work.writer`.

It hears frames (four bytes of length, then ``marshal``) on its standard input, which is a socket, and answers each one
on the same socket. ``marshal`` takes a third of the time of ``pickle`` here; both ends are the same program.

The first frame is ``(path, pragmas)`` of a SQLite file, answered by ``None`` when it is open. Each further one is a
transaction, ``(mark, texts, seeds, writes)``: what it leaves as the file's ``user_version``; the statements, and the
seeds of signing keys, that were not named before; and ``(statement, rows, place of the token or None, rows that must
change or None)`` for each write. A token that is not signed yet stands as ``(kid, signing input)``. The answer is None
once the transaction is durable, or why nothing is left of it.

It ends when the node does, and commits nothing for a node that has ended before.
"""

import gc
import marshal
import signal
import socket
import sqlite3
from typing import Any, BinaryIO

from tallystick.core.jws import sign_input
from tallystick.core.keys import SigningKey

LENGTH = 4  # bytes before each frame
Write = tuple[int, list[tuple[Any, ...]], int | None, int | None]


class Gone(Exception):
    """The node has ended."""


class Refused(Exception):
    """A guarded write has met other rows than it has to."""


def write_frame(channel: socket.socket, value: Any) -> None:
    """Send one frame."""
    data = marshal.dumps(value)
    channel.sendall(len(data).to_bytes(LENGTH, "big") + data)


def read_frame(stream: BinaryIO) -> Any:
    """The next frame; EOFError when the other end has closed."""
    length = int.from_bytes(_exactly(stream, LENGTH), "big")
    return marshal.loads(_exactly(stream, length))  # noqa: S302 - by our own other half


def _exactly(stream: BinaryIO, count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise EOFError
    return data


class RowWriter:
    """Writes to one file what it is told."""

    def __init__(self, channel: socket.socket, path: str, pragmas: tuple[str, ...]) -> None:
        self._channel = channel
        self._database = sqlite3.connect(path, isolation_level=None)
        for pragma in pragmas:
            self._database.execute(f"PRAGMA {pragma}").close()
        self._texts: dict[int, str] = {}
        self._keys: dict[str, SigningKey] = {}

    def transact(
        self, mark: int, texts: list[tuple[int, str]], seeds: list[tuple[str, bytes]], writes: list[Write]
    ) -> str | None:
        """One transaction; why it was rolled back, or None."""
        self._texts.update(texts)
        self._keys.update((kid, SigningKey(seed)) for kid, seed in seeds)
        signed = [(self._texts[text], self._signed(rows, place), expected) for text, rows, place, expected in writes]
        database = self._database
        try:
            database.execute("BEGIN IMMEDIATE")
            for text, rows, expected in signed:
                cursor = database.executemany(text, rows)
                if expected is not None and cursor.rowcount != expected:
                    raise Refused("another replica has moved one of these executions")
            database.execute(f"PRAGMA user_version = {mark}")
            self._check_node()
            database.execute("COMMIT")
        except (sqlite3.Error, Refused) as error:
            if database.in_transaction:  # SQLite has rolled some back by itself
                database.execute("ROLLBACK")
            return f"{type(error).__name__}: {error}"
        return None

    def _signed(self, rows: list[tuple[Any, ...]], place: int | None) -> list[tuple[Any, ...]]:
        if place is None:
            return rows
        return [self._sign(row, place) if type(row[place]) is tuple else row for row in rows]

    def _sign(self, row: tuple[Any, ...], place: int) -> tuple[Any, ...]:
        kid, signing_input = row[place]
        return (*row[:place], sign_input(self._keys[kid], signing_input), *row[place + 1 :])

    def _check_node(self) -> None:
        """A node that was killed has nobody to acknowledge this to, and its next run may be reading already."""
        try:
            gone = self._channel.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return
        if gone:
            raise Gone


def serve(channel: socket.socket) -> None:
    """Answer frames until the node is gone."""
    with channel.makefile("rb") as stream:
        try:
            writer = RowWriter(channel, *read_frame(stream))
            write_frame(channel, None)
            while True:
                write_frame(channel, writer.transact(*read_frame(stream)))
        except (EOFError, Gone, ConnectionError):
            return  # SQLite rolls back what was not committed


def main() -> None:
    """Serve the socket that is standard input. Signals are for the node, which ends this process when it is done."""
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, signal.SIG_IGN)
    gc.set_threshold(100_000)  # rows know nobody who knows them: looking through them again and again frees nothing
    with socket.socket(fileno=0) as channel:
        serve(channel)


if __name__ == "__main__":
    main()
