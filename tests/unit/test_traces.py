"""Power over time: bursts, days, tables, and schedules of several at once."""

import sys
import tracemalloc
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from pyarrow import csv, parquet

from stack3d import decks
from stack3d.chip import build_chip
from stack3d.errors import DeckError, MissingDependencyError, ValidityWarning
from stack3d.heat.loads import power_schedule, since_change
from stack3d.heat.meshing import Bricks
from stack3d.heat.placing import placed_chip
from stack3d.heat.settling import settle
from stack3d.heat.solvers import make_backend
from stack3d.schema.numerics import TransientDeck
from stack3d.schema.workload import TraceDeck
from stack3d.workload.trace import PowerTrace, joined, read_activity, read_trace


def test_bursts_and_days() -> None:
    bursts = PowerTrace.bursts(1.0, 3.0)
    assert bursts.period == 4.0 and bursts.mean == [0.25]
    day = PowerTrace.day([0.0, 1.0, 0.5])
    np.testing.assert_allclose(day.times, [0, 28800, 57600])
    np.testing.assert_allclose(day.mean, 0.5)
    assert read_activity(None).mean == [1.0]


def test_time_since_the_power_changed() -> None:
    """A duty, and a trace beside it; a change right at an instant, or a rounding before it, has not come yet."""
    chip = build_chip(decks.load("duty_cycled_package").scenario)
    deck = TransientDeck.model_validate({"until": "1 s", "duty": {"period": "0.1 s", "on": "30 ms"}})
    times = np.array([0.02, 0.03, 0.031, 0.3 - 1e-12, 0.3, 0.3 + 1e-12, 0.301, 0.95])
    expected = [0.02, 0.03, 0.001, 0.07, 0.07, 0.07, 0.001, 0.02]
    np.testing.assert_allclose(since_change(chip, deck, times), expected, rtol=1e-9)
    traced = replace(chip, source_trace=PowerTrace(np.array([0.0, 0.029]), np.zeros((2, 1)), ("s",), 0.1))
    np.testing.assert_allclose(since_change(traced, deck, times)[:3], [0.02, 0.001, 0.001], rtol=1e-9)


def test_a_table_closes_its_period(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("# measured\ntime [s], host [W], radio [W]\n0, 1, 0\n2, 3, 4\n\n8, 0, 0\n")
    trace = read_trace(TraceDeck(pattern="table", file=str(tmp_path / "t.csv")), "power.trace")
    assert trace.blocks == ("host", "radio") and trace.period == 8.0
    np.testing.assert_array_equal(trace.values, [[1, 0], [3, 4]])
    np.testing.assert_allclose(trace.mean, [(2 * 1 + 6 * 3) / 8, 6 * 4 / 8])


def test_units_of_columns_are_read(tmp_path: Path) -> None:
    """50 mW for half a minute is 0.05 W for 30 s."""
    (tmp_path / "t.csv").write_text("time [min], host [mW], radio\n0, 50, 1\n0.5, 2e3, 0\n2, 0, 0\n")
    trace = read_trace(TraceDeck(pattern="table", file=str(tmp_path / "t.csv")), "power.trace")
    assert trace.blocks == ("host", "radio")
    np.testing.assert_allclose([*trace.times, trace.period], [0, 30, 120], rtol=1e-14)
    np.testing.assert_allclose(trace.values, [[0.05, 1], [2, 0]], rtol=1e-14)
    (tmp_path / "a.csv").write_text("time [h], activity [%]\n0, 25\n6, 100\n24, 0\n")
    activity = read_activity(TraceDeck(pattern="table", file=str(tmp_path / "a.csv")))
    np.testing.assert_allclose(activity.values[:, 0], [0.25, 1.0], rtol=1e-14)
    assert activity.period == 86400.0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("time [s], a\n0, 1\n", "two rows or more"),
        ("t, a\n0, 1\n1, 1\n", "first column 'time"),
        ("time, a\n0, 1\n1, x\n", "line 3, 'a': 'x' is no number"),
        ("# of a meter\n\ntime, a\n0, 1\n1, x\n", "line 5, 'a': 'x' is no number"),
        ("time, a\n0, 1\n1\n", "line 3, 'a': nothing is no number"),
        ("time, a\n0, nan\n1, 2\n", "line 2, 'a': is not finite"),
        ("time, a\n0, 1\n2, 1\n2, 1\n", "line 4: times start at 0 and rise, got 2 s"),
        ("time, a\n1, 1\n2, 1\n", "line 2: times start at 0"),
        ("time [K], a\n0, 1\n1, 1\n", r"t.csv, column 'time \[K\]'"),
        ("time [s], a [J]\n0, 1\n1, 1\n", r"t.csv, column 'a \[J\]'"),
        ("time [s], a [W], a [mW]\n0, 1, 1\n1, 1, 1\n", "column 'a' comes twice"),
        ("time [s], a [W]\n0, 1,5\n1, 1\n", "line 2: 3 values for 2 columns; numbers have a point, and no comma"),
        ('time [s], a [W]\n0, "1,5"\n1, 1\n', "line 2, .*: '1,5' is no number; numbers have a point, and no comma"),
        ("time [s];a [W]\n0;1,5\n1;1\n", "t.csv: semicolons stand between its columns; put commas there, and points into"),
        ("time [s]\ta [W]\n0\t1.5\n1\t1\n", "t.csv: tabs stand between its columns; put commas there, and points into"),
    ],
)
def test_a_bad_table_is_told_where(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(DeckError, match=words):
        read_trace(TraceDeck(pattern="table", file=str(tmp_path / "t.csv")), "power.trace")


def test_parquet_gives_what_csv_gives(tmp_path: Path) -> None:
    table = pyarrow.table({"time [s]": [0.0, 1.0, 3.0], "host [W]": [1, 2, 0], "radio [W]": [0.5, 0.25, 0.0]})
    parquet.write_table(table, tmp_path / "t.parquet")
    csv.write_csv(table, tmp_path / "t.csv")
    one, other = (
        read_trace(TraceDeck(pattern="table", file=str(tmp_path / f"t.{kind}")), "power.trace") for kind in ("parquet", "csv")
    )
    assert one.blocks == other.blocks == ("host", "radio") and one.period == other.period == 3.0
    np.testing.assert_array_equal(one.times, other.times)
    np.testing.assert_array_equal(one.values, [[1, 0.5], [2, 0.25]])
    np.testing.assert_array_equal(one.values, other.values)


@pytest.mark.parametrize(("power", "told"), [("52 mW", False), ("60 mW", True)])
def test_a_power_beside_its_trace_is_its_mean_or_told(tmp_path: Path, power: str, told: bool) -> None:
    """50 mW for 3 s and 60 mW for 1 s are 52.5 mW."""
    (tmp_path / "t.csv").write_text("time [s], host [mW]\n0, 50\n3, 60\n4, 0\n")
    table = {"pattern": "table", "file": str(tmp_path / "t.csv")}
    scenario = decks.load("quickstart", [("power.sources.host.power", power), ("power.trace", table)]).scenario
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ValidityWarning)
        assert build_chip(scenario).sources[0].power == pytest.approx(0.0525)
    said = [
        str(w.message) for w in caught if "its column of the trace has a mean of 0.0525 W; the trace counts" in str(w.message)
    ]
    assert len(said) == told


def test_bad_parquet_is_told_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.parquet"
    deck = TraceDeck(pattern="table", file=str(path))
    for columns, words in (
        ({"time [s]": [0.0, 1.0], "host": [1.0, None]}, "row 3, 'host': None is no number"),
        ({"time [s]": [0.0, 1.0], "host": ["a", "b"]}, "row 2, 'host': 'a' is no number"),
        ({"host": [0.0, 1.0], "time [s]": [0.0, 1.0]}, "first column 'time"),
        ({}, "first column 'time"),
    ):
        parquet.write_table(pyarrow.table(columns), path)
        with pytest.raises(DeckError, match=f"t.parquet.*{words}"):
            read_trace(deck, "power.trace")
    path.write_text("no parquet")
    with pytest.raises(DeckError, match="power.trace.file: t.parquet cannot be read as .parquet"):
        read_trace(deck, "power.trace")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingDependencyError, match=r"uv sync --inexact --extra parquet, or save the table as \.csv"):
        read_trace(deck, "power.trace")


def test_activity_is_a_share(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("time, activity\n0, 1.5\n1, 0\n")
    with pytest.raises(DeckError, match="activity runs from 1.5 to 1.5"):
        read_activity(TraceDeck(pattern="table", file=str(tmp_path / "t.csv")))
    with pytest.raises(ValueError, match="pattern bursts wants on and off, not levels"):
        TraceDeck.model_validate({"pattern": "bursts", "on": "1 s", "off": "1 s", "levels": [1]})
    with pytest.raises(ValueError, match="pattern bursts wants on and off"):
        TraceDeck.model_validate({"pattern": "bursts", "on": "1 s"})


def test_schedules_join_by_hand() -> None:
    activity, host = PowerTrace.bursts(1.0, 3.0), PowerTrace(np.array([0.0, 2.0]), np.array([[5.0], [7.0]]), ("host",), 4.0)
    times, powers, period = joined(
        [(activity, np.array([[10.0, 0.0]]), np.array([1.0, 0.0])), (host, np.array([[0.0, 1.0]]), np.zeros(2))]
    )
    np.testing.assert_array_equal(times, [0, 1, 2])
    np.testing.assert_array_equal(powers, [[11, 5], [1, 5], [1, 7]])
    assert period == 4.0
    with pytest.raises(DeckError, match="repeat after different times: 4 s, 86400 s"):
        joined([(activity, np.ones((1, 1)), np.zeros(1)), (PowerTrace.day([0, 1]), np.ones((1, 1)), np.zeros(1))])


def test_a_chip_on_a_schedule_keeps_the_mean_of_its_steady_state(tmp_path: Path) -> None:
    """Bursts of one second in four: a quarter of the dynamic power, all of the leakage; the host as its table says."""
    (tmp_path / "host.csv").write_text("time, host\n0, 0.4\n2, 0.1\n4, 0\n")
    chosen = [
        ("workload.trace", {"pattern": "bursts", "on": "1 s", "off": "3 s"}),
        ("power.trace", {"pattern": "table", "file": str(tmp_path / "host.csv")}),
        ("solver.backend", "tensor"),
    ]
    chip = placed_chip(decks.load("quickstart", chosen).scenario)
    assert chip.mean_rate == pytest.approx(0.25 * 2e5) and chip.sources[0].power == pytest.approx(0.25)
    backend = make_backend(chip.scenario, chip.stack, Bricks.of(chip))
    targets = {n: m.target_conductances()[None] for n, m in chip.computer.matrices.items()}
    state = settle(chip, backend, lambda _: targets, np.full((len(chip.computer.tiles), 1, 1), 300.0))
    sources, schedule = power_schedule(chip, state)
    assert schedule.period == 4.0 and list(schedule.times) == [0, 1, 2]
    weights = np.diff([*schedule.times, schedule.period]) / schedule.period
    np.testing.assert_allclose(weights @ schedule.powers, [s.power for s in sources], rtol=1e-12)
    np.testing.assert_allclose((weights @ schedule.powers).sum(), state.solution.heat_in, rtol=1e-9)
    idle = schedule.powers[1, 1:].sum()
    np.testing.assert_allclose(idle, state.powers["leakage"].sum() + state.powers["write"].sum(), rtol=1e-9)


def test_unknown_blocks_are_refused(tmp_path: Path) -> None:
    (tmp_path / "host.csv").write_text("time, hots\n0, 0.4\n2, 0.1\n")
    case = decks.load("quickstart", [("power.trace", {"pattern": "table", "file": str(tmp_path / "host.csv")})])
    with pytest.raises(DeckError, match="column 'hots' is no source .did you mean 'host'"):
        placed_chip(case.scenario)


def test_titles_are_told_before_rows_are_read_and_rows_are_held_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = "".join(f"{i},1,2\n" for i in range(60_000))
    (tmp_path / "t.csv").write_text(f"hour,a,b\n{rows}")
    table = TraceDeck(pattern="table", file=str(tmp_path / "t.csv"))
    tracemalloc.start()
    with pytest.raises(DeckError, match="t.csv wants a first column 'time .s.'"):
        read_trace(table, "power.trace")
    wrong = tracemalloc.get_traced_memory()[1]
    (tmp_path / "t.csv").write_text(f"time,a,b\n{rows}60000,0,0\n")
    tracemalloc.reset_peak()
    assert read_trace(table, "power.trace").values.shape == (60_000, 2)
    right = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    numbers = 60_001 * 3 * 8
    assert wrong < 1e6 and right < 8 * numbers, (wrong, right / numbers)
    monkeypatch.setenv("STACK3D_MEMORY", "1 MB")
    with pytest.raises(DeckError, match=r"power.trace.file: t.csv: \d+ rows and more take 1.* MB, and 1 MB are there"):
        read_trace(table, "power.trace")
