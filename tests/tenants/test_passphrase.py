"""Where passphrases come from."""

from pathlib import Path

import pytest

from tallystick.core.errors import Invalid
from tallystick.tenants.files import OpenToOthers, write_private
from tallystick.tenants.passphrase import FILE_VARIABLE, VARIABLE, check_new, encode, from_file, read_passphrase

AWKWARD = " a!b@c$d()e*_,/:;=?@ff[]22 华夏 "


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_private_file_is_read_without_its_last_newline(folder: Path, ending: str) -> None:
    write_private(folder / "phrase", f"{AWKWARD}{ending}".encode())
    assert from_file(folder / "phrase") == AWKWARD
    assert read_passphrase({FILE_VARIABLE: str(folder / "phrase"), VARIABLE: "not this one"}) == AWKWARD


def test_the_environment_serves_too() -> None:
    assert read_passphrase({VARIABLE: AWKWARD}) == AWKWARD


def test_a_file_open_to_others_is_refused(folder: Path) -> None:
    write_private(folder / "phrase", b"x")
    (folder / "phrase").chmod(0o644)
    with pytest.raises(OpenToOthers):
        from_file(folder / "phrase")


def test_what_is_missing_or_unreadable_is_said_without_the_secret(folder: Path) -> None:
    with pytest.raises(Invalid, match=f"set {FILE_VARIABLE} or {VARIABLE}"):
        read_passphrase({})
    with pytest.raises(Invalid, match="No such file"):
        from_file(folder / "nowhere")
    write_private(folder / "latin", b"s3cret\xff")
    with pytest.raises(Invalid, match="not UTF-8") as caught:
        from_file(folder / "latin")
    assert "s3cret" not in repr(caught.value)
    assert caught.value.__cause__ is None


def test_bounds() -> None:
    for phrase in ("", "x" * 1025):
        with pytest.raises(Invalid):
            encode(phrase)
    with pytest.raises(Invalid, match="at least 12"):
        check_new("eleven char")
    check_new("twelve chars")


def test_composed_and_decomposed_letters_are_one() -> None:
    assert encode("é") == encode("e\N{COMBINING ACUTE ACCENT}")


def test_many_organisations_have_one_each(tmp_path: Path) -> None:
    for organisation in ("huaxia", "nordic"):
        file = tmp_path / organisation
        file.write_text(f"correct horse of {organisation}\n")
        file.chmod(0o600)
    environ = {"TALLYSTICK_PASSPHRASE_FOLDER": str(tmp_path), "TALLYSTICK_PASSPHRASE": "of everybody else"}
    assert read_passphrase(environ, organisation="nordic") == "correct horse of nordic"
    with pytest.raises(Invalid):
        read_passphrase(environ, organisation="blueline")
    assert read_passphrase(environ) == "of everybody else"
