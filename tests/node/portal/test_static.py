"""Styles and vendored scripts: contrast, and nothing loaded from elsewhere."""

import re

import pytest

from tallystick.node.portal.app import STATIC_FOLDER

CSS = (STATIC_FOLDER / "portal.css").read_text(encoding="utf-8")
SCHEMES = [
    dict(re.findall(r"--([\w-]+):\s*(#[0-9a-f]{6})", block))
    for block in re.findall(r":root \{(.*?)\n\s*\}", CSS, re.DOTALL)
]
PAIRS = [
    ("ink", "ground"), ("ink", "card"), ("soft", "ground"), ("soft", "card"), ("link", "ground"), ("link", "card"),
    ("brand-ink", "brand"), ("good", "good-ground"), ("bad", "bad-ground"), ("bad", "card"), ("warn", "warn-ground"),
    ("ink", "warn-ground"), ("soft", "warn-ground"), ("calm", "calm-ground"), ("ink", "calm-ground"),
]  # fmt: skip


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    channels = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Contrast ratio (WCAG 2.2)."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", SCHEMES, ids=["light", "dark"])
@pytest.mark.parametrize("pair", PAIRS, ids="-on-".join)
def test_text_reaches_aa(scheme: dict[str, str], pair: tuple[str, str]) -> None:
    assert contrast(scheme[pair[0]], scheme[pair[1]]) >= 4.5


@pytest.mark.parametrize("scheme", SCHEMES, ids=["light", "dark"])
def test_focus_is_seen(scheme: dict[str, str]) -> None:
    assert contrast(scheme["focus"], scheme["ground"]) >= 3
    assert contrast(scheme["focus"], scheme["card"]) >= 3


def test_buttons_with_colours_of_their_own_reach_aa() -> None:
    assert contrast("#ffffff", "#1d6b3a") >= 4.5
    assert contrast("#06161b", "#2a8aa3") >= 4.5


def test_styles_load_nothing() -> None:
    assert "url(" not in CSS
    assert "@import" not in CSS


def test_vendored_scripts_come_with_their_licence() -> None:
    assert "Zero-Clause BSD" in (STATIC_FOLDER / "htmx.LICENSE").read_text(encoding="utf-8")
    vendored = (STATIC_FOLDER / "VENDORED.md").read_text(encoding="utf-8")
    version = re.search(r"`htmx\.org` ([\d.]+)", vendored)
    assert version
    assert version.group(1) in (STATIC_FOLDER / "htmx.min.js").read_text(encoding="utf-8")
