"""Names that pass for others."""

import pytest

from tallystick.tenants.likeness import skeleton


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("nordic-bearings", "nordlc-bearings"),
        ("nordic", "n0rd1c"),
        ("Nordic Bearings", "NORDIC  BEARINGS"),
        ("Nordic Bearings", "Nоrdіс Веаrіngѕ"),
        ("modern", "rnodern"),
        ("Müller", "Muller"),
        ("华夏汽车", "华夏汽车 "),
        ("Acme", "Ａｃｍｅ"),
    ],
)
def test_these_look_alike(one: str, other: str) -> None:
    assert skeleton(one) == skeleton(other)


@pytest.mark.parametrize(("one", "other"), [("nordic", "norddic"), ("华夏汽车", "华夏汽東"), ("acme", "acne")])
def test_these_do_not(one: str, other: str) -> None:
    assert skeleton(one) != skeleton(other)
