"""Heads, attestations and refusals."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tallystick.core import head as heads
from tallystick.core import jws
from tallystick.core.errors import BadSignature, Invalid, UnknownVersion
from tallystick.core.head import Head, Refusal
from tallystick.core.keys import SigningKey
from tallystick.core.statement import ATTESTATION, HEAD, RECEIPT, REFUSAL, Basis

KEY = SigningKey(b"h" * 32)
STATED = Head(v=1, iss="huaxia", aud="a" * 64, execution="e" * 64, term=0, size=3, root="f" * 64, iat=1)
REFUSED = Refusal(
    v=1, iss="huaxia", aud="a" * 64, execution="e" * 64, statement_id="5" * 64, code="closed", detail="已结束", iat=1
)
RECEIVED = heads.Receipt(
    v=1,
    iss="huaxia",
    aud="a" * 64,
    execution="e" * 64,
    statement_id="5" * 64,
    basis=Basis(term=0, size=3, root="f" * 64),
    iat=1,
)
Form = tuple[Callable[..., str], Callable[[str], tuple[jws.Token, Any]], Any, str]
FORMS: list[Form] = [
    (heads.sign_head, heads.read_head, STATED, HEAD),
    (heads.sign_attestation, heads.read_attestation, STATED, ATTESTATION),
    (heads.sign_refusal, heads.read_refusal, REFUSED, REFUSAL),
    (heads.sign_receipt, heads.read_receipt, RECEIVED, RECEIPT),
]


@pytest.mark.parametrize(("sign", "read", "value", "typ"), FORMS)
class TestEveryForm:
    def test_it_comes_back(self, sign: Any, read: Any, value: Any, typ: str) -> None:
        raw, found = read(sign(KEY, value))
        jws.verify(raw, KEY.public_hex)
        assert (raw.typ, raw.kid, found) == (typ, KEY.kid, value)
        with pytest.raises(BadSignature):
            jws.verify(raw, SigningKey(bytes(32)).public_hex)

    def test_one_form_does_not_pass_for_another(self, sign: Any, read: Any, value: Any, typ: str) -> None:
        for _, other, _, name in FORMS:
            if name != typ:
                with pytest.raises(Invalid):
                    other(sign(KEY, value))

    @pytest.mark.parametrize("version", [0, 2, None, "1"])
    def test_unknown_versions_never_pass(self, sign: Any, read: Any, value: Any, typ: str, version: Any) -> None:
        with pytest.raises(UnknownVersion):
            read(jws.sign(KEY, typ, {**msgspec.to_builtins(value), "v": version}))

    @pytest.mark.parametrize("change", [{"surplus": 1}, {"iss": 1}, {"iat": "now"}, {"execution": None}])
    def test_other_members_are_refused(
        self, sign: Any, read: Any, value: Any, typ: str, change: dict[str, Any]
    ) -> None:
        with pytest.raises(Invalid) as caught:
            read(jws.sign(KEY, typ, {**msgspec.to_builtins(value), **change}))
        assert caught.value.code == "bad_token"
