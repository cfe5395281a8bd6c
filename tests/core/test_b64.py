"""Base64url: one spelling for every string of bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.core import b64
from tallystick.core.errors import Invalid


@given(st.binary())
def test_bytes_come_back(data: bytes) -> None:
    assert b64.decode(b64.encode(data)) == data


@pytest.mark.parametrize(
    "text", ["AA==", "AA=", "A", "AAAAA", "AB", "AAB", "+/+/", "AA\n", " AA", "é", "A.A", "AA\x00"]
)
def test_other_spellings_are_refused(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        b64.decode(text)
    assert caught.value.code == "bad_base64"


@given(st.text(alphabet="ABCDwxyz0189-_=+/", max_size=12))
def test_what_is_accepted_is_canonical(text: str) -> None:
    try:
        data = b64.decode(text)
    except Invalid:
        return
    assert b64.encode(data) == text
