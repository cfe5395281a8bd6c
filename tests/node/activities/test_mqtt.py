"""Messages to a real broker: nats-server with its MQTT side open."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from gmqtt import Client
from gmqtt.mqtt.constants import MQTTv311

from node.activities.calls import FakeCall
from support.processes import Processes
from tallystick.node.activities.failing import ActivityFailed
from tallystick.node.activities.mqtt import MqttActivity, matches
from tallystick.node.activities.settings import MqttSettings
from tallystick.node.links.process import find_binary
from tallystick.tenants.files import write_private

Messages = asyncio.Queue[tuple[str, str, bool]]
Listen = Callable[[], Awaitable[Messages]]
PASSWORD = "a!b@c$d()e*_,/:;=?@ff[]22 密码"


@pytest.fixture
def broker(tmp_path: Path, processes: Processes) -> int:
    """The port of a broker that knows one user and one sender that may publish ``plant`` topics only."""
    tmp_path.chmod(0o700)
    config = tmp_path / "broker.conf"
    config.write_text(
        f"""
        listen: "127.0.0.1:-1"
        server_name: broker
        jetstream {{ store_dir: "{tmp_path}/js" }}
        mqtt {{ listen: "127.0.0.1:-1" }}
        authorization {{ users: [ {{ user: plant, password: "{PASSWORD}" }} ] }}
        """
    )
    server = processes.start("broker", [str(find_binary(None)), "-c", str(config)])
    port = server.wait_for(r"Listening for MQTT clients on \S+:(\d+)").group(1)
    server.wait_for("Server is ready")
    write_private(tmp_path / "mqtt.secret", f"{PASSWORD}\n".encode())
    return int(port)


def settings(port: int, **more: Any) -> MqttSettings:
    facts = {"host": "127.0.0.1", "port": port, "username": "plant", "password_file": "mqtt.secret", "max_seconds": 10}
    return MqttSettings(**{**facts, **more})


async def failure(activity: MqttActivity, **given: Any) -> ActivityFailed:
    with pytest.raises(ActivityFailed) as failed:
        await activity(FakeCall(input=given))
    return failed.value


@pytest.fixture
async def listen(broker: int) -> AsyncIterator[Listen]:
    """Subscribe to everything; the messages as they come."""
    async with AsyncExitStack() as stack:

        async def start() -> Messages:
            messages: Messages = asyncio.Queue()
            client = Client("")

            def got(_client: Client, topic: str, payload: bytes, _qos: int, properties: dict[str, Any]) -> int:
                messages.put_nowait((topic, payload.decode(), bool(properties["retain"])))
                return 0

            client.on_message = got
            client.set_auth_credentials("plant", PASSWORD)
            await client.connect("127.0.0.1", broker, version=MQTTv311)
            stack.push_async_callback(client.disconnect)
            ready = asyncio.Event()
            client.on_subscribe = lambda *_: ready.set()
            client.subscribe("plant/#", qos=1)
            await ready.wait()
            return messages

        yield start


async def take(messages: Messages, count: int) -> list[tuple[str, str, bool]]:
    async with asyncio.timeout(10):
        return [await messages.get() for _ in range(count)]


async def test_text_and_json_arrive_and_are_retained(broker: int, tmp_path: Path, listen: Listen) -> None:
    send = MqttActivity(settings(broker), tmp_path)
    messages = await listen()
    for qos, payload in ((0, "启动"), (1, {"单": [1, "x"]}), (2, 7)):
        made = await send(FakeCall(input={"topic": f"plant/{qos}", "payload": payload, "qos": qos}))
        assert (made["topic"], made["qos"]) == (f"plant/{qos}", qos)
    await send(FakeCall(input={"topic": "plant/state", "payload": "on", "retain": True}))
    assert sorted(await take(messages, 4)) == [
        ("plant/0", "启动", False),
        ("plant/1", '{"单":[1,"x"]}', False),
        ("plant/2", "7", False),
        ("plant/state", "on", False),
    ]
    assert await take(await listen(), 1) == [("plant/state", "on", True)]


async def test_a_broker_that_does_not_know_us_and_one_that_is_not_there(broker: int, tmp_path: Path) -> None:
    write_private(tmp_path / "wrong.secret", b"guess")
    error = await failure(MqttActivity(settings(broker, password_file="wrong.secret"), tmp_path), topic="plant/x")
    assert (error.code, error.retryable) == ("broker_refused", False)
    assert "guess" not in str(error)
    error = await failure(MqttActivity(settings(1), tmp_path), topic="plant/x")
    assert (error.code, error.retryable) == ("broker_unavailable", True)
    error = await failure(MqttActivity(settings(broker, password_file="none.secret"), tmp_path), topic="plant/x")
    assert error.code == "not_configured"


@pytest.mark.parametrize(
    ("answers", "within"),
    [
        ([], 1),  # silent
        ([b""], 10),  # hangs up at once
        ([b"\x20\x02\x00\x00"], 1),  # takes us in, never acknowledges
        ([b"\x20\x02\x00\x00", b""], 10),  # takes us in and hangs up
        ([b"\x20\x02\x00\x03"], 10),  # "unavailable"
    ],
)
async def test_a_broker_that_does_not_acknowledge(tmp_path: Path, answers: list[bytes], within: int) -> None:
    connections = 0
    gone = asyncio.Event()

    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        for answer in answers:
            await reader.read(1000)
            writer.write(answer)
            if not answer:
                writer.close()
        await reader.read()
        writer.close()
        gone.set()

    server = await asyncio.start_server(half, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    activity = MqttActivity(settings(port, max_seconds=within, username=None), tmp_path)
    async with server, asyncio.timeout(8):
        error = await failure(activity, topic="plant/x")
        await gone.wait()  # a connection that we gave up is closed
        await asyncio.sleep(0.2)
    assert (error.code, error.retryable) == ("broker_unavailable", True)
    assert connections == 1


@pytest.mark.parametrize("topic", ["a/+", "#", "a/#/b", "$SYS/x", "", "a\x00b", "名" * 400, "x" * 1001])
async def test_bad_topics(tmp_path: Path, topic: str) -> None:
    error = await failure(MqttActivity(settings(1), tmp_path), topic=topic)
    assert (error.code, error.pointer) == ("invalid_input", "/input/topic")


async def test_only_what_the_settings_allow(tmp_path: Path) -> None:
    assert (await failure(MqttActivity(None, tmp_path), topic="a")).code == "not_configured"
    narrow = MqttActivity(settings(1, topics=("plant/+/commands",), max_bytes=3), tmp_path)
    assert (await failure(narrow, topic="plant/7/state")).code == "not_allowed"
    assert (await failure(narrow, topic="plant/7/commands", payload="1234")).code == "too_large"
    assert (await failure(narrow, topic="plant/7/commands", qos=3)).pointer == "/input/qos"


@pytest.mark.parametrize(
    ("pattern", "topic", "covered"),
    [
        ("#", "a/b", True),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("a/#", "b", False),
        ("+", "a", True),
        ("+", "a/b", False),
        ("+/+", "/x", True),
        ("a/+/c", "a/b/c", True),
        ("a/+/c", "a/b/d", False),
        ("a/b", "a/b/c", False),
        ("a/b/c", "a/b", False),
    ],
)
def test_filters(pattern: str, topic: str, covered: bool) -> None:
    assert matches(pattern, topic) is covered
