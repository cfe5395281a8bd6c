"""``tally node --data DIR [--data DIR …]``: run the nodes of one or many organisations until told to stop."""

import argparse
import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from tallystick.core.errors import TallystickError
from tallystick.node import collector, logs
from tallystick.node import settings as node_settings
from tallystick.node.bootstrap import Node
from tallystick.node.http.crowd import room
from tallystick.node.http.server import crowd_of, serve
from tallystick.node.settings import Settings
from tallystick.tenants.folder_lock import FolderLock
from tallystick.tenants.keystore import Keystore
from tallystick.tenants.passphrase import read_passphrase

logger = logging.getLogger(__name__)
Tenant = tuple[Settings, Keystore, FolderLock]


def main(argv: list[str]) -> int:
    """Run the nodes; prints ``ready URL ORGANISATION`` once each serves. One that cannot open stops no other."""
    parser = argparse.ArgumentParser(prog="tally node", description="Run the nodes of one or many organisations.")
    parser.add_argument(
        "--data", type=Path, required=True, action="append", help="an organisation's data folder; may be given again"
    )
    parser.add_argument("--log-level", default="INFO")
    options = parser.parse_args(argv)
    logs.set_up(options.log_level)
    tenants = [_open(options.data[0])] if len(options.data) == 1 else list(_opened(options.data))
    if tenants:
        collector.relax()
        asyncio.run(_run(tenants))
    return 0 if tenants else 1


def _open(folder: Path) -> Tenant:
    settings = node_settings.load(folder)
    lock = FolderLock(folder, alone=False)  # before the keys are read, and until the process ends
    return settings, Keystore.open(settings.keystore_path, read_passphrase(organisation=settings.org_id)), lock


def _opened(folders: list[Path]) -> Iterator[Tenant]:
    for folder in folders:
        try:
            yield _open(folder)
        except (TallystickError, OSError) as error:
            print(f"tally node: {folder}: {error}", file=sys.stderr)


async def _run(tenants: list[Tenant]) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    tending = asyncio.create_task(collector.tend())
    most = room(len(tenants))
    running = [asyncio.create_task(_serve(settings, keystore, stopping, most)) for settings, keystore, _ in tenants]
    outcomes = await asyncio.gather(*running, return_exceptions=len(tenants) > 1)
    tending.cancel()
    for (settings, *_), outcome in zip(tenants, outcomes, strict=True):
        if isinstance(outcome, BaseException):
            logger.error("the node of %s ended: %s", settings.org_id, outcome)


async def _serve(settings: Settings, keystore: Keystore, stopping: asyncio.Event, most: int) -> None:
    with socket.create_server((settings.host, settings.port)) as listener:
        port = listener.getsockname()[1]
        node = Node(settings, keystore)
        await node.start()
        print(f"ready http://{settings.host}:{port} {settings.org_id}", flush=True)
        try:
            crowd, rest = crowd_of(settings, most), settings.http.keep_alive_seconds
            await serve(node.app, listener, crowd, keep_alive_s=rest, until=stopping.wait)
        finally:
            await node.stop()
