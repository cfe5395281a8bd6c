"""Passwords: argon2id, bounded, nothing told."""

import pytest
from argon2 import PasswordHasher

from tallystick.core.errors import Invalid
from tallystick.tenants import passwords
from tallystick.tenants.passwords import hash_password, needs_rehash, password_matches

AWKWARD = "a!b@c$d()e*_,/:;=?@ff[]22"


@pytest.mark.parametrize("password", [AWKWARD, "  spaces at both ends  ", "密码是一个很长的句子", "x" * 256, "\0" * 10])
def test_the_right_password_matches_and_no_other(password: str) -> None:
    encoded = hash_password(password)
    assert encoded.startswith("$argon2id$")
    assert password not in encoded
    assert password_matches(password, encoded)
    for wrong in (password[:-1], password + " ", password.swapcase() + "x", ""):
        assert not password_matches(wrong, encoded)


def test_spellings_of_one_letter_are_one_password() -> None:
    assert password_matches("cafe\N{COMBINING ACUTE ACCENT} am Rhein", hash_password("café am Rhein"))


@pytest.mark.parametrize("password", ["", "too short", "x" * 257, "surrogates\ud800"])
def test_weak_passwords_are_refused_without_being_quoted(password: str) -> None:
    with pytest.raises(Invalid) as caught:
        hash_password(password)
    assert caught.value.code == "weak_password"
    assert not password or password not in str(caught.value)


def test_nothing_matches_without_a_good_hash() -> None:
    for encoded in (None, "", "plain text", "$argon2id$v=19$m=1"):
        assert not password_matches(AWKWARD, encoded)
    assert not password_matches("\ud800", hash_password(AWKWARD))
    assert not password_matches("x" * 10**6, hash_password(AWKWARD))


def test_a_missing_user_costs_a_real_verification() -> None:
    parameters = [part for part in passwords._NOBODY.split("$") if part.startswith("m=")]
    assert parameters == [part for part in hash_password(AWKWARD).split("$") if part.startswith("m=")]
    assert not needs_rehash(passwords._NOBODY)


def test_hashes_of_another_cost_are_to_be_renewed() -> None:
    assert needs_rehash(PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(AWKWARD))
    assert not needs_rehash(hash_password(AWKWARD))
