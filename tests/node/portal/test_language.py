"""The two catalogues say the same things, and pages use only what they hold."""

import inspect
import re
import string
from datetime import timedelta

import pytest

from tallystick.core.engine.state import OPEN
from tallystick.core.statement import KINDS
from tallystick.node.api.language import LANGUAGES, preferred, supported
from tallystick.node.portal.language import LOCALE_FOLDER, Speech, catalogue, moment_of
from tallystick.node.portal.rendering import TEMPLATE_FOLDER
from tallystick.node.record import effects
from tallystick.node.services.partnering import FINAL

NOW = 1_795_485_600_000
TEMPLATES = {path.name: path.read_text(encoding="utf-8") for path in TEMPLATE_FOLDER.glob("*.html")}
USED = re.compile(r"""\bt\((["'])([\w.]+)\1""")
LABELLED = re.compile(r"""\b(?:label|badge|filter|choice)\((["'])(\w+)\1""")


def fields(text: str) -> set[str | None]:
    """The names that a text fills in."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_catalogues_have_the_same_keys_and_fill_in_the_same_names() -> None:
    english, chinese = (catalogue(language) for language in LANGUAGES)
    assert english.keys() == chinese.keys()
    assert {path.stem for path in LOCALE_FOLDER.glob("*.json")} == set(LANGUAGES)
    for key, text in english.items():
        assert text.strip()
        assert chinese[key].strip()
        assert fields(text) == fields(chinese[key]), key


def test_templates_use_only_known_keys() -> None:
    for name, text in TEMPLATES.items():
        for _, key in USED.findall(text):
            assert key in catalogue("en"), f"{name}: {key}"


def test_no_text_is_left_over() -> None:
    everything = "".join(TEMPLATES.values())
    groups = {group for _, group in LABELLED.findall(everything)}
    quoted = set(re.findall(r"""["']([\w.-]+)["']""", everything))
    unused = {key for key in catalogue("en") if key not in quoted and key.partition(".")[0] not in groups}
    assert unused == set()


def test_every_notification_of_the_nodes_own_has_a_title() -> None:
    """What `effects` writes down: its constants, an activity's and a closing's statuses."""
    said = set(re.findall(r"self\._notify\([\"'](\w+)", inspect.getsource(effects)))
    said |= {"activity_completed", "activity_failed", "completed", "failed", "terminated"}
    assert {"activity_assigned", "reminder", "data_received"} <= said
    assert {f"notification_type.{kind}" for kind in said} <= set(catalogue("en"))


def test_templates_hold_no_words_of_their_own() -> None:
    """What stands between tags is filled in; only names and signs are the same in every language."""
    same_everywhere = {"Tallystick", "SHA", "API", "ETH"}
    for name, text in TEMPLATES.items():
        bare = re.sub(r"\{% set \w+ %\}.*?\{% endset %\}", " ", text, flags=re.S)
        bare = re.sub(r"\{[{%#].*?[}%#]\}", " ", bare, flags=re.S)
        bare = re.sub(r"<[^>]*>", " ", bare, flags=re.S)
        words = set(re.findall(r"[A-Za-z]{3,}", bare)) - same_everywhere
        assert words == set(), name


@pytest.mark.parametrize(
    ("tag", "language"),
    [("en-GB", "en"), ("zh", "zh-CN"), ("zh-Hans-CN", "zh-CN"), ("ZH-tw", "zh-CN"), ("fr", None), ("", None)],
)
def test_supported(tag: str, language: str | None) -> None:
    assert supported(tag) == language


def test_explicit_choice_wins_over_the_browser() -> None:
    assert preferred("zh-CN", "en", accept="en") == "zh-CN"
    assert preferred(None, "zh", accept="en") == "zh-CN"
    assert preferred(None, None, accept="fr, zh;q=0.8, en;q=0.9") == "en"
    assert preferred(None, accept="fr;q=x, *;q=0.1") == "en"
    assert preferred("nonsense", accept="zh;q=0, en") == "en"


def test_moments_are_utc_and_say_so() -> None:
    assert Speech("en").when(NOW) == "24 Nov 2026, 02:00:00 UTC"
    assert Speech("zh-CN").when(NOW) == "2026年11月24日 02:00:00 UTC"
    assert Speech("en").when("2026-11-24T03:00:00+01:00") == "24 Nov 2026, 02:00:00 UTC"
    assert Speech("en").when(None) == Speech("en").when("soon") == "—"


def test_distances_are_words() -> None:
    moment = moment_of(NOW)
    assert moment
    assert Speech("en").ago(NOW, now=moment + timedelta(minutes=5)) == "5 minutes ago"
    assert Speech("zh-CN").ago(NOW, now=moment - timedelta(hours=2)) == "2小时后"


def test_an_unknown_value_stands_for_itself() -> None:
    assert Speech("zh-CN").label("task_status", "levitating") == "levitating"


@pytest.mark.parametrize("number", [2**53 - 1, -(2**53), 253_402_300_800_000])
def test_a_moment_that_no_calendar_has_is_none(number: int) -> None:
    """It came from a partner: the page that shows it must not fail."""
    assert moment_of(number) is None
    assert Speech("en").when(number) == "—"


def test_whatever_an_execution_can_say_has_a_word() -> None:
    """Catalogues grow behind the engine: a kind, state or refusal without a word would stand in English everywhere."""
    needed = {f"kind.{kind}" for kind in KINDS}
    needed |= {f"execution_status.{one}" for one in (*OPEN, "completed", "failed", "cancelled", "terminated")}
    needed |= {f"refusal.{code}" for code in FINAL}
    assert needed <= catalogue("en").keys()
