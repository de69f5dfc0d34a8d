"""The peak is told of the layer that heats, in the summary and on the page."""

import json
from pathlib import Path

import stack3d
from stack3d.report import report_page

DECK = {
    "scenario": "flip",
    "geometry": {
        "footprint": ["8 mm", "8 mm"],
        "layers": [
            {
                "name": "substrate",
                "thickness": "0.5 mm",
                "material": {"conductivity": "0.5 W/m/K", "heat_capacity": "2e6 J/m^3/K"},
            },
            {"name": "die", "thickness": "0.3 mm", "material": {"conductivity": "120 W/m/K", "heat_capacity": "2e6 J/m^3/K"}},
        ],
    },
    "power": {"sources": [{"name": "core", "layer": "die", "x": ["2 mm", "3 mm"], "y": ["2 mm", "3 mm"], "power": "3 W"}]},
    "cooling": {"top": {"film_coefficient": "2e3 W/m^2/K"}, "ambient": "25 degC"},
    "solver": {"backend": "tensor", "mesh": {"lateral": 8, "per_layer": 2, "aspect": 4}, "error_promise": 0.2},
}


def test_the_peak_is_told_of_the_die_and_not_of_the_substrate_below(tmp_path: Path) -> None:
    """Both have the hottest node, on their common face."""
    path = tmp_path / "flip.yaml"
    path.write_text(json.dumps(DECK))
    tree = stack3d.load(path).run()
    substrate, die = tree["thermal/layer_temperature_max"].values
    assert abs(substrate - die) < 1e-9
    summary = str(tree.attrs["summary"])
    assert " degC in die, " in summary and "in substrate" not in summary
    page = report_page([tree])
    assert "in die: " in page and "°C in substrate" not in page
