"""Events from the organisation's MQTT broker: the topics that its triggers name, for as long as they do.

One session of a fixed name, with quality of service 1: what comes while the node is away waits at the broker. A
message is acknowledged when what it starts is durable, and comes again otherwise; so that it then starts nothing twice,
its payload has to carry an ``event_id``. Retained messages are states, not events, and start nothing.
"""

import asyncio
import contextlib
import json
import logging
from pathlib import Path
from typing import Any

from gmqtt import Client, MQTTConnectError
from gmqtt.mqtt.constants import MQTTv311

from tallystick.core.canonical import MAX_INTEGER, bound_depth
from tallystick.core.errors import Invalid, TallystickError, Unavailable
from tallystick.node.activities.addresses import resolve
from tallystick.node.activities.mqtt import SILENT, password_of, tls_of
from tallystick.node.activities.settings import MqttSettings
from tallystick.node.work.triggers import MAX_EVENT_ID, MAX_PAYLOAD, Triggers

logger = logging.getLogger(__name__)
AT_ONCE = 32  # messages; the others wait, and the broker stops at what it allows unacknowledged
KEEP_ALIVE_S = 30  # how long a dead connection may go unnoticed, or nearly
CONNECT_S = 15
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0  # between two attempts to connect
TRY_AGAIN_S = 2.0  # of a message whose execution could not be written
_MAX_DEPTH = 16
_GRACE_S = 2  # for saying goodbye


class Broker:
    """The subscription of one organisation."""

    def __init__(self, settings: MqttSettings, data_dir: Path, org_id: str, triggers: Triggers) -> None:
        self._settings = settings
        self._data_dir = data_dir
        self._name = f"tallystick-{org_id}"
        self._triggers = triggers
        self._free = asyncio.Semaphore(AT_ONCE)
        self._lost = asyncio.Event()

    async def run(self) -> None:
        """Stay connected while something listens, until cancelled."""
        wait_s = FIRST_WAIT_S
        while True:
            self._triggers.filters_changed.clear()
            try:
                if not await self._triggers.filters():
                    await self._triggers.filters_changed.wait()
                    continue
                await self._connected()
                wait_s = FIRST_WAIT_S
            except (MQTTConnectError, TallystickError, TimeoutError, OSError) as error:
                logger.warning("the MQTT broker is tried again in %d s: %s", wait_s, error)
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, LONGEST_WAIT_S)

    async def _connected(self) -> None:
        """Connect, and follow the filters until the connection is lost."""
        client = Client(self._name, clean_session=False, logger=SILENT)
        client.set_config({"reconnect_retries": -2})  # this loop connects again, and looks at the filters then
        client.on_message = self._message
        client.on_disconnect = self._on_disconnect
        settings, lost = self._settings, self._lost
        lost.clear()
        try:
            async with asyncio.timeout(CONNECT_S):
                if settings.username is not None:
                    password = await asyncio.to_thread(password_of, settings, self._data_dir)
                    client.set_auth_credentials(settings.username, password)
                tls = await asyncio.to_thread(tls_of, settings, self._data_dir)
                await resolve(settings.host, settings.port)
                await client.connect(settings.host, settings.port, ssl=tls, keepalive=KEEP_ALIVE_S, version=MQTTv311)
            logger.info("events come from the MQTT broker")
            await self._follow(client)
        finally:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_GRACE_S):
                    await client.disconnect()

    async def _follow(self, client: Client) -> None:
        subscribed: set[str] = set()
        while not self._lost.is_set():
            self._triggers.filters_changed.clear()
            wanted = set(await self._triggers.filters())
            for one in sorted(wanted - subscribed):
                client.subscribe(one, qos=1)
            for one in sorted(subscribed - wanted):
                client.unsubscribe(one)
            subscribed = wanted
            await _either(self._lost, self._triggers.filters_changed)

    def _on_disconnect(self, _client: Client, _packet: bytes, _error: Exception | None = None) -> None:
        self._lost.set()

    async def _message(self, _client: Client, topic: str, payload: bytes, _qos: int, properties: Any) -> int:
        """One message; it is acknowledged when this returns."""
        if properties.get("retain"):
            return 0
        async with self._free:
            while True:
                try:
                    await self._take(topic, payload)
                except Unavailable as error:
                    logger.warning("an event waits: %s", error)
                    await asyncio.sleep(TRY_AGAIN_S)
                except Exception:
                    logger.exception("an event is given up")
                    return 0
                else:
                    return 0

    async def _take(self, topic: str, payload: bytes) -> None:
        try:
            value = read_payload(payload)
            await self._triggers.event(topic, value, _event_id(value))
        except Invalid as error:
            await self._triggers.refuse(topic, error.detail)


def read_payload(payload: bytes) -> Any:
    """JSON as the record can hold it: fractions and wide integers become strings of their digits."""

    def integer(digits: str) -> int | str:
        return int(digits) if len(digits) < 18 and abs(int(digits)) <= MAX_INTEGER else digits

    if len(payload) > MAX_PAYLOAD:
        raise Invalid(f"the payload has more than {MAX_PAYLOAD} bytes", code="too_large")
    try:
        bound_depth(payload, _MAX_DEPTH)  # the parser recurses in C
        return json.loads(payload.decode(), parse_float=str, parse_int=integer, parse_constant=str)
    except (ValueError, RecursionError) as error:
        raise Invalid("the payload is not JSON", code="bad_payload") from error


def _event_id(value: Any) -> str | None:
    found = value.get("event_id") if isinstance(value, dict) else None
    return found if isinstance(found, str) and 0 < len(found) <= MAX_EVENT_ID else None


async def _either(*events: asyncio.Event) -> None:
    waits = [asyncio.ensure_future(one.wait()) for one in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in waits:
            one.cancel()
