"""Long traces on a compact model: against full steps, against a closed form, counts against the package, bad tables."""

from pathlib import Path

import numpy as np
import pytest
import rainflow
from test_compact import check, made, rod, scenario, separable

from stack3d.errors import DeckError, RangeError
from stack3d.heat import Backends, meshed
from stack3d.thermal import Box, PowerSchedule, integrate
from stack3d.thermal.compact.compact_model import CompactModel
from stack3d.thermal.compact.cycles import Cycles
from stack3d.thermal.compact.long_trace import KeptOfTrace, follow
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
    case = scenario(separable())
    chip = check(case)
    schedule = PowerSchedule(0.05 * np.arange(12), random_powers(12))
    found = follow(package, schedule, 0.6)
    solid = Backends().solid(case, chip.stack, meshed(chip))
    system = solid.system(chip.sources, [Box(source.layer, source.extent) for source in chip.sources])
    ends = 0.05 * np.arange(1, 13)
    full = integrate(system, schedule, list(ends), initial=300.0, tolerance=1e-4, relative=1e-5)
    bow = schedule.powers @ package.bow[:2].T
    error = np.abs(found.temperature[1:, :2] - full.temperature - bow)
    assert found.steps == 12 and error.max() <= found.estimate[0] < 0.02 * (found.highest[0] - 300)


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
    given["compact"] |= {"films": {}, "shortest": "1 ms"}
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
