"""What code of another package answers is checked where it is asked; its errors are told as its own, with its name."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stack3d import decks, fields, units
from stack3d.case import check, run_case
from stack3d.case.second_fields import SecondField
from stack3d.errors import DeckError, PackageError, UnknownNameError
from stack3d.fe.space import Space
from stack3d.fe.stiffness import points_on
from stack3d.fields import Variable, outputs, physics
from stack3d.heat.meshing import meshed
from stack3d.heat.outputs import HeatOutput
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


# ---------------------------------------------------------------------------------------------- outputs and fields


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    for registry in (outputs, physics):
        alone(registry, monkeypatch)


GOOD = Variable("thermal", "mine", ("layer",), "K", "of mine")
DECLARED: dict[str, tuple[Any, str]] = {
    "a dimension": (replace(GOOD, dims=("layr",)), "'thermal/mine' with the dimension 'layr', which is not known (did you mean 'layer', "),
    "a dimension as text": (replace(GOOD, dims="layer"), "wanted a Variable(group, name, dimensions as a tuple"),
    "a dimension twice": (replace(GOOD, dims=("layer", "layer")), "wanted different ones, time first"),
    "time last": (replace(GOOD, dims=("layer", "time")), "wanted different ones, time first"),
    "a group": (replace(GOOD, group="thermel"), "'thermel/mine' with the group 'thermel', which is not known (did you mean 'thermal'"),
    "a unit": (replace(GOOD, units="Kelvim"), "'thermal/mine' in 'Kelvim', which is no unit"),
    "no unit": (replace(GOOD, units=""), "wanted one as 'K', 'W m-2', or '1' for a number"),
    "a name that is taken": (replace(GOOD, name="heat_in"), "'thermal/heat_in', which there is already"),
    "a name of a dimension": (replace(GOOD, name="layer"), "layer is a dimension; choose another name"),
    "no meaning": (replace(GOOD, long_name=""), "without its meaning"),
    "no variable": (("thermal", "mine"), "('thermal', 'mine'); wanted a Variable"),
}  # fmt: skip


@pytest.mark.parametrize("what", DECLARED)
def test_what_cannot_be_declared_is_refused_before_the_run(what: str, tmp_path: Path, quiet: None) -> None:
    entry, said = DECLARED[what]
    outputs.register("odd")(
        type("Odd", (HeatOutput,), {"fields": (entry,), "of_heat": lambda *given: None, "__module__": __name__})
    )
    with pytest.raises(PackageError) as refused:
        check(deck(tmp_path, {"film_coefficient": "1e4 W/m^2/K"}))
    text = str(refused.value)
    assert text.startswith("output 'odd' (test_answers_outside.Odd) declares ") and said in text


def test_every_unit_of_the_catalogue_is_one() -> None:
    assert {f.units for f in fields.FIELDS.values() if units.why_no_unit(f.units) is not None} == set()


def put(path: str, value: Any) -> Callable[[Any], Any]:
    return lambda record: record.put(path, value)


PUT: dict[str, tuple[Callable[[Any], Any], str]] = {
    "infinity": (put("thermal/mine", [math.inf]), "output 'thermal/mine' is inf at [0]; wanted finite numbers, or a Variable whose `undefined`"),
    "no number": (put("thermal/mine", [math.nan]), "output 'thermal/mine' is nan at [0]"),
    "a hidden number": (put("thermal/mine", np.ma.masked_array([1.0], [True])), "output 'thermal/mine' is nan at [0]"),
    "another shape": (put("thermal/mine", 1.0), "has dimensions (layer), got an array of shape ()"),
    "another length": (put("thermal/mine", [1.0, 2.0]), "thermal/mine has 2 along 'layer', the coordinate layer has 1"),
    "objects": (put("thermal/mine", [None]), "of type object; wanted real numbers"),
    "complex": (put("thermal/mine", [1j]), "of type complex128; wanted real numbers"),
    "words": (put("thermal/mine", ["hot"]), "wanted real numbers"),
    "ragged": (put("thermal/mine", [[1.0], [1.0, 2.0]]), "parts of different lengths"),
    "another name": (put("thermal/mien", [1.0]), "puts 'thermal/mien', which it does not declare (did you mean 'thermal/mine'?); declared: thermal/mine"),
    "ours": (put("thermal/heat_in", 1.0), "puts 'thermal/heat_in', which it does not declare"),
    "other labels": (lambda record: record.along("layer", ["dye"]), "labels the dimension 'layer', which is not its own"),
    "taken away": (lambda record: record.pop("thermal/heat_in"), "takes 'thermal/heat_in' out of the record"),
    "written over": (lambda record: record["thermal/layer_temperature_mean"].fill(0), "failed: ValueError: assignment destination is read-only"),
    "an answer": (lambda record: [1.0], "of_heat gave [1.0]; wanted None: variables are put into the record"),
    "an error": (lambda record: record["thermal/nothing"], "failed: KeyError: 'thermal/nothing'"),
}  # fmt: skip


@pytest.mark.parametrize("what", PUT)
def test_what_cannot_be_stored_names_output_and_author(what: str, tmp_path: Path, quiet: None) -> None:
    act, said = PUT[what]

    @outputs.register("odd")
    class Odd(HeatOutput):
        fields = (GOOD,)

        def of_heat(self, chip: Any, solution: Any, record: Any) -> Any:
            return act(record)

    with pytest.raises(PackageError) as refused:
        run_case(deck(tmp_path, {"film_coefficient": "1e4 W/m^2/K"}), Silent())
    text = str(refused.value)
    assert text.startswith("output 'odd' (test_answers_outside.") and said in text


def test_what_is_declared_is_stored(tmp_path: Path, quiet: None) -> None:
    """A dimension of its own with labels, a NaN that means something, whole numbers and halves."""

    @outputs.register("fine")
    class Fine(HeatOutput):
        own = {"pad": "solder ball", "mine": "of this package"}
        fields = (
            Variable("mine", "void", ("pad",), "W m-2", "x", undefined="NaN = no ball"),
            Variable("mine", "n", (), "1", "y"),
        )

        def of_heat(self, chip: Any, solution: Any, record: Any) -> None:
            record.along("pad", self.labels)
            record.put("mine/void", np.array([1.5, math.nan], np.float16))
            record.put("mine/n", 3)

        labels = ["a", "b"]

    found = run_case(deck(tmp_path, {"film_coefficient": "1e4 W/m^2/K"}), Silent()).record
    assert found["mine/void"].dtype == np.float64 and np.isnan(found["mine/void"][1]) and found["mine/n"] == 3
    Fine.of_heat = lambda self, chip, solution, record: record.put("mine/void", [1.0, 2.0])  # type: ignore[method-assign]
    with pytest.raises(PackageError, match=r"output 'fine' \(.*\): output 'mine/void' has the dimension 'pad' has no labels"):
        run_case(deck(tmp_path, {"film_coefficient": "1e4 W/m^2/K"}), Silent())


@pytest.mark.parametrize(("answer", "said"), [
    (lambda mesh, temperature, record: record.put("mine/answer", math.inf), "output 'mine/answer' is inf; wanted finite"),
    (lambda mesh, temperature, record: record.put("mine/answer", temperature), "has dimensions (), got an array of shape"),
    (lambda mesh, temperature, record: temperature.fill(0), "failed: ValueError: assignment destination is read-only"),
    (lambda mesh, temperature, record: mesh.points.fill(0), "failed: ValueError: assignment destination is read-only"),
    (lambda mesh, temperature, record: 7, "solve gave 7; wanted None"),
])  # fmt: skip
def test_a_second_field_that_gives_no_number_is_refused_with_its_name(
    answer: Any, said: str, tmp_path: Path, quiet: None
) -> None:
    @physics.register("mine")
    class Mine(SecondField):
        own = {"mine": "of this package"}
        fields = (Variable("mine", "answer", (), "1", "x"),)

        def solve(self, chip: Any, mesh: Any, temperature: Any, record: Any) -> Any:
            return answer(mesh, temperature, record)

    with pytest.raises(PackageError) as refused:
        run_case(deck(tmp_path, {"film_coefficient": "1e4 W/m^2/K"}, physics={"mine": {}}), Silent())
    text = str(refused.value)
    assert text.startswith("physics 'mine' (test_answers_outside.") and said in text


def test_a_face_that_a_mesh_does_not_have_is_refused(tmp_path: Path, quiet: None) -> None:
    """By every look-up of faces and regions: before, there was nothing on it."""

    @physics.register("mine")
    class Mine(SecondField):
        own = {"mine": "of this package"}
        fields = (Variable("mine", "answer", (), "1", "x"),)

        def solve(self, chip: Any, mesh: Any, temperature: Any, record: Any) -> None:
            points_on(mesh, "tpo")

    said = r"physics.mine: unknown face of the mesh 'tpo' \(did you mean 'top'\?\); known: bottom, sides, top"
    with pytest.raises(DeckError, match=said):
        run_case(deck(tmp_path, {"film_coefficient": "1e4 W/m^2/K"}, physics={"mine": {}}), Silent())


def test_dolfinx_knows_its_faces(tmp_path: Path) -> None:
    chip = check(deck(tmp_path, {"film_coefficient": "1e4 W/m^2/K"}))
    cells = meshed(chip).cells(chip.stack, chip.scenario.cooling)
    space = Space(cells)
    for look in (space.ds, space.unknowns):
        with pytest.raises(UnknownNameError, match="unknown face of the mesh 'tpo'"):
            look("tpo")
