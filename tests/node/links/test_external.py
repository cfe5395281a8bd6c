"""Links over servers that somebody else runs: what is written for them, and servers that were not prepared."""

import asyncio
import json
import stat
import subprocess
from pathlib import Path

import msgspec
import nats
import pytest
from nats.aio.msg import Msg

from node.links.organisations import Identity, eventually, make_identity
from support.processes import Processes, tool
from tallystick.core.errors import Invalid, Unavailable
from tallystick.node.links import cluster, names
from tallystick.node.links.external import ExternalLinks, own_key
from tallystick.node.links.settings import External, Former, LinkSettings, Partner
from tallystick.tenants import nkey

LEAF = "tls://127.0.0.1:7422"


@pytest.fixture
def partner(tmp_path: Path) -> Partner:
    return make_identity(tmp_path / "nordic", "nordic").card("tls://127.0.0.1:7433")


@pytest.fixture
def identity(tmp_path: Path) -> Identity:
    return make_identity(tmp_path / "acme", "acme")


def settings(identity: Identity, folder: Path, url: str = "nats://127.0.0.1:1") -> LinkSettings:
    held = identity.settings(folder / "links")
    return msgspec.structs.replace(held, external=External(url=url, leaf_url=LEAF, replicas=1))


def written(held: LinkSettings, partners: list[Partner], folder: Path) -> str:
    """A server's configuration around what was written; nats-server itself has checked it."""
    placed = folder / "placed 数据"
    cluster.write(held, partners, placed, placed)
    text = "\n".join([
        "server_name: one", "listen: 127.0.0.1:-1",
        f'jetstream {{ domain: acme, store_dir: "{folder}/store", sync_interval: always }}',
        f'accounts {{ include "{placed.name}/{cluster.ACCOUNTS}"',
        'SYS { users: [{user: operator, password: "of acme"}] } }', "system_account: SYS",
        f'leafnodes {{ listen: "127.0.0.1:-1"\n include "{placed.name}/{cluster.LEAFNODES}"\n}}',
    ])  # fmt: skip
    path = folder / "server.conf"
    path.write_text(text)
    checked = subprocess.run([tool("nats-server"), "-c", path, "-t"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    return str(path)


def test_what_the_operator_gets(identity: Identity, partner: Partner, tmp_path: Path) -> None:
    held = settings(identity, tmp_path)
    written(held, [partner], tmp_path)
    placed = tmp_path / "placed 数据"
    assert stat.S_IMODE(placed.stat().st_mode) == 0o700
    assert {stat.S_IMODE(one.stat().st_mode) for one in placed.iterdir()} == {0o600}
    accounts = json.loads("{" + (placed / cluster.ACCOUNTS).read_text().replace('}\n"OUT', '},\n"OUT') + "}")
    assert set(accounts) == {"IN_nordic", "OUT_nordic"}  # no system account: that is the operator's
    leaf, own = accounts["IN_nordic"]["users"]
    assert leaf["permissions"]["publish"] == {"allow": ["tally.inbox.acme.nordic"]}
    assert leaf["allowed_connection_types"] == ["LEAFNODE"]
    assert own == {
        "nkey": nkey.public_text(own_key(held, "IN_nordic")), "allowed_connection_types": ["STANDARD"]
    }  # fmt: skip
    seed = (placed / "leaf-seed.conf").read_text()
    assert held.nkey_seed in seed
    assert all(held.nkey_seed not in one.read_text() for one in placed.iterdir() if one.name != "leaf-seed.conf")


def test_while_the_key_is_replaced_the_cluster_is_given_both(
    identity: Identity, partner: Partner, tmp_path: Path
) -> None:
    """Both leafnodes, and both of the node's own users: it goes over to the newer one when the older is destroyed."""
    older, newer = settings(identity, tmp_path), settings(make_identity(tmp_path / "newer", "acme"), tmp_path)
    former = Former(
        nkey_seed=older.nkey_seed,
        client_cert_file=older.client_cert_file,
        client_key_file=older.client_key_file,
        partners=frozenset({"nordic"}),
    )
    moving = msgspec.structs.replace(newer, former=(former,))
    written(moving, [partner], tmp_path)
    placed = tmp_path / "placed 数据"
    seed = (placed / "leaf-seed.conf").read_text()
    assert older.nkey_seed in seed
    assert newer.nkey_seed in seed
    assert (placed / "former-1-client.key").read_bytes() == older.client_key_file.read_bytes()
    assert (placed / "client.key").read_bytes() == newer.client_key_file.read_bytes()
    leafnodes = (placed / cluster.LEAFNODES).read_text()
    assert leafnodes.count(partner.leaf_url) == 2
    assert str(placed / "former-1-client.pem") in leafnodes
    users = (placed / cluster.ACCOUNTS).read_text()
    for account in ("IN_nordic", "OUT_nordic"):
        assert own_key(moving, account) == own_key(older, account) != own_key(newer, account)
        for held in (older, newer):
            assert nkey.public_text(own_key(held, account)) in users
    written(newer, [partner], tmp_path)
    assert older.nkey_seed not in (placed / "leaf-seed.conf").read_text()
    assert (placed / cluster.LEAFNODES).read_text().count(partner.leaf_url) == 1
    assert not list(placed.glob("former-*")), "no key lies there any longer than it is used"


def test_a_suspended_partner_has_no_way_in(identity: Identity, partner: Partner, tmp_path: Path) -> None:
    held = settings(identity, tmp_path)
    written(held, [msgspec.structs.replace(partner, is_suspended=True)], tmp_path)
    text = (tmp_path / "placed 数据" / cluster.ACCOUNTS).read_text()
    assert "LEAFNODE" not in text
    assert partner.leaf_url not in (tmp_path / "placed 数据" / cluster.LEAFNODES).read_text()


def test_without_partners_it_is_a_configuration_too(identity: Identity, tmp_path: Path) -> None:
    written(settings(identity, tmp_path), [], tmp_path)


def test_without_a_cluster_there_is_nothing_to_write(identity: Identity, tmp_path: Path) -> None:
    with pytest.raises(Invalid):
        cluster.write(identity.settings(tmp_path), [], tmp_path / "out", tmp_path / "out")


def test_own_keys_differ_by_account_and_organisation(identity: Identity, tmp_path: Path) -> None:
    held = settings(identity, tmp_path)
    other = msgspec.structs.replace(held, org_id="acme-2")
    keys = {own_key(one, account) for one in (held, other) for account in ("IN_nordic", "OUT_nordic")}
    assert len(keys) == 4
    assert own_key(held, "IN_nordic") == own_key(held, "IN_nordic")


async def test_a_server_without_the_accounts_gets_nothing(identity: Identity, partner: Partner, tmp_path: Path) -> None:
    """It lets anybody in, and somebody there answers as the partner's stream would."""
    with Processes() as processes:
        command: list[str | Path] = [
            tool("nats-server"),
            "-a",
            "127.0.0.1",
            "-p",
            "-1",
            "-js",
            "-sd",
            tmp_path / "store",
        ]
        server = processes.start("nats", command)
        port = server.wait_for(r"Listening for client connections on 127\.0\.0\.1:(\d+)")[1]
        server.wait_for("Server is ready")
        stranger = await nats.connect(f"nats://127.0.0.1:{port}")
        heard: list[bytes] = []

        async def answer(message: Msg) -> None:
            heard.append(message.data)
            await message.respond(b'{"stream": "INBOX_acme", "seq": 1}')

        await stranger.subscribe("tally.inbox.>", cb=answer)
        links = ExternalLinks(settings(identity, tmp_path, f"nats://127.0.0.1:{port}"))
        await links.set_partners([partner])
        await links.start()
        await eventually(lambda: "account '$G'" in (links.status()["nordic"].last_error or ""))
        with pytest.raises(Unavailable):
            await links.send("nordic", "m1", b"secret", timeout=1.0)
        assert not links.status()["nordic"].connected
        assert heard == []
        assert await stranger.jetstream().streams_info() == []
        await links.stop()
        await stranger.close()


async def test_a_cluster_that_is_away_is_unavailable(identity: Identity, partner: Partner, tmp_path: Path) -> None:
    links = ExternalLinks(settings(identity, tmp_path))
    await links.set_partners([partner])
    await links.start()
    with pytest.raises(Unavailable):
        await links.send("nordic", "m1", b"{}", timeout=1.0)
    assert not links.status()["nordic"].connected
    assert links.server_pid is None
    assert links.leaf_url == LEAF
    await asyncio.wait_for(links.stop(), 10)
    assert names.in_account("nordic") == "IN_nordic"
