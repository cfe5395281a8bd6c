"""`tally keys`: its words in both languages, and reports that come in pages; orders are tested over real nodes."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tallystick.node.api.language import LANGUAGES
from tallystick.node.cli import keys
from tallystick.node.cli.texts import Texts, catalogue


def test_both_languages_have_the_same_words_and_fill_in_the_same_names() -> None:
    english, chinese = (catalogue("keys", language) for language in LANGUAGES)
    assert english.keys() == chinese.keys()
    for key, text in english.items():
        assert set(re.findall(r"{(\w+)}", text)) == set(re.findall(r"{(\w+)}", chinese[key])), key


def report(**changes: Any) -> dict[str, Any]:
    proof = {"org": "0x1", "size": 4, "block_number": 12, "time": 1_789_999_999_000}
    item = {"what": "statement", "execution_id": "e1", "place": 3, "id": "s", "kind": "result", "outcome": "applied"}
    facts: dict[str, Any] = {
        "kid": "ab" * 8,
        "org_id": "nordic",
        "since": 1_790_000_000_000,
        "items": [
            {**item, "at": 1_789_999_000_000, "position": "proven", "proven_by": proof},
            {**item, "at": 1_789_999_500_000, "position": "claimed", "proven_by": None},
            {**item, "at": 1_790_000_500_000, "position": "after", "proven_by": None},
        ],
        "executions": [
            {"execution_id": "e1", "name": "订单", "status": "running", "proven": 1, "claimed": 1, "after": 1}
        ],
        "anchors": [
            {"execution_id": "e1", "kind": "start", "size": 4, "block_number": 12, "time": 9, "position": "proven"}
        ],
        "next_cursor": None,
    }
    return {**facts, **changes}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_report_says_what_proves(language: str) -> None:
    lines = keys.report_lines(report(), Texts("keys", language))
    text = "\n".join(lines)
    assert "订单" in text
    assert text.count("12") >= 2, "the block is named"
    assert catalogue("keys", language)["compromise.after"] in text
    assert "{" not in text
    nothing = keys.report_lines(report(executions=[]), Texts("keys", language))
    assert nothing[-1] == catalogue("keys", language)["compromise.nothing"]


def test_pages_become_one_line_an_execution() -> None:
    one = report()["executions"][0]
    [found] = keys._merged([one, {**one, "proven": 5}, {**one, "after": 7}])
    assert (found["proven"], found["claimed"], found["after"]) == (7, 3, 9)


@pytest.mark.parametrize(
    ("facts", "word"),
    [
        ({"revoked_at": 1, "is_current": False, "is_held": True}, "revoked"),
        ({"revoked_at": None, "is_current": True, "is_held": True}, "current"),
        ({"revoked_at": None, "is_current": False, "is_held": True}, "past"),
        ({"revoked_at": None, "is_current": False, "is_held": False}, "destroyed"),
    ],
)
def test_a_key_has_one_state(facts: dict[str, Any], word: str) -> None:
    assert keys.state_of(facts) == word


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["rotate", "--overlap", "many"],
        ["revoke", "--key", "k"],
        ["revoke", "--key", "k", "--reason", "because"],
        ["compromise-report", "--key", "k", "--since", "yesterday"],
    ],
)
def test_wrong_usage_is_told(words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        keys.main(words)
    assert caught.value.code == 2


def test_a_node_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Any) -> None:
    password = tmp_path / "password"
    password.write_text("x")
    assert keys.main(["list", "--node", "http://127.0.0.1:1", "--password-file", str(password)]) == 1
    assert capsys.readouterr().err.startswith("tally keys: ")
