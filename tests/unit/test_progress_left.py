"""How long a run will still take is said from its first stage on, and by its own pace as soon as there is one."""

import io
import time

import pytest
from rich.console import Console

from stack3d import progress
from stack3d.progress import Pace, PlainLines, StudyJson, StudyLines, Tally, present, watching


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(progress.timing.time, "monotonic", lambda: now[0])
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


def test_later_stages_count_from_the_first_word_on_and_follow_the_pace_of_what_was_done(clock: list[float]) -> None:
    pace = Pace()
    pace.stage("mesh", 100.0, {"program": 40.0, "attribute": 50.0, "judge": 10.0})
    assert pace.left == "roughly 1 min 40 s left"
    pace.stage("program")
    assert pace.left == "roughly 1 min 40 s left"
    pace.step("epoch", 0, 4)
    clock[0] += 20.0
    pace.step("epoch", 1, 4)
    assert pace.left == "roughly 3 min 00 s left"  # 60 s of epochs, and twice the 60 s that were expected later
    clock[0] += 60.0
    pace.step("epoch", 4, 4)
    pace.stage("attribute")
    assert pace.left == "roughly 2 min 00 s left"
    clock[0] += 400.0
    assert pace.left == "longer than estimated"
    pace.stage("judge")
    assert pace.left == "roughly 1 min 20 s left"  # an estimate is off by a factor of four at most, and so is what follows
    pace.stage("impedance")
    assert pace.left == "roughly 1 min 20 s left"  # nothing was said of it


def test_a_stage_that_was_skipped_counts_as_done(clock: list[float]) -> None:
    pace = Pace()
    pace.stage("mesh", 30.0, {"heat": 10.0, "judge": 20.0})
    clock[0] += 5.0
    pace.stage("judge")
    assert pace.left == "roughly 10 s left"


def test_what_comes_later_counts_where_the_stage_itself_is_unknown(clock: list[float]) -> None:
    """A training whose epochs nobody has timed, and the chips that are read again after it."""
    pace = Pace()
    pace.stage("mesh", 30.0, {"program": 20.0})
    pace.stage("train", ahead={"after": 30.0})
    assert pace.left == ""
    pace.step("train", 1, 5)
    clock[0] += 10.0
    pace.step("train", 2, 5)
    assert pace.left == "roughly 1 min 00 s left"
    clock[0] += 30.0
    pace.stage("after")
    assert pace.left == "roughly 30 s left"


def test_loops_far_below_are_seen() -> None:
    told = io.StringIO()
    with watching(PlainLines("", told)):
        present().step("heat", 1, 1)
    present().step("heat", 1, 1)
    assert told.getvalue().count("heat 1/1") == 1


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
    assert (
        "case: mesh  unknowns=7  roughly 8 min 20 s left\n" in said
        and "case: mesh  0 s so far  roughly 8 min 20 s left" in said
    )
    time.sleep(0.15)
    assert told.getvalue() == said  # nobody speaks after the end


def test_a_study_tells_its_time_before_its_first_case_ends(clock: list[float]) -> None:
    """What the largest case computes counts until a case has told the pace."""
    tally = Tally()
    tally.begin(12, 12)
    assert tally.text().endswith("of 12")
    tally.expected(200.0)
    assert tally.text() == "0 done, 0 failed, 0 running of 12, very roughly 3 min 20 s left"
    clock[0] += 201.0
    tally.started("x")
    assert tally.text().endswith("of 12, longer than estimated")
    clock[0] += 9.0
    tally.ended("x", "done", ())
    assert tally.text().endswith("of 12, about 38 min 30 s left")  # 11 cases of 210 s


def test_a_study_says_its_time_at_once_and_breaks_a_long_silence() -> None:
    told = io.StringIO()
    lines = StudyLines(told)
    lines.patience = 0.05
    lines.begin(3, 3)
    lines.expected(600.0)
    assert "0 done, 0 failed, 0 running of 3, very roughly 10 min 00 s left\n" in told.getvalue()
    deadline = time.monotonic() + 10.0
    while told.getvalue().count("\n") < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    lines.finish()
    time.sleep(0.12)
    said = told.getvalue()
    assert said.count("\n") >= 2
    time.sleep(0.15)
    assert told.getvalue() == said  # nobody speaks after the end


def test_json_tells_what_is_expected() -> None:
    told = io.StringIO()
    StudyJson(told).expected(61.25)
    assert '"event": "expected"' in told.getvalue() and '"left": 61.2' in told.getvalue()


def test_a_narrow_terminal_shows_stage_and_time_left_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Facts give way, and what the first line takes is the time left itself."""
    monkeypatch.setenv("COLUMNS", "80")
    bars = progress.Bars()
    bars.finish()
    bars.stage("mesh", expected=400.0, layers=32, unknowns=21097, builder="gmsh", takes="very roughly 6 min 40 s of one core")
    told = io.StringIO()
    Console(width=80, file=told).print(bars._progress.get_renderable())
    shown = told.getvalue()
    assert shown.startswith("mesh ") and "roughly 6 min 40 s left" in shown and "takes" not in shown and shown.count("\n") == 1
