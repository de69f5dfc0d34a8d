"""What code of another package answers is checked where it is asked; its errors are told as its own, with its name."""

from __future__ import annotations

import json
import math
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stack3d import decks
from stack3d.case import run_case
from stack3d.errors import DeckError, PackageError
from stack3d.progress import Silent
from stack3d.registry import Registry, told_failure
from stack3d.schema.cooling import CoolingLaw, FaceDeck, cooling_laws


def alone(registry: Registry[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The registry as it is, put back afterwards."""
    monkeypatch.setattr(registry, "_entries", dict(registry._entries))
    monkeypatch.setattr(registry, "_authors", dict(registry._authors))


# ------------------------------------------------------------------------------------------------------- registries


class Thing:
    """Base of the things."""

    def grow(self, by: float) -> float:
        return by


class Big(Thing):
    def grow(self, by: float) -> float:
        return 1 / by


def named(*names: str, value: str = "test_answers_outside:Big") -> tuple[EntryPoint, ...]:
    return tuple(EntryPoint(name, value, "stack3d.thing") for name in names)


def things(**options: Any) -> Registry[Any]:
    checks = {"grow": lambda given, found: None if found > 0 else f"{found} for {given}; wanted more than zero"}
    return Registry("thing", Thing, checks, **options)


def test_a_name_that_is_there_already_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of stack3d, of another package, or under which a deck means something else; the same class twice is one entry."""
    monkeypatch.setattr("stack3d.registry.announced", lambda path: named("big"))
    registry = things()
    registry.register("big")(Big)
    assert list(registry) == ["big"]
    registry = things()
    registry.register("big")(type("Own", (Thing,), {"__module__": "stack3d.things"}))
    with pytest.raises(PackageError, match=r"announces the thing 'big' \(.*:Big\), which stack3d has already"):
        list(registry)
    monkeypatch.setattr("stack3d.registry.announced", lambda path: (*named("big"), *named("big", value="builtins:int")))
    with pytest.raises(PackageError, match=r"announces the thing 'big' \(builtins:int\), which a package has already"):
        list(things())
    monkeypatch.setattr("stack3d.registry.announced", lambda path: named("big"))
    with pytest.raises(PackageError, match="the name 'big' is taken where the thing would be named"):
        list(things(reserved=("big",)))


@pytest.mark.parametrize(("value", "said"), [
    ("builtins:int", "is no class derived from test_answers_outside.Thing"),
    ("math:sqrt", "is no class derived from"),
    ("test_answers_outside:Nothing", "cannot be loaded: AttributeError: module 'test_answers_outside' has no attribute 'Nothing'"),
    ("leaves_at_once", "cannot be loaded: SystemExit: 3"),
])  # fmt: skip
def test_an_entry_that_is_none_is_refused(value: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "leaves_at_once.py").write_text("raise SystemExit(3)")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("stack3d.registry.announced", lambda path: named("odd", value=value))
    with pytest.raises(PackageError, match="announces the thing 'odd'") as refused:
        list(things())
    assert said in str(refused.value)


def test_answers_and_errors_are_told_with_the_name() -> None:
    registry = things()

    @registry.register("mine")
    class Mine(Thing):
        def grow(self, by: float) -> float:
            return 1 / by

        def shrink(self, by: float) -> float:
            return 1 / by

    assert Mine().grow(2.0) == 0.5
    with pytest.raises(PackageError, match=r"thing 'mine' \(.*Mine\): grow gave -0.5 for \(-2.0,\); wanted more than zero"):
        Mine().grow(-2.0)
    with pytest.raises(
        PackageError, match=r"thing 'mine' \(.*\) failed: ZeroDivisionError: .* \(.*test_answers_outside.py:\d+\)"
    ):
        Mine().grow(0.0)
    with pytest.raises(ZeroDivisionError) as caught:
        Mine().shrink(0.0)  # not among the answers: found by its place alone
    said = told_failure(caught.value, "see it")
    assert said.startswith("thing 'mine' (") and said.endswith("the fault is in that code, not in stack3d; see it")
    assert told_failure(ValueError("no"), "see it").startswith("internal failure (ValueError: no); see it")


def test_arrays_of_the_program_are_not_written_to() -> None:
    registry = things()

    @registry.register("careless")
    class Careless(Thing):
        def grow(self, by: Any) -> Any:
            by *= 2
            return by

    with pytest.raises(PackageError, match="'careless' .* failed: ValueError: .*read-only"):
        Careless().grow(np.ones(3))

    registry.answers = {"grow": lambda given, found: None}

    @registry.register("same")
    class Same(Thing):
        def grow(self, by: Any) -> Any:
            return by

    given = np.ones(3)
    found = Same().grow(given)
    found *= 2  # type: ignore[assignment]
    np.testing.assert_array_equal(given, 1.0)


# ---------------------------------------------------------------------------------------------------------- cooling


def deck(tmp_path: Path, top: dict[str, Any], **more: Any) -> Any:
    tree = {
        "scenario": "slab",
        "geometry": {"footprint": ["1 mm", "1 mm"], "layers": [{"name": "die", "thickness": "0.3 mm", "material": "silicon"}]},
        "power": {"sources": [{"name": "all", "layer": "die", "power": "0.5 W"}]},
        "solver": {"backend": "tensor", "mesh": {"lateral": 4, "per_layer": 2}, "error_promise": 0.1},
        "cooling": {"top": top, "ambient": "300 K"},
        **more,
    }
    path = tmp_path / "slab.yaml"
    path.write_text(json.dumps(tree))
    return decks.load(path).scenario


@pytest.mark.parametrize(("film", "said"), [
    (lambda surface: math.nan, "gives a film of nan W/m2/K at a surface of 320 K; wanted zero or more, and finite"),
    (lambda surface: math.inf, "gives a film of inf W/m2/K at a surface of 320 K"),
    (lambda surface: -5.0, "gives a film of -5 W/m2/K at a surface of 320 K"),
    (lambda surface: np.array([1.0, 2.0]), r"film gave array\(\[1., 2.\]\); wanted one number [W/m2/K]"),
    (lambda surface: "12 W/m2/K", "film gave '12 W/m2/K'; wanted one number"),
    (lambda surface: None, "film gave None; wanted one number"),
    (lambda surface: {}["film"], "failed: KeyError: 'film'"),
    (lambda surface: 1e4 if surface < 330 else math.nan, "gives a film of nan W/m2/K at a surface of 3"),
])  # fmt: skip
def test_a_film_that_cannot_be_names_law_face_and_temperature(
    film: Any, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone(cooling_laws, monkeypatch)

    @cooling_laws.register("odd")
    class Odd(CoolingLaw):
        follows_surface = True

        def film(self, surface: float, ambient: float, area: float) -> Any:
            return film(surface)

    with pytest.raises(PackageError) as refused:
        run_case(deck(tmp_path, {"odd": {}}), Silent())
    text = str(refused.value)
    assert text.startswith("cooling.top: cooling law 'odd' (test_answers_outside.") and said.replace("\\", "") in text


def test_an_own_law_says_where_it_does_not_hold(tmp_path: Path) -> None:
    """Numbers that a plate in still air was never measured at are refused with the face; a film of infinity holds a face."""
    with pytest.raises(DeckError, match=r"slab.yaml|cooling.top: "):
        run_case(deck(tmp_path, {"natural": {"facing": "up", "length": "1 km"}}), Silent())
    assert FaceDeck.model_validate({"areal_resistance": "0 mm^2*K/W"}).film(310.0, 300.0, 1.0) == math.inf


def test_keys_of_a_face_name_no_law(monkeypatch: pytest.MonkeyPatch) -> None:
    alone(cooling_laws, monkeypatch)
    for name in ("temperature", "flux", "source", "title"):
        with pytest.raises(PackageError, match=f"the name '{name}' is taken where the cooling law would be named"):
            cooling_laws.register(name)(type("Odd", (CoolingLaw,), {"film": lambda *given: 1.0, "__module__": __name__}))
