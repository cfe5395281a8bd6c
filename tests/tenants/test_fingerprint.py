"""The fingerprint: the same from both sides, another for any other organisation, and frozen."""

import pytest

from tallystick.tenants import fingerprint
from tallystick.tenants.fingerprint import WrongFingerprint

ONE = ("huaxia", "ab" * 32)
OTHER = ("nordic", "cd" * 32)


def test_both_sides_see_the_same_thirty_digits() -> None:
    shown = fingerprint.of(ONE, OTHER)
    assert shown == fingerprint.of(OTHER, ONE)
    assert [len(group) for group in shown.split(" ")] == [5] * 6
    assert shown.replace(" ", "").isdecimal()


def test_it_is_frozen() -> None:
    """Two nodes of different versions must show the same."""
    assert fingerprint.of(ONE, OTHER) == "43738 66697 10631 34222 81396 46554"


@pytest.mark.parametrize("changed", [("nordic", "ce" * 32), ("nordic2", "cd" * 32), ("huaxia", "cd" * 32)])
def test_any_other_organisation_has_another(changed: tuple[str, str]) -> None:
    assert fingerprint.of(ONE, changed) != fingerprint.of(ONE, OTHER)


def test_grouping_does_not_matter_and_digits_do() -> None:
    shown = "61325 54237 04887 09151 05250 45792"
    for given in (shown, shown.replace(" ", ""), shown.replace(" ", "-"), f"  {shown}\n"):
        fingerprint.check(given, shown)
    last = shown[:-1] + ("3" if shown[-1] == "2" else "2")
    for given in (last, "", "x" * 30, shown[:-1], shown + "1", "６" + shown[1:], shown * 1000):
        with pytest.raises(WrongFingerprint):
            fingerprint.check(given, shown)
