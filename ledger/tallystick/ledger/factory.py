"""The same code at the same address on every chain (CREATE2, EIP-1014), through the deterministic deployment proxy.

That factory (github.com/Arachnid/deterministic-deployment-proxy) stands at one address on most chains. Where it does
not, anybody brings it there by its published transaction, whose signature belongs to no key: the account that it is
from needs nothing but the fee. A chain that takes no such transaction gets the same code from the deployer's account
instead; then contracts stand at other addresses there, and ``note`` says so.
"""

import msgspec

from .accounts import Account
from .chain import Chain
from .errors import Reverted, RpcRefused, WrongChain
from .hashing import ADDRESS, keccak, to_hex, unhex
from .transactions import FAILED, mined, transact

FACTORY = "0x4e59b44847b379578588920ca78fbf26c0b4956c"
SIGNER = "0x3fab184622dc19b6109349b94811493bf2a45362"  # whom the published transaction is from
FEE = 100_000 * 100 * 10**9  # wei; its gas limit times its gas price
RUNTIME = unhex(
    "0x7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b"
    "8082525050506014600cf3"
)
INIT = unhex("0x604580600e600039806000f350fe") + RUNTIME
# Legacy, without a chain's id: nonce 0, 100 gwei, 100,000 gas, creates INIT; v 27, and r and s are 0x22 repeated.
PUBLISHED = unhex("0xf8a58085174876e800830186a08080b853") + INIT + unhex("0x1ba0" + "22" * 32 + "a0" + "22" * 32)


class Factory(msgspec.Struct, frozen=True, kw_only=True):
    """Where it stands; ``note`` says why it is another address than on other chains."""

    address: str = FACTORY
    note: str | None = None

    def place(self, init: bytes, salt: bytes) -> str:
        """Where it creates a contract with that creation code and salt."""
        return to_hex(keccak(b"\xff" + unhex(self.address, ADDRESS) + salt + keccak(init))[12:])

    async def create(self, chain: Chain, account: Account, init: bytes, salt: bytes) -> bool:
        """Create it unless something stands there; whether it was created now."""
        if await chain.code(self.place(init, salt)):
            return False
        await transact(chain, account, {"to": self.address, "data": salt + init})
        return True


async def factory(chain: Chain, account: Account) -> Factory:
    """The chain's factory, brought there if it has none."""
    if not await chain.code(FACTORY):
        try:
            await _publish(chain, account)
        except (RpcRefused, Reverted) as error:
            receipt = await transact(chain, account, {"data": INIT})
            reason = f"the chain does not take the published transaction: {error.detail}"
            return Factory(address=str(receipt["contractAddress"]).lower(), note=reason)
    if await chain.code(FACTORY) != RUNTIME:
        raise WrongChain(f"other code than the factory's stands at {FACTORY}", code="wrong_code")
    return Factory()


async def _publish(chain: Chain, account: Account) -> None:
    lacking = FEE - await chain.balance(SIGNER)
    if lacking > 0:
        await transact(chain, account, {"to": SIGNER, "value": lacking, "data": b""})
    name = await chain.ask("eth_sendRawTransaction", to_hex(PUBLISHED))
    receipt = await mined(chain, str(name))
    if int(receipt["status"], 16) != 1:
        raise Reverted(FAILED.format(name=name))
