"""Results that the literature agrees on, by the shipped scenarios at small sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from stack3d import decks
from stack3d.case import run_case
from stack3d.progress import Silent
from stack3d.study.plan import StudyDraft
from stack3d.workload.power import COMPONENTS

COARSE = {"solver.mesh": {"lateral": 6, "per_layer": 1, "aspect": 4}, "solver.backend": "tensor"}


def cases_of(name: str, **overrides: Any) -> dict[tuple[str, ...], dict[str, Any]]:
    """Outcomes of all cases of a shipped study by their labels, dimensions in alphabetical order."""
    keys = {**COARSE, **{key.replace("__", "."): value for key, value in overrides.items()}}
    draft = StudyDraft(name, list(keys.items()))
    axes = sorted(range(len(draft.axes)), key=lambda i: draft.axes[i].name)
    outcomes = {}
    for point in draft:
        label = tuple(str(draft.axes[i].labels[point.index[i]]) for i in axes)
        outcomes[label] = dict(run_case(draft.case(point).scenario, Silent()).values)
    return outcomes


def error_of(values: dict[str, Any]) -> float:
    return float(values["mvm/logit_error"][-1].mean())


def accuracy_of(values: dict[str, Any]) -> float:
    return float(values["mvm/accuracy"][-1].mean())


def test_temperature_and_line_losses_partly_cancel_and_variability_makes_both_cost() -> None:
    """Warm semiconducting cells conduct more, lines take current away: together less error than either."""
    outcomes = cases_of("ir_drop_vs_temperature", monte_carlo__samples=6, workload__test_samples=300)
    names = ("neither", "warm", "lines", "both")
    by_name = {n: [outcomes[spread, n] for spread in ("[0.0]", "[0.03]")] for n in names}
    exact, varying = ({n: error_of(pair[i]) for n, pair in by_name.items()} for i in (0, 1))
    for error in (exact, varying):
        assert error["neither"] < error["both"] < min(error["warm"], error["lines"])
    assert exact["both"] < 0.6 * exact["lines"] and exact["lines"] < 0.6 * exact["warm"]
    assert all(varying[n] > exact[n] for n in exact)
    lost = [accuracy_of(by_name["neither"][i]) - accuracy_of(by_name["both"][i]) for i in (0, 1)]
    chance = by_name["both"][1]["mvm/accuracy"][-1].std(ddof=1) / np.sqrt(6)
    assert accuracy_of(by_name["both"][1]) < accuracy_of(by_name["both"][0]) - 2 * chance
    assert lost[0] < 0.01


def test_warm_cells_cost_tens_of_points_uncorrected_and_about_one_corrected() -> None:
    """TaOx at 85 degC, the CNN: 38 points on offset columns, 6 on pairs; corrected columns are within chance of a point."""
    mend = {"columns": True, "input_sums": True, "recalibrate": True}
    outcomes = cases_of(
        "reversible_gt_85c", workload__test_samples=200, monte_carlo__samples=8, sweep={
            "mvm.scheme": ["pair", "offset"],
            "variants": {
                "cold": {}, "hot": {"cooling.ambient": "85 degC"},
                "columns": {"cooling.ambient": "85 degC", "lifetime.compensation": {"columns": True}},
                "mended": {"cooling.ambient": "85 degC", "lifetime.compensation": mend},
                "cold mended": {"lifetime.compensation": mend},
            },
        }, workload__network="digits_cnn",
    )  # fmt: skip
    chips = {label: values["mvm/accuracy"][-1] for label, values in outcomes.items()}

    def lost(scheme: str, before: str, after: str) -> tuple[float, float]:
        """Mean over chips, and its standard error: the same chips, one by one."""
        change = chips[scheme, before] - chips[scheme, after]
        return float(change.mean()), float(change.std(ddof=1) / np.sqrt(change.size))

    assert 0.03 < lost("pair", "cold", "hot")[0] < 0.15 and lost("offset", "cold", "hot")[0] > 0.2
    for scheme in ("pair", "offset"):
        for before in ("cold", "cold mended"):  # fresh chips relax in their first second, which the correction mends too
            loss, chance = lost(scheme, before, "mended")
            assert loss < 0.01 + 2 * chance and chance < 0.03
    assert lost("offset", "columns", "mended")[0] < -0.02  # what two moments of a column cannot do


def test_drifting_phase_change_cells_save_power() -> None:
    """3 to 15 % more inferences per joule after ten years, by what the arrays and the leakage they warm draw less."""
    loaded = decks.load("pcm_efficiency", [*COARSE.items(), ("monte_carlo.samples", 4), ("lifetime.attribution", False)])
    values = dict(run_case(loaded.scenario, Silent()).values)
    array, gain = values["power/array_power"], values["power/relative_efficiency"]
    assert np.all(np.diff(array) < 0) and array[-1] < 0.6 * array[0]
    assert np.all(np.diff(gain) > 0) and 1.03 < gain[-1] < 1.15
    parts = values["power/energy_per_inference"]
    saved = (array[0] - array[-1]) / values["power/rate"][0]
    assert parts[0, COMPONENTS.index("array")] - parts[-1, COMPONENTS.index("array")] == pytest.approx(saved, rel=1e-6)
    assert gain[-1] == pytest.approx(parts[0].sum() / parts[-1].sum(), rel=1e-9)


@pytest.mark.slow
def test_more_tiers_or_less_cooling_never_lengthen_life() -> None:
    """The corner of `layers_vs_cooling`: median time to the loss falls with tiers and rises with the film, chip by chip alike."""
    tops, tiers = ("cold_plate", "lid_heat_sink", "forced_air"), (2, 4, 8)
    lives, peaks = np.empty((3, 3)), np.empty((3, 3))
    common = {
        **COARSE, "monte_carlo.samples": 8, "lifetime.epochs": 8, "lifetime.attribution": False, "cooling.ambient": "65 degC",
        "lifetime.accuracy_loss": 0.08, "sweep": {},
    }  # fmt: skip
    for j, repeat in enumerate(tiers):
        power = {"geometry.tiers.repeat": repeat, "workload.rate": f"{2.5e4 * repeat} 1/s",
                 "power.sources.host.power": f"{64 * repeat} mW"}  # fmt: skip
        for i, top in enumerate(tops):
            loaded = decks.load("layers_vs_cooling", [*common.items(), *power.items(), ("cooling.top", top)])
            values = dict(run_case(loaded.scenario, Silent()).values)
            end = 10 * 365.25 * 86400.0
            lives[i, j] = np.median(np.nan_to_num(values["mvm/time_to_accuracy_loss"], nan=end))
            peaks[i, j] = values["thermal/tile_temperature"].max()
    assert np.all(np.diff(peaks, axis=0) > 0) and np.all(np.diff(peaks, axis=1) > 0)
    assert np.all(np.diff(np.log(lives), axis=0) <= 0)
    assert np.all(np.diff(np.log(lives), axis=1) <= 0.1)  # other tiers, other tiles: read-outs differ by chance
    assert lives[0, 0] > 3 * lives[2, 2]
