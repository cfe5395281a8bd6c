"""What a person asks of a chain: how it and its endpoints do, whose code stands there; and ether, where it is free."""

from collections.abc import Iterable

import msgspec

from tallystick.core.errors import Forbidden

from .chain import Chain
from .contracts import Contracts
from .endpoint import EndpointStatus
from .errors import ChainUnavailable, LedgerError, RpcRefused
from .hashing import keccak, to_hex
from .transactions import mined

# Clients that give accounts with ether to whoever asks; nothing on their chains is worth anything.
DEVELOPMENT = ("anvil", "hardhat", "ganache", "ethereumjs", "eth-tester", "ethereumtester", "eels")
TRANSFER_GAS = 21_000
TAGS = ("latest", "safe", "finalized")


class Heads(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of the blocks behind the three tags; None where the chain knows of no such block."""

    latest: int | None
    safe: int | None
    finalized: int | None


class ContractStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A contract's address, and whether its code is that of our artifacts."""

    name: str
    address: str
    is_ours: bool
    code_hash: str | None


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """An account's balance in wei, as text because it exceeds what JSON numbers carry."""

    address: str
    balance: str


class NetworkStatus(msgspec.Struct, frozen=True, kw_only=True):
    """See the module; ``trouble`` is what keeps the rest from being told."""

    chain_id: int
    genesis_hash: str | None
    client: str | None
    endpoints: list[EndpointStatus]
    heads: Heads | None
    contracts: list[ContractStatus]
    accounts: list[Balance]
    trouble: str | None


async def network_status(chain: Chain, contracts: Contracts | None, accounts: Iterable[str] = ()) -> NetworkStatus:
    """Whatever can be told; never raises for what the chain does."""
    genesis = client = heads = trouble = None
    standing: list[ContractStatus] = []
    balances: list[Balance] = []
    try:
        await chain.check()
        genesis, client = await chain.genesis(), await client_of(chain)
        heads = Heads(**{tag: await _tagged(chain, tag) for tag in TAGS})
        standing = await _standing(chain, contracts) if contracts else []
        for one in accounts:
            balances.append(await balance_of(chain, one))
    except LedgerError as error:
        trouble = error.detail
    return NetworkStatus(
        chain_id=chain.chain_id,
        genesis_hash=genesis,
        client=client,
        endpoints=chain.endpoints(),
        heads=heads,
        contracts=standing,
        accounts=balances,
        trouble=trouble,
    )


async def balance_of(chain: Chain, address: str) -> Balance:
    """What the account has."""
    return Balance(address=address, balance=str(await chain.balance(address)))


async def client_of(chain: Chain) -> str | None:
    """What the endpoint's software calls itself."""
    try:
        return str(await chain.ask("web3_clientVersion"))[:100]
    except RpcRefused:
        return None


async def give(chain: Chain, addresses: Iterable[str], wei: int) -> None:
    """Ether from a development chain's own accounts, waited for; Forbidden on any other chain."""
    await chain.check()
    client = await client_of(chain)
    if client is None or not client.lower().startswith(DEVELOPMENT):
        raise Forbidden(
            f"{client or 'the endpoint'} is no development chain: there ether has a price, and is sent by who owns it",
            code="not_a_development_chain",
        )
    try:
        faucets = await chain.ask("eth_accounts")
    except RpcRefused:
        faucets = None
    if not isinstance(faucets, list) or not faucets:
        raise Forbidden("this development chain has no account of its own to give from", code="no_faucet")
    for address in addresses:
        sent = {"from": faucets[0], "to": address, "value": hex(wei), "gas": hex(TRANSFER_GAS)}
        receipt = await mined(chain, str(await chain.ask("eth_sendTransaction", sent)))
        if int(receipt["status"], 16) != 1:
            raise ChainUnavailable(f"the transfer to {address} failed")


async def _tagged(chain: Chain, tag: str) -> int | None:
    """The number of the block; a chain without that tag says so, or that there is no such block yet."""
    try:
        found = await chain.ask("eth_getBlockByNumber", tag, False)
        return int(found["number"], 16)
    except (RpcRefused, KeyError, TypeError, ValueError):
        return None


async def _standing(chain: Chain, contracts: Contracts) -> list[ContractStatus]:
    found = []
    for name, expected in contracts.code_hashes().items():
        address = getattr(contracts, name)
        code = await chain.code(address)
        seen = to_hex(keccak(code)) if code else None
        found.append(ContractStatus(name=name, address=address, is_ours=seen == expected, code_hash=seen))
    return found
