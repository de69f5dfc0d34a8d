"""Probes on the edge of a source, where heat spreads over less than an element: half of the rise, whatever the mesh says."""

import json
from typing import Any

from error_decks import deck, film, layer, probe, source

from stack3d import decks, yamlfile
from stack3d.case import run_case
from stack3d.progress import Silent

UNEVEN = {"lateral": 8, "per_source": 4, "per_layer": 2, "aspect": 2, "refinement": 1, "growth": 1}
"""Elements on one side of the edge are wider than on the other, and many times as wide as heat spreads."""


def solved(tree: dict[str, Any]) -> dict[str, Any]:
    text = json.dumps({**tree, "solver": {"backend": "tensor", "mesh": UNEVEN, "error_promise": 0.05}})
    return dict(run_case(decks.resolve(yamlfile.parse_text(text, "edge.yaml")).scenario, Silent()).values)


def held(film_coefficient: float, plateau: float, **more: Any) -> None:
    """A film of 5 um, heated from 2.2 mm on: about the edge the temperature rises on one side by what it lacks on the other."""
    heat = source("s", "film", 0.2, (2.2, 3), (0, 1))
    cooled = film(film_coefficient, "bottom")
    values = solved(deck((3, 1), [layer("film", 5, 1.0)], [heat], cooled, probes=[probe("p", "film", 2.2, 0.5)], **more))
    found, stated = (float(values[f"thermal/probe_temperature{part}"].flat[0]) for part in ("", "_error"))
    true = abs(found - 300.0 - 0.5 * plateau)
    assert true > 0.03 * plateau  # the mesh does err
    assert true < stated < 6 * true


FLUX = 0.2 / (0.8e-3 * 1e-3)
"""[W/m2]"""


def test_probe_on_the_edge_of_a_source() -> None:
    """Heat spreads over 7 um; far from the edge the mid-plane has the rise of the film and of three eighths of the thickness."""
    held(1e5, FLUX * (1 / 1e5 + 0.375 * 5e-6 / 1.0))


def test_probe_on_the_edge_of_a_source_over_time() -> None:
    """Within 10 us heat has come 2.5 um far, and next to none has left."""
    held(1.0, FLUX / 5e-6 * 10e-6 / 1.66e6, transient={"until": "10 us", "outputs": ["10 us"]})
