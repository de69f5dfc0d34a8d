"""Runs by a compact model: as full solves to its bound and estimate, its errors in their bars, refused outside its ranges."""

import json
from typing import Any

import numpy as np
import pytest
from test_compact import box, flip_chip, rod, scenario, separable, two_dies
from test_periodic_life import bursts, case

from stack3d.case import Outcome, check, run_case
from stack3d.case.by_compact import BOUNDED, PEAKS
from stack3d.errors import DeckError
from stack3d.fields import is_temperature
from stack3d.heat import Backends
from stack3d.progress import Silent


def solved(given: dict[str, Any], backend: str, backends: Backends | None = None) -> Outcome:
    given = json.loads(json.dumps(given))
    given["solver"]["backend"] = backend
    return run_case(scenario(given), Silent(), backends=backends)


def temperatures(outcome: Outcome) -> dict[str, Any]:
    return {name: np.asarray(value) for name, value in outcome.values.items() if is_temperature(name)}


def differences(full: Outcome, by_model: Outcome) -> tuple[float, float]:
    """Largest of temperatures that a bound is of, and of all. [K]"""
    other = temperatures(by_model)
    off = {name: float(np.nanmax(np.abs(value - other[name]))) for name, value in temperatures(full).items()}
    return max(value for name, value in off.items() if name.removeprefix("thermal/") in BOUNDED), max(off.values())


@pytest.mark.parametrize("stack", [separable, flip_chip, two_dies])
def test_a_run_lies_within_bound_and_estimate(stack: Any) -> None:
    """Five random films, powers and ambients of one mesh: one model is made, and answers all of them."""
    random, kept = np.random.default_rng(11), Backends()
    given = stack()
    for _ in range(5):
        for face in ("top", "bottom"):
            given["cooling"][face] = {"film_coefficient": f"{10 ** random.uniform(1, 5)} W/m^2/K"}
        given["cooling"]["ambient"] = f"{random.uniform(250, 400)} K"
        for source in given["power"]["sources"]:
            source["power"] = f"{random.uniform(0, 5)} W"
        full, by_model = solved(given, "tensor"), solved(given, "compact", kept)
        bound, estimate = (float(by_model.values[f"thermal/compact_{what}"]) for what in ("bound", "estimate"))
        bounded, largest = differences(full, by_model)
        assert bounded <= bound and largest <= max(bound, estimate)
        assert by_model.values["thermal/heat_balance_error"] < 1e-3
    assert kept.counts["models"] == 1


def test_its_errors_are_in_the_bars() -> None:
    """Those of the mesh with the bound of the model on top, or its estimate, and called so."""
    full, by_model = solved(flip_chip(), "tensor"), solved(flip_chip(), "compact")
    for name, kind, value in (("layer_temperature_mean", "bound", "bound"), ("layer_temperature_max", "estimate", "estimate")):
        key = f"thermal/{name}_error"
        added = float(by_model.values[f"thermal/compact_{value}"])
        np.testing.assert_allclose(by_model.values[key], full.values[key] + added, rtol=0, atol=max(added, 1e-6))
        assert added > 0 and np.all(by_model.values[key] >= added)
        assert f"of the compact model on top, its {kind}" in by_model.notes[key]


def silicon() -> dict[str, Any]:
    given = flip_chip()
    given["geometry"]["layers"][1]["blocks"][0]["material"] = "silicon"
    given["solver"]["mesh"] = {"lateral": 8, "per_layer": 1}
    return given


def test_conductivity_follows_by_the_loop() -> None:
    """k(T) on the basis of 300 K and what the mesh asks for beyond: within the estimate, and the heat that goes in goes out."""
    kept = Backends()
    for watts in (20, 60, 150):
        given = silicon()
        given["power"]["sources"][0]["power"] = f"{watts} W"
        full, by_model = solved(given, "tensor"), solved(given, "compact", kept)
        rise = float(full.values["thermal/peak_temperature"]) - 300.0
        assert differences(full, by_model)[1] <= float(by_model.values["thermal/compact_estimate"]) < 3e-3 * rise
        assert by_model.values["thermal/compact_bound"] == 0.0
    assert kept.counts["models"] == 1


def test_conductivity_follows_through_phases_of_other_films() -> None:
    """Films 400 times apart in one mission: what corrects in one phase led to no number in the next."""
    slabs = [{"name": name, "thickness": deep, "material": name} for name, deep in (("silicon", "0.1 mm"), ("copper", "1 mm"))]
    given = {
        "scenario": "car",
        "geometry": {"footprint": ["8 mm", "8 mm"], "layers": slabs},
        "power": {"sources": [{"name": "core", "layer": "silicon", "power": "3 W"}]},
        "cooling": {"top": "air_heat_sink", "ambient": "20 degC"},
        "mission": [
            {"name": "driving", "share": 0.1, "ambient": "70 degC"},
            {"name": "sun", "share": 0.2, "ambient": "85 degC", "power": 0.01, "cooling": {"top": "natural_convection"}},
            {"name": "night", "share": 0.7, "power": 0.01},
        ],
        "compact": {"films": {"top": ["5 W/m^2/K", "1e4 W/m^2/K"]}},
        "solver": {"mesh": {"lateral": 4, "per_layer": 1}, "error_promise": 0.1},
    }
    full, by_model = solved(given, "tensor"), solved(given, "compact")
    assert differences(full, by_model)[1] <= float(by_model.values["thermal/compact_estimate"]) < 0.1


def test_a_case_does_not_know_those_before_it() -> None:
    """Each of three cases with k(T) on one mesh, alone and after the others: equal to the last bit."""
    found: list[list[float]] = []
    for order in ((20, 60, 150), (150, 60, 20)):
        kept, seen = Backends(), {}
        for watts in order:
            given = silicon()
            given["power"]["sources"][0]["power"] = f"{watts} W"
            seen[watts] = float(solved(given, "compact", kept).values["thermal/peak_temperature"])
        found.append([seen[watts] for watts in sorted(seen)])
    assert found[0] == found[1]


def test_a_life_with_duty_goes_by_the_model() -> None:
    """Tiles that swing by some ten kelvin, on a stack whose swing is known exactly: extremes and ageing as of full solves."""
    trace = {"workload__trace": bursts("2 s", "8 s")}
    found = {
        backend: run_case(
            case(**trace, compact={"shortest": "1 ms", "over_time": 0.001}, solver__backend=backend).scenario, Silent()
        )
        for backend in ("tensor", "compact")
    }
    full, by_model = found["tensor"], found["compact"]
    estimate = float(by_model.values["thermal/compact_estimate"])
    swing = np.ptp(np.asarray(full.values["thermal/tile_temperature_history"]))
    assert 0 < estimate < 0.01 * swing
    for name in ("tile_temperature_low", "tile_temperature_high", "tile_temperature_history", "tile_temperature"):
        key = f"thermal/{name}"
        np.testing.assert_allclose(by_model.values[key], full.values[key], rtol=0, atol=2 * estimate)
    np.testing.assert_allclose(by_model.values["mvm/accuracy"], full.values["mvm/accuracy"], atol=0.01)


def test_a_transient_goes_by_the_model() -> None:
    """A package that is switched on: within the estimates of both."""
    given = flip_chip()
    given["transient"] = {"until": "0.1 s", "outputs": ["20 ms", "0.1 s"], "step": "10 ms"}
    given["solver"]["mesh"] = {"lateral": 4, "per_layer": 1}
    given["compact"]["shortest"] = "10 ms"
    full, by_model = solved(given, "tensor"), solved(given, "compact")
    for name, value in temperatures(full).items():
        error = full.values[f"{name}_error"] + by_model.values[f"{name}_error"]
        assert np.all(np.abs(by_model.values[name] - value) <= error), name
    off = differences(full, by_model)[1]
    assert off < 0.01 * (float(full.values["thermal/peak_temperature"]) - 300.0)


FOLLOWED = {
    "switched on": {"until": "1 s", "outputs": ["50 ms", "1 s"]},
    "air": {
        "until": "1 s",
        "outputs": ["0.2 s", "1 s"],
        "surroundings": {
            "times": ["0 s", "0.4 s"],
            "ambient": ["380 K", "260 K"],
            "films": {"top": ["3000 W/m^2/K", "100 W/m^2/K"]},
        },
    },
    "duty": {"duty": {"period": "0.2 s", "on": "50 ms"}, "periodic": True, "until": "0.2 s", "outputs": ["50 ms", "0.2 s"]},
}


def hot_silicon() -> dict[str, Any]:
    given = silicon()
    given["solver"] |= {"mesh": {"lateral": 4, "per_layer": 1}, "error_promise": 3e-3}
    given["compact"]["shortest"] = "50 ms"
    given["power"]["sources"][0]["power"] = "150 W"
    return given


def test_conductivity_of_a_rod_follows_over_time() -> None:
    """Silicon and grease with k(T) that warm up by 150 K: as a full march, to the estimate, and the same again to the bit."""
    given = rod()
    grease = {"conductivity": {"law": "power", "value": "3 W/m/K", "exponent": -1.0}, "heat_capacity": "2.2e6 J/m^3/K"}
    for slab, material in zip(given["geometry"]["layers"], ("silicon", "silicon", grease)):
        slab["material"] = material
    given["transient"] = {"until": "0.5 s", "outputs": ["20 ms", "0.5 s"]}
    given["compact"]["shortest"] = "20 ms"
    given["power"]["sources"][0]["power"] = "40 W"
    given["cooling"]["top"] = {"film_coefficient": "1e4 W/m^2/K"}
    kept = Backends()
    full, by_model, again = solved(given, "tensor"), solved(given, "compact", kept), solved(given, "compact", kept)
    rise = float(full.values["thermal/peak_temperature"]) - 300.0
    assert differences(full, by_model)[1] <= float(by_model.values["thermal/compact_estimate"]) < 2.5e-3 * rise and rise > 150
    for name, value in temperatures(by_model).items():
        np.testing.assert_array_equal(again.values[name], value)


@pytest.mark.slow
@pytest.mark.parametrize("how", FOLLOWED)
def test_conductivity_follows_over_time(how: str) -> None:
    """k(T) of silicon 200 K above its air, a fifth below that of 300 K: as a full march, to the estimate, far under k held."""
    given = {**hot_silicon(), "transient": FOLLOWED[how]}
    full, by_model = solved(given, "tensor"), solved(given, "compact")
    rise = float(full.values["thermal/peak_temperature"]) - 300.0
    estimate = float(by_model.values["thermal/compact_estimate"])
    assert differences(full, by_model)[1] <= estimate + 2e-5 * rise  # both march to a local error of their own
    assert 0 < estimate < 2.5e-3 * rise and rise > 90
    assert by_model.values["thermal/compact_bound"] == 0.0
    given["geometry"]["layers"][1]["blocks"][0]["material"] = {"conductivity": "148 W/m/K", "heat_capacity": "1.66e6 J/m^3/K"}
    assert differences(full, solved(given, "tensor"))[1] > 5 * estimate


@pytest.mark.slow
def test_conductivity_follows_twelve_sources_over_time() -> None:
    """Twelve sources of 1 to 12 W on a die of silicon, on and off: k(T) is learnt from few marches, not from one for each source."""
    given = silicon()
    given["solver"] |= {"mesh": {"lateral": 12, "per_layer": 1}, "error_promise": 0.05}
    cells = [(5 + 2.5 * (i % 4), 5 + 3.3 * (i // 4)) for i in range(12)]
    given["power"]["sources"] = [
        box(f"s{i}", "die", f"{1 + i} W", (x, x + 2.4), (y, y + 3.2)) for i, (x, y) in enumerate(cells)
    ]
    given["cooling"]["top"] = {"film_coefficient": "2000 W/m^2/K"}
    given["compact"] |= {"films": {}, "shortest": "50 ms"}
    given["transient"] = {"until": "2 s", "outputs": ["0.1 s", "0.5 s", "2 s"], "duty": {"period": "0.5 s", "on": "0.2 s"}}
    full, by_model = solved(given, "tensor"), solved(given, "compact")
    rise = float(full.values["thermal/peak_temperature"]) - 300.0
    estimate = float(by_model.values["thermal/compact_estimate"])
    assert differences(full, by_model)[1] <= estimate + 2e-5 * rise
    assert 0 < estimate < 2.5e-3 * rise and rise > 50


@pytest.mark.slow
@pytest.mark.parametrize("material", ["linear", "silicon"])
def test_a_film_follows_its_face_over_time(material: str) -> None:
    """Still air over a lid that warms up by 100 K, in its range and out of it; with k(T) and without."""
    given = silicon() if material == "silicon" else flip_chip()
    given["solver"] |= {"mesh": {"lateral": 4, "per_layer": 1}, "error_promise": 3e-3}
    given["cooling"]["top"] = {"natural": {"facing": "up", "length": "5 mm"}}
    given["power"]["sources"][0]["power"] = "5 W"
    given["compact"] |= {"films": {**given["compact"]["films"], "top": ["5 W/m^2/K", "100 W/m^2/K"]}, "shortest": "1 s"}
    given["transient"] = {"until": "60 s", "outputs": ["5 s", "60 s"]}
    full, by_model = solved(given, "tensor"), solved(given, "compact")
    rise = float(full.values["thermal/peak_temperature"]) - 300.0
    estimate = float(by_model.values["thermal/compact_estimate"])
    assert differences(full, by_model)[1] <= estimate < 2.5e-3 * rise and rise > 80
    for name in ("heat_out", "film_coefficient"):
        if f"thermal/{name}" in full.values:
            np.testing.assert_allclose(by_model.values[f"thermal/{name}"], full.values[f"thermal/{name}"], rtol=1e-3)
    given["compact"]["films"]["top"] = ["5 W/m^2/K", "14 W/m^2/K"]
    with pytest.raises(DeckError, match=r"film of top = 14\.\d+ W/m\^2/K lies outside the compact model, .* 5 to 14 W/m\^2/K"):
        solved(given, "compact")


def test_heat_capacities_that_follow_are_refused_over_time() -> None:
    """Modes are orthonormal in the heat capacity: one that follows the temperature has none."""
    silicon_by_table = {
        "conductivity": "148 W/m/K",
        "heat_capacity": {"law": "table", "temperatures": ["300 K", "400 K"], "values": ["1.6e6 J/m^3/K", "1.8e6 J/m^3/K"]},
    }
    layers = flip_chip()["geometry"]["layers"]
    layers[1]["blocks"][0]["material"] = silicon_by_table
    transient = {"until": "1 s", "outputs": ["1 s"]}
    refused("keeps heat capacities over time", geometry__layers=layers, transient=transient, compact__shortest="0.1 s")


def refused(match: str, **changes: Any) -> None:
    given = flip_chip()
    given["solver"]["backend"] = "compact"
    for key, value in changes.items():
        *path, last = key.split("__")
        node = given
        for part in path:
            node = node.setdefault(part, {})
        node[last] = value
    with pytest.raises(DeckError, match=match):
        check(scenario(given))


def test_outside_its_ranges_it_is_refused_with_the_range() -> None:
    low, high = {"film_coefficient": "5 W/m^2/K"}, {"film_coefficient": "2e5 W/m^2/K"}
    refused(r"cooling.top: film of top = 5 W/m\^2/K lies outside .* 10 to 100000 W/m\^2/K: compact.films.top", cooling__top=low)
    refused(r"cooling.bottom: film of bottom = 200000", cooling__bottom=high)
    refused("cooling.ambient: ambient = 200 K lies outside .* 250 to 400 K", cooling__ambient="200 K")
    night = [{"name": "day", "share": 0.5}, {"name": "night", "share": 0.5, "ambient": "240 K"}]
    refused(r"mission\[1\].ambient: ambient = 240 K lies outside", mission=night)
    refused("wants the shortest time", transient={"until": "1 s"})
    refused("1 s lie outside the compact model, which was made for 2 s", transient={"until": "1 s"}, compact__shortest="2 s")
    table = {"times": ["0 s", "1 s"], "ambient": ["200 K", "300 K"], "films": {"top": ["500 W/m^2/K", "5 W/m^2/K"]}}
    for match in (r"surroundings.ambient\[0\]: ambient = 200 K", r"surroundings.films.top\[1\]: film of top = 5 W"):
        refused(match, transient={"until": "2 s", "outputs": ["2 s"], "surroundings": table}, compact__shortest="0.1 s")
    refused("no face 'tpo'", compact__films={"tpo": ["1 W/m^2/K", "2 W/m^2/K"]})
    still = {"natural": {"facing": "up", "length": "5 mm"}}
    refused("say in which range, as compact.films.top", cooling__top=still, compact__films={})


@pytest.mark.parametrize(
    "made", [separable, *(pytest.param(made, marks=pytest.mark.slow) for made in (rod, two_dies, flip_chip))]
)
def test_parts_begin_at_temperatures_of_their_own(made: Any) -> None:
    """Each part warmer or colder than its neighbours, powers on, ambient that jumps: as full steps, extremes of all instants too."""
    random, given = np.random.default_rng(5), made()
    layers = [one["name"] for one in given["geometry"]["layers"]]
    given["solver"] |= {"mesh": {"lateral": 4, "per_layer": 1}, "error_promise": 0.5}
    given["compact"]["shortest"] = "0.9 ms"
    air = {"times": ["0 s", "0.1 s"], "ambient": ["310 K", "290 K"]}
    warm = {name: f"{random.uniform(260, 420)} K" for name in layers[1:]}
    transient = {"until": "1 s", "outputs": ["1 ms", "20 ms", "0.1 s", "1 s"], "tolerance": "1e-4 K"}
    given["transient"] = {**transient, "initial": warm, "surroundings": air}
    full, by_model = solved(given, "tensor"), solved(given, "compact")
    estimate, other = float(by_model.values["thermal/compact_estimate"]), temperatures(by_model)
    assert estimate < 2.0  # K, where parts begin 100 K and more apart
    for name, value in temperatures(full).items():
        lasts = name not in PEAKS  # else instants before the shortest time count, of which more is told
        off, error = np.abs(other[name] - value), by_model.values[f"{name}_error"]
        assert np.all(off <= (estimate + 1e-3 if lasts else error)), name
    assert np.ptp(np.asarray(full.values["thermal/layer_temperature_mean"])[0]) > 20.0


def test_a_start_of_parts_does_not_go_with_conductivity_that_follows() -> None:
    transient = {"until": "1 s", "outputs": ["1 s"], "initial": {"die": "350 K"}}
    given = silicon()
    given["solver"]["backend"] = "compact"
    given["compact"] |= {"shortest": "0.1 s"}
    with pytest.raises(DeckError, match="differs from part to part, and conductivities follow"):
        check(scenario({**given, "transient": transient}))
    check(scenario({**given, "transient": {**transient, "initial": "350 K"}}))


def test_films_that_follow_their_face_stay_in_their_range() -> None:
    """Still air: films are found by the loop that there is; where they leave their range the run says so."""
    given = flip_chip()
    given["cooling"]["top"] = {"natural": {"facing": "up", "length": "5 mm"}}
    given["compact"]["films"]["top"] = ["5 W/m^2/K", "100 W/m^2/K"]
    full, by_model = solved(given, "tensor"), solved(given, "compact")
    assert differences(full, by_model)[0] <= 2 * float(by_model.values["thermal/compact_bound"]) + 1e-4
    given["compact"]["films"]["top"] = ["5 W/m^2/K", "11.2 W/m^2/K"]
    with pytest.raises(DeckError, match="film of top = .* lies outside the compact model, which was made for 5 to 11.2"):
        solved(given, "compact")


def test_what_was_used_is_in_the_hash() -> None:
    one, *others = (
        case(solver__backend=backend, compact={"shortest": shortest})
        for backend, shortest in (("tensor", "1 ms"), ("compact", "1 ms"), ("compact", "2 ms"))
    )
    assert len({one.digest(), *(other.digest() for other in others)}) == 3


def test_a_mission_goes_by_one_model() -> None:
    """Day and night with films and ambients of their own: phases and ageing as of full solves, to the estimate."""
    night = {"name": "night", "share": 0.4, "ambient": "20 degC", "cooling": {"top": {"film_coefficient": "900 W/m^2/K"}}}
    mission = [{"name": "day", "share": 0.6}, {**night, "activity": 0.2}]
    ranges = {"films": {"top": ["500 W/m^2/K", "5e3 W/m^2/K"]}}
    given = {"mission": mission, "cooling__top": {"film_coefficient": "2000 W/m^2/K"}, "compact": ranges}
    full, by_model = (run_case(case(**given, solver__backend=b).scenario, Silent()) for b in ("tensor", "compact"))
    estimate = float(by_model.values["thermal/compact_estimate"])
    assert 0 < estimate < 0.01
    for name in ("phase_layer_temperature_max", "tile_temperature_low", "tile_temperature_high"):
        off = np.abs(by_model.values[f"thermal/{name}"] - full.values[f"thermal/{name}"])
        assert off.max() <= 2 * estimate, name
    np.testing.assert_allclose(by_model.values["mvm/accuracy"], full.values["mvm/accuracy"], atol=0.01)
    assert by_model.statistics["built"]["models"] == 1
