"""The UBL documents of the demo: recognised by root element, ours or the user's own.

A file is what its root element says it is (`{urn:oasis:names:specification:ubl:schema:xsd:Order-2}Order`), whatever
it is called. The user's files are sent byte for byte; only ours are varied by the seed. Documents need not refer to
each other: the workflow carries them, it does not read them.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from tallystick.core.errors import Invalid

MAX_BYTES = 64 * 1024 * 1024  # what one file of a data exchange may hold
MAX_DEPTH = 64  # UBL's own schemas nest about twenty deep
MAX_FILES = 1000
MAX_TEXT = 200  # of an ID or a total
SCALE = Decimal(100)

UBL = "urn:oasis:names:specification:ubl:schema:xsd:{kind}-2"
CBC = "{urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2}"
KINDS = (
    "Order",
    "OrderResponse",
    "DespatchAdvice",
    "Waybill",
    "ReceiptAdvice",
    "Invoice",
    "FreightInvoice",
    "RemittanceAdvice",
)
OPTIONAL = frozenset({"FreightInvoice"})  # its step runs only when the user brings one
TOTALS = ("PayableAmount", "TotalPaymentAmount")
ROOTS = {f"{{{UBL.format(kind=kind)}}}{kind}": kind for kind in KINDS}

DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,18})?")  # what a form's decimal field takes
# `PriceAmount` and `BaseQuantity` are left out: amounts stay price times quantity.
VARIED = re.compile(
    r"(<cbc:(?!PriceAmount|BaseQuantity)\w*(?:Amount|Quantity|Measure)(?:\s[^>]*)?>)([0-9]+(?:\.[0-9]+)?)(?=</cbc:)"
)


@dataclass(frozen=True, kw_only=True)
class Document:
    """One file to send: `number` and `total` are what it says of itself, where it does."""

    kind: str
    name: str
    data: bytes
    number: str | None = None
    total: str | None = None
    currency: str | None = None
    ours: bool = False


@dataclass(frozen=True, kw_only=True)
class Documents:
    """What a run sends, a document a kind, and what the reader should be told about the folder."""

    by_kind: Mapping[str, Document]
    notes: tuple[str, ...] = field(default=())


class _Head:
    """A parser target that keeps a document's root, its own ID and its total, and builds no tree of the rest."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.root = ""
        self.found: dict[str, str] = {}
        self.currency: str | None = None
        self._depth = 0
        self._reading: str | None = None

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._depth += 1
        self.root = self.root or tag
        if self._depth > MAX_DEPTH:
            raise Invalid(f"{self.name} nests deeper than {MAX_DEPTH} elements", code="too_deep")
        local = tag.removeprefix(CBC)
        wanted = local in TOTALS or (local == "ID" and self._depth == 2)
        self._reading = local if wanted and local not in self.found else None
        if self._reading in TOTALS:
            self.currency = self.currency or attributes.get("currencyID")

    def data(self, text: str) -> None:
        if self._reading:
            self.found[self._reading] = (self.found.get(self._reading, "") + text)[:MAX_TEXT]

    def end(self, tag: str) -> None:
        self._depth -= 1
        self._reading = None

    def close(self) -> None:
        """Nothing to return: what was found stands in the attributes."""

    def fact(self, *names: str) -> str | None:
        """The first of `names` that the document states."""
        return next((self.found[name].strip() for name in names if self.found.get(name, "").strip()), None)


def recognise(name: str, data: bytes) -> Document:
    """The document in `data`; raises `Invalid` naming what it is instead.

    The whole file is parsed, without DTDs, entities or external references.
    """
    if len(data) > MAX_BYTES:
        raise Invalid(f"{name} is larger than 64 MiB", code="too_large")
    head = _Head(name)
    parser = DefusedXMLParser(target=head, forbid_dtd=True)
    try:
        parser.feed(data)
        parser.close()
    except (ParseError, DefusedXmlException, LookupError, ValueError) as error:
        raise Invalid(f"{name} is not plain XML: {error}", code="not_xml") from error
    total = head.fact(*TOTALS)
    if head.root not in ROOTS:
        raise Invalid(f"{name} has the root element {head.root}, which no step sends", code="unrecognised_document")
    return Document(
        kind=ROOTS[head.root],
        name=name,
        data=data,
        number=head.fact("ID"),
        total=total if total and DECIMAL.fullmatch(total) else None,
        currency=head.currency,
    )


def vary(document: Document, percent: int) -> Document:
    """`document` with quantities, weights and totals at `percent` of what they were; prices stay, so sums hold."""
    text = VARIED.sub(lambda found: found[1] + _scaled(found[2], percent), document.data.decode())
    return replace(recognise(document.name, text.encode()), ours=document.ours)


def _scaled(number: str, percent: int) -> str:
    value = Decimal(number) * percent / SCALE
    places = len(number.partition(".")[2])
    if places or value == value.to_integral_value():
        return f"{value:.{places}f}"
    return f"{value.normalize():f}"


def load(folder: Path) -> Documents:
    """The documents of `folder`, by root element; files no step sends are named in the notes, not refused."""
    found: dict[str, Document] = {}
    notes: list[str] = []
    for path in _files(folder):
        try:
            document = _read(path)
        except Invalid as error:
            notes.append(error.detail)
            continue
        if document.kind in found:
            notes.append(f"{path.name} is another {document.kind}; {found[document.kind].name} is sent")
            continue
        found[document.kind] = document
    return Documents(by_kind=found, notes=tuple(notes))


def _files(folder: Path) -> Iterator[Path]:
    if not folder.is_dir():
        raise Invalid(f"{folder} is not a folder", code="no_such_folder")
    paths = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    if len(paths) > MAX_FILES:
        raise Invalid(f"{folder} holds {len(paths)} files; at most {MAX_FILES} are read", code="too_many_files")
    yield from paths


def _read(path: Path) -> Document:
    try:
        if path.stat().st_size > MAX_BYTES:  # before it is in memory
            raise Invalid(f"{path.name} is larger than 64 MiB", code="too_large")
        return recognise(path.name, path.read_bytes())
    except OSError as error:
        raise Invalid(f"{path.name} cannot be read: {error.strerror}", code="unreadable") from error


def gather(ours: Path, theirs: Path | None, percent: int) -> Documents:
    """The user's documents where there are any, ours (varied by `percent`) for the kinds that are missing."""
    own = Documents(by_kind={}) if theirs is None else load(theirs)
    standard = {kind: vary(replace(each, ours=True), percent) for kind, each in load(ours).by_kind.items()}
    missing = [kind for kind in standard if theirs is not None and kind not in own.by_kind]
    notes = [*own.notes, *(f"{theirs} has no {kind}; the demo's own {standard[kind].name} is sent" for kind in missing)]
    return Documents(by_kind={**standard, **own.by_kind}, notes=tuple(notes))
