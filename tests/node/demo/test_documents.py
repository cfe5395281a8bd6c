"""Recognising, loading and varying the demo's documents."""

from decimal import Decimal
from pathlib import Path

import pytest
from defusedxml.ElementTree import fromstring

from tallystick.core.errors import Invalid
from tallystick.node.demo import documents
from tallystick.node.demo.documents import CBC, KINDS, OPTIONAL, gather, load, recognise, vary

ROOT = Path(__file__).parents[3]
OURS = ROOT / "deploy" / "demo" / "documents"
REAL = ROOT.parent / "shared" / "data" / "ubl"  # published files, not ours to copy: tried where they lie
FOLDERS = [OURS, *([REAL] if REAL.is_dir() else [])]
ORDER = '<Order xmlns="urn:oasis:names:specification:ubl:schema:xsd:Order-2">{}</Order>'


def test_the_demo_has_a_document_for_every_step() -> None:
    found = load(OURS)
    assert found.by_kind.keys() == set(KINDS) - OPTIONAL
    assert found.notes == ()


@pytest.mark.parametrize("kind", sorted(set(KINDS) - OPTIONAL))
def test_every_document_is_ubl_2_1_and_names_its_order(kind: str) -> None:
    root = fromstring((OURS / f"{kind}.xml").read_bytes())
    assert root.findtext(f"{CBC}UBLVersionID") == "2.1"
    numbers = {each.number for each in load(OURS).by_kind.values()}
    text = (OURS / f"{kind}.xml").read_text()
    assert kind == "Order" or any(number and number in text for number in numbers - {load(OURS).by_kind[kind].number})


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda one: one.parent.name)
def test_every_document_of_a_folder_is_recognised(folder: Path) -> None:
    found = load(folder)
    assert found.by_kind.keys() >= set(KINDS) - OPTIONAL
    assert len(found.by_kind) == len(list(folder.glob("*.xml")))
    assert found.notes == ()


def test_a_freight_invoice_has_its_total(tmp_path: Path) -> None:
    name = "urn:oasis:names:specification:ubl:schema:xsd:"
    total = '<c:LegalMonetaryTotal><b:PayableAmount currencyID="EUR">729</b:PayableAmount></c:LegalMonetaryTotal>'
    root = f'<FreightInvoice xmlns="{name}FreightInvoice-2" xmlns:b="{name}CommonBasicComponents-2"'
    (tmp_path / "f.xml").write_text(f'{root} xmlns:c="{name}CommonAggregateComponents-2">{total}</FreightInvoice>')
    assert load(tmp_path).by_kind["FreightInvoice"].total == "729"


def test_the_users_files_go_out_byte_for_byte_and_ours_fill_the_gaps(tmp_path: Path) -> None:
    data = ORDER.format("<!-- 订单 -->").encode()
    (tmp_path / "whatever it is called.bin").write_bytes(data)
    (tmp_path / "readme.txt").write_text("not XML")
    (tmp_path / "zz.xml").write_bytes(data)
    found = gather(OURS, tmp_path, 150)
    assert found.by_kind["Order"].data == data
    assert found.by_kind["Invoice"].ours
    assert found.by_kind["Invoice"].total == "40020.00"
    told = "\n".join(found.notes)
    assert "readme.txt is not plain XML" in told
    assert "zz.xml is another Order" in told
    assert "has no Invoice; the demo's own Invoice.xml is sent" in told


@pytest.mark.parametrize("percent", [25, 81, 100, 137, 300])
def test_varied_amounts_still_add_up(percent: int) -> None:
    document = vary(load(OURS).by_kind["Invoice"], percent)
    root = fromstring(document.data)
    lines = [line for line in root.iter() if line.tag.endswith("}InvoiceLine")]
    sums = [_number(line, "LineExtensionAmount") for line in lines]
    assert [_number(line, "InvoicedQuantity") * _number(line, "PriceAmount") for line in lines] == sums
    assert sum(sums) == _number(root, "PayableAmount") == Decimal(document.total or 0)
    assert document.total == f"{Decimal('26680.00') * percent / 100:.2f}"


def test_varying_by_nothing_changes_nothing() -> None:
    for document in load(OURS).by_kind.values():
        assert vary(document, 100) == document


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "not_xml"),
        (b"\x00\xff" * 50, "not_xml"),
        (b"<a>", "not_xml"),
        (b'<?xml version="1.0" encoding="nonsense"?><a/>', "not_xml"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "not_xml"),
        (b"<Order/>", "unrecognised_document"),
        (b'<Order xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"/>', "unrecognised_document"),
        (ORDER.format("<a>" * 64 + "</a>" * 64).encode(), "too_deep"),
    ],
)
def test_what_is_not_a_document_is_named(data: bytes, code: str) -> None:
    with pytest.raises(Invalid, match=r"odd\.xml") as caught:
        recognise("odd.xml", data)
    assert caught.value.code == code


def test_a_file_over_the_limit_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MAX_BYTES", 10)
    (tmp_path / "large.xml").write_bytes(ORDER.format("").encode())
    assert load(tmp_path).notes == ("large.xml is larger than 64 MiB",)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="nowhere is not a folder"):
        load(tmp_path / "nowhere")


def _number(element: object, name: str) -> Decimal:
    found = next(each for each in element.iter() if each.tag == CBC + name)  # type: ignore[attr-defined]
    return Decimal(found.text)
