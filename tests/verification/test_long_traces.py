"""Long traces on a compact model: against full steps, against a closed form, counts against the package, bad tables."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rainflow
from test_compact import check, flip_chip, made, rod, scenario, separable

import stack3d
from stack3d.errors import DeckError, RangeError, ValidityWarning
from stack3d.heat import Backends, meshed
from stack3d.results.compact_file import write_compact
from stack3d.thermal import Box, PowerSchedule, Probe, integrate
from stack3d.thermal.compact.compact_model import CompactModel
from stack3d.thermal.compact.cycles import Cycles
from stack3d.thermal.compact.long_trace import KeptOfTrace, follow
from stack3d.thermal.compact.mesh_over_time import MeshOverTime, shares_of
from stack3d.workload.columns import read_driven
from stack3d.workload.trace import PowerTrace


@pytest.fixture(scope="module")
def package() -> CompactModel:
    given = separable()
    given["compact"] |= {"films": {}, "shortest": "10 ms"}
    return made(given)


def random_powers(steps: int) -> np.ndarray:
    return np.random.default_rng(5).uniform(0.0, 6.0, (steps, 2))


def test_a_trace_follows_full_steps(package: CompactModel) -> None:
    """Twelve random steps of 50 ms against TR-BDF2 on all nodes to a tenth of the estimate: within it at every end."""
    given = separable()
    given["compact"] |= {"films": {}, "shortest": "10 ms"}
    case = scenario(given)
    chip = check(case)
    schedule = PowerSchedule(0.05 * np.arange(12), random_powers(12))
    found = follow(package, schedule, 0.6)
    solid = Backends().solid(case, chip.stack, meshed(chip))
    system = solid.system(chip.sources, [Box(source.layer, source.extent) for source in chip.sources])
    ends = 0.05 * np.arange(1, 13)
    full = integrate(system, schedule, list(ends), initial=300.0, tolerance=1e-4, relative=1e-5)
    bow = schedule.powers @ package.bow[:2].T
    error = np.abs(found.temperature[1:, :2] - full.temperature - bow)
    assert found.steps == 12 and error.max() <= found.of_model[0] < 0.02 * (found.highest[0] - 300)
    assert np.all(found.estimate > found.of_model)


def test_ambient_and_films_change_along_a_trace() -> None:
    """Powers, ambient and film anew each step: sources and probes as on all nodes, to the estimate, and far closer than it."""
    given = flip_chip()
    given["solver"]["mesh"] = {"lateral": 6, "per_layer": 1}
    given["probes"] = [{"name": f"p{i}", "layer": n, "x": "3 mm", "y": "4 mm"} for i, n in enumerate(("board", "die", "lid"))]
    given["compact"] = {"films": {"top": ["50 W/m^2/K", "5e3 W/m^2/K"]}, "ambient": ["250 K", "400 K"], "shortest": "50 ms"}
    case, model = scenario(given), made(given)
    chip = check(case)
    solid = Backends().solid(case, chip.stack, meshed(chip))
    places = [*(Box(s.layer, s.extent) for s in chip.sources), *(Probe(p.layer, p.x, p.y, p.z) for p in case.probes)]
    ambient, films = np.array([350.0, 260.0, 330.0, 255.0]), np.array([60.0, 4e3, 500.0, 5e3])
    powers = random_powers(4)
    found = follow(model, PowerSchedule(0.05 * np.arange(4), powers), 0.2, ambient=ambient, films={"top": films})
    now: Any = 350.0
    for i in range(4):
        around = solid.recooled(solid.problem.with_films({"top": films[i]}, dict.fromkeys(("top", "bottom"), ambient[i])))
        system = around.system(chip.sources, places)
        full = integrate(
            system, PowerSchedule.constant(powers[i]), [0.05], initial=now, tolerance=1e-4, relative=1e-5, first_share=2.0**-12
        )
        off = np.abs(found.temperature[i + 1] - powers[i] @ model.bow.T - full.temperature[0])
        assert off.max() <= 0.2 * found.of_model[0] < 0.05 * (350 - 255), (i, off)
        now = full.field


def test_the_estimate_counts_on_how_far_ambient_goes(package: CompactModel) -> None:
    """Power that makes up for colder air hides no error; and a film that is no range stays as it is."""
    given = separable()
    given["compact"] |= {"films": {}, "shortest": "1 s", "ambient": ["250 K", "350 K"]}
    model = made(given)
    schedule = PowerSchedule(np.array([0.0, 1.0]), np.zeros((2, 2)), 2.0)
    found = follow(model, schedule, 2.0, ambient=np.array([300.0, 260.0]))
    still = follow(model, schedule, 2.0)
    assert found.of_model[0] >= 40 * model.in_time.estimate > 0.0 == still.of_model[0]
    assert found.estimate[0] > found.of_model[0] and still.estimate[0] == 0.0
    with pytest.raises(RangeError, match=r"ambient = 240 K lies outside the compact model, which was made for 250 to 350 K"):
        follow(model, schedule, 2.0, ambient=np.array([300.0, 240.0]))
    with pytest.raises(RangeError, match=r"film of top = 400 W/m\^2/K lies outside .* 500 W/m\^2/K alone"):
        follow(model, schedule, 2.0, films={"top": np.array([500.0, 400.0])})


TABLE = "time [s],left [W],ambient [degC],films.top [W/m^2/K]\n0,3,27,500\n1,0,7,1000\n2,0,7,1000\n"


def test_a_table_names_ambient_and_films(tmp_path: Path) -> None:
    """As columns: what `follow` gives for the same; a number that is given beside its column is refused."""
    given = separable()
    given["compact"]["shortest"] = "1 s"
    model = made(given)
    write_compact(tmp_path / "m.nc", model)
    (tmp_path / "air.csv").write_text(TABLE)
    with pytest.warns(ValidityWarning, match=r"air.csv has no column of every source; as in the scenario stay: right 1 W"):
        by_table = stack3d.follow_table(tmp_path / "m.nc", tmp_path / "air.csv")
    schedule = PowerSchedule(np.array([0.0, 1.0]), np.array([[3.0, 1.0], [0.0, 1.0]]), 2.0)
    alike = follow(model, schedule, 2.0, ambient=np.array([300.15, 280.15]), films={"top": np.array([500.0, 1000.0])})
    np.testing.assert_allclose(by_table.temperature, alike.temperature, rtol=1e-12)
    (tmp_path / "hot.csv").write_text(TABLE.replace("27", "270"))
    for name, text, said in (
        ("hot", TABLE.replace("27", "270"), r"line 2, 'ambient \[degC\]': ambient = 543.15 K lies outside .* 250 to 400 K"),
        (
            "slow",
            TABLE.replace("1000", "5"),
            r"line 3, 'films.top \[W/m\^2/K\]': film of top = 5 W/m\^2/K lies .* 10 to 100000",
        ),
        (
            "tpo",
            TABLE.replace("s.top", "s.tpo"),
            r"line 2, 'films.tpo .*': the compact model has no face 'tpo'; it has top, bottom",
        ),
        ("fast", TABLE.replace("1,0", "0.5,0"), r"line 2, 'time \[s\]': a step of the trace takes 0.5 s; .* from 1 s on"),
    ):
        (tmp_path / f"{name}.csv").write_text(text)
        with pytest.raises(DeckError, match=f"trace: {name}.csv {said}"):
            stack3d.follow_table(tmp_path / "m.nc", tmp_path / f"{name}.csv")
    for beside, said in (({"ambient": 300.0}, "ambient"), ({"films": {"top": 500.0}}, "film of top")):
        with pytest.raises(DeckError, match=f"{said} is a column of air.csv already; give it once"):
            stack3d.follow_table(tmp_path / "m.nc", tmp_path / "air.csv", **beside)


def test_bad_columns_of_surroundings_are_told(tmp_path: Path) -> None:
    path = tmp_path / "air.csv"
    for text, said in (
        (TABLE.replace("27", ""), "air.csv line 2, 'ambient \\[degC\\]': '' is no number"),
        (TABLE.replace("degC", "W"), "column 'ambient \\[W\\]'"),
        (TABLE.replace(" [degC]", ""), "column 'ambient': wants its unit, as 'ambient \\[degC\\]'"),
        (TABLE.replace("27", "-300"), "line 2, 'ambient .*': is -26.85 K; at least 0 K"),
        (TABLE.replace(",500", ",-5"), "line 2, 'films.top .*': is -5 W/m.2/K; at least 0"),
        (TABLE.replace("2,0", "1,0"), "line 4: times start at 0 and rise, got 1 s"),
        (TABLE.replace("films.top [W/m^2/K]", "films.top [W]"), "column 'films.top \\[W\\]'"),
        (TABLE.replace("films.top", "ambient"), "column 'ambient' comes twice"),
    ):
        path.write_text(text)
        with pytest.raises(DeckError, match=said):
            read_driven(path, "trace", ("left", "right"))
    path.write_text(TABLE.replace("[degC]", "[W]"))
    assert read_driven(path, "trace", ("left", "ambient")).sources == ("left", "ambient")


def test_steps_of_one_length_and_of_others_agree(package: CompactModel) -> None:
    """A step cut in two parts that differ changes nothing at its end; a period unrolled is the same as written out."""
    powers = random_powers(40)
    whole = follow(package, PowerSchedule(0.1 * np.arange(40), powers), 4.0)
    cut = np.sort(np.concatenate([0.1 * np.arange(40), 0.1 * np.arange(40) + 0.03]))
    parts = follow(package, PowerSchedule(cut, np.repeat(powers, 2, axis=0)), 4.0)
    np.testing.assert_allclose(parts.temperature[2::2], whole.temperature[1:], rtol=1e-12)
    again = follow(package, PowerSchedule(0.1 * np.arange(10), powers[:10], 1.0), 4.0, asked=KeptOfTrace(limits=[305.0]))
    tiled = follow(
        package, PowerSchedule(0.1 * np.arange(40), np.tile(powers[:10], (4, 1))), 4.0, asked=KeptOfTrace(limits=[305.0])
    )
    np.testing.assert_allclose(again.temperature, tiled.temperature, rtol=1e-12)
    np.testing.assert_allclose(again.above, tiled.above, rtol=1e-9)
    assert again.steps == tiled.steps == 40


def test_a_rod_swings_as_its_exponential() -> None:
    """One step to the steady state: start, extremes, mean and time above a limit by the mode that is left after a while."""
    given = rod()
    given["compact"] |= {"films": {}, "shortest": "10 ms"}
    model = made(given)
    schedule = PowerSchedule(0.01 * np.arange(1000), np.full((1000, 1), 2.0))
    found = follow(model, schedule, 10.0, asked=KeptOfTrace(samples=1000, limits=[400.0]))
    end = model.solve({"whole": 2.0}).temperature[0]
    slowest = model.exponentials().rates[0]
    late = found.times > 1.0
    left = end - found.temperature[late, 0]
    np.testing.assert_allclose(left[1:] / left[:-1], np.exp(-slowest * np.diff(found.times[late])), rtol=1e-6)
    assert found.lowest[0] == 300.0 and found.highest_at[0] == pytest.approx(10.0)
    crossed = np.interp(400.0, found.temperature[:, 0], found.times)
    assert found.above[0, 0] == pytest.approx(10.0 - crossed, rel=1e-9)
    steady = follow(model, schedule, 10.0, start="steady")
    np.testing.assert_allclose(steady.temperature, end, rtol=1e-9)


def test_long_steps_hide_nothing() -> None:
    """One row of a minute, or its power in rows of 10 ms: extremes, means, times above limits, cycles."""
    given = separable()
    given["compact"] |= {"films": {}, "shortest": "10 ms"}
    given["probes"] = [{"name": "far", "layer": "die", "x": "9 mm", "y": "9 mm"}]
    package = made(given)
    powers = np.array([[6.0, 0.0], [0.0, 0.0], [0.05, 0.0]])
    begun = np.array([0.0, 0.5, 30.0])
    asked = KeptOfTrace(limits=[300.5, 303.0], counted=package.places, width=0.01)
    few = follow(package, PowerSchedule(begun, powers), 60.0, asked=asked)
    rows = 0.01 * np.arange(6000)
    many = follow(package, PowerSchedule(rows, powers[np.searchsorted(begun, rows, side="right") - 1]), 60.0, asked=asked)
    rise = many.highest - 300.0
    assert few.steps == 3 and many.steps == 6000
    at_ends = few.temperature.max(axis=0)
    assert few.highest[2] > at_ends[2] + 0.1 * rise[2], "of the probe far away no end of a row is the hottest"
    np.testing.assert_allclose(few.mean, many.mean, atol=1e-4 * rise.max())
    assert np.all(np.abs(few.highest - many.highest) <= 3e-3 * rise.max())
    np.testing.assert_allclose(few.above, many.above, atol=0.01 * 60.0)
    for place in package.places:
        largest = [float(found.cycles[place][-1, 0]) for found in (few, many)]
        assert largest[0] == pytest.approx(largest[1], abs=0.02 + 3e-3 * rise.max())


def under_a_board(mesh: dict[str, Any]) -> Any:
    """Half a second of 6 W, then none, seen through a board 1 mm thick, whose heat takes 7 s through it."""
    given = separable()
    given["compact"] |= {"films": {}, "shortest": "10 ms"}
    given["probes"] = [{"name": "far", "layer": "board", "x": "9 mm", "y": "1 mm", "z": "0 mm"}]
    given["solver"]["mesh"] = mesh
    schedule = PowerSchedule(np.array([0.0, 0.5]), np.array([[6.0, 0.0], [0.0, 0.0]]), 10.0)
    return follow(made(given), schedule, 10.0, asked=KeptOfTrace(samples=2))


def test_errors_of_the_mesh_over_time_are_stated() -> None:
    """Coarse elements of a board let its lower side fall below ambient: within the estimate, as are the extremes of all places."""
    coarse, fine = under_a_board({"lateral": 20}), under_a_board({"lateral": 30, "per_layer": 3, "aspect": 1, "growth": 0.15})
    assert fine.lowest[2] > 300.0 - 0.01 > coarse.lowest[2] + 0.1
    assert 300.0 - coarse.lowest[2] < 0.1 * (coarse.highest[2] - 300.0), "elements follow compact.shortest"
    for extreme in ("highest", "lowest", "mean"):
        assert np.all(np.abs(getattr(coarse, extreme) - getattr(fine, extreme)) <= coarse.estimate), extreme
    assert np.all(fine.estimate < 0.5 * coarse.estimate)


def test_errors_of_the_mesh_are_those_about_the_films() -> None:
    """Three films, 2 K/W, 1 K/W and 5 K/W of error: at one of them its own, between two the worse, along a range the worst."""
    still = np.array([2.0, 1.0, 5.0])[:, None, None]
    errors, powers, none = MeshOverTime(still, 3 * still), np.array([[0.0], [2.0]]), np.zeros(1)
    lowest, highest = np.array([1e2]), np.array([1e4])
    for films, worst in (([1e3], 1.0), ([1e2], 2.0), ([3e2], 2.0), ([2e3], 5.0), ([1e2, 1e3], 2.0), ([1e2, 1e4], 5.0)):
        shares = shares_of(np.array(films)[:, None], lowest, highest)
        np.testing.assert_allclose(errors.along(powers, none, none, shares), [worst + 3 * worst])
    alone = MeshOverTime(still[:1], still[:1])  # of no film that varies
    assert alone.along(powers, none, none, shares_of(np.empty((2, 0)), np.empty(0), np.empty(0))) == [4.0]


@pytest.mark.parametrize("seed", range(20))
def test_cycles_in_parts_are_those_of_the_whole(seed: int) -> None:
    """Ranges and counts of the package on all of a series, ties among them, however it is cut."""
    random = np.random.default_rng(seed)
    series = random.integers(0, 12, 60).astype(float) if seed % 2 else random.normal(size=200).cumsum()
    cycles = Cycles(1e-4)
    for part in np.split(series, np.sort(random.integers(0, series.size, 5))):
        cycles.see(part)
    wanted: dict[int, float] = {}
    for size, _, count, _, _ in rainflow.extract_cycles(series):
        wanted[int(size / 1e-4)] = wanted.get(int(size / 1e-4), 0.0) + count
    assert {round(middle / 1e-4 - 0.5): count for middle, count, _ in cycles.table()} == wanted


def test_bad_tables_and_steps_are_refused(package: CompactModel, tmp_path: Path) -> None:
    """A hole, another unit, another name, a step shorter than the model holds for."""
    path = tmp_path / "trace.csv"
    for text, said in (
        ("time [s],left [W]\n0,1\n1,\n2,3\n", "line 3, 'left \\[W\\]': '' is no number"),
        ("time [s],left [K]\n0,1\n1,1\n", "column 'left \\[K\\]'"),
        ("time [W],left [W]\n0,1\n1,1\n", "column 'time \\[W\\]'"),
        ("time [s],left [W]\n0,1\n1\n", "line 3"),
    ):
        path.write_text(text)
        with pytest.raises(DeckError, match=said):
            PowerTrace.from_table(path, "trace")
    with pytest.raises(DeckError, match="no source 'lift'; it has left, right"):
        package.schedule(np.zeros(1), np.ones((1, 1)), ["lift"], 1.0)
    with pytest.raises(RangeError, match=r"a step of the trace takes 0\.001 s; the compact model holds from 0\.01 s on"):
        follow(package, PowerSchedule(1e-3 * np.arange(3), random_powers(3)), 3e-3)
    steady = PowerSchedule(0.1 * np.arange(3), random_powers(3), 0.3)
    for end in (0.001, 0.101, 3.301):
        with pytest.raises(RangeError, match=r"a step of the trace takes 0\.001 s"):
            follow(package, steady, end)
    for end, steps in ((0.11, 2), (0.3, 3), (0.3 * 7, 21)):
        assert follow(package, steady, end).steps == steps


def test_power_that_is_taken_away_cools_down_to_zero_kelvin_at_most(package: CompactModel) -> None:
    """A source below zero mirrors one above it; a trace that would lead below absolute zero is refused."""
    taken, given = (follow(package, PowerSchedule(np.zeros(1), np.array([[watts, 0.0]])), 5.0) for watts in (-1.0, 1.0))
    np.testing.assert_allclose(taken.final - 300.0, 300.0 - given.final, rtol=1e-9)
    assert np.all(taken.lowest == taken.final) and np.all(taken.estimate == given.estimate)
    with pytest.raises(RangeError, match=r"powers of the trace down to -1e\+06 W lead to -[\d.e+]+ K, below absolute zero"):
        follow(package, PowerSchedule(np.zeros(1), np.array([[-1e6, 0.0]])), 5.0)


def test_a_trace_tells_its_steps_and_its_time_before_the_work(package: CompactModel) -> None:
    """In this order; one of more steps than are followed is refused before any is made."""
    schedule = PowerSchedule(np.array([0.0, 0.1]), np.ones((2, 2)), 0.2)
    said: list[tuple[str, float, float]] = []
    follow(
        package,
        schedule,
        20.0,
        watch=lambda done, total: said.append(("done", done, total)),
        ahead=lambda steps, seconds: said.append(("ahead", steps, seconds)),
    )
    assert said[0][:2] == ("ahead", 200) and 0 < said[0][2] < 60 and {word for word, *_ in said[1:]} == {"done"}
    with pytest.raises(RangeError, match=r"a trace of 0.2 s up to 3e\+10 s has more than 1e\+11 steps"):
        follow(package, schedule, 3e10, ahead=lambda steps, seconds: pytest.fail("is told of"))
