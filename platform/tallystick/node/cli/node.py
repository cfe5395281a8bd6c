"""``tally node --data DIR``: run one organisation's node until it is told to stop."""

import argparse
import asyncio
import logging
import signal
import socket
from pathlib import Path

from hypercorn.asyncio import serve
from hypercorn.config import Config

from tallystick.node import settings as node_settings
from tallystick.node.bootstrap import Node
from tallystick.node.settings import Settings
from tallystick.tenants.keystore import Keystore
from tallystick.tenants.passphrase import read_passphrase


def main(argv: list[str]) -> int:
    """Run a node; prints ``ready URL`` once it serves."""
    parser = argparse.ArgumentParser(prog="tally node", description="Run one organisation's node.")
    parser.add_argument("--data", type=Path, required=True, help="the organisation's data folder")
    parser.add_argument("--log-level", default="INFO")
    options = parser.parse_args(argv)
    logging.basicConfig(level=options.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s")
    settings = node_settings.load(options.data)
    keystore = Keystore.open(settings.keystore_path, read_passphrase())
    asyncio.run(_run(settings, keystore))
    return 0


async def _run(settings: Settings, keystore: Keystore) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    listener = socket.create_server((settings.host, settings.port))
    port = listener.getsockname()[1]
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]  # the server owns the socket from here on
    config.graceful_timeout = 2
    # Longer than clients keep an idle connection: who closes first must not be the one that is about to be asked.
    config.keep_alive_timeout = 75
    config.errorlog = logging.getLogger("hypercorn.error")
    node = Node(settings, keystore)
    await node.start()
    print(f"ready http://{settings.host}:{port}", flush=True)
    try:
        await serve(node.app, config, shutdown_trigger=stopping.wait)  # type: ignore[arg-type]
    finally:
        await node.stop()
