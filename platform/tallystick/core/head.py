"""Heads, attestations, refusals and receipts: the other four tokens of the record."""

from typing import Annotated, TypeVar

import msgspec

from tallystick.core import jws
from tallystick.core.errors import Invalid, UnknownVersion
from tallystick.core.keys import SigningKey
from tallystick.core.statement import ATTESTATION, HEAD, RECEIPT, REFUSAL, Basis

VERSION = 1
_MOST = 2**31 - 1
_Form = TypeVar("_Form", "Head", "Refusal", "Receipt")


class Head(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """(execution, term, size, root) as one organisation states it; ``root`` hex, ``iat`` in milliseconds."""

    v: int
    iss: str
    aud: str
    execution: str
    term: Annotated[int, msgspec.Meta(ge=0, le=_MOST)]
    size: Annotated[int, msgspec.Meta(ge=1, le=_MOST)]
    root: str
    iat: int


class Refusal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why a statement changed nothing, for its author to read."""

    v: int
    iss: str
    aud: str
    execution: str
    statement_id: str
    code: str
    detail: str
    iat: int


class Receipt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """That a participant has a statement which it saw in no entry up to ``basis``, the newest head that it held."""

    v: int
    iss: str
    aud: str
    execution: str
    statement_id: str
    basis: Basis | None
    iat: int


def sign_head(key: SigningKey, head: Head) -> str:
    """The coordinator's token of a head."""
    return jws.sign(key, HEAD, head)


def draft_head(key: SigningKey, head: Head) -> str:
    """What :func:`sign_head` signs."""
    return jws.unsigned(key, HEAD, head)


def sign_attestation(key: SigningKey, head: Head) -> str:
    """A participant's token: "I replayed these entries and they are legal"."""
    return jws.sign(key, ATTESTATION, head)


def sign_refusal(key: SigningKey, refusal: Refusal) -> str:
    """The token of a refusal."""
    return jws.sign(key, REFUSAL, msgspec.to_builtins(refusal))


def sign_receipt(key: SigningKey, receipt: Receipt) -> str:
    """The token of a receipt."""
    return jws.sign(key, RECEIPT, msgspec.to_builtins(receipt))


def read_head(token: str) -> tuple[jws.Token, Head]:
    """Check a head's form; its signature is for the caller to verify."""
    return _read(token, HEAD, Head)


def read_attestation(token: str) -> tuple[jws.Token, Head]:
    """Check an attestation's form; its signature is for the caller to verify."""
    return _read(token, ATTESTATION, Head)


def read_refusal(token: str) -> tuple[jws.Token, Refusal]:
    """Check a refusal's form; its signature is for the caller to verify."""
    return _read(token, REFUSAL, Refusal)


def read_receipt(token: str) -> tuple[jws.Token, Receipt]:
    """Check a receipt's form; its signature is for the caller to verify."""
    return _read(token, RECEIPT, Receipt)


def _read(token: str, typ: str, form: type[_Form]) -> tuple[jws.Token, _Form]:
    raw = jws.read(token, typ)
    if raw.payload.get("v") != VERSION:
        raise UnknownVersion(f"{typ} has a version that is not known here")
    try:
        return raw, msgspec.convert(raw.payload, form)
    except msgspec.ValidationError as error:
        raise Invalid(f"{typ}: {error}", code="bad_token") from error
