"""Endpoints' URLs: what they may be, and what of them may be shown."""

from urllib.parse import urlsplit

from tallystick.core.errors import Invalid


def label_of(url: str) -> str:
    """A URL without what may be secret in it: user, path and query."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    secret = parts.username or parts.password or parts.path.strip("/") or parts.query or parts.fragment
    return f"{parts.scheme}://{host}{port}{'/…' if secret else ''}"


def check_url(url: str) -> None:
    """Refuse what is no http(s) URL; the message does not repeat it."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good or any(character.isspace() for character in url):
        raise Invalid("an endpoint's URL must begin with http:// or https:// and name a host", code="bad_settings")
