"""A partner API at a real HTTP server, and partners who sign as they like."""

import asyncio
import secrets
import socket
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import msgspec
from http_message_signatures import ContentDigest, HTTPMessageSigner, HTTPSignatureKeyResolver
from hypercorn.asyncio import serve
from hypercorn.config import Config
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount

from tallystick.core.keys import SigningKey
from tallystick.node.api.limits import BodyLimit
from tallystick.node.partner_api import rules
from tallystick.node.partner_api.server import PartnerApi
from tallystick.node.work.committer import Committer
from tallystick.node.work.inbox import Inbox
from tallystick.tenants import card as cards
from tallystick.tenants import tls
from tallystick.tenants.database import Database
from tallystick.tenants.keystore import Keystore
from tallystick.tenants.partners import Partners

PHRASE = "correct horse a!b@c$d()e*_,/:;=?@ff[]22 密码"


class Outgoing(msgspec.Struct):
    """A request as it will be sent; also what the signing library reads and completes."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes = b""

    def changed(self, **fields: str) -> "Outgoing":
        """With other header fields, under the same signature; underscores stand for hyphens, "" drops one."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        headers |= {name.replace("_", "-"): value for name, value in fields.items()}
        return msgspec.structs.replace(self, headers={name: value for name, value in headers.items() if value})


class Visitor:
    """A partner with an HTTP client of its own making."""

    def __init__(self, org: str, keystore: Keystore, folder: Path) -> None:
        self.org = org
        self.keystore = keystore
        self._folder = folder

    @property
    def key(self) -> SigningKey:
        """What signs its requests."""
        return self.keystore.signing_key

    def card(self, issued_at: int = 1) -> str:
        """Its card."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        files = tls.ensure(self._folder / "tls", ca_key=self.keystore.ca_key, org_id=self.org)
        return cards.build(
            self.keystore, org_id=self.org, name=self.org, domain=f"{self.org}.example", capabilities=["approval"],
            endpoint_url=f"https://{self.org}.example", chain_org="0x" + "00" * 32,
            leaf_url="tls://127.0.0.1:7422", tls_ca=files.ca.read_text(), issued_at=issued_at,
        )  # fmt: skip

    def sign(
        self,
        url: str,
        body: bytes,
        now_ms: int,
        *,
        method: str = "POST",
        key: SigningKey | None = None,
        keyid: str | None = None,
        covered: Sequence[str] = rules.COVERED,
        tag: str | None = rules.TAG,
        nonce: str | None = "",
        created: int = 0,
        expires: int | None = 300,
        media_type: str = "application/json",
        algorithm: Any = rules.LibsodiumEd25519,
        digest: str | None = None,
    ) -> Outgoing:
        """A signed request; ``created`` and ``expires`` are seconds from now, and from then."""
        fields = {"Content-Type": media_type, "Content-Digest": digest or ContentDigest.create(body)}
        request = Outgoing(method, url, fields, body)
        began = now_ms // 1000 + created
        signer = HTTPMessageSigner(signature_algorithm=algorithm, key_resolver=_Only(key or self.key))
        signer.content_digest_class = _AnyDigest
        signer.sign(
            request,
            key_id=rules.key_name(self.org, self.key.kid) if keyid is None else keyid,
            created=datetime.fromtimestamp(began, UTC),
            expires=None if expires is None else datetime.fromtimestamp(began + expires, UTC),
            nonce=secrets.token_urlsafe(16) if nonce == "" else nonce,
            label="any",
            tag=tag,
            covered_component_ids=covered,
        )
        return request


class _AnyDigest(ContentDigest):
    """Signs whatever digest stands there."""

    @classmethod
    def prepare(cls, *_: Any, **__: Any) -> None:
        """Look at nothing."""


class _Only(HTTPSignatureKeyResolver):
    def __init__(self, key: Any) -> None:
        self._key = key

    def resolve_private_key(self, key_id: str) -> Any:
        return self._key


class Counter:
    """One organisation's partner API over its real inbox, at a real server on the loopback."""

    def __init__(self, org: str, database: Database, inbox: Inbox, committer: Committer, now: Any) -> None:
        self.partners = Partners(database)
        self._facts: dict[str, Any] = {"org_id": org, "inbox": inbox, "committer": committer, "now": now}
        self._socket: socket.socket | None = None
        self._serving: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self.port = 0
        self.http = httpx2.AsyncClient(timeout=20, trust_env=False)

    @property
    def url(self) -> str:
        """Where messages go."""
        return f"http://127.0.0.1:{self.port}/partner/v1/inbox"

    async def start(self) -> None:
        """Serve; after a stop at the same port, as another process would."""
        listener = socket.create_server(("127.0.0.1", self.port))
        self.port = listener.getsockname()[1]
        api = PartnerApi(
            **self._facts, endpoint_url=f"http://127.0.0.1:{self.port}", partners=self.partners, card=self._card
        )
        app = Starlette(routes=[Mount("/partner/v1", app=api.app())], middleware=[Middleware(BodyLimit)])
        config = Config()
        config.bind = [f"fd://{listener.detach()}"]
        config.graceful_timeout = 0.2
        config.keep_alive_timeout = 2
        self._stopping = asyncio.Event()
        self._serving = asyncio.create_task(
            serve(app, config, shutdown_trigger=self._stopping.wait)  # type: ignore[arg-type]
        )

    async def stop(self) -> None:
        """End the server."""
        self._stopping.set()
        if self._serving is not None:
            await self._serving

    async def send(self, request: Outgoing) -> httpx2.Response:
        """The answer to a request."""
        target = request.url.partition("://")[2].partition("/")[2]
        where = f"http://127.0.0.1:{self.port}/{target}"
        return await self.http.request(request.method, where, headers=request.headers, content=request.body)

    async def _card(self) -> dict[str, Any]:
        return {"card": "…"}
