"""The joined dataset: every value where it belongs, ragged parts padded, failed cases NaN."""

import json
from pathlib import Path

import numpy as np
import pytest
import small_study as studies
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from small_study import assert_same

import stack3d
from stack3d import decks, results, yamlfile
from stack3d.errors import ResultsError
from stack3d.results.joined import merged
from stack3d.results.netcdf import beside


def run(folder: Path, sweep: str, **options: object) -> xr.DataTree:
    return stack3d.sweep(studies.write(folder, sweep), output=folder / "out", workers=1, **options)


def test_ragged_tiers_and_layers_are_padded(tmp_path: Path) -> None:
    tree = run(tmp_path, '{geometry.tiers.repeat: [1, 3], cooling.ambient: ["300 K", "310 K"]}')
    peak = tree["thermal/temperature_max"]
    assert peak.dims == ("tiers", "ambient", "tier") and peak.shape == (2, 2, 3)
    assert list(tree["thermal/layer"].values) == ["die", "t0_bond", "t0_rram", "t1_bond", "t1_rram", "t2_bond", "t2_rram"]
    assert np.isnan(peak.sel(tiers=1)).sum("tier").values.tolist() == [2, 2]
    assert not np.isnan(peak.sel(tiers=3)).any()
    assert tree["ambient"].values.tolist() == ["300 K", "310 K"] and tree["ambient_value"].values.tolist() == [300.0, 310.0]
    assert tree["ambient_value"].attrs["units"] == "K"
    assert peak.attrs["units"] == "K" and (tree["status"] == "done").all()


def test_every_value_is_that_of_its_case_file(tmp_path: Path) -> None:
    tree = run(tmp_path, '{geometry.tiers.repeat: [1, 3], cooling.ambient: ["300 K", "310 K"]}')
    for tiers in (1, 3):
        for ambient in ("300 K", "310 K"):
            at = {"tiers": tiers, "ambient": ambient}
            digest = str(tree["case_hash"].sel(at).values)
            case = stack3d.open_result(tmp_path / "out" / "small" / "cases" / digest[:12])
            for name, variable in case["thermal"].data_vars.items():
                joined = tree[f"thermal/{name}"].sel(at)
                keep = {d: variable[d] for d in variable.dims if d in joined.indexes}
                np.testing.assert_array_equal(joined.sel(keep).values, variable.values, err_msg=name)


def test_joined_file_and_case_folders_say_the_same(tmp_path: Path) -> None:
    tree = run(tmp_path, "{geometry.tiers.repeat: [1, 2]}")
    assert_same(tree, xr.open_datatree(tmp_path / "out" / "small" / "study.nc"))
    assert_same(tree, stack3d.open_results(tmp_path / "out" / "small" / "study.nc"))


def test_zarr_says_the_same(tmp_path: Path) -> None:
    tree = run(tmp_path, "{geometry.tiers.repeat: [1, 2]}")
    results.write_tree(tmp_path / "a.zarr", tree)
    assert_same(tree, stack3d.open_results(tmp_path / "a.zarr"))


def test_large_studies_become_zarr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = run(tmp_path, "{geometry.tiers.repeat: [1, 2]}")
    monkeypatch.setattr("stack3d.results.joined.LARGE", 1)
    path = results.write_study(tmp_path / "out" / "small")
    assert path.name == "study.zarr" and not path.with_name("study.nc").exists()
    assert_same(tree, stack3d.open_results(path))


def test_maps_of_different_dies_keep_their_own_positions(tmp_path: Path) -> None:
    tree = run(tmp_path, '{geometry.footprint: [["1 mm", "1 mm"], ["2 mm", "2 mm"]]}')
    assert tree["thermal/temperature"].shape == (2, 1, 4, 4) and not np.isnan(tree["thermal/temperature"]).any()
    np.testing.assert_allclose(tree["thermal/x_centre"].isel(footprint=1), 2 * tree["thermal/x_centre"].isel(footprint=0))


def test_failed_and_dropped_cases_are_nan_with_their_reason(tmp_path: Path) -> None:
    sweep = "{power.sources.spot.layer: [die, dye], geometry.tiers.repeat: [1, 2, 3], where: 'repeat < 3', names: {geometry.tiers.repeat: repeat}}"
    tree = run(tmp_path, sweep)
    assert tree["status"].values.tolist() == [["done", "done", "dropped"], ["failed", "failed", "dropped"]]
    assert "did you mean 'die'" in str(tree["message"].sel(spot_layer="dye", repeat=1).values)
    assert str(tree["message"].sel(spot_layer="die", repeat=3).values) == "where: repeat < 3"
    assert np.isnan(tree["thermal/heat_in"]).values.tolist() == [[False, False, True], [True, True, True]]


def test_further_coordinates_of_variants_and_samples(tmp_path: Path) -> None:
    tree = run(
        tmp_path,
        "{variants: {plain: {}, hot: {cooling.ambient: '350 K'}}, sample: {count: 2, keys: {power.sources.spot.power: {from: 1 W, to: 2 W}}}}",
    )
    assert tree["thermal/heat_in"].dims == ("variant", "draw")
    assert tree["ambient"].values.tolist() == ["", "350 K"]
    np.testing.assert_allclose(tree["thermal/heat_in"].sel(variant="hot"), tree["spot_power_value"], rtol=1e-12)


def test_cooling_between_tiers_is_one_more_cooling(tmp_path: Path) -> None:
    """The shipped study: five ways of cooling on one dimension, one of them with layers that the others have not."""
    over = {**yamlfile.read(decks.scenario_path("layers_vs_cooling"))["sweep"]}
    over["zip"] = {key: values[:1] for key, values in over["zip"].items()}
    options = {"workload.tile": [64, 64], "monte_carlo.samples": 1}
    tree = stack3d.sweep("layers_vs_cooling", over, overrides=options, until="thermal", output=tmp_path, workers=1)
    ways = ["natural_convection", "forced_air", "heat_sink", "cold_plate", "microchannel"]
    assert tree["status"].dims == ("tiers", "cooling") and tree["cooling"].values.tolist() == ways
    assert (tree["status"] == "done").all()
    peak = tree["thermal/temperature_max"].max("tier").sel(tiers=2)
    assert (np.diff(peak.sel(cooling=ways[:4])) < 0).all() and peak.sel(cooling="microchannel") < peak.sel(cooling="heat_sink")
    cavity = tree["thermal/layer_temperature_max"].sel(tiers=2, layer="t1_cavity")
    assert np.isnan(cavity.sel(cooling=ways[:4])).all() and cavity.sel(cooling="microchannel") > 318.15  # the inlet
    outlet = tree["thermal/coolant_outlet_temperature"].sel(tiers=2)
    assert np.isnan(outlet.sel(cooling="cold_plate")).all() and (outlet.sel(cooling="microchannel") > 318.15).all()


def test_without_a_manifest_cases_are_listed(tmp_path: Path) -> None:
    run(tmp_path, "{geometry.tiers.repeat: [1, 2]}")
    (tmp_path / "out" / "small" / "study.json").unlink()
    tree = stack3d.open_results(tmp_path / "out" / "small")
    assert sorted(tree["case"].values) == ["small [geometry.tiers.repeat=1]", "small [geometry.tiers.repeat=2]"]
    assert tree["thermal/temperature_max"].dims == ("case", "tier")


def test_results_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="no results at"):
        stack3d.open_results(tmp_path / "nowhere")
    with pytest.raises(ResultsError, match="no cases below"):
        stack3d.open_results(tmp_path)
    run(tmp_path, "{geometry.tiers.repeat: [1]}")
    with pytest.raises(ResultsError, match="holds the results of small; name one"):
        stack3d.open_results(tmp_path / "out")


@given(st.lists(st.lists(st.sampled_from("abcdefgh"), unique=True), max_size=4))
def test_merged_labels_hold_everything_once_and_keep_the_longest_order(lists: list[list[str]]) -> None:
    out = merged(lists)
    assert sorted(out) == sorted(set().union(*lists))
    longest = max(lists, key=len, default=[])
    assert [label for label in out if label in longest] == longest


def test_what_is_written_beside_leaves_nothing_after_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    with pytest.raises(RuntimeError), beside(tmp_path / "a") as scratch:
        scratch.write_text("half")
        raise RuntimeError
    assert [p.name for p in tmp_path.iterdir()] == ["a"] and (tmp_path / "a").read_text() == "old"


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=12)
TREES = st.recursive(
    TEXT | st.integers(-9, 9) | st.floats(allow_nan=False, allow_infinity=False) | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT.filter(bool), inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=40)
@given(st.dictionaries(TEXT.filter(bool), TREES, max_size=4))
def test_the_resolved_scenario_reads_back(tree: dict) -> None:
    text = "".join(results.case_tree._yaml_lines(tree, 0)) or "{}"
    assert json.dumps(yamlfile.parse_text(text, "x")) == json.dumps(tree)


def test_summaries_stand_beside_the_cases_and_a_case_folder_opens(tmp_path: Path) -> None:
    tree = run(tmp_path, '{power.sources.spot.power: ["1 W", "-1 W"]}')
    for i in range(2):
        folder = tmp_path / "out" / "small" / "cases" / str(tree["case_hash"].values[i])[:12]
        one = stack3d.open_results(folder)
        assert str(tree["summary"].values[i]) == one.attrs["summary"]
        assert float(one["thermal/heat_in"]) == float(tree["thermal/heat_in"][i])
