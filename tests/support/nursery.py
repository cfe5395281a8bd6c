"""Node processes born of one that has the libraries in memory: importing them is most of what a node's start costs.

The standard library's fork server is that process, one a test process. Of our own modules only those without a state of
their own are there before a node is born; what processes must not have in common, such as where a counter begins, each
makes for itself.
"""

import asyncio
import gc
import importlib
import multiprocessing
import os
import pkgutil
import sys
from collections.abc import Mapping
from functools import cache
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

LIBRARIES = (
    *("argon2", "asyncio", "babel.dates", "cryptography.x509", "gmqtt", "http_message_signatures", "httpcore2"),
    *("httpx2", "hypercorn.asyncio", "jinja2", "jsonschema_rs", "jwt", "nacl.bindings", "nats", "rfc8785", "sqlmodel"),
    *("sqlalchemy.dialects.sqlite", "sqlalchemy.dialects.postgresql", "starlette.applications", "web3", "eth_account"),
)
WITHOUT_STATE = ("tallystick.core", "tallystick.tenants.models", "tallystick.ledger.audit")
PRELOADED = "support.preloaded"


class Child:
    """A node's process; as one of asyncio, as far as tests go."""

    def __init__(self, process: BaseProcess) -> None:
        self._process = process
        assert process.pid is not None
        self.pid = process.pid

    @property
    def returncode(self) -> int | None:
        """How it ended, a signal as a negative number; None while it runs."""
        return self._process.exitcode

    async def wait(self) -> int:
        """Wait for its end."""
        await asyncio.to_thread(self._process.join)
        assert self.returncode is not None
        return self.returncode

    def terminate(self) -> None:
        """Ask it to end."""
        self._process.terminate()

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._process.kill()


def born(*words: str, env: Mapping[str, str], output: Path) -> Child:
    """Start `tally` with these words; what it says goes to the end of ``output``."""
    process = _server().Process(target=_live, args=(words, dict(env), output), daemon=True)
    process.start()
    return Child(process)


def load() -> None:
    """Import what all nodes need."""
    for name in LIBRARIES:
        importlib.import_module(name)
    for name in WITHOUT_STATE:
        package = importlib.import_module(name)
        for one in pkgutil.walk_packages(package.__path__, f"{name}."):
            importlib.import_module(one.name)
    gc.collect()
    gc.freeze()


@cache
def _server() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([PRELOADED])
    with pytest.MonkeyPatch.context() as patch:  # of our `sys.path` it knows nothing, and what it cannot find it leaves
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        forkserver.ensure_running()
    return context


def _live(words: tuple[str, ...], env: dict[str, str], output: Path) -> None:
    assert PRELOADED in sys.modules
    with output.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ.clear()
    os.environ.update(env)
    from tallystick.node.cli.main import main  # not before it is born

    sys.argv = ["tally", *words]
    sys.exit(main(list(words)))
