"""A search for the best design from deck to page: the known answer, killed and resumed, several workers, no design at all."""

from __future__ import annotations

import base64
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import browser
import numpy as np
import pytest
import small_study
from small_study import assert_same

import stack3d
from stack3d import decks, study
from stack3d.errors import DeckError, ResultsError
from stack3d.progress import Silent, Tally
from stack3d.report import report_page
from stack3d.study.designing.leaning import GOAL
from stack3d.study.designing.peak_slopes import PeakSlopes

OPTIMISE = small_study.OPTIMISE.replace("budget: 12", "budget: 36")


@pytest.fixture
def deck(tmp_path: Path) -> Path:
    return written(tmp_path, OPTIMISE)


def written(folder: Path, optimise: str) -> Path:
    path = folder / "small.yaml"
    path.write_text(small_study.STUDY + optimise)
    return path


def run(path: Path, output: Path, **options: Any) -> tuple[list[study.Report], Any]:
    """Reports of the cases, and the verdict."""
    *cases, verdict = study.run([str(path)], output, Silent(), **{"workers": 1, **options})
    assert verdict.is_verdict and not any(case.is_verdict for case in cases)
    return cases, verdict


class Searched(NamedTuple):
    """A search that has ended."""

    deck: Path
    output: Path
    cases: list[study.Report]
    verdict: Any


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Searched:
    """The search of this page, run once."""
    folder = tmp_path_factory.mktemp("whole")
    path = written(folder, OPTIMISE)
    return Searched(path, folder / "out", *run(path, folder / "out"))


def test_the_largest_power_that_stays_below_85_degc(whole: Searched) -> None:
    """Heat without leakage is linear: the answer is the rise allowed over the rise per watt, under the best film."""
    deck, output, cases, verdict = whole
    one = stack3d.load(deck, {"cooling.top.film_coefficient": "5e4 W/m^2/K"}).run(until="thermal")
    most = (358.15 - 300.0) / (float(one["thermal/layer_temperature_max"].max()) - 300.0)
    assert [case.status for case in cases] == [study.DONE] * 36
    tree = stack3d.open_results(output / "small")
    found = tree["optimise"].to_dataset()
    best = int(found["chosen"].values.argmax())
    assert found["front"].values.tolist() == found["chosen"].values.tolist() and found["chosen"].sum() == 1
    assert tree["film_coefficient"].values[best] == "5e4 W/m^2/K"
    assert 0.9999 * most < float(found["value"][best, 0]) <= most  # gradients lead onto the condition
    peaks = tree["thermal/layer_temperature_max"].max("layer").values
    np.testing.assert_allclose(found["missed"][:, 0].values, peaks - 358.15, rtol=0, atol=1e-9)
    np.testing.assert_array_equal(found["feasible"].values, peaks <= 358.15)
    np.testing.assert_array_equal(found["value"][:, 0].values, tree["spot_power_value"].values)
    assert verdict.status == study.DONE and "best of 36 designs tried" in verdict.lines[0]
    assert verdict.lines[-1].endswith("chosen.yaml")
    # the deck of the chosen design is that case, under a name of its own, without a search
    chosen = decks.load(output / "small" / "chosen.yaml")
    same = decks.load(deck, [("optimise", None), *cases_of(tree, best), ("scenario", "small_chosen")])
    assert chosen.scenario.optimise is None and chosen.digest() == same.digest()
    page = report_page([tree])
    assert "What to build" in page and "The course of the search" in page
    data = re.search(r'download="small_chosen.yaml" href="data:text/yaml;charset=utf-8;base64,([^"]+)"', page)
    assert data is not None and base64.b64decode(data[1]).decode() == (output / "small/chosen.yaml").read_text()


@pytest.mark.parametrize("goal", ["minimise: layer_temperature_max", "maximise: heat_in"])
def test_slopes_of_conditions_and_goals_are_those_of_runs(goal: str, tmp_path: Path) -> None:
    """Power, film and the edge of a source: the peak and the heat of a design against those of its neighbours."""
    film, edge = 'cooling.top.film_coefficient: {from: "2e3 W/m^2/K", to: "5e4 W/m^2/K", scale: log}', "power.sources.spot.x[0]"
    more = f'    {film}\n    {edge}: {{from: "0.1 mm", to: "0.3 mm"}}\n'
    asked = re.sub("    cooling.top.film_coefficient: .*\n", lambda _: more, OPTIMISE).replace("maximise: heat_in", goal)
    path = written(tmp_path, asked)
    search = study.planning.plan(path)
    slopes = PeakSlopes(search.draft, search.space, search.goals, search.limits)
    at, step = (0.4, 0.6, 0.5), 0.01
    found = slopes(at)
    assert slopes and slopes.is_worth and set(found) == {0, GOAL}
    for i in range(3):
        ends = []
        for by in (-step, step):
            design = (*at[:i], at[i] + by, *at[i + 1 :])
            sets = {"optimise": None, **dict(search.space.overrides(design))}
            tree = stack3d.load(path, sets).run(until="thermal")
            ends.append((float(tree["thermal/layer_temperature_max"].max()), float(tree["thermal/heat_in"])))
        peak, heat = ((ends[1][k] - ends[0][k]) / (2 * step) for k in range(2))
        assert found[0][i] == pytest.approx(peak / 50, rel=2e-2)
        assert found[GOAL][i] == pytest.approx(-heat if "heat_in" in goal else peak, rel=2e-2, abs=1e-9)


def cases_of(tree: Any, number: int) -> list[tuple[str, Any]]:
    return [
        ("cooling.top.film_coefficient", str(tree["film_coefficient"].values[number])),
        ("power.sources.spot.power", str(tree["spot_power"].values[number])),
    ]


STOPPED = """
import json
import signal
import sys
from pathlib import Path
from stack3d import study
from stack3d.progress import Silent

class Stopping(Silent):
    count = 0
    def started(self, label):
        self.count += 1
        if self.count == int(sys.argv[1]):
            Path("reached").touch()
            signal.pause()

if __name__ == "__main__":
    list(study.run([sys.argv[2]], Path("killed"), Stopping(), overrides=json.loads(sys.argv[3]), workers=1))
"""


def kill_within(number: int, deck: str, folder: Path, overrides: Any = ()) -> None:
    """Run a search into ``killed``, and kill it within a case."""
    (folder / "stopped.py").write_text(STOPPED)
    command = [sys.executable, "stopped.py", str(number), deck, json.dumps(overrides)]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (folder / "reached").exists():
        assert process.poll() is None, "it ended before it was killed"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def test_killed_and_resumed_it_asks_the_same_and_finds_the_same(whole: Searched, tmp_path: Path) -> None:
    """Cut off within its tenth case and resumed: sequence, front and numbers as without, to the bit."""
    deck = whole.deck
    kill_within(10, str(deck), tmp_path)
    assert len(records(tmp_path / "killed")) == 9
    tally = Tally()
    *_, resumed = study.run([str(deck)], tmp_path / "killed", tally, workers=1)
    assert tally.counts == {"skipped": 9, "done": 36 - 9}
    assert resumed.lines[:-1] == whole.verdict.lines[:-1]
    one, two = (stack3d.open_results(output / "small") for output in (tmp_path / "killed", whole.output))
    assert_same(one, two)
    assert one["optimise"].attrs == two["optimise"].attrs
    # a third run, with everything there, runs nothing and says the same
    again, verdict = run(deck, tmp_path / "killed")
    assert {case.status for case in again} == {study.SKIPPED} and verdict.lines == resumed.lines


@pytest.mark.slow
def test_resumed_with_two_workers_it_asks_the_same(whole: Searched, tmp_path: Path) -> None:
    """Half of the cases are there, an entry of a batch among them: two workers do the rest, to the same front."""
    shutil.copytree(whole.output, tmp_path / "out")
    (tmp_path / "out" / "small" / "study.json").unlink()
    asked = [report.folder for report in whole.cases if report.folder is not None]
    for folder in [*asked[7:9], *asked[18:]]:
        shutil.rmtree(tmp_path / "out" / folder.relative_to(whole.output))
    cases, verdict = run(whole.deck, tmp_path / "out", workers=2)
    statuses = [case.status for case in cases]
    assert (statuses.count(study.SKIPPED), statuses.count(study.DONE)) == (16, 20)
    assert verdict.lines[:-1] == whole.verdict.lines[:-1]
    assert_same(*(stack3d.open_results(output / "small") for output in (tmp_path / "out", whole.output)))


BY_ACCURACY = [
    ("workload.placement", "accuracy_aware"), ("workload.test_samples", 20), ("monte_carlo.samples", 2),
    ("lifetime", {"until": "10 year", "epochs": 2, "attribution": False}),
    ("geometry.tiers.repeat", 2),
    ("solver", {"backend": "tensor", "mesh": {"lateral": 2, "per_layer": 1}, "error_promise": 0.5}),
    ("optimise", {
        "vary": {"cooling.top": ["forced_air", "cold_plate"], "mvm.adc_bits": [5, 8]},
        "maximise": "accuracy@end", "subject to": ["peak_temperature <= 105 degC"], "budget": 3, "batch": 1,
    }),
]  # fmt: skip
"""A search of which every case places its tiles by accuracy."""


@pytest.mark.slow
def test_killed_while_tiles_are_placed_by_accuracy_it_finds_the_same(tmp_path: Path) -> None:
    """Cut off within its second case and resumed: the same designs, placements and answers as without, to the bit."""
    *_, whole = study.run(["quickstart"], tmp_path / "whole", Silent(), overrides=BY_ACCURACY, workers=1)
    kill_within(2, "quickstart", tmp_path, BY_ACCURACY)
    tally = Tally()
    *_, resumed = study.run(["quickstart"], tmp_path / "killed", tally, overrides=BY_ACCURACY, workers=1)
    assert tally.counts == {"skipped": 1, "done": 2}
    assert resumed.lines[:-1] == whole.lines[:-1]
    one, two = (stack3d.open_results(tmp_path / name / "quickstart") for name in ("killed", "whole"))
    assert_same(one, two)
    assert one["optimise"].attrs == two["optimise"].attrs
    assert (one["mvm/placement_taken"].sum("placement") == 1).all() and one["mvm/placement_sensitivity"].notnull().all()


def records(folder: Path) -> list[dict[str, Any]]:
    found = [json.loads(path.read_text()) for path in folder.glob("small/cases/*/run.json")]
    return [record for record in found if record["status"] == "done"]


def test_cases_of_a_sweep_before_are_reused(tmp_path: Path) -> None:
    """A search over lists that lie in the folder already runs nothing, and finds what the full grid has as its best."""
    powers, films = ["0.5 W", "1 W", "2 W"], ["2e3 W/m^2/K", "1e4 W/m^2/K", "5e4 W/m^2/K"]
    grid = {"power.sources.spot.power": powers, "cooling.top.film_coefficient": films}
    swept = stack3d.sweep(small_study.write(tmp_path, json.dumps(grid)), output=tmp_path / "out", workers=1)
    asked = {"vary": grid, "minimise": "layer_temperature_max", "subject to": "heat_in >= 1 W", "budget": 100}
    path = written(tmp_path, f"optimise: {json.dumps(asked)}\n")
    cases, verdict = run(path, tmp_path / "out")
    assert len(cases) == 9 and {case.status for case in cases} == {study.SKIPPED}
    assert "best of all 9 designs, 6 meet every condition" in verdict.lines[0]
    beside = [line.split(": ")[1] for line in verdict.lines if line.startswith("one change: ")]
    assert sorted(beside) == [
        "film_coefficient 1e4 W/m^2/K",
        "film_coefficient 2e3 W/m^2/K",
        "spot_power 0.5 W",
        "spot_power 2 W",
    ]
    found = stack3d.open_results(tmp_path / "out" / "small")["optimise"].to_dataset()
    peaks = swept["thermal/layer_temperature_max"].max("layer").sel(spot_power=["1 W", "2 W"])
    assert float(found["value"].where(found["chosen"] == 1).max()) == float(peaks.min())


SCREENS = """\
  screens:
    coarse: {set: {solver.mesh.lateral: 4}, keep: 50 %, margin: 2 %}
"""


def test_designs_pass_a_screen_before_they_run_in_full(tmp_path: Path) -> None:
    """Too hot on the coarse mesh is never run on the fine one; resumed it says the same; what screens cost is told."""
    path = written(tmp_path, OPTIMISE + SCREENS)
    wanted = [("optimise.budget", 4), ("optimise.batch", 2)]
    cases, verdict = run(path, tmp_path / "out", overrides=wanted)
    tree = stack3d.open_results(tmp_path / "out" / "small")
    found = tree["optimise"].to_dataset()
    screened, full = found.sizes["screened"], tree.sizes["case"]
    assert full == 4 and len(cases) == screened + full and set(found["screen"].values) == {"coarse"}
    hot = found["screen_missed"].values[:, 0]  # [K]; by default a fiftieth of 50 K is granted
    np.testing.assert_array_equal(found["screen_rules_out"].values, hot > 1.0)
    assert 0 < (hot > 1.0).sum() < screened
    designs = [
        f"film_coefficient {f}, spot_power {p}" for f, p in zip(tree["film_coefficient"].values, tree["spot_power"].values)
    ]
    passed = found["screened_design"].values[hot <= 1.0].tolist()
    assert set(designs) <= set(passed)
    best = sorted(zip(-found["screen_value"].values[hot <= 1.0, 0], passed))[0][1]
    assert best in designs, "the best of those screened runs in full"
    said = (
        f"screen coarse: {screened} designs, ruled out {(hot > 1).sum()} (layer_temperature_max <= 85 degC {(hot > 1).sum()})"
    )
    assert said in verdict.lines
    assert re.fullmatch(
        rf"what it took: coarse {screened} cases in .*, in full 4 cases in .*; screens \d+ % of the time", verdict.lines[-2]
    )
    for lost in sorted((tmp_path / "out/small/cases").iterdir())[::3]:
        (lost / "run.json").unlink()
    _, again = run(path, tmp_path / "out", overrides=wanted)
    assert again.lines[:-2] == verdict.lines[:-2]
    assert_same(stack3d.open_results(tmp_path / "out" / "small"), tree)


def test_no_design_passes_the_screen(tmp_path: Path) -> None:
    """Then nothing runs in full, and the nearest is told; a screen that stops after the heat has a folder of its own."""
    grid = {"cooling.top.film_coefficient": ["2e3 W/m^2/K", "1e4 W/m^2/K"]}
    asked = {"vary": grid, "minimise": "heat_in", "subject to": "layer_temperature_max <= 20 degC", "budget": 9}
    path = written(tmp_path, f"optimise: {json.dumps({**asked, 'screens': {'heat': {'until': 'thermal'}}})}\n")
    cases, verdict = run(path, tmp_path / "out")
    assert len(cases) == 2 and verdict.exit_code == 0 and verdict.status == study.DONE
    assert verdict.lines[0].startswith(
        "no design passes the screens, of 2 tried; nearest: film_coefficient 1e4 W/m^2/K, which misses"
    )
    folders = [path.name for path in (tmp_path / "out/small/cases").iterdir()]
    assert len(folders) == 2 and all(name.endswith("-thermal") for name in folders)


def test_no_design_meets_it_is_an_answer(deck: Path, tmp_path: Path) -> None:
    """The nearest, by how much it misses what, and how often each condition is missed."""
    wanted = [("optimise.subject to", ["layer_temperature_max <= 18 degC", "heat_in >= 1 W"]), ("optimise.budget", 8)]
    _, verdict = run(deck, tmp_path / "out", overrides=wanted)
    first, cold, warm, *_, last = verdict.lines
    assert first.startswith("no design meets every condition, of 8 designs tried; nearest: ") and verdict.exit_code == 0
    assert cold.startswith("layer_temperature_max <= 18 degC: missed by 8 of 8 designs; the nearest misses it by ")
    assert warm.startswith("heat_in >= 1 W: missed by ") and last.startswith("as a deck: ")
    found = stack3d.open_results(tmp_path / "out" / "small")["optimise"].to_dataset()
    assert not found["front"].any() and not found["feasible"].any()
    nearest = int(found["chosen"].values.argmax())
    shares = found["missed"].clip(0) / np.array([50.0, 1.0])
    assert nearest == int(shares.sum("condition").values.argmin())


def test_a_goal_that_no_case_has_ends_it_early_and_loses_nothing(deck: Path, tmp_path: Path) -> None:
    cases, verdict = run(deck, tmp_path / "out", overrides=[("optimise.maximise", "peak_time")])
    assert len(cases) == 8 and len(records(tmp_path / "out")) == 8
    assert verdict.status == study.FAILED and verdict.exit_code == 2
    said = "none of 8 designs has a value for every goal and condition: peak_time is not among the outcomes of the case"
    assert verdict.lines == (f"--set: optimise.maximise: {said}",)
    with pytest.raises(ResultsError, match="peak_time is not among"):
        stack3d.sweep(deck, overrides={"optimise.maximise": "peak_time"}, output=tmp_path / "out", workers=1)


def test_bad_cases_stop_nothing(deck: Path, tmp_path: Path) -> None:
    """A value that no deck allows and one that cannot be solved: told, and the others decide."""
    films = ["-5 W/m^2/K", "1e4 W/m^2/K", "5e4 W/m^2/K"]
    asked = {"vary": {"cooling.top.film_coefficient": films}, "minimise": "layer_temperature_max", "budget": 9}
    cases, verdict = run(deck, tmp_path / "out", overrides=[("optimise", asked)])
    assert sorted(case.status for case in cases) == [study.DONE, study.DONE, study.FAILED]
    assert "best of all 3 designs: film_coefficient 5e4 W/m^2/K" in verdict.lines[0]
    assert "1 of 3 designs have no value" in verdict.lines[1]


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        (
            "optimise.maximise",
            "heat_inn",
            "optimise.maximise: 'heat_inn' names 'heat_inn', which is no output variable (did you",
        ),
        ("optimise.vary", {"cooling.tpo.film": [1, 2]}, "cooling.tpo: unknown key 'tpo' (did you mean 'top'?)"),
        ("optimise.vary", {"cooling.ambient": []}, "optimise.vary.cooling.ambient: wants 1 or more values, got 0"),
        ("optimise.vary", {"cooling.ambient": {"from": "9 K", "to": "8 K"}}, "from must lie below to (got '9 K', '8 K')"),
        ("optimise.vary", {"cooling.ambient": {"from": "9 K", "to": "10 W"}}, "from and to want the same unit"),
        ("optimise.vary", {"cooling.ambient": ["9 K", "9 K"]}, "optimise.vary.cooling.ambient: '9 K' is listed twice"),
        ("optimise.vary", {}, "optimise.vary: wants 1 to 50 keys"),
        (
            "optimise.vary",
            {"cooling.ambient": {"from": "1.5 K", "to": "4 K", "integer": True}},
            "integer wants whole numbers from",
        ),
        ("optimise.subject to", "heat_in == 1 W == 2 W", "'heat_in == 1 W == 2 W' contradicts itself"),
        ("optimise.maximise", "1e400 W + heat_in", "knows numbers and quantities; '1e400 W' is too large"),
        ("optimise.subject to", "1 < 2", "optimise.subject to: '1 < 2' names no output"),
        ("optimise.maximise", "3", "optimise.maximise: '3' names no output"),
        ("optimise.vary.where", "foo > 3", "optimise.vary.where: 'foo > 3' names 'foo', which is not swept"),
        ("optimise.subject to", ["heat_in <= 1 W", "heat_in >= 2 W"], "'heat_in >= 2 W' contradicts 'heat_in <= 1 W'"),
        ("optimise.subject to", "heat_in <= 1 K", "optimise.subject to: 'heat_in <= 1 K' compares W with K"),
        ("optimise.minimise", "heat_in", "optimise: 'heat_in' is a goal twice"),
        ("optimise.maximise", [], "optimise: wants 1 to 6 goals under minimise and maximise (got 0)"),
        ("optimise.budget", 0, "optimise.budget: wants 1 to 10000 cases, or a time such as '2 h', got 0"),
        ("optimise.budget", "2 K", "optimise.budget: 'K' is no unit of time"),
        ("optimise.budgt", 3, "optimise.budgt: unknown key 'budgt' (did you mean 'budget'?)"),
        ("optimise.screens", {"a": {}}, "optimise.screens.a: sets nothing and has no until: it would be the case in full"),
        (
            "optimise.screens",
            {"a": {"set": {"solver.mesh.lateral": 8}}},
            "optimise.screens.a: changes nothing, so it is no cheaper",
        ),
        ("optimise.screens", {"a": {"set": {"solver.mesh.lat": 8}}}, "solver.mesh.lat: unknown key 'lat'"),
        ("optimise.screens", {"a": {"until": "heat"}}, "optimise.screens.a.until: "),
        ("optimise.screens", {"a": {"until": "thermal", "keep": 0}}, "optimise.screens.a.keep: "),
        ("sweep", {"cooling.ambient": ["300 K"]}, "optimise: and sweep do not go together"),
    ],
)
def test_bad_input_is_one_line_and_computes_nothing(deck: Path, tmp_path: Path, key: str, value: Any, said: str) -> None:
    with pytest.raises(DeckError) as caught:
        study.plan(deck, [(key, value)])
    assert said in str(caught.value) and len(str(caught.value).splitlines()) == 1
    (report,) = study.run([str(deck)], tmp_path / "out", Silent(), overrides=[(key, value)])
    assert report.exit_code == 2 and report.lines == (str(caught.value),) and not (tmp_path / "out").exists()
    (checked,) = study.checked(deck, [(key, value)])
    assert checked.error is not None and str(checked.error) == str(caught.value)


def test_a_condition_that_leaves_no_design_is_told(deck: Path, tmp_path: Path) -> None:
    (report,) = study.run([str(deck)], tmp_path / "out", Silent(), overrides=[("optimise.vary.where", "spot_power > '9 W'")])
    assert report.exit_code == 2 and len(report.lines) == 1 and "optimise.vary.where: leaves no design" in report.lines[0]


def test_mistakes_have_their_line(tmp_path: Path) -> None:
    path = written(tmp_path, OPTIMISE.replace('"2e3 W/m^2/K"', '"2 kg"').replace("heat_in", "heat_in@last"))
    with pytest.raises(DeckError, match=r"small.yaml:21: optimise.maximise: .* may end with '@end' or '@start'"):
        study.plan(path)
    path = written(tmp_path, OPTIMISE.replace('"2e3 W/m^2/K"', '"2 kg"'))
    (found,) = study.checked(path)
    assert re.search(r"small.yaml:20: cooling.top.film_coefficient: 'kg' is no unit", str(found.error))
    (found,) = study.checked(written(tmp_path, OPTIMISE))
    assert found.error is None and "a search among any number of designs, 5 of them checked" in found.label


def test_a_budget_of_time_is_what_the_cases_took(deck: Path, tmp_path: Path) -> None:
    """The records say how long; a resumed search adds the same times up, so that it ends at the same case."""
    spent = [("optimise.budget", "0.3 s")]
    cases, _ = run(deck, tmp_path / "out", overrides=spent)
    times = [record["wall_time"] for record in records(tmp_path / "out")]
    assert len(cases) % 4 == 0 and sum(times) >= 0.3
    again, _ = run(deck, tmp_path / "out", overrides=spent)
    assert {case.name for case in again} == {case.name for case in cases}


def test_a_search_is_no_part_of_the_case(deck: Path) -> None:
    """Neither goals nor budget change the content hash, so that cases stay where they are."""
    with_search, without = (decks.load(deck, [("optimise", value)] if value is None else []) for value in ("", None))
    assert with_search.scenario.optimise is not None and with_search.digest() == without.digest()


@pytest.mark.skipif(browser.executable() is None, reason="no Chromium; on Debian or Ubuntu: apt-get install chromium")
def test_the_page_of_a_search_on_a_desk_and_on_a_phone(whole: Searched, tmp_path: Path) -> None:
    """Nothing is complained of or cut off at 1280 and 390 px, and any two axes can be chosen, each drawn anew."""
    page = tmp_path / "die.html"
    page.write_text(report_page([stack3d.open_results(whole.verdict.folder)]), encoding="utf-8")
    window = browser.Browser()
    chosen = (
        "((up, across) => { const s = [...document.querySelectorAll('.chooser select')]; [up, across].forEach((k, i) => {"
        " s[i].selectedIndex = k; s[i].dispatchEvent(new Event('input')); });"
        " const svg = document.querySelector('.chosen svg'), r = svg.getBoundingClientRect();"
        " return [svg.getAttribute('aria-label'), svg.querySelectorAll('circle').length, r.width, r.height]; })"
    )
    try:
        window.open(page)
        names = window.evaluate("[...document.querySelector('.chooser select').options].map(o => o.text)")
        assert len(names) > 8 and len(set(names)) == len(names)
        for width in (1280, 390):
            window.resize(width, 844, phone=width < 1000)
            assert window.evaluate("document.documentElement.scrollWidth") <= width
            for up in range(len(names)):
                label, circles, *size = window.evaluate(f"{chosen}({up}, {(up + 1) % len(names)})")
                assert label.startswith(names[up]) and f" over {names[(up + 1) % len(names)]}" in label, (label, names[up])
                assert circles > 2 and min(size) > 150, (label, circles, size)
            inside = "[...document.querySelectorAll('.chosen text')].every(t => { const r = t.getBoundingClientRect(); return"
            assert window.evaluate(f"{inside} r.left >= 0 && r.right <= {width}; }})")
            smallest = "Math.min(...[...document.querySelectorAll('.chosen .tick')].map(t => 11 * t.getScreenCTM().a))"
            assert window.evaluate(smallest) > 8  # px
            assert window.violations() == []
        assert window.complaints() == [] and window.requests() == [page.resolve().as_uri()]
    finally:
        window.close()
