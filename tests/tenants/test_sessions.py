"""Session tokens: only this organisation's, only while they last."""

import base64
import json
from typing import Any

import jwt
import pytest

from tallystick.tenants.sessions import LIFETIME_S, BadToken, ExpiredToken, Sessions

SECRET = bytes(range(32))
NOW = 1_800_000_000


@pytest.fixture
def sessions(now: list[float]) -> Sessions:
    return Sessions("huaxia", SECRET, clock=lambda: now[0])


def claims(**changes: Any) -> dict[str, Any]:
    good = {"iss": "huaxia", "aud": "huaxia", "sub": "1", "iat": NOW, "exp": NOW + 60, "jti": "j", "gen": 0}
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def forged(**changes: Any) -> str:
    return jwt.encode(claims(**changes), SECRET, algorithm="HS256")


def test_what_is_issued_is_read(sessions: Sessions) -> None:
    token, expires_at = sessions.issue("李 a!b@c$d()e*_,/:;=?@ff[]22", 3)
    session = sessions.read(token)
    assert (session.user_id, session.generation, session.expires_at) == ("李 a!b@c$d()e*_,/:;=?@ff[]22", 3, expires_at)
    assert expires_at == NOW + LIFETIME_S
    assert sessions.read(forged()).user_id == "1"


def test_each_token_has_an_id_of_its_own(sessions: Sessions) -> None:
    assert len({sessions.read(sessions.issue("1", 0)[0]).token_id for _ in range(20)}) == 20


def test_a_token_ends_at_its_second(sessions: Sessions, now: list[float]) -> None:
    token, expires_at = sessions.issue("1", 0, lifetime_s=60)
    now[0] = expires_at - 0.001
    sessions.read(token)
    now[0] = expires_at
    with pytest.raises(ExpiredToken):
        sessions.read(token)


@pytest.mark.parametrize("claim", ["iss", "aud", "sub", "iat", "exp", "jti", "gen"])
def test_every_claim_is_needed(sessions: Sessions, claim: str) -> None:
    with pytest.raises(BadToken):
        sessions.read(forged(**{claim: None}))


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "nordic"},
        {"aud": "nordic"},
        {"aud": ["huaxia", "nordic"]},
        {"sub": 1},
        {"exp": "tomorrow"},
        {"exp": 1e300},
        {"gen": "0"},
        {"jti": 5},
    ],
)
def test_wrong_claims_are_refused(sessions: Sessions, changes: dict[str, Any]) -> None:
    with pytest.raises(BadToken):
        sessions.read(forged(**changes))


def test_another_organisations_token_is_refused(sessions: Sessions, now: list[float]) -> None:
    for other in (
        Sessions("nordic", SECRET, clock=lambda: now[0]),
        Sessions("huaxia", bytes(32), clock=lambda: now[0]),
    ):
        with pytest.raises(BadToken):
            sessions.read(other.issue("1", 0)[0])


def test_other_algorithms_are_refused(sessions: Sessions) -> None:
    header = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "JWT"}).encode()).rstrip(b"=").decode()
    unsigned = f"{header}.{forged().split('.')[1]}."
    for token in (unsigned, jwt.encode(claims(), SECRET * 2, algorithm="HS512")):
        with pytest.raises(BadToken):
            sessions.read(token)


@pytest.mark.parametrize("token", ["", "a", "a.b.c", "数据", "x" * 10_000, "\ud800.\ud800.\ud800"])
def test_what_is_no_token_is_refused(sessions: Sessions, token: str) -> None:
    with pytest.raises(BadToken):
        sessions.read(token)


def test_every_flipped_character_is_noticed(sessions: Sessions) -> None:
    token, _ = sessions.issue("1", 0)
    for at in range(0, len(token) - 1, 7):
        other = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
        with pytest.raises(BadToken):
            sessions.read(other)


def test_the_secret_is_not_shown(sessions: Sessions) -> None:
    assert repr(sessions) == "Sessions('huaxia')"
