"""A private folder, one database and one keystore; names and passwords that flush out quoting bugs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tallystick.tenants.database import Database
from tallystick.tenants.keystore import Keystore

AWKWARD = "a!b@c$d()e*_,/:;=?@ff[]22"
PASSPHRASE = f"{AWKWARD} 华夏汽车 'quoted' \"twice\""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / f"data {AWKWARD.replace('/', '-')} 数据"
    path.mkdir(mode=0o700)
    return path


@pytest.fixture
def database(folder: Path) -> Iterator[Database]:
    with Database(folder / "tenant.db") as opened:
        opened.create_schema()
        yield opened


@pytest.fixture(scope="session")
def keystore(tmp_path_factory: pytest.TempPathFactory) -> Keystore:
    return Keystore.create(tmp_path_factory.mktemp("keys") / "keystore.json", PASSPHRASE)


@pytest.fixture(scope="session")
def other_keystore(tmp_path_factory: pytest.TempPathFactory) -> Keystore:
    return Keystore.create(tmp_path_factory.mktemp("other") / "keystore.json", PASSPHRASE)


@pytest.fixture
def now() -> list[float]:
    """The one number is the clock (seconds since 1970): ``clock=lambda: now[0]``; tests move it."""
    return [1_800_000_000.0]
