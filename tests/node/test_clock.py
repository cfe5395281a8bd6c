"""The node's clock against a machine's clock that somebody turns."""

import pytest

from tallystick.node.clock import JUMP_MS, ClockInDoubt, SteadyClock

DAY = 86_400_000
NOON = 1_790_000_000_000


class Machine:
    """A wall clock that can be set, and the time that really passes."""

    def __init__(self) -> None:
        self.wall_now = NOON
        self.passed = 5_000

    def wait(self, milliseconds: int) -> None:
        self.wall_now += milliseconds
        self.passed += milliseconds

    def clock(self) -> SteadyClock:
        return SteadyClock(wall=lambda: self.wall_now, elapsed=lambda: self.passed)


def test_it_is_the_machines_time() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.wait(1_234)
    assert clock() == NOON + 1_234
    assert clock.jump is None


def test_two_days_ahead_are_kept_out() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.wall_now += 2 * DAY
    machine.wait(1_000)
    assert clock() == NOON + 1_000
    assert clock.jump is not None
    assert clock.jump.by_ms == 2 * DAY


def test_two_days_back_put_nothing_off() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.wall_now -= 2 * DAY
    for second in range(1, 100):
        machine.wait(1_000)
        assert clock() == NOON + second * 1_000
    assert clock.jump is not None


def test_a_clock_that_comes_back_is_followed_again() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.wall_now += 2 * DAY
    clock()
    machine.wall_now -= 2 * DAY
    machine.wait(500)
    assert clock() == NOON + 500
    assert clock.jump is None


def test_small_differences_are_made_up_slowly_and_time_goes_on() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.wall_now -= JUMP_MS // 2
    before, difference = clock(), JUMP_MS // 2
    for _ in range(1_000):
        machine.wait(1_000)
        now = clock()
        assert 900 <= now - before <= 1_100
        left = now - machine.wall_now
        assert 0 <= left <= difference
        before, difference = now, left
    assert difference == 0


def test_a_start_behind_the_mark_is_in_doubt_until_the_machine_agrees() -> None:
    machine = Machine()
    clock = machine.clock()
    clock.begin(NOON + 2 * DAY)
    for _ in range(3):
        machine.wait(1_000)
        with pytest.raises(ClockInDoubt) as caught:
            clock.check()
        assert caught.value.doubt.behind_ms <= 2 * DAY
    assert clock() == NOON + 2 * DAY + 3_000, "time goes on from the mark, so nothing lies ahead of it"
    machine.wall_now += 3 * DAY  # set right, a day after the mark
    clock.check()
    assert clock() == machine.wall_now
    assert (clock.doubt, clock.jump) == (None, None)


def test_a_start_shortly_before_the_mark_is_believed_and_time_never_goes_back() -> None:
    machine = Machine()
    clock = machine.clock()
    clock.begin(NOON + JUMP_MS)
    clock.check()
    assert clock() == NOON + JUMP_MS
    later = machine.clock()
    later.begin(NOON - 2 * DAY)
    later.check()
    assert later() == NOON


def test_an_administrator_says_that_the_machine_is_right() -> None:
    machine = Machine()
    clock = machine.clock()
    clock.begin(NOON + 2 * DAY)
    clock.accept()
    clock.check()
    assert clock() == NOON
    machine.wall_now += 2 * DAY
    assert clock() == NOON
    assert clock.jump is not None
    clock.accept()
    assert clock() == NOON + 2 * DAY
    assert not clock.jump
