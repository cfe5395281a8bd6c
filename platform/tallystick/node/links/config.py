"""A nats-server configuration for one organisation, as a pure function of its settings and partners.

Rules:

1. Nobody connects without a key: there is no default user, and every account has its own users.
2. Each partner P has two accounts. ``IN_P`` holds its inbox stream and admits P's leafnode, which may publish the one
   inbox subject and subscribe below its own reply prefix. ``OUT_P`` holds our leafnode to P's server. They are
   distinct, so that two organisations linked both ways never form a leafnode loop. (nats-server 2.15.1 also lets a
   leafnode publish ``$JS.ACK.>``, whatever is denied: P can settle what it sent itself, and nothing of anybody else.)
3. P's key works on the leafnode listener only, the node's own keys on the loopback client listener only.
4. Both ends of a leafnode show a certificate before the first protocol byte.
5. A suspended partner keeps its account and stream, without a user of its own in it, and we do not connect to it.
6. A message is acknowledged after it is on disk (``sync_interval: always``).

7. Where a partner may know us by another key than our newest, we try both: its server lets in the one that it knows.

The text is JSON, which the server's configuration language contains; a JSON string is never expanded as a variable.
Some lines of it are not JSON: they bring in our leafnode seeds, the only secrets, from a file of their own
(`seed_text`).
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from tallystick.core.errors import Invalid
from tallystick.node.links import names
from tallystick.node.links.settings import MAX_PAYLOAD_BYTES, Former, LinkSettings, Partner
from tallystick.tenants import nkey

_SEED = "$LEAF_SEED"
_SEED_VALUE = re.compile(r'"nkey": "(\$LEAF_SEED(?:_[0-9]+)?)"')  # as JSON has it
_SEED_FORM = re.compile(r"SU[A-Z2-7]{56}")
_LEAF_URL = re.compile(r"tls://(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):(?P<port>[0-9]{1,5})")
_TLS_TIMEOUT_S = 5
# A dead peer is noticed within about three of these; an organisation's nodes count on flowing again soon after.
_PING_INTERVAL = "2s"
_JETSTREAM_MEMORY = 64 * 1024 * 1024
_ACCOUNT_MEMORY = 1024 * 1024
_LOG_BYTES = 10_000_000
_LOGS = 5


class Files(msgspec.Struct, frozen=True, kw_only=True):
    """Where the server keeps its things, all below the data folder."""

    folder: Path

    @property
    def config(self) -> Path:
        """Return the path of the configuration."""
        return self.folder / "nats-server.conf"

    @property
    def store(self) -> Path:
        """Return the folder of the streams."""
        return self.folder / "jetstream"

    @property
    def pid(self) -> Path:
        """Return the path of the process id."""
        return self.folder / "nats-server.pid"

    @property
    def log(self) -> Path:
        """Return the path of the server's log."""
        return self.folder / "nats-server.log"

    @property
    def ports(self) -> Path:
        """Return the path of the ports chosen once."""
        return self.folder / "ports.json"

    @property
    def seed(self) -> Path:
        """Return the path of our leafnode seed (a secret)."""
        return self.folder / "leaf-seed.conf"

    @property
    def trusted(self) -> Path:
        """Return the path of the authorities whose leafnodes may connect."""
        return self.folder / "trusted-ca.pem"

    @property
    def candidate(self) -> Path:
        """Return the path of a configuration that has not been checked yet."""
        return self.folder / "candidate.conf"

    def authority(self, partner: Partner) -> Path:
        """Return the path of the authority of ``partner``'s server; another authority has another path."""
        return self.folder / f"ca-{partner.org_id}-{hashlib.sha256(partner.ca_pem.encode()).hexdigest()[:16]}.pem"


class Ports(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The two ports that one server listens on."""

    client: int
    leaf: int


def check_partners(settings: LinkSettings, partners: Iterable[Partner]) -> tuple[Partner, ...]:
    """Return ``partners`` in order of id; raise `Invalid` if one could harm the configuration or another partner."""
    checked = tuple(sorted(partners, key=lambda partner: partner.org_id))
    ids = [names.check_org_id(partner.org_id) for partner in checked]
    keys = [nkey.check_public(partner.nkey_public) for partner in checked]
    if len({settings.org_id, *ids}) != len(ids) + 1:
        raise Invalid("two partners, or a partner and this organisation, have the same id", code="partner")
    # One key belongs to one account: the same key twice would make the server refuse its whole configuration.
    if len(set(keys)) != len(keys):
        raise Invalid("two partners have the same nkey", code="partner")
    for partner in checked:
        _check_leaf_url(partner)
    return checked


def linked(partners: Iterable[Partner]) -> tuple[Partner, ...]:
    """Return those that are not suspended."""
    return tuple(partner for partner in partners if not partner.is_suspended)


def check_partner(partner: Partner) -> None:
    """Raise `Invalid` if no link could be made with ``partner``, whoever else there is."""
    names.check_org_id(partner.org_id)
    nkey.check_public(partner.nkey_public)
    _check_leaf_url(partner)


def _check_leaf_url(partner: Partner) -> None:
    # No user information: it would take the place of the key, and would be a secret in a log.
    found = _LEAF_URL.fullmatch(partner.leaf_url)
    if found is None or not 1 <= int(found["port"]) <= 65_535:
        raise Invalid(f"the leaf URL of {partner.org_id} must be tls://host:port", code="leaf_url")


def build(
    settings: LinkSettings, partners: Iterable[Partner], *, files: Files, ports: Ports, internal: Mapping[str, str]
) -> str:
    """Return the text of the configuration.

    ``internal`` maps each account (`accounts`) to the public key of the node's own user in it.
    """
    checked = check_partners(settings, partners)
    document = sections(settings, checked, files=files, ports=ports, internal=internal)
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    if not linked(checked):
        return text  # the server refuses a variable that nothing uses
    return with_variables(text.replace("{", f'{{\n include "{files.seed.name}"', 1))


def with_variables(text: str) -> str:
    """Return the JSON ``text`` with our leafnode seeds as the server takes variables: without the quotes."""
    return _SEED_VALUE.sub(r'"nkey": \1', text)


def sections(
    settings: LinkSettings, checked: Iterable[Partner], *, files: Files, ports: Ports, internal: Mapping[str, str]
) -> dict[str, Any]:
    """Return the configuration of `build` as a document; our leafnode seed stands in it as a variable."""
    me = names.check_org_id(settings.org_id)
    checked = tuple(checked)
    accounts: dict[str, Any] = {names.SYSTEM_ACCOUNT: {"users": [internal_user(internal[names.SYSTEM_ACCOUNT])]}}
    for partner in checked:
        accounts[names.in_account(partner.org_id)] = _in_account(settings, partner, internal)
        accounts[names.out_account(partner.org_id)] = {
            "users": [internal_user(internal[names.out_account(partner.org_id)])]
        }
    return {
        "server_name": me,
        "listen": f"127.0.0.1:{ports.client}",
        "max_payload": MAX_PAYLOAD_BYTES,
        "ping_interval": _PING_INTERVAL,
        "ping_max": 2,
        "write_deadline": "5s",
        "log_file": str(files.log),
        "log_size_limit": _LOG_BYTES,
        "logfile_max_num": _LOGS,
        "jetstream": {
            "domain": me,
            "store_dir": str(files.store),
            "sync_interval": "always",
            "max_memory_store": _JETSTREAM_MEMORY,
            "max_file_store": settings.max_store_bytes,
        },
        "system_account": names.SYSTEM_ACCOUNT,
        "accounts": accounts,
        "leafnodes": _leafnodes(settings, checked, files, ports),
    }


def seed_text(settings: LinkSettings, partners: Iterable[Partner] = ()) -> str:
    """Return the text of the file that holds our leafnode seeds; raise `Invalid` if one is not an nkey's."""
    ids = {partner.org_id for partner in linked(partners)}
    # The server refuses a variable that nothing uses.
    former = [(_former(at), one.nkey_seed) for at, one in enumerate(settings.former) if ids & one.partners]
    seeds = [(_SEED, settings.nkey_seed), *former]
    if not all(_SEED_FORM.fullmatch(seed) for _, seed in seeds):
        raise Invalid("the leafnode seed is not the seed of a user nkey", code="bad_nkey")
    return "".join(f'{name.removeprefix("$")}: "{seed}"\n' for name, seed in seeds)


def _former(at: int) -> str:
    return f"{_SEED}_{at + 1}"


def accounts(partners: Iterable[Partner]) -> tuple[str, ...]:
    """Return the accounts in which the node needs a user of its own."""
    ids = [partner.org_id for partner in partners]
    return (names.SYSTEM_ACCOUNT, *map(names.in_account, ids), *map(names.out_account, ids))


def internal_user(public_key: str) -> dict[str, Any]:
    """Return a user of the node's own: from the client listener only."""
    return {"nkey": public_key, "allowed_connection_types": ["STANDARD"]}


def _in_account(settings: LinkSettings, partner: Partner, internal: Mapping[str, str]) -> dict[str, Any]:
    leaf_user = {
        "nkey": partner.nkey_public,
        "allowed_connection_types": ["LEAFNODE"],
        "permissions": {
            "publish": {"allow": [names.inbox_subject(settings.org_id, partner.org_id)]},
            "subscribe": {"allow": [f"{names.reply_prefix(partner.org_id)}.>"]},
        },
    }
    leaf_users = [] if partner.is_suspended else [leaf_user]
    replicas = settings.external.replicas if settings.external else 1
    return {
        "jetstream": {
            "max_memory": _ACCOUNT_MEMORY,
            "max_file": settings.quota.max_bytes * replicas,  # each copy counts
            "max_streams": 1,
            "max_consumers": 1,
        },
        "users": [*leaf_users, internal_user(internal[names.in_account(partner.org_id)])],
    }


def _leafnodes(settings: LinkSettings, partners: Iterable[Partner], files: Files, ports: Ports) -> dict[str, Any]:
    server = {"cert_file": str(settings.cert_file), "key_file": str(settings.key_file)}
    timing = {"timeout": _TLS_TIMEOUT_S, "handshake_first": True}
    return {
        "host": settings.leaf_host,
        "port": ports.leaf,
        "no_advertise": True,
        "reconnect": "500ms",
        "tls": {**server, "ca_file": str(files.trusted), "verify": True, **timing},
        "remotes": [
            _remote(shown, seed, partner, files, timing)
            for partner in linked(partners)
            for shown, seed in _credentials(settings, partner)
        ],
    }


def _credentials(settings: LinkSettings, partner: Partner) -> list[tuple[LinkSettings | Former, str]]:
    """What names us to ``partner``, and the variable of its seed; the current one first."""
    former = [(one, _former(at)) for at, one in enumerate(settings.former) if partner.org_id in one.partners]
    return [(settings, _SEED), *former]


def _remote(
    shown: LinkSettings | Former, seed: str, partner: Partner, files: Files, timing: Mapping[str, Any]
) -> dict[str, Any]:
    client = {"cert_file": str(shown.client_cert_file), "key_file": str(shown.client_key_file)}
    return {
        "urls": [partner.leaf_url],
        "account": names.out_account(partner.org_id),
        "nkey": seed,
        "tls": {**client, "ca_file": str(files.authority(partner)), **timing},
    }
