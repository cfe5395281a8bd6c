"""A network of the test's own: each organisation in a network namespace, joined by a bridge, with links that fail.

Needs root, iproute2 and iptables; nothing outside its own namespaces is touched.
"""

import os
import shutil
import subprocess
from collections.abc import Iterable
from types import TracebackType
from typing import Self

_PREFIX = "10.99.0."
_BOTH_WAYS = (("INPUT", "-s"), ("OUTPUT", "-d"))


def why_not() -> str | None:
    """Why no network can be made here, and what would help; None where one can."""
    if os.geteuid() != 0:
        return "network namespaces need root; enable: run as root"
    missing = [program for program in ("ip", "iptables") if shutil.which(program) is None]
    if missing:
        return f"{' and '.join(missing)} missing; enable: apt-get install iproute2 iptables"
    probe = f"tally-{os.getpid()}-probe"
    made = subprocess.run(["ip", "netns", "add", probe], capture_output=True, text=True, check=False)
    if made.returncode:
        return f"this machine makes no network namespace ({made.stderr.strip()}); enable: run with CAP_SYS_ADMIN"
    rule = ["iptables", "-A", "INPUT", "-m", "statistic", "--mode", "random", "--probability", "0.1", "-j", "DROP"]
    ruled = subprocess.run(["ip", "netns", "exec", probe, *rule], capture_output=True, text=True, check=False)
    subprocess.run(["ip", "netns", "del", probe], check=True)
    return f"iptables cannot drop here: {ruled.stderr.strip()}; enable: load xt_statistic" if ruled.returncode else None


class Network:
    """One namespace a name; all see each other until told otherwise."""

    def __init__(self, names: Iterable[str]) -> None:
        stem = f"tally-{os.getpid()}-"
        self._switch = f"{stem}switch"
        self._spaces = {name: f"{stem}{name}" for name in names}
        self._hosts = {name: f"{_PREFIX}{number}" for number, name in enumerate(self._spaces, 1)}

    def __enter__(self) -> Self:
        """Make it."""
        try:
            self._make()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove it, and with it every rule."""
        self._remove()

    def host(self, name: str) -> str:
        """The address of one of them."""
        return self._hosts[name]

    def inside(self, name: str) -> list[str]:
        """What a command begins with that is to run there."""
        return ["ip", "netns", "exec", self._spaces[name]]

    def silence(self, one: str, other: str) -> None:
        """Drop everything between two, without a word to either."""
        for chain, side in _BOTH_WAYS:
            self._rule(one, chain, side, self._hosts[other], "-j", "DROP")

    def deafen(self, one: str, other: str) -> None:
        """Drop what ``other`` sends to ``one``; the other direction passes."""
        self._rule(one, "INPUT", "-s", self._hosts[other], "-j", "DROP")

    def lose(self, probability: float) -> None:
        """Lose packets at random, everywhere."""
        for name in self._spaces:
            choice = ("-m", "statistic", "--mode", "random", "--probability", str(probability))
            self._rule(name, "INPUT", "!", "-i", "lo", *choice, "-j", "DROP")

    def heal(self, *names: str) -> None:
        """Take back what was done to these, or to all."""
        for name in names or self._spaces:
            _run(*self.inside(name), "iptables", "-F")

    def _rule(self, name: str, chain: str, *words: str) -> None:
        _run(*self.inside(name), "iptables", "-A", chain, *words)

    def _make(self) -> None:
        _run("ip", "netns", "add", self._switch)
        switch = ("ip", "-n", self._switch)
        _run(*switch, "link", "add", "bridge", "type", "bridge")
        _run(*switch, "link", "set", "bridge", "up")
        for number, (name, space) in enumerate(self._spaces.items(), 1):
            _run("ip", "netns", "add", space)
            _run(*switch, "link", "add", f"port{number}", "type", "veth", "peer", "name", "eth", "netns", space)
            _run(*switch, "link", "set", f"port{number}", "master", "bridge", "up")
            _run("ip", "-n", space, "addr", "add", f"{self._hosts[name]}/24", "dev", "eth")
            for device in ("lo", "eth"):
                _run("ip", "-n", space, "link", "set", device, "up")

    def _remove(self) -> None:
        for space in (*self._spaces.values(), self._switch):
            subprocess.run(["ip", "netns", "del", space], capture_output=True, check=False)


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True, text=True)
