"""Every registered material law answers for itself: source, range, one formula for arrays and for UFL, errors with their place."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from stack3d import decks
from stack3d.case import run_case
from stack3d.errors import DeckError
from stack3d.progress import Silent
from stack3d.schema.material_laws import PROPERTIES, material_laws
from stack3d.schema.solids import MaterialDeck

EXAMPLES: dict[str, Any] = {
    "power": {"value": "148 W/m/K", "exponent": -1.3},
    "table": {"temperatures": ["250 K", "300 K", "400 K"], "values": ["190 W/m/K", "148 W/m/K", "99 W/m/K"]},
    "polynomial": {"value": "148 W/m/K", "coefficients": [2.0, -2.5e-3, 1e-6], "valid": ["250 K", "700 K"]},
    "doped_silicon": {"value": "110 W/m/K"},
}
KELVIN = np.array([[255.0, 300.0], [333.0, 380.0]])


def material(name: str, **more: Any) -> MaterialDeck:
    return MaterialDeck.model_validate(
        {"conductivity": {"law": name, **EXAMPLES[name], **more}, "heat_capacity": "1.66e6 J/m^3/K"}
    )


@pytest.mark.parametrize("name", material_laws)
def test_a_law_says_where_it_comes_from_and_where_it_holds(name: str) -> None:
    law = material_laws[name]
    assert law.__doc__ and law.reference and law.range[0] < 300.0 < law.range[1] and set(law.properties) <= set(PROPERTIES)
    assert set(law.model_fields) == set(law.descriptions())


@pytest.mark.parametrize("name", material_laws)
def test_a_law_is_one_at_300_kelvin_and_positive_near_it(name: str) -> None:
    built = material(name)
    law = built.conducts
    assert law is not None and hash(law) == hash(material(name).conducts) and law == material(name).conducts
    assert law.factor(np.array(300.0)) == pytest.approx(1.0, abs=1e-15) and built.diagonal == (law.at_reference[0],) * 3
    assert law.factor(KELVIN).shape == law.integral(KELVIN).shape == KELVIN.shape and (law.factor(KELVIN) > 0).all()
    low, high = law.limits
    assert low < 300.0 < high


@pytest.mark.parametrize("name", material_laws)
def test_arrays_and_ufl_get_the_same_numbers(name: str) -> None:
    ufl = pytest.importorskip("ufl")
    law = material(name).conducts
    assert law is not None
    mesh = ufl.Mesh(__import__("basix.ufl").ufl.element("P", "interval", 1, shape=(1,)))
    x = ufl.SpatialCoordinate(mesh)[0]
    for kelvin in KELVIN.ravel():
        for answer in (law.factor, law.integral):
            assert answer(x)((float(kelvin),)) == pytest.approx(float(answer(np.array(kelvin))), rel=1e-12, abs=1e-12)


def test_anisotropy_and_provenance_go_with_a_law() -> None:
    built = material("power", value={"value": ["148 W/m/K", "120 W/m/K", "90 W/m/K"], "source": "measured"}, source="a book")
    assert built.diagonal == (148.0, 120.0, 90.0)


@pytest.mark.parametrize(
    ("key", "law", "said"),
    [
        ("conductivity", {"law": "tabel"}, "material.conductivity.law: unknown material law 'tabel' (did you mean 'table'?)"),
        ("conductivity", {"law": "power", "value": 148, "exponent": 1}, "material.conductivity.value: got the bare number 148"),
        ("conductivity", {"law": "power", "exponent": 1}, "wants the value at 300 K"),
        (
            "conductivity",
            {"law": "power", "value": "1 W/m/K", "exponnt": 1},
            "exponnt: unknown key 'exponnt' (did you mean 'exponent'",
        ),
        (
            "conductivity",
            {"law": "table", "temperatures": ["300 K", "350 K"], "values": ["1 W/m/K", "2 J/K"]},
            "material.conductivity.values",
        ),
        (
            "conductivity",
            {"law": "table", "temperatures": ["350 K", "300 K"], "values": ["1 W/m/K", "2 W/m/K"]},
            "have to ascend",
        ),
        ("heat_capacity", {"law": "doped_silicon"}, "'doped_silicon' is a law of conductivity alone"),
        (
            "heat_capacity",
            {"law": "polynomial", "value": "1e6 J/m^3/K", "coefficients": [3, -0.01], "valid": ["200 K", "400 K"]},
            "is not positive at 26.85 degC, inside its valid range",
        ),
        ("conductivity", {"law": "doped_silicon", "value": "200 W/m/K"}, "is above that of pure silicon, 154.7 W/m/K"),
    ],
)
def test_a_wrong_law_is_refused_at_its_place(key: str, law: Any, said: str, tmp_path: Any) -> None:
    plain = {"conductivity": "148 W/m/K", "heat_capacity": "1.66e6 J/m^3/K"}
    path = tmp_path / "wrong.yaml"
    path.write_text(json.dumps(case({**plain, key: law})))
    with pytest.raises(DeckError) as refused:
        decks.load(path)
    assert said in str(refused.value) and f"geometry.layers[0].material.{key}" in str(refused.value)
    assert "wrong.yaml:" in str(refused.value)


def case(material: dict[str, Any], watts: float = 0.5) -> dict[str, Any]:
    return {
        "scenario": "slab",
        "geometry": {"footprint": ["1 mm", "1 mm"], "layers": [{"name": "die", "thickness": "0.3 mm", "material": material}]},
        "power": {"sources": [{"name": "all", "layer": "die", "power": f"{watts} W"}]},
        "solver": {"backend": "tensor", "mesh": {"lateral": 4, "per_layer": 2}, "error_promise": 0.1},
        "cooling": {"top": {"film_coefficient": "1e4 W/m^2/K"}, "ambient": "300 K"},
    }


def test_a_run_warns_where_a_layer_leaves_the_range_of_its_law(tmp_path: Any) -> None:
    """0.5 W through 1e4 W/m2/K on 1 mm2: 50 K over 300 K at the face, a little more below."""
    law = {"law": "table", "temperatures": ["290 K", "340 K"], "values": ["150 W/m/K", "130 W/m/K"]}
    deck = {"conductivity": law, "heat_capacity": "1.66e6 J/m^3/K"}
    path = tmp_path / "slab.yaml"
    path.write_text(json.dumps(case(deck)))
    outcome = run_case(decks.load(path).scenario, Silent())
    assert any(
        "layer 'die' reaches 77." in text
        and "degC at (" in text
        and "mm; the law of the conductivity of 'inline' holds up to 66.85 degC" in text
        for text in outcome.warnings
    ), outcome.warnings
    path.write_text(json.dumps(case(deck, watts=0.3)))
    assert not any("law of the" in text for text in run_case(decks.load(path).scenario, Silent()).warnings)


def test_an_exponent_is_short_for_the_power_law() -> None:
    """Decks of 0.1 write it so; both spellings give the same temperatures to the bit."""
    plain = {"heat_capacity": "1.66e6 J/m^3/K"}
    one = MaterialDeck.model_validate({**plain, "conductivity": "148 W/m/K", "conductivity_exponent": -1.3})
    other = material("power")
    assert one.conducts is not None and other.conducts is not None and one.diagonal == other.diagonal
    np.testing.assert_array_equal(one.conducts.factor(KELVIN), other.conducts.factor(KELVIN))
    np.testing.assert_array_equal(one.conducts.factor(KELVIN), (KELVIN / 300.0) ** -1.3)
