"""What the operator of an external cluster loads for one organisation: files beside each server's own configuration.

The accounts are those of the embedded server (`config`), without its system account; the node's users may come from
anywhere, so the cluster's client listener should not be open to everybody, and needs TLS where it is not on loopback.
"""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

from tallystick.core.errors import Invalid
from tallystick.node.links import config, names
from tallystick.node.links.external import own_key, own_keys
from tallystick.node.links.settings import MAX_PAYLOAD_BYTES, LinkSettings, Partner
from tallystick.tenants import nkey, tls
from tallystick.tenants.files import private_folder, write_private

ACCOUNTS, LEAFNODES = "tallystick-accounts.conf", "tallystick-leafnodes.conf"


def write(settings: LinkSettings, partners: Iterable[Partner], folder: Path, placed: Path) -> list[Path]:
    """Write the files into ``folder``, readable by their owner only, and return them; it will lie at ``placed``.

    Some of them are secret: the leafnode seeds, and the private keys of the certificates.
    """
    if settings.external is None:
        raise Invalid("there is no cluster in the settings", code="no_cluster")
    private_folder(folder)
    checked = config.check_partners(settings, partners)
    files = config.Files(folder=placed)
    keys = {account: nkey.public_text(own_key(settings, account)) for account in config.accounts(checked)}
    document = config.sections(settings, checked, files=files, ports=config.Ports(client=0, leaf=0), internal=keys)
    accounts = {name: held for name, held in document["accounts"].items() if name != names.SYSTEM_ACCOUNT}
    for name, held in accounts.items():
        newer = own_keys(settings, name)[1:]
        held["users"] += [config.internal_user(nkey.public_text(key)) for key in newer]
    leafnodes = document["leafnodes"] | {"no_advertise": False}  # so that partners know the other servers when one dies
    del leafnodes["host"], leafnodes["port"]  # each server's own
    text = _members(leafnodes)
    copies = _copies(settings, checked)
    for stale in folder.glob("former-*"):
        if stale.name not in copies.values():
            stale.unlink()
    for path, name in copies.items():
        shutil.copyfile(path, folder / name)
        (folder / name).chmod(0o600)
        there = str(placed / name)
        text = text.replace(json.dumps(str(path), ensure_ascii=False), json.dumps(there, ensure_ascii=False))
    write_private(folder / ACCOUNTS, _members(accounts).encode())
    seed = f'include "{files.seed.name}"\n' if config.linked(checked) else ""
    write_private(folder / LEAFNODES, (seed + config.with_variables(text)).encode())
    write_private(folder / files.seed.name, config.seed_text(settings, checked).encode())
    own = settings.ca_file.read_text(encoding="ascii")
    tls.write_bundle(folder / files.trusted.name, [own, *(partner.ca_pem for partner in config.linked(checked))])
    for partner in checked:
        write_private(folder / files.authority(partner).name, partner.ca_pem.encode())
    return sorted(folder.iterdir())


def guide(settings: LinkSettings, placed: Path) -> str:
    """Return what the cluster's operator has to set, as text."""
    client, leaf = (settings.external.url, settings.external.leaf_url) if settings.external else ("", "")
    return f"""
Put the folder at {placed} on every server of the cluster, readable by its nats-server only.
Each server's own configuration lies beside that folder and says (platform/PARTNER_API.md explains):

  server_name: <unique in the cluster>
  max_payload: {MAX_PAYLOAD_BYTES}                  # at least
  jetstream {{ domain: "{settings.org_id}", store_dir: <its own>, sync_interval: always }}
  cluster {{ name: <the cluster's>, listen: <host:port>, routes: [ <the other servers> ] }}
  accounts {{
    include "{placed.name}/{ACCOUNTS}"
    SYS {{ users: [ <the operator's own> ] }}
  }}
  system_account: SYS
  leafnodes {{
    listen: <host:port, where {leaf} leads to>
    include "{placed.name}/{LEAFNODES}"
  }}

Then reload each server (nats-server --signal reload). Do it again after every new or removed partner, and when the
link's key was replaced: at once, and again when every partner has the new card.
The client listener at {client} must let this node in; on anything but a private network it needs TLS.
"""


def _copies(settings: LinkSettings, partners: Iterable[Partner]) -> dict[Path, str]:
    """The certificates and keys that the servers need, and what each is called beside them."""
    ids = {partner.org_id for partner in config.linked(partners)}
    current = (settings.cert_file, settings.key_file, settings.client_cert_file, settings.client_key_file)
    former = [
        (path, f"former-{at}-{path.name}")
        for at, one in enumerate(settings.former, 1)
        if ids & one.partners
        for path in (one.client_cert_file, one.client_key_file)
    ]
    return {path: path.name for path in current} | dict(former)


def _members(document: dict[str, object]) -> str:
    """The members of a block, without its braces."""
    return "".join(
        f"{json.dumps(name)}: {json.dumps(value, indent=1, ensure_ascii=False)}\n" for name, value in document.items()
    )
