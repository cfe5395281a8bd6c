"""nkeys against the library that NATS publishes."""

import nkeys  # type: ignore[import-untyped]
import pytest

from tallystick.core.errors import Invalid
from tallystick.core.keys import SigningKey
from tallystick.tenants import nkey


def test_seed_and_public_key_are_those_of_the_nats_library() -> None:
    seed = SigningKey.generate().seed
    theirs = nkeys.from_seed(nkey.seed_text(seed).encode())
    assert nkey.seed_text(seed).startswith("SU")
    assert theirs.public_key.decode() == nkey.public_text(seed)
    assert nkey.check_public(nkey.public_text(seed)) == nkey.public_text(seed)


def test_anything_but_a_public_user_key_is_refused() -> None:
    public = nkey.public_text(bytes(32))
    account = nkeys.from_seed(nkeys.encode_seed(bytes(32), nkeys.PREFIX_BYTE_ACCOUNT)).public_key.decode()
    flipped = public[:-1] + ("A" if public[-1] != "A" else "B")
    for text in (
        "",
        "U",
        public[:-1],
        public + "A",
        public.lower(),
        flipped,
        account,
        nkey.seed_text(bytes(32)),
        "数据" * 28,
    ):
        with pytest.raises(Invalid):
            nkey.check_public(text)
