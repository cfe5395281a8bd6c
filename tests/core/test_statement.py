"""Statements: form, versions, and what each kind carries."""

from typing import Any

import pytest

from tallystick.core import jws, statement
from tallystick.core.errors import Invalid, UnknownVersion
from tallystick.core.keys import SigningKey

KEY = SigningKey(b"s" * 32)
PAYLOAD: dict[str, Any] = {
    "v": 1,
    "iss": "huaxia",
    "aud": "a" * 64,
    "kind": "propose",
    "execution": "e" * 64,
    "basis": None,
    "iat": 1_790_000_000_000,
    "body": {"nonce": "n"},
}
H = "c" * 64


def read(**changes: Any) -> statement.Statement:
    """A signed statement with changes, read back."""
    raw, said = statement.read(jws.sign(KEY, statement.STATEMENT, {**PAYLOAD, **changes}))
    jws.verify(raw, KEY.public_hex)
    assert (said.id, said.kid) == (raw.id, KEY.kid)
    return said


@pytest.mark.parametrize(
    ("kind", "body", "place", "sealed", "commitments"),
    [
        ("propose", {"nonce": "n"}, ("", 0), [], {}),
        ("consent", {"decision": "accepted"}, ("", 0), [], {}),
        ("consent", {"decision": "rejected", "reason": H, "sealed": [H]}, ("", 0), [H], {"$reason": H}),
        ("start", {"input": {"a": H}, "sealed": [H]}, ("", 0), [H], {"a": H}),
        ("result", {"task": "t.1", "attempt": 2, "status": "completed", "data": {"a": H}}, ("t.1", 2), [], {"a": H}),
        (
            "result",
            {"task": "t.1", "attempt": 1, "status": "failed", "error": {"code": "x", "message": H}},
            ("t.1", 1),
            [],
            {"$message": H},
        ),
        ("result", {"task": "t.1", "attempt": 1, "status": "failed", "error": {"code": "x"}}, ("t.1", 1), [], {}),
        ("received", {"task": "t.1", "attempt": 1, "sealed": [H]}, ("t.1", 1), [], {}),
        ("acknowledge", {"task": "t.1", "attempt": 1}, ("t.1", 1), [], {}),
        ("timer", {"timer": "t.1/1/timeout"}, ("", 0), [], {}),
        ("terminate", {"reason": H}, ("", 0), [], {"$reason": H}),
    ],
)
def test_every_kind(
    kind: str, body: dict[str, Any], place: tuple[str, int], sealed: list[str], commitments: dict[str, str]
) -> None:
    said = read(kind=kind, body=body)
    assert isinstance(said.body, statement.KINDS[kind])
    assert (said.place, said.sealed, said.commitments) == (place, sealed, commitments)
    assert statement.body_of(said.body) == body or kind == "result"


def test_empty_fields_of_a_body_stay_absent() -> None:
    body = statement.Result(task="t.1", attempt=1, status="completed")
    assert not {"outcome", "error", "sealed"} & set(statement.body_of(body))


def test_signing_and_the_basis() -> None:
    basis = statement.Basis(term=0, size=1, root=H)
    token = statement.sign(KEY, statement.Payload(**{**PAYLOAD, "basis": basis}))
    assert statement.read(token)[1].basis == basis


@pytest.mark.parametrize("version", [0, 2, "1", None, [1]])
def test_unknown_versions_never_pass(version: Any) -> None:
    with pytest.raises(UnknownVersion):
        read(v=version)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"kind": "sing"}, "unknown_kind"),
        ({"kind": "x" * 1000}, "unknown_kind"),
        ({"kind": 1}, "bad_statement"),
        ({"surplus": 1}, "bad_statement"),
        ({"iss": None}, "bad_statement"),
        ({"basis": {"term": 0}}, "bad_statement"),
        ({"body": []}, "bad_statement"),
        ({"body": {"nonce": "n", "surplus": 1}}, "bad_statement"),
        ({"body": {}}, "bad_statement"),
        ({"kind": "consent", "body": {"decision": "perhaps"}}, "bad_statement"),
        ({"kind": "acknowledge", "body": {"task": "t.1", "attempt": True}}, "bad_statement"),
    ],
)
def test_other_forms_are_refused(changes: dict[str, Any], code: str) -> None:
    with pytest.raises(Invalid) as caught:
        read(**changes)
    assert caught.value.code == code


def test_a_head_is_no_statement() -> None:
    with pytest.raises(Invalid) as caught:
        statement.read(jws.sign(KEY, statement.HEAD, PAYLOAD))
    assert caught.value.code == "bad_token_header"
