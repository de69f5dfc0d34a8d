"""Numbers that are legal but hardly meant are told; a resistance to ambient is given only where there is one."""

import json
from typing import Any

import numpy as np
import pytest

from stack3d import decks, yamlfile
from stack3d.case import check, run_case
from stack3d.errors import DeckError, SolverError, ValidityWarning
from stack3d.progress import Silent


def case(top: dict[str, str | dict[str, str]], powers: tuple[str, ...] = ("5 W",), **more: Any) -> decks.Case:
    layer = {"name": "die", "thickness": "1 mm", "material": {"conductivity": "100 W/m/K", "heat_capacity": "2e6 J/m^3/K"}}
    tree = {
        "scenario": "plausible",
        "geometry": {"footprint": ["10 mm", "10 mm"], "layers": [layer]},
        "power": {"sources": [{"name": f"p{i}", "layer": "die", "power": p} for i, p in enumerate(powers)]},
        "cooling": {"top": top, "ambient": "300 K"},
        "solver": {"backend": "tensor", "mesh": {"lateral": 4, "per_layer": 2, "aspect": 4}, "error_promise": 0.02},
    }
    return decks.resolve(yamlfile.parse_text(json.dumps(tree | more), "plausible.yaml"), None)


COOLER = {"peltier": "600 W/m^2/K", "conductance": "1000 W/m^2/K", "joule": "4e4 W/m^2", "hot_side": "320 K"}


@pytest.mark.parametrize(
    ("top", "kelvin_per_watt"),
    [
        ({"film_coefficient": "1e4 W/m^2/K"}, 1.05),  # 1 / (h A) and half a layer of 0.1 K/W, heated throughout
        ({"temperature": "300 K"}, 0.05),
        ({"temperature": "310 K"}, np.nan),
        ({"film_coefficient": "1e4 W/m^2/K", "flux": "1 W/cm^2"}, np.nan),
        ({"thermoelectric": COOLER}, np.nan),
    ],
)
def test_resistance_to_ambient(top: dict[str, Any], kelvin_per_watt: float) -> None:
    outcome = run_case(case(top).scenario, Silent())
    found = float(outcome.values["thermal/thermal_resistance"])
    np.testing.assert_allclose(found, kelvin_per_watt, rtol=1e-6)
    assert ("peak over ambient" in "\n".join(outcome.summary)) == np.isfinite(kelvin_per_watt)


def test_heat_taken_out_of_a_layer_is_told() -> None:
    with pytest.warns(ValidityWarning, match=r"'p1' takes 2 W out of 'die'"):
        check(case({"film_coefficient": "1e4 W/m^2/K"}, ("5 W", "-2 W")).scenario)


def test_a_mesh_larger_than_memory_is_told() -> None:
    huge = {"backend": "fem", "mesh": {"lateral": 2048, "per_layer": 64, "aspect": 100}, "error_promise": 0.02}
    with pytest.raises(
        DeckError, match=r"solver.mesh: wants more memory than there is: solver.mesh \d+ GB; there is .* coarser"
    ):
        check(case({"film_coefficient": "1e4 W/m^2/K"}, solver=huge).scenario)


def test_names_of_sources_differ() -> None:
    source = {"name": "p", "layer": "die", "power": "1 W"}
    with pytest.raises(DeckError, match=r"plausible.yaml:1: power: sources: names are given twice: p"):
        case({"film_coefficient": "1e4 W/m^2/K"}, power={"sources": [source, source]})


def test_a_field_uniform_in_the_plane_is_hottest_in_the_middle() -> None:
    outcome = run_case(case({"film_coefficient": "1e4 W/m^2/K"}).scenario, Silent())
    np.testing.assert_allclose(outcome.values["thermal/hot_spot"], (5e-3, 5e-3, 0.0), rtol=0, atol=1e-9)


def test_more_heat_taken_out_than_there_can_be_is_asked_about() -> None:
    """The film has 400 K/W: 2000 K below ambient, where silicon has no conductivity."""
    die = {"footprint": ["10 mm", "10 mm"], "layers": [{"name": "die", "thickness": "1 mm", "material": "silicon"}]}
    taken = case({"film_coefficient": "25 W/m^2/K"}, ("-5 W",), geometry=die).scenario
    with pytest.raises(SolverError, match="is a power negative, or in the wrong unit"):
        run_case(taken, Silent())
