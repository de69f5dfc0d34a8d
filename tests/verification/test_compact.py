"""Compact models: a bound that holds, answers over time that hold, files that say when they are damaged, refusals."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stack3d import decks, yamlfile
from stack3d.case import check, compact_of
from stack3d.errors import DeckError, RangeError, ResultsError
from stack3d.heat import Backends, meshed
from stack3d.results.compact_file import read_compact, write_compact
from stack3d.schema import Scenario
from stack3d.thermal import CompactModel, Face

LOWEST, HIGHEST = "10 W/m^2/K", "1e5 W/m^2/K"
SILICON = {"conductivity": "148 W/m/K", "heat_capacity": "1.66e6 J/m^3/K"}
GREASE = {"conductivity": "3 W/m/K", "heat_capacity": "2.2e6 J/m^3/K"}
COPPER = {"conductivity": "398 W/m/K", "heat_capacity": "3.45e6 J/m^3/K"}
BOARD = {"conductivity": ["20 W/m/K", "20 W/m/K", "0.4 W/m/K"], "heat_capacity": "2e6 J/m^3/K"}
MOLD = {"conductivity": "0.9 W/m/K", "heat_capacity": "2e6 J/m^3/K"}


def deck(name: str, layers: list[dict[str, Any]], side: str, sources: list[dict[str, Any]], lateral: int) -> dict[str, Any]:
    faces = {"top": {"film_coefficient": "500 W/m^2/K"}, "bottom": {"film_coefficient": "20 W/m^2/K"}}
    return {
        "scenario": name,
        "geometry": {"footprint": [side, side], "layers": layers},
        "cooling": {**faces, "ambient": "300 K"},
        "power": {"sources": sources},
        "compact": {"films": {face: [LOWEST, HIGHEST] for face in faces}, "ambient": ["250 K", "400 K"]},
        "solver": {
            "backend": "tensor",
            "mesh": {"lateral": lateral},
            "linear": {"tolerance": 1e-13},
            "error_promise": 0.05,
        },
    }


def layer(name: str, thickness: str, material: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "thickness": thickness, "material": material, **more}


def box(name: str, where: str, watts: str, x: tuple[float, float], y: tuple[float, float]) -> dict[str, Any]:
    return {"name": name, "layer": where, "power": watts, "x": [f"{v} mm" for v in x], "y": [f"{v} mm" for v in y]}


def block(x: tuple[float, float], material: Any) -> dict[str, Any]:
    return {"name": "core", "x": [f"{v} mm" for v in x], "y": [f"{v} mm" for v in x], "material": material}


def rod() -> dict[str, Any]:
    slabs = [layer("die", "0.3 mm", SILICON), layer("skin", "2 um", SILICON), layer("grease", "50 um", GREASE)]
    sources = [{"name": "whole", "layer": "skin", "power": "2 W"}]
    return deck("rod", [*slabs, layer("lid", "1 mm", COPPER)], "4 mm", sources, 4)


def separable() -> dict[str, Any]:
    slabs = [layer("board", "1 mm", BOARD), layer("die", "0.3 mm", SILICON), layer("lid", "1 mm", COPPER)]
    sources = [box("left", "die", "3 W", (1, 3), (1, 4)), box("right", "die", "1 W", (6, 9), (5, 9))]
    given = deck("separable", slabs, "10 mm", sources, 20)
    return {**given, "probes": [{"name": "spot", "layer": "lid", "x": "2 mm", "y": "8 mm"}]}


def flip_chip() -> dict[str, Any]:
    die = [block((5, 15), SILICON)]
    slabs = [
        layer("board", "1 mm", BOARD),
        layer("die", "0.3 mm", MOLD, blocks=die),
        layer("tim", "50 um", MOLD, blocks=[block((5, 15), GREASE)]),
        layer("lid", "1 mm", COPPER),
    ]
    sources = [box("whole", "die", "5 W", (5, 15), (5, 15)), box("hot", "die", "4 W", (7, 8), (7, 8))]
    given = deck("flip_chip", slabs, "20 mm", sources, 16)
    return {**given, "probes": [{"name": "under", "layer": "board", "x": "10 mm", "y": "10 mm"}]}


def two_dies() -> dict[str, Any]:
    """Two dies on an interposer without a lid, fluid-cooled on both sides; a patch of the top has a film of its own."""
    slabs = [
        layer("interposer", "0.2 mm", SILICON),
        layer("bumps", "60 um", MOLD, contact_resistance="2 mm^2*K/W"),
        layer(
            "dies", "0.4 mm", MOLD, blocks=[{**block((1, 5), SILICON), "name": "a"}, {**block((7, 11), SILICON), "name": "b"}]
        ),
    ]
    sources = [box("a", "dies", "3 W", (1, 5), (1, 5)), box("b", "dies", "2 W", (7, 11), (7, 11))]
    given = deck("two_dies", slabs, "12 mm", [*sources, box("core", "dies", "1 W", (8, 9), (8, 9))], 12)
    patch = {"name": "spray", "layer": "dies", "face": "top", "x": ["1 mm", "5 mm"], "y": ["1 mm", "5 mm"]}
    given["cooling"]["patches"] = [{**patch, "condition": {"film_coefficient": "1000 W/m^2/K"}}]
    given["compact"]["films"]["spray"] = [LOWEST, HIGHEST]
    return given


def tower() -> dict[str, Any]:
    """Three dies on a board, each with its own heat, bonded by layers that conduct badly."""
    slabs = [layer("board", "1 mm", BOARD)]
    for i in range(3):
        slabs += [layer(f"bond{i}", "20 um", GREASE), layer(f"die{i}", "60 um", SILICON)]
    heated = [box(f"core{i}", f"die{i}", "2 W", (1 + i, 3 + i), (2, 6 - i)) for i in range(3)]
    return deck("tower", [*slabs, layer("lid", "0.5 mm", COPPER)], "8 mm", heated, 16)


STACKS = {made.__name__: made for made in (tower, separable, flip_chip, two_dies)}


def scenario(given: dict[str, Any]) -> Scenario:
    return decks.resolve(yamlfile.parse_text(json.dumps(given), "compact.yaml")).scenario


def made(given: dict[str, Any]) -> CompactModel:
    return compact_of(scenario(given), lambda solves, miss: None)


def truth(
    backends: Backends, case: Scenario, model: CompactModel, powers: list[float], films: dict[str, float], air: float
) -> Any:
    """Places by the full solve on the same mesh."""
    chip = check(case)
    solid = backends.solid(case, chip.stack, meshed(chip))
    problem = solid.problem.with_films(films)
    faces = {name: Face(face.film_coefficient, air, face.flux) for name, face in problem.faces.items()}
    patches = tuple((surface, faces[surface.name]) for surface, _ in problem.patches)

    problem = replace(problem, **{name: faces[name] for name in ("top", "bottom", "sides")}, patches=patches)
    sources = [replace(source, power=power) for source, power in zip(chip.sources, powers)]
    field = solid.recooled(problem).solve(sources).field
    own = [field.box_means(source.layer, [source.extent])[0] for source in sources]
    return np.array([*own, *(field.at(p.layer, p.x, p.y, p.z) for p in case.probes)])


def ratios(given: dict[str, Any], points: int) -> Any:
    """Bound over the error against the full solve, shape (points, places), for random films, powers and ambients."""
    case, backends = scenario(given), Backends()
    model, random = made(given), np.random.default_rng(24)
    found = []
    for _ in range(points):
        films = {face: float(10 ** random.uniform(1, 5)) for face in case.compact.films}
        powers, air = [float(p) for p in random.uniform(0, 10, len(model.sources))], float(random.uniform(250, 400))
        answer = model.solve(dict(zip(model.sources, powers)), films=films, ambient=air)
        error = np.abs(answer.temperature - truth(backends, case, model, powers, films, air))
        found.append(answer.bound / np.maximum(error, 1e-300))
    return np.array(found)


def test_the_bound_holds_at_random_points() -> None:
    """Films of 10 to 1e5 W/m²/K on both sides: the full solve lies within the bound, which is not far from it."""
    found = ratios(separable(), 12)
    assert found.min() >= 1 and np.median(found) <= 5


@pytest.mark.slow
@pytest.mark.parametrize("name", STACKS)
def test_the_bound_holds_on_every_stack(name: str) -> None:
    """100 random films, powers and ambients: never below the error, median at most five times it."""
    found = ratios(STACKS[name](), 100)
    print(name, found.min(), np.median(found))
    assert found.min() >= 1 and np.median(found) <= 5


def test_a_probe_on_the_edge_of_a_source_is_judged() -> None:
    """Where the mesh is judged beside it, at four points about; with the error of a probe that lies elsewhere."""
    given = separable()
    given["probes"].append({"name": "edge", "layer": "die", "x": "3 mm", "y": "2 mm"})
    model = made(given)
    assert model.mesh_error.shape == (4,) and np.all(model.mesh_error > 0)


def test_a_probe_in_the_plane_that_ends_a_layer_is_in_it() -> None:
    """Whatever the sum of thicknesses is rounded to; one that lies a nanometre above is not."""
    given = rod()
    for height, is_inside in (("1.352 mm", True), ("1.352001 mm", False)):
        given["probes"] = [{"name": "on_top", "layer": "lid", "x": "4 mm", "y": "4 mm", "z": height}]
        if is_inside:
            model = made(given)
            assert model.solve().temperature[1] < model.solve().temperature[0]
        else:
            with pytest.raises(DeckError, match="'on_top' lies outside layer 'lid'"):
                check(scenario(given))


def test_a_file_is_what_was_written(tmp_path: Path) -> None:
    """The same answers from the file; one that is damaged, cut off or another says so."""
    given = rod()
    given["compact"]["shortest"] = "1 ms"
    model, path = made(given), tmp_path / "model.nc"
    write_compact(path, model)
    again = read_compact(path)
    asked = {"films": {"top": 3e3, "bottom": 44.0}, "ambient": 310.0}
    one, other = model.solve({"whole": 7.0}, **asked), again.solve({"whole": 7.0}, **asked)
    np.testing.assert_array_equal(one.temperature, other.temperature)
    np.testing.assert_array_equal(one.bound, other.bound)
    assert again.in_time is not None and again.in_time.estimate <= 0.002 and again.shortest == 1e-3
    assert np.all(again.mesh_error > 0)
    content = bytearray(path.read_bytes())
    at = content.find(model.steady.shown.tobytes())
    content[at + 3] ^= 1
    path.write_bytes(content)
    with pytest.raises(ResultsError, match="damaged"):
        read_compact(path)
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ResultsError, match="cannot be read"):
        read_compact(path)
    with pytest.raises(ResultsError, match="no compact model at"):
        read_compact(tmp_path / "other.nc")


def test_outside_its_ranges_it_is_refused_with_the_range() -> None:
    model = made(rod())
    with pytest.raises(RangeError, match=r"film of top = 5 W/m\^2/K lies outside .* 10 to 100000"):
        model.solve(films={"top": 5.0})
    with pytest.raises(RangeError, match=r"film of bottom = 200000"):
        model.solve(films={"bottom": 2e5})
    with pytest.raises(RangeError, match="ambient = 200 K lies outside .* 250 to 400 K"):
        model.solve(ambient=200.0)
    with pytest.raises(DeckError, match="no source 'hole'; it has whole"):
        model.solve({"hole": 1.0})
    with pytest.raises(RangeError, match="one of steady states"):
        model.exponentials()


def test_what_it_does_not_know_is_refused_by_name() -> None:
    follows = rod()
    follows["geometry"]["layers"][0]["material"] = "silicon"
    with pytest.raises(DeckError, match="properties of die follow the temperature"):
        made(follows)
    unknown = rod()
    unknown["compact"]["films"]["tpo"] = [LOWEST, HIGHEST]
    with pytest.raises(DeckError, match="no face .tpo. .did you mean .top."):
        made(unknown)
    closed = rod()
    closed["compact"]["films"]["sides"] = [LOWEST, HIGHEST]
    with pytest.raises(DeckError, match="compact.films.sides: is adiabatic: it has no film to vary; give cooling.sides one"):
        made(closed)
    beyond = rod()
    beyond["compact"]["films"]["top"] = ["1e3 W/m^2/K", "1e4 W/m^2/K"]
    with pytest.raises(RangeError, match=r"film of top = 500 W/m\^2/K lies outside .* 1000 to 10000"):
        made(beyond)
    turned = rod()
    turned["compact"]["films"]["top"] = [HIGHEST, LOWEST]
    with pytest.raises(DeckError, match="the lower first"):
        made(turned)
