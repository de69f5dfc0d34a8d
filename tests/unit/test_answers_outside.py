"""What code of another package answers is checked where it is asked; its errors are told as its own, with its name."""

from __future__ import annotations

import json
import math
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper
from onnx_models import deck as network_deck
from onnx_models import save

from stack3d import decks, fields, units
from stack3d.case import check, run_case
from stack3d.case.second_fields import SecondField
from stack3d.devices import build_device
from stack3d.devices.laws import MECHANISMS
from stack3d.errors import DeckError, PackageError, UnknownNameError
from stack3d.fe.space import Space
from stack3d.fe.stiffness import points_on
from stack3d.fields import Output, Variable, outputs, physics
from stack3d.heat.meshing import meshed
from stack3d.heat.outputs import HeatOutput
from stack3d.layout import Rectangle
from stack3d.life.chips import Passive, policies
from stack3d.life.epoch_record import LifeOutput
from stack3d.progress import Silent
from stack3d.registry import Registry, told_failure
from stack3d.schema import TransientDeck
from stack3d.schema.cooling import CoolingLaw, FaceDeck, cooling_laws
from stack3d.schema.device import DeviceDeck
from stack3d.schema.material_laws import MaterialLaw, material_laws
from stack3d.tiles import split_matrix
from stack3d.workload import load_data, load_network
from stack3d.workload.operators import Node, Operator, operators
from stack3d.workload.placement import place, placements
from stack3d.workload.tasks import Classification, Task, tasks


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
    with pytest.raises(PackageError, match=r"thing 'big' of a package \(.*:Big\): stack3d has a thing 'big' already"):
        list(registry)
    monkeypatch.setattr("stack3d.registry.announced", lambda path: (*named("big"), *named("big", value="builtins:int")))
    with pytest.raises(PackageError, match=r"thing 'big' of a package \(builtins:int\): a package has a thing 'big' already"):
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
    with pytest.raises(PackageError, match="thing 'odd' of a package") as refused:
        list(things())
    assert said in str(refused.value)


def test_an_entry_that_cannot_be_loaded_is_told_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A study goes on with its next case, which must not find the registry half full."""
    monkeypatch.setattr("stack3d.registry.announced", lambda path: named("odd", value="no_such_module:Odd"))
    registry = things()
    registry.register("big")(type("Own", (Thing,), {"__module__": "stack3d.things"}))
    for look in (lambda: registry["big"], lambda: "odd" in registry, lambda: list(registry)):
        with pytest.raises(PackageError, match="cannot be loaded: ModuleNotFoundError"):
            look()


def test_a_group_that_no_registry_has_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("jet", "elsewhere:Jet", "stack3d.coling_law")
    monkeypatch.setattr("stack3d.registry.announced", lambda path: (point,))
    outcome = run_case(deck(tmp_path, {"film_coefficient": "1e4 W/m^2/K"}), Silent())
    said = "a package announces 'jet' for 'stack3d.coling_law', which is no group (did you mean 'stack3d.cooling_law'"
    assert any(text.startswith(said) for text in outcome.warnings), outcome.warnings


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
    said = told_failure(caught.value, lambda: "see it").text
    assert said.startswith("thing 'mine' (") and said.endswith("the fault is in that code, not in stack3d; see it")
    assert told_failure(ValueError("no"), lambda: "see it").text.startswith("internal failure (ValueError: no); see it")


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
    (lambda surface: sys.exit(5), "failed: SystemExit: 5"),
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


def test_a_name_of_several_words_is_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    alone(cooling_laws, monkeypatch)
    with pytest.raises(PackageError, match="a key of a deck is one word of letters, digits and _"):
        cooling_laws.register("a.jet")(type("Odd", (CoolingLaw,), {"film": lambda *given: 1.0, "__module__": __name__}))


def test_a_film_that_follows_its_surface_has_to_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone(cooling_laws, monkeypatch)

    @cooling_laws.register("odd")
    class Odd(CoolingLaw):
        def film(self, surface: float, ambient: float, area: float) -> float:
            return 1e4 * (1 + (surface - ambient) / 20)

    with pytest.raises(PackageError, match="cooling.top: cooling law 'odd' .* says follows_surface = True"):
        run_case(deck(tmp_path, {"odd": {}}), Silent())
    Odd.follows_surface = True
    assert run_case(deck(tmp_path, {"odd": {}}), Silent()).values["thermal/peak_temperature"] > 300


def test_keys_of_a_face_name_no_law(monkeypatch: pytest.MonkeyPatch) -> None:
    alone(cooling_laws, monkeypatch)
    for name in ("temperature", "flux", "source", "title", "law", "film", "is_cooled", "follows_surface", "model_dump"):
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


def test_an_output_that_nobody_asks_is_refused(tmp_path: Path, quiet: None) -> None:
    outputs.register("odd")(type("Odd", (Output,), {"fields": (GOOD,), "__module__": __name__}))
    with pytest.raises(PackageError, match=r"output 'odd' \(.*\) is never asked: an output is a HeatOutput or a LifeOutput"):
        check(deck(tmp_path, {"film_coefficient": "1e4 W/m^2/K"}))


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
    "more labels": (lambda record: record.beside("layer", "layer", [5]), "labels the dimension 'layer', which is not its own"),
    "taken away": (lambda record: record.pop("thermal/heat_in"), "takes 'thermal/heat_in' out of the record"),
    "written over": (lambda record: record["thermal/layer_temperature_mean"].fill(0), "failed: ValueError: assignment destination is read-only"),
    "an answer": (lambda record: [1.0], "of_heat gave [1.0]; wanted None: variables are put into the record"),
    "an error of ours": (lambda record: decks.load("no_such_case"), "failed: "),
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


def test_an_output_writes_to_nothing_that_it_looks_at(tmp_path: Path, quiet: None) -> None:
    case = deck(tmp_path, {"film_coefficient": "1e4 W/m^2/K"})
    before = run_case(case, Silent()).values

    @outputs.register("warm")
    class Warm(HeatOutput):
        fields = (GOOD,)

        def of_heat(self, chip: Any, solution: Any, record: Any) -> None:
            record.notes["thermal/peak_temperature"] = record.coordinates["layer"] = "mine"
            record.put("thermal/mine", [1.0])
            solution.field.values[...] += 40.0

    with pytest.raises(PackageError, match="output 'warm' .* failed: ValueError: .*read-only"):
        run_case(case, Silent())
    Warm.of_heat = lambda self, chip, solution, record: record.notes.clear()  # type: ignore[method-assign]
    found = run_case(case, Silent())
    assert found.record.notes and all(np.array_equal(found.values[name], before[name]) for name in before)
    assert any("output 'warm'" in text and "puts none of the variables" in text for text in found.warnings)


@pytest.mark.parametrize("outputs_at", [None, ["1 ms"]], ids=["steady", "over time"])
def test_a_temperature_with_an_error_of_its_own_is_judged_over_time_alone(
    tmp_path: Path, quiet: None, outputs_at: list[str] | None
) -> None:
    """Of a steady state its own error stays; over time it is that of the mesh and the steps, as of every temperature."""
    case = deck(tmp_path, {"film_coefficient": "1e4 W/m^2/K"})
    if outputs_at is not None:
        case = case.model_copy(update={"transient": TransientDeck.model_validate({"until": "1 ms", "outputs": outputs_at})})

    @outputs.register("balls")
    class Balls(HeatOutput):
        fields = (
            Variable("thermal", "ball_temperature", ("time",) * bool(outputs_at), "K", "of the hottest ball"),
            Variable("thermal", "ball_temperature_error", ("time",) * bool(outputs_at), "K", "its error"),
        )

        def of_heat(self, chip: Any, solution: Any, record: Any) -> None:
            record.put("thermal/ball_temperature", float(solution.field.values.max()))
            record.put("thermal/ball_temperature_error", 7.0)

    found = run_case(case, Silent()).values
    assert np.all(found["thermal/ball_temperature_error"] == 7.0) == (outputs_at is None)
    assert np.all(np.isfinite(found["thermal/layer_temperature_max_error"]))


def test_a_dimension_that_is_there_is_nobodys_own(tmp_path: Path, quiet: None) -> None:
    outputs.register("odd")(type("Odd", (HeatOutput,), {
        "own": {"layer": "p"}, "fields": (GOOD,), "of_heat": lambda *given: None, "__module__": __name__,
    }))  # fmt: skip
    with pytest.raises(PackageError, match="'layer' as its own, which there is already; choose another word"):
        run_case(deck(tmp_path, {"film_coefficient": "1e4 W/m^2/K"}), Silent())


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
    (lambda mesh, temperature, record: None, "puts none of its variables into the record: mine/answer"),
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


# ------------------------------------------------------------------------------------------------- materials and cells


@pytest.mark.parametrize(("shape", "said"), [
    (lambda t: 1 + 0 * t[..., None], "shape gave an array of shape (201, 1) for temperatures of shape (201,)"),
    (lambda t: "steel", "shape gave 'steel'; wanted real numbers"),
    (lambda t: 1 / 0, "failed: ZeroDivisionError"),
])  # fmt: skip
def test_a_material_law_of_another_shape_is_named(
    shape: Any, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(PackageError) as refused:
        of_material(shape, tmp_path, monkeypatch)
    assert str(refused.value).startswith("material law 'odd' (test_answers_outside.") and said in str(refused.value)


@pytest.mark.parametrize(("shape", "said"), [
    (lambda t: np.where(t > 500, np.nan, 1.0), "is not positive at 227"),
    (lambda t: 400.0 - t, "is not positive at 12"),
    (lambda t: 1.0 + t.mean() / t.size, "alone than among other temperatures"),
    (lambda t: t / (t.max() if hasattr(t, "max") else 1000.0), "alone than among other temperatures"),
    (lambda t: t * (10.0 if hasattr(t, "ufl_shape") else 1.0), "as an expression of UFL, 200 for arrays"),
])  # fmt: skip
def test_a_material_law_that_does_not_hold_is_refused_with_its_place(
    shape: Any, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DeckError, match=rf"(?s)geometry.layers\[0\].material.conductivity: .*{said}"):
        of_material(shape, tmp_path, monkeypatch)


def test_a_material_law_that_leaves_its_numbers_in_a_run_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond what is looked at before, as far as it says that it holds: 30 W on a square millimetre under 1e4 W/m2/K."""
    scenario = of_material(lambda t: (1500.0 - t) ** 0.5, tmp_path, monkeypatch, power="30 W")
    with pytest.raises(PackageError, match=r"material law 'odd' \(.*\) gives nan at .* degC; wanted more than zero"):
        run_case(scenario, Silent())


def test_an_integral_that_is_not_that_of_the_law_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DeckError, match="primitive gives .* degC, the integral of shape from 300 K is"):
        of_material(lambda t: t / 300, tmp_path, monkeypatch, primitive=lambda self, t: t - 300)


def test_a_constant_is_a_law_and_a_range_ascends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    constant = run_case(of_material(lambda t: 1.0, tmp_path, monkeypatch), Silent()).values["thermal/peak_temperature"]
    assert constant == pytest.approx(
        run_case(of_material(lambda t: t / t, tmp_path, monkeypatch), Silent()).values["thermal/peak_temperature"]
    )
    for wrong in ((500.0, 250.0), (-23.0, 227.0), "all", (200.0, math.nan)):
        with pytest.raises(DeckError, match="material law 'odd' .* has the range .*; wanted two ascending temperatures"):
            of_material(lambda t: 1.0, tmp_path, monkeypatch, range=wrong)


def of_material(shape: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, power: str = "0.5 W", **more: Any) -> Any:
    alone(material_laws, monkeypatch)
    material_laws._entries.pop("odd", None)
    content = {"shape": lambda self, temperature: shape(temperature), "__module__": __name__, **more}
    content["shape"].__module__ = __name__
    material_laws.register("odd")(type("Odd", (MaterialLaw,), content))
    material = {"conductivity": {"law": "odd", "value": "148 W/m/K"}, "heat_capacity": "1.66e6 J/m^3/K"}
    layer = {"name": "die", "thickness": "0.3 mm", "material": material}
    geometry = {"footprint": ["1 mm", "1 mm"], "layers": [layer]}
    source = {"name": "all", "layer": "die", "power": power}
    return deck(tmp_path, {"film_coefficient": "1e4 W/m^2/K"}, geometry=geometry, power={"sources": [source]})


CELLS = {"rate": lambda *given: np.ones_like(given[0]), "conductance": lambda *given: given[0]}
LAWS: list[tuple[str, dict[str, Any], str]] = [
    ("retention", {**CELLS, "conductance": lambda *given: given[0] * np.nan}, "conductance gave nan at [0, 0]; wanted finite numbers, zero or more"),
    ("retention", {**CELLS, "conductance": lambda *given: -given[0]}, "conductance gave -"),
    ("retention", CELLS, ""),
    ("retention", {**CELLS, "conductance": lambda *given: given[0][..., :1]}, "conductance gave an array of shape (2, 1); wanted (2, 2), that of what"),
    ("read_disturb", {"remaining": lambda *given: 0.5}, ""),
    ("retention", {**CELLS, "conductance": lambda *given: np.ones((3, 1, 1))}, "an array of shape (3, 1, 1); wanted (2, 2), that of what it was given"),
    ("retention", {**CELLS, "rate": lambda *given: np.ones((3, 1, 1))}, "an array of shape (3, 1, 1); wanted (2, 2), the shape of what it was given"),
    ("retention", {**CELLS, "rate": lambda *given: np.inf * given[0]}, "rate gave inf"),
    ("retention", {**CELLS, "rate": lambda *given: -1.0}, "rate gave -1.0; wanted finite numbers, zero or more"),
    ("retention", {**CELLS, "conductance": lambda *given: given[0].__imul__(2)}, "failed: ValueError: output array is read-only"),
    ("relaxation", {"shift": lambda *given: given[0]}, "shift gave an array of shape (2, 2); wanted a tuple of 2 arrays"),
    ("relaxation", {"shift": lambda *given: (0.0, -1.0)}, "shift gave -1.0; wanted finite numbers, zero or more (part 1)"),
    ("read_disturb", {"remaining": lambda *given: "all"}, "remaining gave 'all'; wanted finite numbers"),
    ("temperature_dependence", {"factor": lambda *given: 1j}, "factor gave 1j; wanted finite numbers"),
    ("programming", {"error": lambda *given: (np.nan, 0.0)}, "error gave nan; wanted finite numbers (part 0)"),
    ("faults", {"stuck": lambda *given: np.full(given[1], 7)}, "stuck gave 7 at [0, 0]; wanted finite numbers, from 0 to 2"),
    ("faults", {"stuck": lambda *given: np.zeros(3)}, "stuck gave an array of shape (3,); wanted (2, 2)"),
    ("read_noise", {"sd": lambda *given: -given[0]}, "sd gave -"),
    ("self_heating", {"rise": lambda *given: np.nan * given[0]}, "rise gave nan"),
]  # fmt: skip


@pytest.mark.parametrize(("mechanism", "methods", "said"), LAWS)
def test_a_law_of_cells_that_gives_what_cannot_be_is_named(
    mechanism: str, methods: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = MECHANISMS[mechanism]
    alone(registry, monkeypatch)
    content: dict[str, Any] = {"__module__": __name__}
    for name, method in methods.items():
        content[name] = lambda self, *given, method=method: method(*given)
        content[name].__module__ = __name__
    registry.register("odd")(type("Odd", (registry.base,), content))
    device = DeviceDeck.model_validate(
        {
            "name": "cell", "g_max": "40 uS", "g_min": "1 uS", "read": {"voltage": "0.2 V", "pulse": "100 ns"},
            "write": {"voltage": "1 V", "pulse": "100 ns", "energy": "1 pJ", "pulses": 3},
            "mechanisms": {mechanism: {"law": "odd", "assumed": "a test"}},
        }
    )  # fmt: skip

    def lived() -> None:
        model = build_device(device)
        state = model.program(np.full((2, 2), 2e-5), np.random.default_rng(0))
        state = model.advance(state, 1e3, 320.0, reads=5.0)
        now = model.conductance(state, 330.0)
        model.read_noise(state, 320.0, conductance=now)
        model.cell_temperature(300.0, np.full((1, 2, 2), 1e-6))

    if not said:
        lived()
        return
    with pytest.raises(PackageError) as refused:
        lived()
    kind = mechanism.replace("_", " ")
    assert str(refused.value).startswith(f"{kind} 'odd' (test_answers_outside.") and said in str(refused.value)


# ------------------------------------------------------------------------------------- placements, tasks, operators


@pytest.mark.parametrize(("answer", "said"), [
    (lambda n: [0] * n, "gave site 0 to 3 tiles; wanted one of its own for each"),
    (lambda n: range(1, n), "wanted 3 whole numbers, the site of each tile"),
    (lambda n: [0, 1, 48], "gave site 48 to tile 2; wanted 0 to 47"),
    (lambda n: [0.0, 1.0, 2.0], "wanted 3 whole numbers"),
    (lambda n: None, "gave None; wanted 3 whole numbers"),
    (lambda n: {}[n], "failed: KeyError: 3"),
])  # fmt: skip
def test_a_placement_that_is_none_is_named(answer: Any, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    alone(placements, monkeypatch)

    @placements.register("odd")
    def odd(tiles: Any, sites: Any, heat: Any = None) -> Any:
        return answer(len(tiles))

    with pytest.raises(PackageError, match=r"placement test_answers_outside.Big is a class; wanted a function"):
        placements.register("kind")(Big)
    tiles = split_matrix("layer", 96, 32, (32, 32), columns_per_weight=1)
    sites = [(f"t{t}", Rectangle(i, i + 1, j, j + 1)) for t in range(3) for j in range(4) for i in range(4)]
    with pytest.raises(PackageError) as refused:
        place("odd", tiles, sites)
    assert str(refused.value).startswith("placement 'odd' (test_answers_outside.") and said in str(refused.value)
    assert place("spread", tiles, sites).shape == (3,)


def test_a_task_without_a_score_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    alone(tasks, monkeypatch)
    with pytest.raises(PackageError, match=r"task 'odd' \(.*\) lacks confusion, score"):
        tasks.register("odd")(type("Odd", (Task,), {"__module__": __name__, "check": lambda self, labels: None}))


@pytest.mark.parametrize(("score", "said"), [
    (lambda y: np.full(2, np.nan), "score gave nan at [0]; wanted numbers from 0 to 1, one for each chip"),
    (lambda y: np.full(2, 80.0), "score gave 80 to 80; wanted numbers from 0 to 1"),
    (lambda y: 0.5, "score gave an array of shape (); wanted (2,), one number for each chip"),
    (lambda y: None, "score gave None; wanted numbers"),
])  # fmt: skip
def test_a_score_that_is_none_is_named(score: Any, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    alone(tasks, monkeypatch)

    @tasks.register("odd")
    class Odd(Classification):
        def score(self, outputs: Any, labels: Any) -> Any:
            return score(outputs)

    with pytest.raises(PackageError) as refused:
        tasks["odd"]((3,)).score(np.zeros((2, 5, 3)), np.zeros(5))
    assert str(refused.value).startswith("task 'odd' (test_answers_outside.") and said in str(refused.value)


@pytest.mark.parametrize(("compute", "said"), [
    (lambda x: x[:, :3], r"node 'last' \(MatMul\): .*; its input 's' of shape \(2, 3\) is of the operator 'odd.Odd' \(.*\)"),
    (lambda x: x[0], r"a network with the operator 'odd.Odd' \(.*\) gives outputs of shape .* for one input and .* for 2; wanted the inputs first"),
    (lambda x: x - x.mean(axis=0), r"a network with the operator 'odd.Odd' .* gives another output for an input alone"),
    (lambda x: None, r"operator 'odd.Odd' \(.*\): compute gave None as output 0; wanted an array of numbers"),
    (lambda x: x.missing, r"operator 'odd.Odd' \(.*\) failed: AttributeError"),
    (lambda x: x + np.nan, r"operator 'odd.Odd' \(.*\): compute gave nan as output 0 for inputs without one"),
    (lambda x: x.__iadd__(1), r"operator 'odd.Odd' \(.*\) failed: ValueError: output array is read-only"),
])  # fmt: skip
def test_an_operator_that_gives_another_shape_is_named(
    compute: Any, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone(operators, monkeypatch)

    @operators.register("odd.Odd")
    class Odd(Operator):
        def compute(self, x: Any) -> Any:
            return compute(x)

    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["h"], name="first"),
        helper.make_node("Odd", ["h"], ["s"], domain="odd"),
        helper.make_node("MatMul", ["s", "w2"], ["y"], name="last"),
    ]
    path = save(tmp_path / "n.onnx", nodes, {"w1": np.eye(4), "w2": np.ones((4, 2))}, out=("n", 2), domains=("odd",))
    np.savez(tmp_path / "n.npz", inputs=np.random.default_rng(0).random((6, 4)), labels=np.zeros(6, int))
    asked = network_deck(path, {"file": str(tmp_path / "n.npz")})
    with pytest.raises((PackageError, DeckError), match=said):
        load_data(asked.data, load_network(asked))


# ------------------------------------------------------------------------------------------------------- policies

QUICK = [
    ("monte_carlo.samples", 1), ("lifetime.epochs", 2), ("lifetime.attribution", False), ("solver.backend", "tensor"),
    ("solver.mesh", {"lateral": 4, "per_layer": 1, "aspect": 8}), ("workload.test_samples", 10), ("geometry.tiers.repeat", 2),
]  # fmt: skip


@pytest.mark.parametrize(("methods", "said"), [
    ({"events": lambda self, start, end: [(end + 1, 0.0)]}, "events gave (.*); wanted pairs of an instant from 0 to before"),
    ({"events": lambda self, start, end: [1.0]}, r"events gave \[1.0\]; wanted pairs"),
    ({"programmed": lambda self, life, climate: None}, "programmed gave None; wanted the Life"),
    ({"limit": lambda self, limits: 350.0}, "limit gave 350.0; wanted Limits"),
    ({"is_due": lambda self, life, climate: "no"}, "is_due gave 'no'; wanted True or False"),
    ({"around": lambda self, time: time}, "around gave .*; wanted the time of the act before"),
    ({"check": lambda self, computer: "no"}, "check gave 'no'; wanted a list of Problem"),
    ({"correct": lambda self, life, matrices, seen, climate: matrices}, "correct gave .*; wanted a tuple of matrices"),
    ({"correct": lambda self, life, matrices, seen, climate: (dict.fromkeys(matrices, "m"), {})}, "gave 'm' for layer .*AnalogMatrix"),
    ({"correct": lambda self, life, matrices, seen, climate: seen[next(iter(seen))].fill(0)}, "failed: ValueError: .*read-only"),
    ({"programmed": lambda self, life, climate: replace(life, time=-1.0)}, "programmed gave a Life at -1 s; wanted it at 0 s"),
    ({"programmed": lambda self, life, climate: replace(life, bill=replace(life.bill, energy=np.nan))}, "gave nan.* as energy of the bill"),
    ({"events": lambda self, start, end: 1 / 0}, "failed: ZeroDivisionError"),
    ({"renews": None}, "renews is None; wanted True or False"),
])  # fmt: skip
def test_a_policy_that_answers_otherwise_is_named(methods: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    alone(policies, monkeypatch)
    policies.register("odd")(type("Odd", (Passive,), {"__init__": lambda self, deck: None, "__module__": __name__, **methods}))
    with pytest.raises(PackageError, match=rf"policy 'odd' \(test_answers_outside.Odd\).*{said}"):
        run_case(decks.load("quickstart", [*QUICK, ("lifetime.policies", {"odd": {}})]).scenario, Silent())


def test_what_a_life_carries_is_added_up_without_writing_to_it(quiet: None) -> None:
    @outputs.register("dose")
    class Dose(LifeOutput):
        fields = (GOOD,)

        def carried(self, moment: Any) -> Any:
            moment.reading.accuracy[...] = 1.0
            return {}

    with pytest.raises(PackageError, match="output 'dose' .* failed: ValueError: .*read-only"):
        run_case(decks.load("quickstart", QUICK).scenario, Silent())


def test_an_operator_without_compute_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    alone(operators, monkeypatch)
    odd = operators.register("odd.Odd")(type("Odd", (Operator,), {"__module__": __name__}))
    with pytest.raises(PackageError, match=r"operator 'odd.Odd' \(test_answers_outside.Odd\) lacks compute"):
        odd(Node.of(helper.make_node("Odd", ["x"], ["y"], domain="odd"), {"odd": 1})).run([np.ones(3)], {})


def test_a_law_whose_film_is_a_field_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    alone(cooling_laws, monkeypatch)
    with (
        warnings.catch_warnings(),
        pytest.raises(PackageError, match="cooling law 'flat' .* has film as a field; wanted a method"),
    ):
        warnings.simplefilter("ignore")
        cooling_laws.register("flat")(
            type("Flat", (CoolingLaw,), {"__module__": __name__, "__annotations__": {"film": int}, "film": 3})
        )


def test_an_unknown_key_that_was_announced_elsewhere_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("jet", "elsewhere:Jet", "stack3d.coling_law")
    monkeypatch.setattr("stack3d.registry.announced", lambda path: (point,))
    with pytest.raises(
        DeckError, match="unknown key 'jet'.*; a package announces 'jet' for 'stack3d.coling_law', which is no group"
    ):
        deck(tmp_path, {"jet": {}})


def test_a_policy_that_cannot_be_made_says_of_what(monkeypatch: pytest.MonkeyPatch) -> None:
    alone(policies, monkeypatch)

    @policies.register("odd")
    class Odd(Passive):
        def __init__(self, deck: Any) -> None:
            self.ages = deck["ages"]

    said = r"lifetime.policies.odd: policy 'odd' \(.*\) cannot be made of \{'age': 3\}: KeyError: 'ages'"
    with pytest.raises(DeckError, match=said):
        check(decks.load("quickstart", [("lifetime.policies", {"odd": {"age": 3}})]).scenario)
    with pytest.raises(PackageError, match="the name 'until' is taken where the policy would be named"):
        policies.register("until")(Odd)
    with pytest.raises(
        PackageError, match=r"policy 'half' \(.*Half\) lacks programmed, act, wear, around, written, is_due, limit, correct"
    ):
        policies.register("half")(
            type("Half", (), {"__module__": __name__, **{n: lambda self: [] for n in ("check", "events")}})
        )
