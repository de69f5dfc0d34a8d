"""Every registered cooling law answers for itself: source, range, and a film that is a number and does as it says."""

from __future__ import annotations

from typing import Any

import pytest

from stack3d.schema.cooling import WAYS, FaceDeck, cooling_laws

EXAMPLES: dict[str, Any] = {
    "film_coefficient": "10 W/m^2/K",
    "resistance": "2 K/W",
    "areal_resistance": "2 mm^2*K/W",
    "natural": {"facing": "up", "length": "10 mm"},
    "stream": {"velocity": "2 m/s", "length": "10 mm"},
}


@pytest.mark.parametrize("name", cooling_laws)
def test_a_law_says_where_it_comes_from_and_where_it_holds(name: str) -> None:
    law = cooling_laws[name]
    assert law.__doc__ and law.reference and law.valid
    assert set(law.model_fields) - {"velocity", "facing"} <= set(law.descriptions())


@pytest.mark.parametrize("name", cooling_laws)
def test_a_law_follows_its_surface_where_it_says_so(name: str) -> None:
    face = FaceDeck.model_validate({name: EXAMPLES[name]})
    assert name in WAYS and face.law is not None and isinstance(face.law, cooling_laws[name]) and face.is_cooled
    cool, hot = (face.law.film(surface, 300.0, 1e-4) for surface in (310.0, 390.0))
    assert 0 < cool <= hot < 1e9
    assert (cool != hot) == face.law.follows_surface == face.follows_surface
    assert FaceDeck.model_validate({name: EXAMPLES[name], "emissivity": 0.9}).follows_surface
