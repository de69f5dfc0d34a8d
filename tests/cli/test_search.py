"""Plans whose cases come up as results come in: a bisection for a film, killed and resumed; bad cases; cases instead of paths."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_study
from small_study import assert_same

import stack3d
from stack3d import decks, study
from stack3d.errors import ResultsError
from stack3d.progress import Silent, Tally

TARGET = 273.15 + 85.0
SEARCH = """
import signal
import sys
from pathlib import Path
import stack3d

def bisection():
    low, high = 3e3, 3e4
    for number in range(12):
        if number == 5 and "wait" in sys.argv:
            Path("reached").touch()
            signal.pause()
        middle = 0.5 * (low + high)
        found, = yield {"cooling.top.film_coefficient": f"{middle!r} W/m^2/K"}
        peak = float(found.tree["thermal/layer_temperature_max"].max())
        low, high = (middle, high) if peak > 273.15 + 85.0 else (low, middle)

if __name__ == "__main__":
    stack3d.search(Path(sys.argv[1]), bisection, output=Path(sys.argv[2]), workers=1)
"""


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in folder.glob("small/cases/*/run.json")]


@pytest.fixture
def deck(tmp_path: Path) -> Path:
    return small_study.write(tmp_path, "{power.sources.spot.power: [1 W, 2 W]}")


def test_a_search_finds_the_film_and_goes_on_where_it_was_killed(deck: Path, tmp_path: Path) -> None:
    """The film at which the hottest place has 85 degC, by bisection; cut off in the middle it ends as one that was not."""
    (tmp_path / "bisection.py").write_text(SEARCH)
    command = [sys.executable, "bisection.py", str(deck), "killed", "wait"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (tmp_path / "reached").exists():
        assert process.poll() is None, "it ended before it was killed"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    before = {r["content_hash"]: r["finished"] for r in records(tmp_path / "killed") if r["status"] == "done"}
    assert len(before) == 5
    sys.path.insert(0, str(tmp_path))
    try:
        from bisection import bisection
    finally:
        sys.path.remove(str(tmp_path))
    tally = Tally()
    assert stack3d.open_results(tmp_path / "killed" / "small")["status"].values.tolist() == ["done"] * 5
    resumed = stack3d.search(deck, bisection, output=tmp_path / "killed", workers=1, watch=tally)
    assert tally.counts == {"skipped": len(before), "done": 12 - len(before)} and tally.total == 12
    assert {r["content_hash"]: r["finished"] for r in records(tmp_path / "killed")}.items() >= before.items()
    whole = stack3d.search(deck, bisection, output=tmp_path / "whole", workers=1)
    assert_same(resumed, whole)
    assert resumed.sizes["case"] == 12 and resumed["film_coefficient_value"].attrs["units"] == "W/m^2/K"
    peaks = resumed["thermal/layer_temperature_max"].max("layer").values.ravel()
    assert abs(peaks[-1] - TARGET) < 0.05 and abs(peaks[0] - TARGET) > 1.0
    # along the search the peak falls as the film grows, and the last two bracket the target to a film of 1 part in 1e3
    films = resumed["film_coefficient_value"].values
    assert np.all(np.diff(peaks[np.argsort(films)]) < 0) and abs(films[-1] / films[-2] - 1) < 1e-3


def test_a_batch_with_a_bad_case_goes_on(deck: Path, tmp_path: Path) -> None:
    """Two bad cases, one that no deck allows and one that cannot be solved, are told to the steps; a case asked twice runs once."""
    seen: list[list[study.Found]] = []

    def steps() -> study.Steps:
        seen.append((yield [{"power.sources.spot.power": p} for p in ("1 W", "-5 kW", "1 m", "1 W")]))
        seen.append((yield [{"power.sources.spot.power": "1 W"}, {"power.sources.spot.power": "2 W"}]))

    tree = stack3d.search(deck, steps, output=tmp_path / "out", workers=2)
    first, second = seen
    assert [f.status for f in first] == ["done", "failed", "failed", "done"] and [f.status for f in second] == ["done"] * 2
    assert "wanted: power" in first[2].error and first[2].folder is None and first[1].folder is not None
    with pytest.raises(ResultsError, match="no result"):
        _ = first[1].tree
    assert tree["status"].values.tolist() == ["done", "failed", "failed", "done", "done", "done"]
    rise = tree["thermal/layer_temperature_max"].max("layer").values.ravel() - 300.0
    assert rise[0] == rise[3] == rise[4] and rise[5] == pytest.approx(2 * rise[0], rel=1e-9) and np.isnan(rise[1:3]).all()
    ran = [r for r in records(tmp_path / "out") if r["status"] == "done"]
    assert len(ran) == 2


def test_a_step_that_asks_for_nothing_is_refused(deck: Path, tmp_path: Path) -> None:
    def steps() -> study.Steps:
        yield []

    with pytest.raises(ResultsError, match="a step yields a mapping of dotted keys"):
        stack3d.search(deck, steps, output=tmp_path / "out")


def test_cases_run_as_paths_do(deck: Path, tmp_path: Path) -> None:
    """Cases made in Python, of one name and of two, end where their scenario would, with the same numbers."""
    cases = [decks.load(deck, [("power.sources.spot.power", p), ("sweep", {})]) for p in ("1 W", "2 W")]
    other = decks.load(deck, [("scenario", "alone"), ("sweep", {})])
    reports = list(study.run([*cases, other], tmp_path / "out", Silent(), workers=1))
    assert [r.status for r in reports] == [study.DONE] * 3
    swept = stack3d.sweep(deck, output=tmp_path / "swept", workers=1)
    listed = stack3d.open_results(tmp_path / "out" / "small")
    for name in ("layer_temperature_max", "layer_temperature_mean"):
        np.testing.assert_array_equal(listed[f"thermal/{name}"].values, swept[f"thermal/{name}"].values)
    assert listed["spot_power"].values.tolist() == ["1 W", "2 W"]
    alone = stack3d.open_result(tmp_path / "out" / "alone" / "result.nc")
    np.testing.assert_array_equal(alone["thermal/layer_temperature_max"], swept["thermal/layer_temperature_max"][0])
    again = list(study.run([*cases, other], tmp_path / "out", Silent(), workers=1))
    assert [r.status for r in again] == [study.SKIPPED] * 3
