"""Which addresses are public, and that what was checked is what is connected to."""

import httpcore2
import pytest

from node.activities.calls import http, serving
from tallystick.node.activities.addresses import GuardedBackend, is_public, resolve
from tallystick.node.activities.failing import ActivityFailed

PRIVATE = [
    "0.0.0.0",  # noqa: S104
    "0.1.2.3", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1",
    "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.1",
    "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "::", "::1", "::7f00:1",
    "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::808:808",
    "64:ff9b:1::a00:1", "100::1", "2001::1", "2001:0:7f00:1::", "2001:db8::1", "2002:7f00:1::", "2002:808:808::",
    "3fff::1", "5f00::1", "fc00::1", "fd12:3456::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "localhost",
    "127.1", "0x7f000001", "2130706433",
]  # fmt: skip


@pytest.mark.parametrize("address", [*PRIVATE, ""])
def test_addresses_that_only_some_reach_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "2a00:1450::1"])
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("spelling", ["127.0.0.1", "127.1", "0x7f.0.0.1", "2130706433", "017700000001", "localhost"])
async def test_every_spelling_of_the_own_machine_is_refused(spelling: str) -> None:
    with pytest.raises(ActivityFailed) as failed:
        await GuardedBackend(()).connect_tcp(spelling, 80, timeout=1)
    assert failed.value.code in {"not_allowed", "unreachable"}


async def test_a_name_without_an_address_is_told_from_one_that_is_refused() -> None:
    with pytest.raises(ActivityFailed) as failed:
        await resolve("no-such-host.invalid", 80)
    assert failed.value.code == "unreachable"
    assert failed.value.retryable


async def test_a_name_that_answers_differently_the_second_time_gains_nothing() -> None:
    asked: list[str] = []

    async def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["192.0.2.1"] if len(asked) == 1 else ["127.0.0.1"]

    async with serving(http(b"inside")) as server:
        # 192.0.2.1 leads nowhere, so being allowed by name shows which address is tried: the one of the first answer.
        backend = GuardedBackend([f"rebind.example:{server.port}"], rebinding)
        with pytest.raises((httpcore2.ConnectError, httpcore2.ConnectTimeout)):
            await backend.connect_tcp("rebind.example", server.port, timeout=0.3)
    assert asked == ["rebind.example"]
    assert server.requests == []


async def test_one_private_address_among_public_ones_refuses_the_name() -> None:
    async def mixed(host: str, port: int) -> list[str]:
        return ["93.184.216.34", "10.0.0.1"]

    with pytest.raises(ActivityFailed) as failed:
        await GuardedBackend((), mixed).connect_tcp("mixed.example", 443, timeout=1)
    assert failed.value.code == "not_allowed"
    assert not failed.value.retryable
    assert "10.0.0.1" not in failed.value.detail  # a partner may read why; our network is not its business


async def test_allowed_are_host_and_port_together() -> None:
    async with serving(http()) as server:
        backend = GuardedBackend([f"127.0.0.1:{server.port}", "[::1]:1"])
        stream = await backend.connect_tcp("127.0.0.1", server.port, timeout=5)
        await stream.aclose()
        for host, port in (("127.0.0.1", server.port + 1), ("localhost", server.port), ("::1", 2)):
            with pytest.raises(ActivityFailed):
                await backend.connect_tcp(host, port, timeout=1)


async def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    async def two(host: str, port: int) -> list[str]:
        return ["127.0.0.2", "127.0.0.1"]

    async with serving(http()) as server:
        backend = GuardedBackend([f"two.example:{server.port}"], two)
        stream = await backend.connect_tcp("two.example", server.port, timeout=5)
        await stream.aclose()


async def test_sockets_of_the_machine_are_out_of_reach() -> None:
    with pytest.raises(ActivityFailed) as failed:
        await GuardedBackend(()).connect_unix_socket("/run/x.sock")
    assert failed.value.code == "not_allowed"
