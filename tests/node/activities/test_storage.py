"""Files in the organisation's storage folder, and nowhere else."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from node.activities.calls import FakeCall
from tallystick.core.errors import Unavailable
from tallystick.node.activities.failing import ActivityFailed
from tallystick.node.activities.settings import StorageSettings
from tallystick.node.activities.storage import StorageActivity

NAME = "订单 2026/a!b.json".replace("!", "-")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    return tmp_path


def files(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in folder.rglob("*") if path.is_file()}


async def save(storage: StorageActivity, name: str, **content: Any) -> dict[str, Any]:
    return await storage(FakeCall(input={"name": name, **content}))


async def test_json_and_text_are_written_whole(folder: Path) -> None:
    storage = StorageActivity(StorageSettings(), folder)
    made = await save(storage, NAME, json={"b": 1, "名": None})
    written = (folder / "storage" / NAME).read_bytes()
    assert json.loads(written) == {"b": 1, "名": None}
    assert made == {"name": NAME, "size": len(written), "sha256": hashlib.sha256(written).hexdigest()}
    assert await save(storage, NAME, json={"b": 1, "名": None}) == made  # delivered again
    await save(storage, "note.txt", text="")
    assert (folder / "storage/note.txt").read_bytes() == b""
    modes = files(folder)
    assert set(modes.values()) == {0o600}
    assert set(modes) == {"note.txt", Path(NAME).name}  # no temporary file stays


@pytest.mark.parametrize(
    "name",
    ["../x", "a/../../x", "/etc/passwd", "a//b", ".ssh/x", "a/.x", "a/", "", ".", "..", "a\\b", "a\x00b", "a\nb", "~/x",
     "C:x", "x" * 201, "/".join("abcdefghi"), "-rf", "$(x)"],
)  # fmt: skip
async def test_no_name_leads_elsewhere(folder: Path, name: str) -> None:
    with pytest.raises(ActivityFailed) as failed:
        await save(StorageActivity(StorageSettings(), folder / "in"), name, text="x")
    assert (failed.value.code, failed.value.pointer) == ("invalid_input", "/input/name")
    assert files(folder) == {}


async def test_no_link_is_followed(folder: Path) -> None:
    outside = folder / "outside"
    outside.mkdir(mode=0o700)
    storage = StorageActivity(StorageSettings(), folder)
    await save(storage, "a/b.txt", text="x")
    (folder / "storage/link").symlink_to(outside)
    (folder / "storage/file").symlink_to(outside / "file")
    for name in ("link/x", "file", "a", "a/b.txt/c"):
        with pytest.raises(ActivityFailed) as failed:
            await save(storage, name, text="x")
        assert failed.value.pointer == "/input/name"
    assert files(outside) == {}


async def test_a_file_and_the_folder_are_bounded(folder: Path) -> None:
    storage = StorageActivity(StorageSettings(max_file_bytes=100, max_total_bytes=250), folder)
    with pytest.raises(ActivityFailed) as failed:
        await save(storage, "a", text="x" * 101)
    assert failed.value.code == "too_large"
    await save(storage, "a", text="x" * 100)
    again = StorageActivity(StorageSettings(max_file_bytes=100, max_total_bytes=250), folder)  # after a restart
    await save(again, "b", text="x" * 100)
    with pytest.raises(ActivityFailed) as failed:
        await save(again, "c", text="x" * 51)
    assert (failed.value.code, failed.value.retryable) == ("storage_unavailable", True)
    await save(again, "b", text="x")  # what is replaced counts once
    await save(again, "c", text="x" * 51)


async def test_a_folder_that_others_can_read_is_not_used(folder: Path) -> None:
    (folder / "storage").mkdir(mode=0o755)
    (folder / "storage").chmod(0o755)
    with pytest.raises(ActivityFailed) as failed:
        await save(StorageActivity(StorageSettings(), folder), "a", text="x")
    assert failed.value.code == "storage_unavailable"


@pytest.mark.parametrize("content", [{}, {"text": "x", "json": 1}, {"text": 1}, {"data": 1, "text": "x"}])
async def test_bad_input(folder: Path, content: dict[str, Any]) -> None:
    with pytest.raises(ActivityFailed) as failed:
        await save(StorageActivity(StorageSettings(), folder), "a", **content)
    assert failed.value.code == "invalid_input"


async def test_documents_are_kept_once_for_a_token(folder: Path) -> None:
    kept: list[tuple[str, str, str, bytes]] = []

    async def keep(token: str, name: str, media_type: str, data: bytes) -> str:
        kept.append((token, name, media_type, data))
        if name == "full":
            raise Unavailable("the disk is full")
        return "d_1"

    storage = StorageActivity(StorageSettings(), folder, keep)
    made = await save(storage, "a.txt", text="好", to="documents")
    assert (made["document_id"], made["size"]) == ("d_1", 3)
    assert kept == [("t_0123456789abcdef", "a.txt", "text/plain", "好".encode())]
    for name, code in (("a/b", "invalid_input"), ("full", "storage_unavailable")):
        with pytest.raises(ActivityFailed) as failed:
            await save(storage, name, text="x", to="documents")
        assert failed.value.code == code
    with pytest.raises(ActivityFailed) as failed:
        await save(StorageActivity(StorageSettings(), folder), "a", text="x", to="documents")
    assert failed.value.code == "not_configured"
    assert files(folder) == {}
