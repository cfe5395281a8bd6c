"""Many tenants in one process that have nothing to do: whole nodes over databases that are there already.

Run as ``python -m tallystick.node.bench.idle FOLDER COUNT SECONDS``, so that nothing but the nodes is measured. The
first of them is made like any other; the others are copies of its folder, and of its keys.
"""

import asyncio
import gc
import os
import shutil
import sys
import time
from pathlib import Path

import msgspec

from tallystick.node import collector
from tallystick.node.bootstrap import Node
from tallystick.node.settings import Settings
from tallystick.tenants.keystore import Keystore

PASSPHRASE = "only for this measurement"  # noqa: S105 - the keystore goes with the folder that it lies in
SETTLED_S = 2 * collector.SETTLED_S  # until what starting left behind is gone


async def measure(folder: Path, count: int, seconds: float) -> dict[str, float]:
    """Megabytes with and without the nodes, and the processor's time that all of them together take."""
    keystore = await asyncio.to_thread(_make, folder, count)
    collector.relax()
    before = rss_mb()
    nodes = [Node(_settings(folder / str(number)), keystore) for number in range(count)]
    begun = time.process_time()
    tending = asyncio.create_task(collector.tend())
    for node in nodes:
        await node.start()
    await asyncio.sleep(SETTLED_S)
    gc.collect()
    after, cpu = rss_mb(), time.process_time()
    await asyncio.sleep(seconds)
    figures = {
        "rss_mb": after,
        "added_mb": after - before,
        "start_s": cpu - begun,
        "idle_cpu_percent": (time.process_time() - cpu) / seconds * 100,
    }
    tending.cancel()
    for node in nodes:
        await node.stop()
    return figures


def rss_mb() -> float:
    """Resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _settings(folder: Path) -> Settings:
    return Settings(org_id="bench", name="Bench", domain="bench.example", data_dir=folder)


def _make(folder: Path, count: int) -> Keystore:
    first = folder / "0"
    first.mkdir(mode=0o700)
    keystore = Keystore.create(first / "keystore.json", PASSPHRASE)
    Node(_settings(first), keystore).parts.database.close()
    for number in range(1, count):
        shutil.copytree(first, folder / str(number))
    return keystore


if __name__ == "__main__":
    found = asyncio.run(measure(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
    sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
