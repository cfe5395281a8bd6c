"""A headless Chromium driven over its DevTools protocol: enough to load pages and run expressions."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Self
from urllib.request import urlopen

import websocket

BINARY = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

# A browser that asks nobody anything but the pages it is sent to.
QUIET = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", "--no-first-run", "--disable-quic",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


class Browser:
    """One page; ``errors`` collects what the console complains about, policy violations included."""

    def __init__(self, profile: Path) -> None:
        assert BINARY
        command = [BINARY, f"--user-data-dir={profile}", "--remote-allow-origins=*", *QUIET, "about:blank"]
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        port = read_port(self._process, r"DevTools listening on ws://[^:]+:(\d+)/")
        with urlopen(f"http://127.0.0.1:{port}/json") as response:
            page = next(one for one in json.load(response) if one["type"] == "page")
        self._socket = websocket.create_connection(page["webSocketDebuggerUrl"], timeout=30)
        self._calls = 0
        self.errors: list[str] = []
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        self._process.terminate()
        self._process.wait(10)
        assert self._process.stderr
        self._process.stderr.close()

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol."""
        self._calls += 1
        self._socket.send(json.dumps({"id": self._calls, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv())
            if message.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown"):
                self.errors.append(json.dumps(message["params"])[:500])
            if message.get("id") == self._calls:
                answer: dict[str, Any] = message.get("result", {})
                return answer

    def open(self, url: str) -> None:
        """Go to a page."""
        self.call("Page.navigate", url=url)
        self.until("document.readyState === 'complete'")

    def run(self, expression: str) -> Any:
        """The value of a JavaScript expression; promises are awaited."""
        answer = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def until(self, condition: str, seconds: float = 10) -> None:
        """Wait until a JavaScript condition holds; pages may change meanwhile."""
        look = f"new Promise(done => setTimeout(() => done(Boolean({condition})), 50))"
        for _ in range(int(seconds * 20)):
            # A page that is being left answers with an error instead of a result.
            answer = self.call("Runtime.evaluate", expression=look, awaitPromise=True, returnByValue=True)
            if answer.get("result", {}).get("value") is True:
                return
        raise AssertionError(f"never became true: {condition}; {self.errors}")


def read_port(process: subprocess.Popen[str], pattern: str) -> int:
    """The port in the line with which a server says that it is ready."""
    assert process.stderr
    for line in process.stderr:
        if found := re.search(pattern, line):
            return int(found.group(1))
    raise AssertionError("the server ended before it was ready")
