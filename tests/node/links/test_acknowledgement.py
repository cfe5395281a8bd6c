"""Answers of a partner's stream, and what is none."""

import json

import pytest

from tallystick.core.errors import Invalid, Unavailable
from tallystick.node.links import acknowledgement


def check(data: bytes) -> None:
    acknowledgement.check(data, partner="nordic", stream="IN_huaxia")


def test_a_message_that_the_stream_has() -> None:
    check(b'{"stream":"IN_huaxia","seq":7,"domain":"nordic","duplicate":true}')


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"OK",
        b"[]",
        b"{}",
        b'{"stream":"IN_other","seq":7}',
        b'{"stream":"IN_huaxia","seq":0}',
        b'{"stream":"IN_huaxia","seq":"7"}',
        b'{"stream":"\xff","seq":7}',
        b'{"more":' + b"[" * 100_000,
        b'{"more":' + b'{"a":' * 100_000,
    ],
)
def test_what_is_no_acknowledgement_is_not_taken_for_one(data: bytes) -> None:
    with pytest.raises(Unavailable) as caught:
        check(data)
    assert caught.value.code == "no_ack"


def test_a_full_stream_is_for_later_and_a_large_message_for_never() -> None:
    with pytest.raises(Unavailable, match="maximum messages") as later:
        check(json.dumps({"error": {"err_code": 10077, "description": "maximum messages exceeded"}}).encode())
    assert later.value.code == "inbox_full"
    with pytest.raises(Invalid) as never:
        check(b'{"error":{"err_code":10054}}')
    assert never.value.code == "too_large"
