"""A fake of web3signer: a real HTTP server that signs transactions and typed data as its documentation says.

It holds the keys in this process, and can be told to do it wrong. It is no web3signer: that one needs Java.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from aiohttp import web
from eth_account.messages import _hash_eip191_message, encode_typed_data

from support.listening import Listening
from tallystick.ledger.accounts import Account
from tallystick.ledger.hashing import to_hex, unhex


class FakeWeb3Signer(Listening):
    """Signs for its accounts on one chain; ``twist`` changes what it signs, ``answer`` what it answers instead."""

    def __init__(self, chain_id: int, *accounts: Account) -> None:
        super().__init__()
        self._chain_id = chain_id
        self.accounts = {one.address.lower(): one for one in accounts}
        self.twist: Callable[[dict[str, Any]], dict[str, Any]] = lambda fields: fields
        self.answer: str | None = None
        self.asked = 0

    async def handle(self, request: web.Request) -> web.Response:
        """Sign, or refuse."""
        self.asked += 1
        if self.answer is not None:
            return web.Response(text=self.answer)
        said = json.loads(await request.text())
        typed = said["method"] == "eth_signTypedData"
        assert typed or said["method"] == "eth_signTransaction"
        wanted = said["params"][0]
        account = self.accounts.get(str(wanted if typed else wanted["from"]).lower())
        if account is None:
            error = {"code": -32000, "message": "From address does not match any available account"}
            return web.json_response({"jsonrpc": "2.0", "id": said["id"], "error": error})
        if typed:
            message = self.twist(json.loads(said["params"][1]))
            digest = _hash_eip191_message(encode_typed_data(full_message=message))
            return web.json_response({"jsonrpc": "2.0", "id": said["id"], "result": to_hex(account.sign(digest))})
        quantities = ("nonce", "value", "gas", "maxFeePerGas", "maxPriorityFeePerGas")
        fields: dict[str, Any] = {name: int(wanted[name], 16) for name in quantities}
        fields |= {"to": wanted["to"], "data": unhex(wanted["data"]), "type": 2, "chainId": self._chain_id}
        raw, _ = account.sign_transaction(self.twist(fields))
        return web.json_response({"jsonrpc": "2.0", "id": said["id"], "result": to_hex(raw)})
