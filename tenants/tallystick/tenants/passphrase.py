"""Where a node's passphrase comes from: a private file or the environment, never the command line."""

import os
import unicodedata
from collections.abc import Mapping
from pathlib import Path

from tallystick.core.errors import Invalid
from tallystick.tenants.files import read_private

VARIABLE = "TALLYSTICK_PASSPHRASE"
FILE_VARIABLE = "TALLYSTICK_PASSPHRASE_FILE"
FOLDER_VARIABLE = "TALLYSTICK_PASSPHRASE_FOLDER"
SHORTEST = 12  # characters; guessing is slowed by argon2id, not stopped by it
LONGEST = 1024


def read_passphrase(environ: Mapping[str, str] = os.environ, *, organisation: str | None = None) -> str:
    """The passphrase in the file that ``TALLYSTICK_PASSPHRASE_FILE`` names, else in ``TALLYSTICK_PASSPHRASE``.

    A process that serves many organisations has one for each: in the file of the ``organisation``'s id in
    ``TALLYSTICK_PASSPHRASE_FOLDER``, which is looked at first.
    """
    if organisation is not None and FOLDER_VARIABLE in environ:
        return from_file(Path(environ[FOLDER_VARIABLE]) / organisation)
    return from_variables(environ, FILE_VARIABLE, VARIABLE)


def from_variables(environ: Mapping[str, str], file_variable: str, variable: str, whose: str = "") -> str:
    """What is in the file that one variable names, else in the other one; ``whose`` is said where neither is set."""
    if file_variable in environ:
        return from_file(Path(environ[file_variable]))
    if variable in environ:
        return environ[variable]
    raise Invalid(f"set {file_variable} or {variable}{whose}", code="no_passphrase")


def from_file(path: Path) -> str:
    """The text of a file of mode 0600, without the newline that editors put at its end."""
    try:
        return read_private(path, max_bytes=LONGEST * 4).decode("utf-8").removesuffix("\n").removesuffix("\r")
    except OSError as error:
        raise Invalid(f"cannot read the passphrase file {path}: {error.strerror}", code="no_passphrase") from error
    except UnicodeDecodeError:
        # Without the cause, which would quote the secret.
        raise Invalid(f"the passphrase file {path} is not UTF-8", code="no_passphrase") from None


def encode(passphrase: str) -> bytes:
    """The bytes that enter the key derivation: composed form (NFC), so that keyboards agree."""
    if not 0 < len(passphrase) <= LONGEST:
        raise Invalid(f"a passphrase has 1 to {LONGEST} characters", code="bad_passphrase")
    return unicodedata.normalize("NFC", passphrase).encode("utf-8")


def check_new(passphrase: str) -> None:
    """Refuse a passphrase that is too short to protect anything."""
    if len(passphrase) < SHORTEST:
        raise Invalid(f"a passphrase needs at least {SHORTEST} characters", code="weak_passphrase")
