"""What the links of one organisation are built from."""

from pathlib import Path

import msgspec

MAX_MESSAGE_BYTES = 900_000  # RECORD.md, "Messages between nodes"
MAX_PAYLOAD_BYTES = 1_048_576  # room for headers above the largest message
WATCH_S = 0.5  # between two looks at which leafnodes are there


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    """What one partner may occupy here: bytes on disk, messages waiting, bytes a message."""

    max_bytes: int = 256 * 1024 * 1024
    max_messages: int = 100_000
    max_message_bytes: int = MAX_PAYLOAD_BYTES


class Partner(msgspec.Struct, frozen=True, kw_only=True):
    """The far end of one link, as its organisation card gives it.

    ``leaf_url`` is ``tls://host:port``; ``ca_pem`` is the authority of its server's and of its client certificate.
    While ``is_suspended`` there is no link either way; what it had sent before stays in its stream.
    """

    org_id: str
    leaf_url: str
    nkey_public: str
    ca_pem: str
    is_suspended: bool = False


class Former(msgspec.Struct, frozen=True, kw_only=True):
    """What named us before: a user nkey (``nkey_seed``, a secret) and a certificate of an authority before.

    It is shown to ``partners`` beside the current one: their servers may know either.
    """

    nkey_seed: str
    client_cert_file: Path
    client_key_file: Path
    partners: frozenset[str]

    def __repr__(self) -> str:
        """Leave the seed out: it must not reach a log."""
        return f"Former(partners={sorted(self.partners)!r})"


class External(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster of nats-servers that somebody else runs: its client URLs, by commas, and its leafnode URL for partners.

    ``ca_file`` is trusted beside the system's authorities where the URLs are ``tls://``; ``replicas`` is on how many of
    its servers each inbox stream lies.
    """

    url: str
    leaf_url: str
    ca_file: Path | None = None
    replicas: int = 3


class LinkSettings(msgspec.Struct, frozen=True, kw_only=True):
    """This end of all links. Port 0 picks a free port once and keeps it in ``data_dir``.

    ``nkey_seed`` (a secret) names us to partners. Both certificates are signed by ``ca_file``; the server's names the
    host of our leaf URL.
    """

    org_id: str
    data_dir: Path
    nkey_seed: str
    ca_file: Path
    cert_file: Path
    key_file: Path
    client_cert_file: Path
    client_key_file: Path
    former: tuple[Former, ...] = ()
    leaf_host: str = "127.0.0.1"
    leaf_port: int = 0
    client_port: int = 0
    quota: Quota = Quota()
    max_store_bytes: int = 8 * 1024**3  # all partners together
    nats_server: Path | None = None
    external: External | None = None

    def __repr__(self) -> str:
        """Name the organisation only: the seed must not reach a log."""
        return f"LinkSettings(org_id={self.org_id!r})"
