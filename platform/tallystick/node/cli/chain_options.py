"""What `tally init` and `tally settings` are told about a chain and about settings."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from tallystick.core.errors import Invalid
from tallystick.ledger import urls
from tallystick.node.settings import ChainSettings, Contracts

MAX_CONTRACTS = 10_000  # bytes; three addresses


def chain_from(
    contracts: Path, endpoints: Sequence[str], *, chain_id: int | None = None, quorum: int = 1
) -> ChainSettings:
    """A chain by its endpoints and by the file that `tally chain deploy` wrote; Invalid names what is wrong."""
    for url in endpoints:
        urls.check_url(url)
    try:
        with contracts.open("rb") as file:
            found = msgspec.json.decode(file.read(MAX_CONTRACTS), type=dict[str, Any])
        wanted: dict[str, Any] = {
            "blockchain_url": endpoints[0],
            "fallback_urls": list(endpoints[1:]),
            "endpoint_quorum": quorum,
            "genesis_hash": found.get("genesis_hash"),
            "chain_id": chain_id or found.get("chain_id"),
            "contracts": {name: found.get(name) for name in Contracts.__struct_fields__},
        }
        return msgspec.convert(wanted, ChainSettings)
    except msgspec.MsgspecError as error:
        raise Invalid(f"{contracts}: {error}", code="bad_settings") from error


def pair(text: str) -> tuple[str, str]:
    """The name and the value of ``NAME=VALUE``."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise Invalid(f"{text[:100]} is not NAME=VALUE", code="bad_settings")
    return name, value
