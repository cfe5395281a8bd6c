"""``python -m support.second_client``: py-evm as a chain that speaks JSON-RPC, to run what anvil runs on another EVM.

py-evm executes and builds the blocks, eth-tester mines one a transaction, and web3's EthereumTesterProvider answers as
a node's JSON-RPC would; this file only carries that over HTTP. Prints its address once it listens.
"""

from __future__ import annotations

import ast
import json
import sys
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from eth_tester import EthereumTester, PyEVMBackend
from eth_tester.exceptions import BlockNotFound, TransactionFailed, ValidationError
from web3 import EthereumTesterProvider, Web3

BLOCK_GAS = 30_000_000
REVERTED = 3


def main() -> None:
    """Serve until ended."""
    parameters = PyEVMBackend.generate_genesis_params(overrides={"gas_limit": BLOCK_GAS})
    backend = PyEVMBackend(genesis_parameters=parameters)
    provider = EthereumTesterProvider(EthereumTester(backend))
    w3 = Web3(provider)
    w3.middleware_onion.clear()
    request = provider.request_func(w3, w3.middleware_onion)

    def answer(method: str, arguments: list[Any]) -> dict[str, Any]:
        try:
            return dict(request(method, arguments))
        except TransactionFailed as error:
            return {"error": {"code": REVERTED, "message": "execution reverted", "data": _reverted(str(error))}}
        except NotImplementedError:
            return {"error": {"code": -32601, "message": f"{method} is not implemented"}}
        except (BlockNotFound, ValidationError, ValueError, TypeError, KeyError) as error:
            return {"error": {"code": -32000, "message": f"{type(error).__name__}: {error}"}}

    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = (
            True  # headers and body are two writes: the second would wait 40 ms for an acknowledgement
        )

        def do_POST(self) -> None:
            said = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with lock:
                found = answer(said["method"], said["params"])
            kept = {name: _plain(found[name]) for name in ("result", "error") if name in found}
            if "error" in kept and isinstance(kept["error"], Mapping) and isinstance(found["error"].get("code"), int):
                kept["error"] = {**kept["error"], "code": found["error"]["code"]}
            body = json.dumps({"jsonrpc": "2.0", "id": said["id"], **kept}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    sys.stdout.write(f"Listening on 127.0.0.1:{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


def _reverted(said: str) -> str | None:
    """What the contract gave with its refusal: the provider shows these bytes as Python writes them."""
    _, _, shown = said.rpartition("execution reverted: ")
    data = ast.literal_eval(shown) if shown[:2] in {"b'", 'b"'} else None
    return "0x" + data.hex() if isinstance(data, bytes) and data else None


def _plain(value: Any) -> Any:
    """As JSON-RPC has it: numbers and bytes in hex."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int):
        return hex(value)
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value]


if __name__ == "__main__":
    main()
