"""Where the time of a run goes: every second is counted once."""

from __future__ import annotations

import pytest

from stack3d import progress


def test_what_is_timed_inside_does_not_count_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 1.0, 1.5, 4.0, 6.0, 10.0, 20.0, 21.0])
    monkeypatch.setattr(progress.timing.time, "perf_counter", lambda: next(now))
    clock = progress.Stopwatch()
    with clock("heat"), clock("age"), clock("read"):  # from 0, 1 and 1.5 to 10, 6 and 4
        pass
    with clock("age"):  # 20 to 21
        pass
    assert clock.seconds == {"read": 2.5, "age": 2.5 + 1.0, "heat": 5.0}


def test_time_is_counted_when_it_ends_badly() -> None:
    clock = progress.Stopwatch()
    with pytest.raises(ValueError, match="bad"), clock("heat"):
        raise ValueError("bad")
    assert clock.seconds["heat"] >= 0 and not clock._inside
