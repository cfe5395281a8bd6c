"""One organisation's services over a real database, without links, loops or a chain, at a time that tests set."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from support.parties import BUYER, NOON, SUPPLIER
from tallystick.node.anchoring.nochain import NoChain
from tallystick.node.parts import Parts
from tallystick.node.record.chunks import Chunks
from tallystick.node.record.claiming import Limits
from tallystick.node.record.context import Context
from tallystick.node.record.own_card import CARD_FILE, OwnCard
from tallystick.node.record.unit import Unit
from tallystick.node.services import launching
from tallystick.node.services.facade import Services
from tallystick.node.settings import Settings
from tallystick.node.work.activities import Activities
from tallystick.node.work.engine import Engine
from tallystick.node.work.link_certificates import LinkCertificates
from tallystick.node.work.triggers import Triggers
from tallystick.tenants import card as cards
from tallystick.tenants import tls
from tallystick.tenants.database import Database
from tallystick.tenants.introductions import Introductions, Us
from tallystick.tenants.keystore import Keystore
from tallystick.tenants.models.definition import DefinitionRow
from tallystick.tenants.partners import Partners
from tallystick.tenants.permissions import Permission

PASSPHRASE = "correct horse a!b@c$d()e*_,/:;=?@ff[]22 密码"


class Somebody:
    """A user with these permissions."""

    def __init__(self, *permissions: Permission) -> None:
        self.id = self.username = "ada"
        self.groups: tuple[str, ...] = ()
        self._permissions = permissions or tuple(Permission)

    def may(self, permission: Permission) -> bool:
        """As given."""
        return permission in self._permissions


class Alone:
    """The organisation; ``replica`` is another process's view of the same one."""

    def __init__(self, folder: Path, keystore: Keystore | None = None) -> None:
        self.folder = folder
        folder.chmod(0o700)
        self.now = NOON
        self.database = Database(folder / "tenant.db")
        self.database.create_schema()
        self.keystore = keystore or Keystore.create(folder / "keystore.json", PASSPHRASE)
        activities = Activities()
        chunks = Chunks(folder / "chunks")
        self.context = Context(
            org_id=BUYER,
            keystore=self.keystore,
            chunks=chunks,
            own_card=OwnCard(folder / CARD_FILE),
            activities=activities,
            clock=lambda: self.now,
        )
        engine = Engine(self.database, self.context, activities, Limits(in_all=10))
        self.committer, self.runner = engine.committer, engine.runner
        self.triggers = Triggers(self.database, self.context, engine.committer, self._launch)
        facts: dict[str, Any] = {
            "settings": Settings(org_id=BUYER, name="华夏汽车", domain="huaxia.example", port=8080, data_dir=folder),
            "database": self.database,
            "context": self.context,
            "users": None,
            "partners": Partners(self.database),
            "introductions": Introductions(self.database, Us(BUYER, self.keystore.root_public.key)),
            "links": SimpleNamespace(leaf_url="tls://127.0.0.1:4222"),
            "transports": None,
            "certificates": LinkCertificates(folder / "tls", self.keystore, org_id=BUYER, hosts=["127.0.0.1"]),
            "bell": engine.bell,
            "chain": NoChain(),
            "committer": engine.committer,
            "queues": engine.queues,
            "triggers": self.triggers,
            "clock": None,
            "marks": None,
        }
        self.parts = Parts(**facts)
        self.services = Services(self.parts)
        self.who: Any = Somebody()

    def _launch(self, unit: Unit, row: DefinitionRow, values: dict[str, Any]) -> str:
        return launching.launch(unit, self.parts, row, values).row.id

    def replica(self) -> "Alone":
        """The same organisation in another process."""
        other = Alone(self.folder, self.keystore)
        other.now = self.now
        return other

    def meet(self, org: str = SUPPLIER) -> None:
        """Take in a partner's card."""
        folder = self.folder / org
        folder.mkdir(mode=0o700)
        keystore = Keystore.create(folder / "keystore.json", PASSPHRASE)
        token = cards.build(
            keystore,
            org_id=org,
            name=org,
            domain=f"{org}.example",
            endpoint_url=f"https://{org}.example",
            capabilities=("approval", "data_exchange"),
            chain_org="0x" + "0" * 64,
            leaf_url="tls://127.0.0.1:4223",
            tls_ca=_ca(keystore, org, folder),
        )
        self.parts.partners.put(token)

    async def statuses(self) -> list[str]:
        """Of all executions, the newest first."""
        found = await self.services.executions(self.who)
        return [one["status"] for one in found["items"]]

    async def close(self) -> None:
        """When all is written."""
        await self.committer.idle()
        self.database.close()


def _ca(keystore: Keystore, org: str, folder: Path) -> str:
    files = tls.ensure(folder / "tls", ca_key=keystore.ca_key, org_id=org, hosts=["127.0.0.1"])
    return Path(files.ca).read_text()


def definition(*triggers: dict[str, Any], version: str = "1", **more: Any) -> dict[str, Any]:
    """One step of staff, and what starts it."""
    return {
        "id": "watch",
        "name": "Watch 监测",
        "version": version,
        "participants": [{"org_id": BUYER, "role": "plant", "can_terminate": True}],
        "triggers": list(triggers),
        "steps": [
            {
                "id": "look",
                "name": "Look",
                "step_type": "user_task",
                "assigned_org": BUYER,
                "user_task": {"form_properties": [{"id": "seen", "name": "Seen", "property_type": "boolean"}]},
            }
        ],
        **more,
    }
