"""The languages that people are answered in, and how one is chosen for a request."""

from collections.abc import Iterable

LANGUAGES = ("en", "zh-CN")
DEFAULT = "en"
MAX_RANGES = 20  # browsers send a handful; a longer header is not a preference


def supported(tag: str | None) -> str | None:
    """The language of ours that BCP 47 ``tag`` asks for (``zh``, ``zh-Hans-CN`` → ``zh-CN``), or None."""
    if not tag:
        return None
    wanted = tag.strip().lower()
    for language in LANGUAGES:
        if wanted == language.lower() or wanted.split("-")[0] == language.split("-")[0]:
            return language
    return None


def preferred(*explicit: str | None, accept: str | None = None) -> str:
    """The first explicit choice we speak, else the best of an ``Accept-Language`` header (RFC 9110 §12.5.4)."""
    candidates: Iterable[str | None] = (*explicit, *_by_quality(accept or ""))
    return next((found for tag in candidates if (found := supported(tag))), DEFAULT)


def _by_quality(header: str) -> list[str]:
    ranges: list[tuple[float, str]] = []
    for part in header.split(",")[:MAX_RANGES]:
        tag, _, parameter = part.strip().partition(";")
        quality = _quality(parameter)
        if tag and quality > 0:
            ranges.append((quality, tag))
    return [tag for _, tag in sorted(ranges, key=lambda item: -item[0])]


def _quality(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
