"""How long a run will still take is said from its first stage on, and by its own pace as soon as there is one."""

import io
import time

import pytest

from stack3d import progress
from stack3d.progress import Pace, PlainLines


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_what_was_expected_counts_until_steps_tell_a_pace(clock: list[float]) -> None:
    pace = Pace()
    assert pace.left == ""
    pace.stage("mesh", expected=60.0)
    assert pace.left == "roughly 1 min 00 s left"
    clock[0] += 20.0
    pace.stage("program")
    assert pace.left == "roughly 40 s left" and pace.spent == 0.0
    pace.step("epoch", 1, 11)
    assert pace.left == "roughly 40 s left"  # what came before the first step is not its pace
    clock[0] += 3.0
    pace.step("epoch", 3, 11)
    assert pace.left == "about 12 s left"
    pace.step("epoch", 11, 11)
    assert pace.left == ""
    clock[0] += 100.0
    pace.stage("attribute")
    assert pace.left == "longer than estimated"


def test_a_long_silence_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    told = io.StringIO()
    lines = PlainLines("case", told, patience=0.05)
    lines.stage("mesh", expected=500.0, unknowns=7)
    deadline = time.monotonic() + 10.0
    while "so far" not in told.getvalue() and time.monotonic() < deadline:
        time.sleep(0.02)
    lines.finish()
    time.sleep(0.12)
    said = told.getvalue()
    assert "case: mesh  unknowns=7\n" in said and "case: mesh  0 s so far  roughly 8 min 20 s left" in said
    time.sleep(0.15)
    assert told.getvalue() == said  # nobody speaks after the end
