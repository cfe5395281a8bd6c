"""A page walked as somebody without a mouse does: Tab by Tab, and its rules checked by axe-core."""

import json
from dataclasses import dataclass
from functools import cache
from typing import Any

from node.portal.browser import Browser
from support.processes import ROOT

MOST_STOPS = 120  # more than any page has
SEEN = 3.0  # contrast of what shows the focus with what is beneath it (WCAG 2.2, 1.4.11)
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

# What a person can reach with Tab, in the order of the document; what is folded away is not there.
REACHABLE = """
  window.reachable = () => [...document.querySelectorAll(
      'a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex]')]
    .filter(one => one.tabIndex >= 0 && !one.disabled && one.checkVisibility({visibilityProperty: true}));
"""

# Where the focus is, how it shows, and on what.
FOCUS = """(() => {
  const here = document.activeElement;
  if (!here || here === document.body || here === document.documentElement) return null;
  here.scrollIntoView({block: 'nearest', inline: 'nearest', behavior: 'instant'});
  const style = getComputedStyle(here), box = here.getBoundingClientRect();
  const width = parseFloat(style.outlineWidth), away = parseFloat(style.outlineOffset);
  const edge = {left: box.left - away - width, right: box.right + away + width,
                top: box.top - away - width, bottom: box.bottom + away + width};
  let cut = false;
  for (let over = here.parentElement; over && over !== document.body; over = over.parentElement) {
    if (getComputedStyle(over).overflow === 'visible') continue;
    const frame = over.getBoundingClientRect();
    cut ||= edge.top < frame.top - .5 || edge.bottom > frame.bottom + .5
         || edge.left < frame.left - .5 || edge.right > frame.right + .5;
  }
  let beneath = null;
  for (let over = away < 0 ? here : here.parentElement; over && !beneath; over = over.parentElement) {
    const colour = getComputedStyle(over).backgroundColor;
    if (!/^rgba\\(.*, 0\\)$/.test(colour)) beneath = colour;
  }
  return {at: window.reachable().indexOf(here), text: here.outerHTML.slice(0, 160), folded: here.tagName === 'SUMMARY'
            && !here.parentElement.open, shown: style.outlineStyle !== 'none' && width >= 2, cut,
          outline: style.outlineColor, beneath, inside: box.width > 0 && box.height > 0 && box.bottom > 0
            && box.top < innerHeight && box.right > 0 && box.left < innerWidth};
})()"""


@dataclass(frozen=True)
class Walk:
    """What a walk found wrong, and how many controls it came by."""

    faults: list[str]
    stops: int


def tab(browser: Browser) -> None:
    """Press Tab."""
    _press(browser, "Tab", 9)


def walk(browser: Browser) -> Walk:
    """Tab from the top of the page to its end, opening on the way what is folded away."""
    browser.run(REACHABLE + "1")
    faults: list[str] = []
    visited: list[int] = []
    for _ in range(MOST_STOPS):
        tab(browser)
        found = browser.run(FOCUS)
        if found is None or (visited[1:] and found["at"] == visited[0]):  # a browser without bars begins again
            break
        if not visited or visited[-1] != found["at"]:  # a field for a date has several stops of its own
            visited.append(found["at"])
            faults += [f"{fault}: {found['text']}" for fault in _faults(found)]
            if found["folded"]:
                _press(browser, "Enter", 13, text="\r")
    else:
        faults.append("the focus never leaves the page")
    everything = browser.run("window.reachable().map(one => one.outerHTML.slice(0, 160))")
    faults += [f"not reached: {one}" for number, one in enumerate(everything) if number not in visited]
    if visited != sorted(visited):
        faults.append(f"not in the order of the page: {visited}")
    return Walk(faults, len(visited))


def _faults(found: dict[str, Any]) -> list[str]:
    named = {
        "not in the window": not found["inside"],
        "its focus does not show": not found["shown"],
        "its focus is cut off": found["cut"],
        "its focus is hard to see": contrast(found["outline"], found["beneath"] or "rgb(255, 255, 255)") < SEEN,
    }
    return [fault for fault, holds in named.items() if holds]


def _press(browser: Browser, key: str, code: int, text: str = "") -> None:
    kind, more = ("keyDown", {"text": text}) if text else ("rawKeyDown", {})
    browser.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **more)


def rules(browser: Browser) -> list[str]:
    """What axe-core finds on the page as it is: names, labels, contrast as computed, headings, tables, languages."""
    browser.run(_axe() + "\n1")
    asked = json.dumps({"runOnly": RULES, "resultTypes": ["violations"]})
    found = browser.run(
        f"axe.run(document, {asked}).then(all => all.violations.flatMap(one =>"
        " one.nodes.map(node => `${one.id}: ${node.html.slice(0, 160)} (${node.failureSummary.slice(0, 200)})`)))"
    )
    return list(found)


@cache
def _axe() -> str:
    return (ROOT / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


def contrast(one: str, other: str) -> float:
    """The contrast ratio (WCAG 2.2) of two colours as a browser computes them: ``rgb(r, g, b)``."""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    channels = [float(part) / 255 for part in colour.partition("(")[2].rstrip(")").split(",")[:3]]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
