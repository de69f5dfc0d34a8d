"""A study of what is not known, from deck to page: against a brute force, resumed, with bad draws, and from assumed numbers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_study
import xarray as xr
from small_study import assert_same

import stack3d
from stack3d import decks, study
from stack3d.errors import DeckError, ResultsError
from stack3d.progress import Silent, Tally
from stack3d.report import chart, pen, possible, report_page
from stack3d.schema.uncertain import DistributionDeck
from stack3d.study.goals import Goal
from stack3d.study.uncertainty import UncertaintyStudy
from stack3d.study.unknowns import Unknown, assumed, named, posteriors, unread_capacities, up_to_one

UNCERTAIN = """\
uncertain:
  keys:
    power.sources.spot.power: {normal: ["1 W", "0.1 W"]}
    cooling.top.film_coefficient: {lognormal: ["1e4 W/m^2/K", 1.2]}
    geometry.below.die.thickness: {triangular: ["0.25 mm", "0.3 mm", "0.4 mm"]}
  outputs: [layer_temperature_max, heat_in]
  count: 4
  most: 2
  trajectories: 4
"""
POWER, FILM, DIE = "power.sources.spot.power", "cooling.top.film_coefficient", "geometry.below.die.thickness"
STAGES = (4 * 4, 4 * (2 + 2))


def written(folder: Path, uncertain: str = UNCERTAIN) -> Path:
    path = folder / "small.yaml"
    path.write_text(small_study.STUDY + uncertain)
    return path


def run(path: Path, output: Path, **options: Any) -> tuple[list[study.Report], study.Report]:
    *cases, verdict = study.run([str(path)], output, Silent(), **{"workers": 1, **options})
    assert verdict.is_verdict
    return cases, verdict


def test_from_deck_to_page_and_again(tmp_path: Path) -> None:
    """Screening, indices and bands; what is lost is run again and the answer is the same to the bit; no case is asked twice."""
    path = written(tmp_path)
    cases, verdict = run(path, tmp_path / "out")
    assert len(cases) == sum(STAGES) and {case.status for case in cases} == {study.DONE}
    tree = stack3d.open_results(tmp_path / "out" / "small")
    found = tree["uncertain"].to_dataset()
    assert np.bincount(found["stage"].values).tolist() == list(STAGES)
    peaks = tree["thermal/layer_temperature_max"].max("layer").values
    np.testing.assert_array_equal(found["value"][:, 0].values, peaks)
    np.testing.assert_allclose(found["value"][:, 1].values, tree["spot_power_value"].values, rtol=1e-9)
    # the heat is the power alone; the strongest on the peak is power or film, never the thickness of the die
    assert found["part"].values.tolist() == ["power.sources.spot.power", "others"]
    assert found["effect"].sel(unknown="geometry.below.die.thickness").values[1] == 0.0
    assert found["total"].values[1, 1] == 0.0 and found["total"].values[0, 1] > 0.5
    drawn = peaks[found["stage"].values == 1].reshape(-1, 4)[:, [0, -1]].ravel()
    np.testing.assert_allclose(found["band"][:, 0].values, [drawn.min(), np.median(drawn), drawn.max()])
    every = stack3d.bands(tree)  # of outputs that were not asked for too
    np.testing.assert_array_equal(every["thermal/heat_in"].values, found["band"].values[:, 1])
    means = tree["thermal/layer_temperature_mean"].values[found["independent"].values == 1]
    np.testing.assert_array_equal(
        every["thermal/layer_temperature_mean"].values, [means.min(0), np.median(means, 0), means.max(0)]
    )
    assert every["drawn"] == 8 and every["thermal/layer_temperature_mean"].dims == ("end", "layer")
    with pytest.raises(ResultsError, match="no independent draws"):
        stack3d.bands(xr.DataTree.from_dict({"/thermal": tree["thermal"].to_dataset()}))
    assert found["drawn"].values.tolist() == [8, 8] and np.all(np.abs(found["held"] - 0.529) < 1e-3)  # of eight draws
    said = r"layer_temperature_max: \d+\.\d\d K, \d+\.\d\d K to \d+\.\d\d K is all of 8 draws, which hold 53 % of what"
    assert re.match(said, verdict.lines[0]) and "for 90 % count wants to be 32" in verdict.lines[0]
    assert verdict.lines[-2] == "shares of the variance of heat_in are not told apart with count: 4; it wants 64"
    assert verdict.lines[-1] == "the screening finds power.sources.spot.power the strongest on heat_in"
    assert possible(tree) == ["unknowns", "trade_offs"] and len(pen.draw(chart(tree, "unknowns")).axes) == 2
    page = report_page([tree])
    assert (
        "Any two outputs" in page
        and "How sure it is" in page
        and "What matters most" in page
        and "<td>peak temperature" in page
    )
    for lost in sorted((tmp_path / "out/small/cases").iterdir())[::3]:
        (lost / "run.json").unlink()
    tally = Tally()
    *_, again = study.run([str(path)], tmp_path / "out", tally, workers=1)
    assert tally.counts == {"skipped": 21, "done": 11} and again.lines == verdict.lines
    assert_same(stack3d.open_results(tmp_path / "out" / "small"), tree)


def test_unknowns_that_go_together(tmp_path: Path) -> None:
    """Much power goes with a good film: shares are fair and add up, draws are drawn together, the page says so."""
    text = UNCERTAIN.replace("most: 2", "most: 3") + f"  correlated: [{{keys: [{POWER}, {FILM}], coefficient: 0.9}}]\n"
    cases, verdict = run(written(tmp_path, text), tmp_path / "out")
    assert len(cases) == 4 * (3 + 1)
    tree = stack3d.open_results(tmp_path / "out" / "small")
    found = tree["uncertain"].to_dataset()
    np.testing.assert_allclose(found["shapley"].sum("part"), 1.0, atol=1e-12)
    assert np.isnan(found["total"]).all() and found["part"].values.tolist() == [POWER, FILM, DIE]
    first = slice(0, None, 4)  # of every base point
    assert np.flatnonzero(found["independent"]).tolist() == [0, 1, 4, 5, 8, 9, 12, 13]
    drawn = [tree[name].values[first] for name in ("spot_power_value", "film_coefficient_value")]
    assert np.corrcoef(drawn[0], np.log(drawn[1]))[0, 1] > 0.5
    assert verdict.lines[1].startswith("shares of the variance of layer_temperature_max are not told apart with count: 4; it")
    assert re.search(r"the mesh makes ± 0\.\d\d K at most$", verdict.lines[0]) and (found["by_mesh"][:, 0] > 0).all()
    assert "Shares add" in chart(tree, "unknowns").caption


def test_a_posterior_is_drawn_as_it_was_fitted() -> None:
    """Numbers of a law that a fit knows together: tables with their correlation, in place of bands of the same keys."""
    draws = [[0.9, 1.0, 5.0], [1.0, 2.0, 5.0], [1.1, 3.0, 5.0]]
    posterior = {"parameters": ["energy [eV]", "anchor.loss", "fixed"], "draws": draws}
    law = {
        "law": "some",
        "energy": {"value": "1.0 eV", "low": "0.5 eV", "high": "2 eV", "source": "a book"},
        "anchor": {"loss": 2.0},
        "posterior": posterior | {"covariance": [[0.01, 0.08, 0], [0.08, 1.0, 0], [0, 0, 0]]},
    }
    tree = {"device": {"mechanisms": {"retention": law}}}
    energy, loss = assumed(tree, 0.2)
    assert (energy.key, energy.at(0.5)) == ("device.mechanisms.retention.energy", "1.0 eV")
    assert (loss.key, loss.at(0.75)) == ("device.mechanisms.retention.anchor.loss", 2.5)
    (read,) = posteriors(tree)
    assert list(read.correlations()) == [(energy.key, loss.key, pytest.approx(0.999 * 0.8))]


def test_chips_and_mesh_are_told_apart_from_unknowns() -> None:
    """Half the range of the chips at the worst time; a stated error moves a sum as it moves its parts."""
    mvm = xr.Dataset({"accuracy": (("time", "sample"), np.array([[0.9, 0.9, 0.9], [0.5, 0.7, 0.9]]))})
    names = {"peak_temperature": 350.0, "peak_temperature_error": 0.5}
    case = xr.DataTree.from_dict({"/mvm": mvm, "/thermal": xr.Dataset(names)})
    chips = Goal.parse("100 * accuracy", minimise=False)
    assert chips.over_chips(case) == pytest.approx(0.5 * 100 * 0.4) and np.isnan(chips.by_mesh(case))
    assert np.isnan(Goal.parse("accuracy@end", minimise=False).by_inputs(case))  # which are not told apart
    right = np.array([1.0] * 9 + [0.0])
    told = case.assign({"mvm": xr.DataTree(mvm.assign(input_accuracy_worst=("test_input", right)))})
    assert Goal.parse("accuracy@end", minimise=False).by_inputs(told) == pytest.approx(2 * right.std(ddof=1) / np.sqrt(10))
    assert np.isnan(chips.by_inputs(told))
    rise = Goal.parse("2 * (peak_temperature - 300 K)", minimise=True)
    assert rise.by_mesh(case) == pytest.approx(1.0) and np.isnan(rise.over_chips(case))


@pytest.mark.slow
def test_a_thermal_case_by_brute_force(tmp_path: Path) -> None:
    """Rise = power times resistance of the film: the indices follow from the moments of both, those of the resistance by 41 runs."""
    keys = "{power.sources.spot.power: {normal: [1 W, 0.1 W]}, cooling.top.film_coefficient: {lognormal: [1e4 W/m^2/K, 1.2]}}"
    deck = f"uncertain: {{keys: {keys}, outputs: layer_temperature_max, count: 128}}\n"
    _, verdict = run(written(tmp_path, deck), tmp_path / "out")
    found = stack3d.open_results(tmp_path / "out" / "small")["uncertain"].to_dataset()
    shares, weights = np.polynomial.hermite_e.hermegauss(41)
    films = [f"{1e4 * 1.2**x!r} W/m^2/K" for x in shares.tolist()]
    swept = stack3d.sweep(
        small_study.write(tmp_path, f"{{cooling.top.film_coefficient: {films}}}"), output=tmp_path / "grid", workers=1
    )
    resistance = swept["thermal/layer_temperature_max"].max("layer").values - 300.0
    mean = (weights * resistance).sum() / weights.sum()
    square = (weights * resistance**2).sum() / weights.sum()
    variance = 1.01 * square - mean**2
    first = np.array([0.01 * mean**2, square - mean**2]) / variance
    total = 1 - first[::-1]
    assert np.all(np.abs(found["first"].values[:, 0] - first) <= found["first_error"].values[:, 0])
    assert np.all(np.abs(found["total"].values[:, 0] - total) <= found["total_error"].values[:, 0])
    assert np.all(found["total_error"].values < 0.25) and "cooling.top.film_coefficient first" in verdict.lines[1]


def test_draws_that_fail_are_left_out(tmp_path: Path) -> None:
    """No film is below zero: base points with one are left out, and told; what no case has is told too."""
    keys = '{cooling.top.film_coefficient: {uniform: ["-1e4 W/m^2/K", "4e4 W/m^2/K"]}}'
    path = written(tmp_path, f"uncertain: {{keys: {keys}, outputs: layer_temperature_max, count: 8}}\n")
    _, verdict = run(path, tmp_path / "out")
    assert verdict.exit_code == 0 and re.match(r"\d+ of 24 cases have no value, and were left out", verdict.lines[-1])
    _, verdict = run(path, tmp_path / "out", overrides=[("uncertain.outputs", "peak_time")])
    assert verdict.exit_code == 2 and "peak_time has no band" in verdict.lines[0]
    assert "peak_time is not among the outcomes of the case" in verdict.lines[0]


def test_shapes_at_their_shares() -> None:
    """Quantiles by hand: ends, middle, one standard deviation."""
    one_sigma = 0.8413447460685429
    cases = [
        ({"uniform": ["1 W", "3 W"]}, {0.25: "1.5 W", 0.5: "2.0 W"}),
        ({"normal": ["10 K", "2 K"]}, {0.5: "10.0 K", one_sigma: "12.0 K"}),
        ({"lognormal": ["4 W/m/K", 1.5]}, {0.5: "4.0 W/m/K", one_sigma: "6.0 W/m/K"}),
        ({"triangular": [0.0, 1.0, 2.0]}, {0.5: 1.0, 0.125: 0.5, 0.875: 1.5}),
        ({"table": [4.0, 1.0, 2.0]}, {0.0: 1.0, 0.25: 1.0, 0.5: 2.0, 0.75: 4.0, 1.0: 4.0}),
    ]
    for shape, values in cases:
        (unknown,) = named({"a": DistributionDeck.model_validate(shape)})
        assert {share: unknown.at(share) for share in values} == values
    several = Unknown("k", "uniform", (0.8, 1.2), "W/m/K", (4.0, 80.0))
    assert several.at(0.75) == ["4.4 W/m/K", "88.0 W/m/K"]


def test_whole_numbers_are_drawn_from_a_table_alone(tmp_path: Path) -> None:
    """Every draw between two whole numbers failed, one by one."""
    key, text = "solver.linear.max_iterations", "uncertain: {keys: {KEY: SHAPE}, outputs: layer_temperature_max, count: 4}\n"
    (between,) = study.checked(written(tmp_path, text.replace("KEY", key).replace("SHAPE", "{uniform: [500, 600]}")))
    assert re.search(rf"small.yaml:\d+: {key}: wants a whole number.*, got 538.2", str(between.error))
    drawn = written(tmp_path, text.replace("KEY", key).replace("SHAPE", "{table: [500, 700, 600]}"))
    assert [one.error for one in study.checked(drawn)] == [None]


def test_numbers_with_a_band_are_drawn_whatever_they_are() -> None:
    """Temperatures and zeros too, of which no share makes sense; in SI where the units of the ends differ."""
    wide = {"value": "25 degC", "low": "20 degC", "high": "40 degC"}
    tree = {"cooling": {"ambient": wide, "x": {"value": "0 W", "low": "0 W", "high": "2 W"}, "y": {**wide, "low": "290 K"}}}
    found = {u.key: u for u in assumed(tree, 0.2)}
    assert found["cooling.ambient.value"].numbers == (20.0, 25.0, 40.0) and found["cooling.ambient.value"].unit == "degC"
    assert found["cooling.x.value"].numbers == (0.0, 0.0, 2.0)
    assert found["cooling.y.value"].numbers == pytest.approx((290.0, 298.15, 313.15)) and found["cooling.y.value"].unit == "K"


def test_a_share_goes_up_to_one_and_as_far_below() -> None:
    """Of numbers about one only those that a deck does not let go beyond; 20 % of 99.5 % was drawn up to 119 %."""
    found = [
        Unknown("bond", "uniform", (79.6, 119.4), "%"),
        Unknown("emissivity", "uniform", (0.72, 1.08), ""),
        Unknown("exponent", "uniform", (0.72, 1.08), ""),
        Unknown("power", "uniform", (0.72, 1.08), "W"),
        Unknown("spread", "uniform", (4.0, 6.0), "%"),
    ]
    asked = dict[str, Any]()

    def makes_case(key: str, value: Any) -> bool:
        asked[key] = value
        return key == "exponent"

    bond, emissivity, *others = up_to_one(found, makes_case)
    assert list(asked) == ["bond", "emissivity", "exponent"] and others == found[2:]
    assert bond.numbers == pytest.approx((99.0, 100.0)) and emissivity.numbers == pytest.approx((0.8, 1.0))


def test_all_that_is_assumed_is_found_and_can_be_set() -> None:
    """Every number of the quickstart that a deck marks: both ends make a valid case; texts and temperatures are left alone."""
    case = decks.load("quickstart")
    found = assumed(case.tree, 0.2)
    by_key = {unknown.key: unknown for unknown in found}
    host = by_key["power.sources.host.power"]
    assert (host.shape, host.numbers, host.unit) == ("uniform", (120.0, 180.0), "mW")
    banded = by_key["device.mechanisms.retention.activation_energy.value"]
    assert banded.shape == "triangular" and banded.unit == "eV"
    assert len(found) > 50 and not [key for key in by_key if key.rpartition(".")[2] in ("assumed", "source", "temperature")]
    for end in (0.0, 1.0):
        changed = decks.load("quickstart", [(unknown.key, unknown.at(end)) for unknown in found])
        assert changed.digest() != case.digest()


STORING = """
scenario: storing
geometry:
  footprint: [1 mm, 1 mm]
  layers:
    - name: die
      thickness: 0.3 mm
      material:
        conductivity: {value: 120 W/m/K, assumed: doped}
        density: {value: 2329 kg/m^3, assumed: bulk}
        specific_heat: {value: 700 J/kg/K, assumed: bulk}
    - {name: lid, thickness: 0.5 mm, material: copper, source: drawing}
power: {sources: [{name: core, layer: die, x: [0.2 mm, 0.4 mm], y: [0.2 mm, 0.4 mm], power: 1 W}]}
cooling: {top: {film_coefficient: 1e4 W/m^2/K}, ambient: 25 degC}
solver: {backend: tensor, mesh: {lateral: 8, per_layer: 1}, error_promise: 0.1}
uncertain: {keys: all-assumed, outputs: [peak_temperature], count: 4}
"""


def test_a_steady_case_draws_no_heat_capacities(tmp_path: Path) -> None:
    """They change none of its temperatures; the run says what it left out. Over time they are drawn."""
    path = tmp_path / "storing.yaml"
    path.write_text(STORING)
    layers = [f"geometry.layers.{name}.material" for name in ("die", "lid")]
    stores = [f"{layer}.{name}.value" for layer in layers for name in ("density", "specific_heat")]
    steady = decks.load(path, [("uncertain", None)])
    keys = {unknown.key: unknown for unknown in assumed(steady.tree, 0.2)}
    assert set(keys) == {"geometry.layers.die.material.conductivity.value"}
    assert unread_capacities(steady.tree, 0.2) == stores
    more = [("uncertain", None), (stores[0], "2000 kg/m^3"), (stores[1], "500 J/kg/K")]
    one, other = (stack3d.load(path, dict(sets)).run()["thermal"]["layer_temperature_max"] for sets in (more[:1], more))
    np.testing.assert_array_equal(one, other)
    over_time = decks.load(path, [("uncertain", None), ("transient", {"until": "1 s"})])
    assert {u.key for u in assumed(over_time.tree, 0.2)} == {*keys, *stores} and unread_capacities(over_time.tree, 0.2) == []
    _, verdict = run(path, tmp_path / "out")
    assert "left out of all-assumed: 4 densities and heat capacities, which a steady case does not read" in verdict.lines
    assert stack3d.open_results(verdict.folder)["uncertain"].attrs["unread"].splitlines() == stores


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("uncertain.keys", {"cooling.tpo.x": {"uniform": [1, 2]}}, "cooling.tpo: unknown key 'tpo'"),
        ("uncertain.keys", {"cooling.ambient": {"uniform": ["2 K", "1 K"]}}, "uniform wants its numbers to rise, got 2, 1"),
        ("uncertain.keys", {"cooling.ambient": {"uniform": ["1 K", "2 W"]}}, "uniform wants its numbers in one unit"),
        ("uncertain.keys", {"cooling.ambient": {"normal": ["300 K", "0 K"]}}, "a standard deviation above zero"),
        ("uncertain.keys", {"cooling.ambient": {"lognormal": ["300 K", 0.5]}}, "a factor above 1"),
        ("uncertain.keys", {"cooling.ambient": {}}, "wants one of uniform, normal, lognormal, triangular, table (got none)"),
        ("uncertain.keys", {"cooling.ambient": {"table": ["300 K", "300 K"]}}, "table wants values that differ, got 300 alone"),
        ("uncertain.keys", {}, "uncertain.keys: "),
        ("uncertain.keys", "all", "uncertain.keys: "),
        ("uncertain.outputs", "heat_inn", "uncertain.outputs: 'heat_inn' names 'heat_inn', which is no output variable"),
        ("uncertain.outputs", "heat_in <= 1 W", "wants a number"),
        ("uncertain.count", 12, "count wants a power of two, so that points balance (got 12)"),
        ("uncertain.spread", "150 %", "uncertain.spread: wants a share above 0 and below 1"),
        (
            "uncertain.correlated",
            [{"keys": [POWER, "heat"], "coefficient": 0.5}],
            "heat is not among the unknowns; wanted one of",
        ),
        ("uncertain.correlated", [{"keys": [POWER, POWER], "coefficient": 0.5}], "names a key twice"),
        ("uncertain.correlated", [{"keys": [POWER, FILM], "coefficient": 1.0}], "correlated[0].coefficient"),
        ("uncertain.correlated", [{"keys": [POWER, FILM, DIE], "coefficient": -0.9}], "contradict each other"),
        ("sweep", {"cooling.ambient": ["300 K"]}, "uncertain: and sweep do not go together"),
        ("optimise", {"vary": {}}, "optimise: and uncertain do not go together"),
    ],
)
def test_bad_input_is_one_line_and_computes_nothing(tmp_path: Path, key: str, value: Any, said: str) -> None:
    path = written(tmp_path)
    with pytest.raises(DeckError) as caught:
        study.plan(path, [(key, value)])
    assert said in str(caught.value) and len(str(caught.value).splitlines()) == 1
    (report,) = study.run([str(path)], tmp_path / "out", Silent(), overrides=[(key, value)])
    assert report.exit_code == 2 and not (tmp_path / "out").exists()


def test_validate_shows_both_ends_of_every_unknown(tmp_path: Path) -> None:
    (found,) = study.checked(written(tmp_path))
    assert found.error is None and "a study of 3 unknowns, 32 cases, 7 of them checked" in found.label
    wrong = UNCERTAIN.replace('["0.25 mm", "0.3 mm", "0.4 mm"]', '["-0.01 mm", "0.3 mm", "0.4 mm"]')
    (found,) = study.checked(written(tmp_path, wrong))
    assert re.search(r"small.yaml:18: geometry.below.*thickness: ", str(found.error))


def test_outputs_may_be_left_out(tmp_path: Path) -> None:
    """Then all that the scenario answers is looked at: a die its peak, a chip that ages also what it computes and how long."""
    keys = 'keys: {cooling.top.film_coefficient: {lognormal: ["1e4 W/m^2/K", 1.2]}}'
    _, verdict = run(written(tmp_path, f"uncertain: {{{keys}, count: 4}}\n"), tmp_path / "out")
    assert verdict.lines[0].startswith("peak_temperature: ")
    found = stack3d.open_results(tmp_path / "out" / "small")
    assert found["uncertain/output"].values.tolist() == ["peak_temperature"]
    np.testing.assert_allclose(found["uncertain/value"][:, 0], found["thermal/layer_temperature_max"].max("layer"), rtol=1e-9)
    deck = {"keys": {"cooling.ambient": {"uniform": ["290 K", "300 K"]}}}
    chip = study.plan("quickstart", overrides=[("uncertain", deck)])
    assert isinstance(chip, UncertaintyStudy)
    assert [output.text for output in chip.outputs] == [
        "peak_temperature",
        "accuracy@end",
        "energy_per_inference@end",
        "latency",
        "time_to_accuracy_loss",
    ]
