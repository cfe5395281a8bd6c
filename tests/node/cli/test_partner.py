"""`tally partner` says what is wrong with what it was given, before it asks any node where it can."""

from pathlib import Path

import pytest

from tallystick.core.errors import Invalid
from tallystick.node.cli import main, partner

INVITE, CONFIRM = ["invite", "--hours"], ["confirm", "nordic", "--fingerprint"]


@pytest.mark.parametrize("given", ["0", "721", "soon", "-1", "9" * 5000])
def test_an_invitation_is_good_for_some_hours(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--hours: is 1 to 720 hours" in usage([*INVITE, given], capsys)


@pytest.mark.parametrize("given", ["123", "x" * 30, "1" * 31, "١" * 30])
def test_a_fingerprint_has_thirty_digits(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--fingerprint: is 30 digits" in usage([*CONFIRM, given], capsys)


def usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What it says to wrong usage."""
    with pytest.raises(SystemExit) as caught:
        partner.main(words)
    assert caught.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"junk", b"a.b.c and more", b"\xff\xfe", b"x" * 200_000])
def test_a_file_that_holds_no_invitation_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "given"
    path.write_bytes(content)
    with pytest.raises(Invalid, match="given"):
        partner._token(str(path))


def test_a_link_and_a_token_are_taken_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "given"
    path.write_text("a.b.c\r\n")
    assert partner._token(str(path)) == "a.b.c"
    assert partner._token("https://x/y") == "https://x/y"


def test_a_node_that_does_not_answer_is_said_to_be_down(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "password").write_text("a password of some length")
    words = ["partner", "list", "--node", "http://127.0.0.1:9", "--password-file", str(tmp_path / "password")]
    assert main.main(words) == 1
    assert "is it running? `tally node --data FOLDER` starts it" in capsys.readouterr().err
