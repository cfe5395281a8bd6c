"""A URL has one meaning, or is refused."""

import pytest

from tallystick.node.activities.failing import ActivityFailed
from tallystick.node.activities.targets import read_target


@pytest.mark.parametrize(
    ("url", "origin", "name", "target"),
    [
        ("https://ERP.example", "https://erp.example", "erp.example:443", b"/"),
        ("http://a.example:8080/a%20b?c=%E5%8D%95#f", "http://a.example:8080", "a.example:8080", b"/a%20b?c=%E5%8D%95"),
        ("https://erp.example:443/x", "https://erp.example", "erp.example:443", b"/x"),
        ("http://[2606:4700::1]/", "http://[2606:4700::1]", "[2606:4700::1]:80", b"/"),
    ],
)  # fmt: skip
def test_urls_are_read(url: str, origin: str, name: str, target: bytes) -> None:
    found = read_target(url)
    assert (found.origin, found.name, found.url.target) == (origin, name, target)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://erp.example/", "file:///etc/passwd", "gopher://x/", "//erp.example/", "erp.example", "http://", "https:///x",
        "http://user@erp.example/", "http://user:pass@erp.example/", "http://erp.example@127.0.0.1/", "http://a b/",
        "http://erp.example:0/", "http://erp.example:99999/", "http://erp.example:x/", "http://erp.example\\@evil/",
        "http://[::1", "http://订单.example/", "http://erp.example/\r\nHost: evil", "http://127.0.0.1%2f@x/", "http://[fe80::1%25eth0]/",
    ],
)  # fmt: skip
def test_what_could_be_read_in_two_ways_is_refused(url: str) -> None:
    with pytest.raises(ActivityFailed) as failed:
        read_target(url)
    assert (failed.value.code, failed.value.pointer) == ("invalid_input", "/input/url")
