"""Files in encrypted chunks, in and out, and every way in which they can be wrong."""

import hashlib
import os
from copy import deepcopy
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from tallystick.core import b64, canonical
from tallystick.core.errors import Invalid
from tallystick.tenants.chunks import (
    CHUNK,
    MAX_FILE,
    BrokenFile,
    Chunk,
    FileOpener,
    FileSealer,
    FileTooLarge,
    check_media_type,
    check_name,
    decrypt_chunk,
    encrypt_chunk,
    read_manifest,
)

NAME = "发票 a!b@c$d()e*_,:;=?@ff[]22.xml"


def sealed(data: bytes, piece: int = 100_000) -> tuple[list[Chunk], dict[str, Any]]:
    sealer = FileSealer(NAME, "application/xml; charset=utf-8")
    chunks = [chunk for at in range(0, len(data), piece) for chunk in sealer.add(data[at : at + piece])]
    rest, value = sealer.finish()
    return chunks + rest, value


def opened(chunks: list[Chunk], value: dict[str, Any]) -> bytes:
    opener = FileOpener(read_manifest(value))
    data = b"".join(opener.open(chunk.ciphertext) for chunk in chunks)
    opener.finish()
    return data


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 7])
@pytest.mark.parametrize("piece", [65_536, CHUNK, 5 * CHUNK])
def test_what_goes_in_comes_out(size: int, piece: int) -> None:
    data = os.urandom(size)
    chunks, value = sealed(data, piece)
    assert opened(chunks, value) == data
    manifest = read_manifest(value)
    assert (manifest.name, manifest.size, manifest.sha256) == (NAME, size, hashlib.sha256(data).hexdigest())
    assert len(chunks) == -(-size // CHUNK)


def test_the_wire_form_is_that_of_the_record() -> None:
    data = os.urandom(CHUNK + 5)
    chunks, value = sealed(data)
    manifest = value["$file"]
    assert set(manifest) == {"v", "name", "media_type", "size", "sha256", "chunk_size", "key", "chunks"}
    assert manifest["chunks"] == [hashlib.sha256(chunk.ciphertext).hexdigest() for chunk in chunks]
    cipher = ChaCha20Poly1305(b64.decode(manifest["key"]))
    parts = [cipher.decrypt(n.to_bytes(12, "big"), chunk.ciphertext, None) for n, chunk in enumerate(chunks)]
    assert b"".join(parts) == data
    canonical.encode(value)


def test_the_largest_file_passes_in_little_memory_and_one_byte_more_does_not() -> None:
    piece = bytes(1024 * 1024)
    sealer = FileSealer(NAME, "application/octet-stream")
    count = sum(1 for _ in range(MAX_FILE // len(piece)) for _ in sealer.add(piece))
    assert count == MAX_FILE // CHUNK
    with pytest.raises(FileTooLarge) as caught:
        list(sealer.add(b"x"))
    assert caught.value.limit == MAX_FILE


def test_equal_files_have_no_chunk_in_common() -> None:
    (one, _), (other, _) = sealed(b"same"), sealed(b"same")
    assert one[0].sha256 != other[0].sha256


def test_a_chunk_opens_only_in_its_place_with_its_hash_and_key() -> None:
    key, data = os.urandom(32), b"data"
    ciphertext = encrypt_chunk(key, 1, data)
    digest = hashlib.sha256(ciphertext).hexdigest()
    assert decrypt_chunk(key, 1, ciphertext, digest) == data
    short = hashlib.sha256(b"x").hexdigest()
    for other_key, index, what, name in [
        (os.urandom(32), 1, ciphertext, digest),
        (key, 0, ciphertext, digest),
        (key, 1, ciphertext + b"x", digest),
        (key, 1, ciphertext, "0" * 64),
        (key, 1, b"x", short),
    ]:
        with pytest.raises(BrokenFile):
            decrypt_chunk(other_key, index, what, name)


def test_missing_swapped_and_surplus_chunks_are_refused() -> None:
    chunks, value = sealed(os.urandom(2 * CHUNK + 1))
    for wrong in (chunks[:-1], chunks[1:], [chunks[1], chunks[0], chunks[2]], [*chunks, chunks[0]], []):
        with pytest.raises(BrokenFile):
            opened(wrong, value)


def test_a_chunk_of_another_length_than_the_size_says_is_refused() -> None:
    chunks, value = sealed(b"123")
    value["$file"]["size"] = 4
    with pytest.raises(BrokenFile, match="length"):
        opened(chunks, value)


def test_a_file_that_is_not_the_one_named_is_refused_at_its_end() -> None:
    chunks, value = sealed(b"123")
    value["$file"]["sha256"] = "0" * 64
    with pytest.raises(BrokenFile, match="do not make the file"):
        opened(chunks, value)


@pytest.mark.parametrize(
    "change",
    [
        {"v": 2},
        {"more": 1},
        {"name": "../etc/passwd"},
        {"media_type": "xml"},
        {"size": -1},
        {"size": MAX_FILE + 1},
        {"size": CHUNK + 1},
        {"size": "1"},
        {"chunk_size": 1},
        {"chunks": []},
        {"chunks": ["0" * 64] * 2},
        {"chunks": ["0" * 63]},
        {"chunks": ["A" * 64]},
        {"sha256": "0"},
        {"key": "AAAA"},
        {"key": "*"},
    ],
)
def test_a_manifest_that_breaks_a_rule_is_refused(change: dict[str, Any]) -> None:
    _, value = sealed(b"123")
    forged = deepcopy(value)
    forged["$file"].update(change)
    with pytest.raises(Invalid):
        read_manifest(forged)


@pytest.mark.parametrize("value", [None, {}, {"$file": 1}, {"$file": {}}, {"$file": {"v": 1}, "more": 1}, "x"])
def test_what_is_no_file_value_is_refused(value: Any) -> None:
    with pytest.raises(Invalid):
        read_manifest(value)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "a\\b", "a\0b", "a\nb", "a\x7f", "\ud800", "a\u2028b", "长" * 86]
)
def test_names_that_could_do_harm_are_refused(name: str) -> None:
    with pytest.raises(Invalid):
        check_name(name)


@pytest.mark.parametrize(
    "media_type", ["", "text", "text/", "/xml", "text/xml\n", "text/xml; charset", "文/本", "a/" + "b" * 300]
)
def test_what_is_no_media_type_is_refused(media_type: str) -> None:
    with pytest.raises(Invalid):
        check_media_type(media_type)


def test_media_types_with_suffix_and_parameters_pass() -> None:
    for media_type in ("image/svg+xml", "application/vnd.oasis.ubl", "text/plain; charset=utf-8", 'a/b;c="d"'):
        assert check_media_type(media_type) == media_type


def test_a_manifest_does_not_show_its_key() -> None:
    _, value = sealed(b"123")
    assert value["$file"]["key"] not in repr(read_manifest(value))
