"""The node's clock against a machine's clock that somebody turns."""

from tallystick.node.clock import JUMP_MS, SteadyClock

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
