"""A node's settings: one JSON file in its data folder, written by ``tally init`` and readable by its owner only."""

from pathlib import Path
from typing import Annotated, Any

import msgspec

from tallystick.core.errors import Invalid
from tallystick.core.policy import MAX_CONFIRMATIONS, MAX_FURTHER, terms
from tallystick.node.activities.settings import ActivitySettings
from tallystick.node.http.settings import HttpSettings
from tallystick.node.partner_api.settings import PartnerApiSettings
from tallystick.node.record.pace import Pace


class Contracts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The addresses (``0x…``) that the organisation works with."""

    org_registry: str
    workflow_registry: str
    execution_ledger: str


Address = Annotated[str, msgspec.Meta(pattern=r"^0x[0-9a-fA-F]{40}$")]
MAX_RELAYERS = 16  # accounts beside the first: more than anchors are ever on their way at once


class ExternalSigner(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A signer outside of the node (web3signer's API) that holds the keys of the accounts that pay.

    ``address`` administers the organisation on the chain; ``relayers`` are further accounts that it signs for, and
    ``log_address`` that of the log key, where that is not to be in the keystore either.
    """

    url: Annotated[str, msgspec.Meta(pattern=r"^https?://", max_length=500)]
    address: Address
    log_address: Address | None = None
    relayers: Annotated[tuple[Address, ...], msgspec.Meta(max_length=MAX_RELAYERS)] = ()


class BudgetSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may be spent on a chain in a period, in ``wei`` (digits as text: JSON numbers end before them).

    From ``alert_percent`` of it on, the log, ``GET /chain`` and the portal say so; beyond it anchors wait.
    """

    wei: Annotated[str, msgspec.Meta(pattern=r"^[1-9][0-9]{0,29}\Z")]
    period_seconds: Annotated[int, msgspec.Meta(ge=60, le=31_536_000)] = 86_400
    alert_percent: Annotated[int, msgspec.Meta(ge=1, le=100)] = 80


class ChainSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A chain that our log is anchored on; ``fee_ceiling_gwei`` is the most offered for a unit of gas.

    ``fallback_urls`` are further endpoints of the same chain; where answers are compared, ``endpoint_quorum`` of all
    have to agree. ``genesis_hash`` is the hash of the chain's first block: whoever has another one is not asked.
    """

    blockchain_url: str
    chain_id: int
    contracts: Contracts
    fallback_urls: Annotated[tuple[str, ...], msgspec.Meta(max_length=7)] = ()
    endpoint_quorum: Annotated[int, msgspec.Meta(ge=1, le=8)] = 1
    genesis_hash: Annotated[str, msgspec.Meta(pattern=r"^0x[0-9a-f]{64}\Z")] | None = None
    transaction_confirmation_blocks: Annotated[int, msgspec.Meta(ge=1, le=MAX_CONFIRMATIONS)] = 1
    gas_limit: Annotated[int, msgspec.Meta(ge=21_000, le=100_000_000)] = 3_000_000
    fee_ceiling_gwei: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 200
    budget: BudgetSettings | None = None

    def __post_init__(self) -> None:
        """Refuse to wait for the agreement of more endpoints than there are."""
        endpoints = 1 + len(self.fallback_urls)
        if self.endpoint_quorum > endpoints:
            raise ValueError(f"endpoint_quorum is {self.endpoint_quorum}, and there are {endpoints} endpoints")


class Blockchain(ChainSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The chain that executions are anchored on, and ``also`` those that get the same heads.

    The keystore's chain account pays, and beside it so many ``relayers``, whose keys follow from its own; with a
    ``signer`` those accounts do that it signs for.
    The same accounts pay on every chain.

    ``policy`` is what our proposals say of anchoring where nobody asks for something else (``core.policy``). With
    ``heartbeat`` the log is anchored in every interval of that policy, those too in which nothing happened.
    """

    relayers: Annotated[int, msgspec.Meta(ge=0, le=MAX_RELAYERS)] = 0
    signer: ExternalSigner | None = None
    policy: dict[str, Any] = {}
    heartbeat: bool = False
    also: Annotated[tuple[ChainSettings, ...], msgspec.Meta(max_length=MAX_FURTHER)] = ()

    def __post_init__(self) -> None:
        """Refuse accounts of two kinds, a policy that no agreement could have, and a chain that is named twice."""
        ChainSettings.__post_init__(self)
        if self.signer is not None and self.relayers:
            raise ValueError("the accounts of a signer are named under signer.relayers, not counted by relayers")
        if len({self.chain_id, *(one.chain_id for one in self.also)}) <= len(self.also):
            raise ValueError("blockchain.also names a chain twice")
        try:
            asked = terms(self.policy)
        except Invalid as error:
            raise ValueError(f"blockchain.policy{error.pointer or ''}: {error.detail}") from error
        multiple = asked["padding"]["multiple_of"] if isinstance(asked["padding"], dict) else None
        if self.heartbeat and (multiple is None or multiple > asked["max_leaves"]):
            raise ValueError(
                "blockchain.heartbeat needs a policy by which batches of one size can go in every interval: "
                "mode batched, padding {multiple_of: N} with N no more than max_leaves"
            )


class NatsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The links over NATS; with ``enabled`` false partners are reached over HTTPS only.

    Without ``url`` the node runs a nats-server of its own. ``url`` names the client listeners of a cluster that
    somebody else runs (``nats://…`` or ``tls://…``, by commas), and ``leaf_url`` (``tls://host:port``) where partners'
    leafnodes reach it; ``leaf_hosts`` are further names of its servers that our certificate has to bear. ``ca_file``,
    in the data folder, is trusted for ``tls://``. Inbox streams lie on ``replicas`` of its servers.
    """

    enabled: bool = True
    url: str | None = None
    leaf_url: str | None = None
    leaf_hosts: tuple[str, ...] = ()
    ca_file: str | None = None
    replicas: Annotated[int, msgspec.Meta(ge=1, le=5)] = 3

    def __post_init__(self) -> None:
        """Refuse half a cluster."""
        if (self.url is None) != (self.leaf_url is None):
            raise ValueError("nats.url and nats.leaf_url go together")
        if self.url is not None and not all(one.startswith(("nats://", "tls://")) for one in self.url.split(",")):
            raise ValueError("nats.url holds addresses that begin with nats:// or tls://")


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """See names.md for the words; ``port`` is fixed by ``tally init``, because partners know the node by it.

    ``database_url`` names a Postgres database for this organisation alone; without one a SQLite file is in the folder.
    ``names`` are the organisation's name in further languages; ``operator`` runs the node when somebody else does.
    With ``writer_process`` a SQLite file is written by a process of its own under load, where there is a core for it.
    ``pace`` says how often the node compares with partners what they hold, and ``http`` what strangers may hold of it.
    ``url`` is where people and partners reach the node, when that is not the port itself but a proxy in front of it.
    """

    org_id: str
    name: str
    domain: str
    names: dict[str, str] = {}
    operator: str | None = None
    host: str = "127.0.0.1"
    port: int = 0
    url: str | None = None
    capabilities: tuple[str, ...] = ("data_exchange", "approval")
    blockchain: Blockchain | None = None
    sealing_suite: str = "x25519-hkdf-sha256-chacha20poly1305"
    language: str = "en"
    activities: ActivitySettings = ActivitySettings()
    nats: NatsSettings = NatsSettings()
    partner_api: PartnerApiSettings = PartnerApiSettings()
    http: HttpSettings = HttpSettings()
    pace: Pace = Pace()
    database_url: str | None = None
    writer_process: bool = True
    data_dir: Path = Path()

    @property
    def endpoint_url(self) -> str:
        """Where the node is reached."""
        return self.url or f"http://{self.host}:{self.port}"

    @property
    def database_path(self) -> Path:
        """The tenant database, where ``database_url`` names no other."""
        return self.data_dir / "tenant.db"

    @property
    def keystore_path(self) -> Path:
        """The encrypted keystore."""
        return self.data_dir / "keystore.json"


def load(data_dir: Path) -> Settings:
    """Read ``settings.json`` of a data folder."""
    path = data_dir / "settings.json"
    try:
        settings = msgspec.json.decode(path.read_bytes(), type=Settings)
    except FileNotFoundError as error:
        raise Invalid(f"{path} does not exist; run tally init first", code="no_settings") from error
    except msgspec.DecodeError as error:
        raise Invalid(f"{path}: {error}", code="bad_settings") from error
    return msgspec.structs.replace(settings, data_dir=data_dir.resolve())


def dump(settings: Settings) -> bytes:
    """The file's bytes; the data folder is where the file lies, so it is not written."""
    document = msgspec.to_builtins(settings, enc_hook=str)
    del document["data_dir"]
    return msgspec.json.format(msgspec.json.encode(document), indent=2)
