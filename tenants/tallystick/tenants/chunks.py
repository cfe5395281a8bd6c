"""Files in encrypted chunks: a manifest in the record, chunks beside it, each named by the hash of its ciphertext.

A file is read and written as a stream: at most one chunk of it is in memory.
"""

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from tallystick.core import b64
from tallystick.core.errors import Invalid, UnknownVersion
from tallystick.core.manifest import FILE, VERSION, Manifest, is_file

CHUNK = 256 * 1024  # bytes; as base64 well within one message
MAX_FILE = 64 * 1024 * 1024
MAX_NAME = 255  # bytes: what file systems take
_KEY_BYTES = 32
_HASH = re.compile(r"[0-9a-f]{64}\Z")
_MEDIA_TYPE = re.compile(
    r"[a-zA-Z0-9][\w.+!#$&^-]{0,126}/[a-zA-Z0-9][\w.+!#$&^-]{0,126}(; ?[\w-]+=[\w\"./+-]+)*\Z", re.ASCII
)


class FileTooLarge(Invalid):
    """A file has more bytes than may be sent (``limit``)."""

    default_code = "too_large"

    def __init__(self) -> None:
        super().__init__(f"a file has at most {MAX_FILE} bytes")
        self.limit = MAX_FILE


class BrokenFile(Invalid):
    """A chunk, or the file that the chunks make, is not the one that the manifest names."""

    default_code = "broken_file"


class Chunk(NamedTuple):
    """One piece as it is stored and sent."""

    sha256: str
    ciphertext: bytes


def encrypt_chunk(key: bytes, index: int, data: bytes) -> bytes:
    """The ciphertext of chunk ``index``."""
    return ChaCha20Poly1305(key).encrypt(_nonce(index), data, None)


def decrypt_chunk(key: bytes, index: int, ciphertext: bytes, sha256: str) -> bytes:
    """The content of chunk ``index``, whose ciphertext must have that hash."""
    if hashlib.sha256(ciphertext).hexdigest() != sha256:
        raise BrokenFile(f"chunk {index} is not the one that the manifest names")
    try:
        return ChaCha20Poly1305(key).decrypt(_nonce(index), ciphertext, None)
    except (InvalidTag, ValueError) as error:
        raise BrokenFile(f"chunk {index} does not decrypt") from error


class FileSealer:
    """Turns a stream of bytes into chunks and, at its end, their manifest."""

    def __init__(self, name: str, media_type: str) -> None:
        self._name = check_name(name)
        self._media_type = check_media_type(media_type)
        self._key = os.urandom(_KEY_BYTES)
        self._whole = hashlib.sha256()
        self._size = 0
        self._pending = bytearray()
        self._hashes: list[str] = []

    def add(self, data: bytes) -> Iterator[Chunk]:
        """Take the next bytes; yield the chunks that they fill. Iterate to the end."""
        self._size += len(data)
        if self._size > MAX_FILE:
            raise FileTooLarge
        self._whole.update(data)
        self._pending += data
        while len(self._pending) >= CHUNK:
            yield self._chunk(bytes(self._pending[:CHUNK]))
            del self._pending[:CHUNK]

    def finish(self) -> tuple[list[Chunk], dict[str, Any]]:
        """The last chunk, if any, and the file's value ``{"$file": manifest}``."""
        rest = [self._chunk(bytes(self._pending))] if self._pending else []
        self._pending.clear()
        manifest = Manifest(
            v=VERSION,
            name=self._name,
            media_type=self._media_type,
            size=self._size,
            sha256=self._whole.hexdigest(),
            chunk_size=CHUNK,
            key=b64.encode(self._key),
            chunks=self._hashes,
        )
        return rest, {"$file": msgspec.to_builtins(manifest)}

    def _chunk(self, data: bytes) -> Chunk:
        ciphertext = encrypt_chunk(self._key, len(self._hashes), data)
        digest = hashlib.sha256(ciphertext).hexdigest()
        self._hashes.append(digest)
        return Chunk(digest, ciphertext)


class FileOpener:
    """Turns chunks, given in order, back into the file; what it gives is verified as a whole only by ``finish``."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._key = b64.decode(manifest.key)
        self._whole = hashlib.sha256()
        self._next = 0

    def open(self, ciphertext: bytes) -> bytes:
        """The content of the next chunk."""
        if self._next >= len(self._manifest.chunks):
            raise BrokenFile("there are more chunks than the manifest names")
        data = decrypt_chunk(self._key, self._next, ciphertext, self._manifest.chunks[self._next])
        if len(data) != _length(self._manifest, self._next):
            raise BrokenFile(f"chunk {self._next} has the wrong length")
        self._next += 1
        self._whole.update(data)
        return data

    def finish(self) -> None:
        """Raise :class:`BrokenFile` unless all chunks came and make the file that the manifest names."""
        if self._next != len(self._manifest.chunks):
            raise BrokenFile(f"chunk {self._next} is missing")
        if self._whole.hexdigest() != self._manifest.sha256:
            raise BrokenFile("the chunks do not make the file that the manifest names")


def read_manifest(value: Any) -> Manifest:
    """The manifest in ``{"$file": …}``, its form and bounds checked."""
    document = value[FILE] if is_file(value) else None
    if not isinstance(document, dict) or document.get("v") != VERSION:
        raise UnknownVersion("the file's manifest has a version that is not known here")
    try:
        manifest = msgspec.convert(document, Manifest)
    except msgspec.ValidationError as error:
        raise Invalid(f"file manifest: {error}", code="bad_manifest") from error
    _check(manifest)
    return manifest


def check_name(name: str) -> str:
    """Return a file name that is one harmless path segment."""
    hidden = any(unicodedata.category(letter) in {"Cc", "Cs", "Zl", "Zp"} for letter in name)
    if hidden or name in {"", ".", ".."} or {"/", "\\"} & set(name) or len(name.encode("utf-8")) > MAX_NAME:
        raise Invalid(f"a file name is one path segment of at most {MAX_NAME} bytes", code="bad_file_name")
    return name


def check_media_type(media_type: str) -> str:
    """Return a media type of the form that RFC 6838 §4.2 gives, parameters allowed."""
    if len(media_type) > MAX_NAME or not _MEDIA_TYPE.match(media_type):
        raise Invalid("is not a media type", code="bad_media_type")
    return media_type


def _check(manifest: Manifest) -> None:
    check_name(manifest.name)
    check_media_type(manifest.media_type)
    if not 0 <= manifest.size <= MAX_FILE:
        raise FileTooLarge
    if manifest.chunk_size != CHUNK or len(manifest.chunks) != -(-manifest.size // CHUNK):
        raise Invalid("file manifest: its chunks do not fit its size", code="bad_manifest")
    if not all(_HASH.match(one) for one in [manifest.sha256, *manifest.chunks]):
        raise Invalid("file manifest: a hash is not 64 hex digits", code="bad_manifest")
    if len(b64.decode(manifest.key)) != _KEY_BYTES:
        raise Invalid("file manifest: the key has the wrong length", code="bad_manifest")


def _length(manifest: Manifest, index: int) -> int:
    return min(manifest.chunk_size, manifest.size - index * manifest.chunk_size)


def _nonce(index: int) -> bytes:
    return index.to_bytes(12, "big")
