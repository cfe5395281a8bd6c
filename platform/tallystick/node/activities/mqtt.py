"""``send_mqtt_message``: one message to this organisation's broker."""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from gmqtt import Client, MQTTConnectError
from gmqtt.mqtt.constants import MQTTv311
from gmqtt.storage import PersistentStorage
from msgspec import Meta

from tallystick.core.errors import TallystickError
from tallystick.node.activities.addresses import resolve
from tallystick.node.activities.call import Call, Input, invalid, read_input
from tallystick.node.activities.failing import ActivityFailed
from tallystick.node.activities.settings import MqttSettings
from tallystick.tenants.files import read_private

_REFUSALS = (1, 2, 4, 5)  # CONNACK codes of MQTT 3.1.1 that asking again does not mend; 3 is "unavailable"

_GRACE_S = 2  # for saying goodbye to a broker that no longer reads
SILENT = logging.getLogger("tallystick.mqtt")
SILENT.addHandler(logging.NullHandler())
SILENT.propagate = False  # the client's log holds topics and payloads


class MqttMessage(Input, frozen=True):
    """Its input. A ``payload`` that is not text is sent as JSON."""

    topic: Annotated[str, Meta(min_length=1, max_length=1000)]
    payload: Any = ""
    qos: Literal[0, 1, 2] = 1
    retain: bool = False
    timeout_seconds: Annotated[int, Meta(ge=1, le=3600)] | None = None


class MqttActivity:
    """The activity of one organisation. MQTT 3.1.1 has no place for a token: a redelivered call publishes again."""

    def __init__(self, settings: MqttSettings | None, data_dir: Path) -> None:
        self._settings = settings
        self._data_dir = data_dir

    async def __call__(self, call: Call) -> dict[str, Any]:
        """Publish; with ``qos`` 1 and 2 this returns when the broker has acknowledged."""
        asked = read_input(call.input, MqttMessage)
        settings = self._settings
        if settings is None:
            raise ActivityFailed("the settings name no MQTT broker (activities.mqtt)", code="not_configured")
        _check_topic(asked.topic)
        if not any(matches(one, asked.topic) for one in settings.topics):
            raise ActivityFailed("the settings do not allow this topic (activities.mqtt.topics)", code="not_allowed")
        payload = asked.payload.encode() if isinstance(asked.payload, str) else msgspec.json.encode(asked.payload)
        if len(payload) > settings.max_bytes:
            raise ActivityFailed(f"the payload has more than {settings.max_bytes} bytes", code="too_large")
        seconds = min(asked.timeout_seconds or settings.max_seconds, settings.max_seconds)
        await self._publish(settings, asked, payload, seconds)
        return {"topic": asked.topic, "qos": asked.qos, "size": len(payload)}

    async def _publish(self, settings: MqttSettings, asked: MqttMessage, payload: bytes, seconds: int) -> None:
        line = _Line()
        client = Client("", persistent_storage=line, logger=SILENT)
        # Another attempt is the retry policy's to decide. Zero would still allow the client one, after our time is up.
        client.set_config({"reconnect_retries": -2})
        client.on_disconnect = line.lost
        if settings.username is not None:
            client.set_auth_credentials(
                settings.username, await asyncio.to_thread(password_of, settings, self._data_dir)
            )
        tls = await asyncio.to_thread(tls_of, settings, self._data_dir)
        try:
            async with asyncio.timeout(seconds):
                # The client would ask on threads that the whole node shares.
                await resolve(settings.host, settings.port)
                connecting = client.connect(
                    settings.host, settings.port, ssl=tls, keepalive=seconds + 5, version=MQTTv311
                )
                await line.unless_lost(connecting)
                client.publish(asked.topic, payload, qos=asked.qos, retain=asked.retain)
                if asked.qos:
                    await line.acknowledged()
        except MQTTConnectError as error:
            if error.args[0] in _REFUSALS:
                raise ActivityFailed("the broker does not accept this organisation", code="broker_refused") from error
            raise ActivityFailed("the broker does not take the message", code="broker_unavailable") from error
        except (TimeoutError, OSError) as error:
            detail = f"the broker did not acknowledge within {seconds} s"
            raise ActivityFailed(detail, code="broker_unavailable") from error
        finally:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_GRACE_S):
                    await client.disconnect()


def password_of(settings: MqttSettings, data_dir: Path) -> str | None:
    """The broker's password, from a file that nobody else reads."""
    if settings.password_file is None:
        return None
    try:
        return read_private(data_dir / settings.password_file, max_bytes=4000).decode().strip("\r\n")
    except (OSError, UnicodeDecodeError, TallystickError) as error:
        raise ActivityFailed("the broker's password file cannot be read", code="not_configured") from error


def tls_of(settings: MqttSettings, data_dir: Path) -> ssl.SSLContext | bool:
    """How the broker proves who it is; False where the settings ask for no TLS."""
    if not settings.tls:
        return False
    try:
        return ssl.create_default_context(cafile=data_dir / settings.ca_file if settings.ca_file else None)
    except OSError as error:
        raise ActivityFailed("the broker's certificate file cannot be read", code="not_configured") from error


class _Line(PersistentStorage):  # type: ignore[misc]
    """What becomes of our one message and of the connection that carries it.

    The client keeps a message here until the broker has acknowledged it; waiting for that is what it has no call for.
    """

    def __init__(self) -> None:
        super().__init__()
        self._acknowledged = asyncio.Event()
        self._lost = asyncio.Event()

    def remove_message_by_mid(self, mid: int) -> None:
        """Acknowledged (PUBACK, PUBCOMP)."""
        super().remove_message_by_mid(mid)
        self._acknowledged.set()

    def lost(self, _client: Client, _packet: bytes, _error: Exception | None = None) -> None:
        """The connection ended."""
        self._lost.set()

    async def acknowledged(self) -> None:
        """Return when the message is acknowledged."""
        await self.unless_lost(self._acknowledged.wait())

    async def unless_lost(self, doing: Coroutine[Any, Any, Any]) -> None:
        """Do it; :class:`ConnectionResetError` when the connection ends before it is done."""
        task, lost = asyncio.create_task(doing), asyncio.create_task(self._lost.wait())
        try:
            await asyncio.wait({task, lost}, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait({task}, timeout=_GRACE_S / 10)  # a refusal comes just before the end
            if not task.done():
                raise ConnectionResetError("the broker ended the connection")
            task.result()
        finally:
            task.cancel()
            lost.cancel()


def matches(pattern: str, topic: str) -> bool:
    """Whether an MQTT topic filter covers a topic (MQTT 3.1.1, 4.7)."""
    levels, words = pattern.split("/"), topic.split("/")
    for place, level in enumerate(levels):
        if level == "#":
            return True
        if place >= len(words) or level not in {"+", words[place]}:
            return False
    return len(levels) == len(words)


def _check_topic(topic: str) -> None:
    if topic.startswith("$"):
        raise invalid("topics that begin with $ are the broker's own", "/topic")
    if any(one in topic for one in "+#\x00") or len(topic.encode()) > 1000:
        raise invalid("must be a topic of at most 1000 bytes, without wildcards", "/topic")
