"""Parts side by side against the same written as blocks, conservation, symmetry and the other solvers."""

from __future__ import annotations

import json
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import stack3d
from stack3d import decks, yamlfile
from stack3d.case import check, run_case
from stack3d.case.run import Outcome
from stack3d.chip import Chip
from stack3d.errors import DeckError
from stack3d.heat.compacted import _held
from stack3d.heat.loads import heat_sources
from stack3d.heat.meshing import meshed
from stack3d.heat.solvers import make_backend
from stack3d.heat.time.beginning import _portions
from stack3d.layout import FILL, Rectangle
from stack3d.progress import Silent
from stack3d.thermal.backend import ThermalSolution
from stack3d.workload.power import COMPONENTS, tier_boundaries

Tree = dict[str, Any]
COARSE = {
    "backend": "tensor",
    "mesh": {"lateral": 8, "per_source": 2, "refinement": 2, "aspect": 4},
    "linear": {"tolerance": 1e-13},
    "error_promise": 0.2,
}

FINER = {"lateral": 24, "per_source": 8, "refinement": 4, "aspect": 1}


def chip_of(tree: Tree) -> Chip:
    return check(decks.resolve(yamlfile.parse_text(json.dumps(tree), "s.yaml")).scenario)


def run(tree: Tree) -> Outcome:
    return run_case(decks.resolve(yamlfile.parse_text(json.dumps(tree), "s.yaml")).scenario, Silent())


def solved(chip: Chip) -> ThermalSolution:
    return make_backend(chip.scenario, chip.stack, meshed(chip)).solve(chip.sources)


def metres(box: Rectangle) -> Tree:
    return {"x": [f"{v!r} m" for v in (box.x0, box.x1)], "y": [f"{v!r} m" for v in (box.y0, box.y1)]}


def as_blocks(chip: Chip, **more: Any) -> Tree:
    """The same stack without parts: each layer between them with a block for every part in it, sources in equal shares."""
    stack, layers, sources = chip.stack, [], []
    for layer in stack.layers:
        e = layer.extent
        blocks = [{"name": b.name.replace(".", "_"), "material": b.material.name, **metres(b.extent)} for b in layer.blocks]
        layers.append(
            {
                "name": layer.name,
                "thickness": f"{layer.thickness!r} m",
                "material": layer.material.name,
                "size": [f"{e.x1 - e.x0!r} m", f"{e.y1 - e.y0!r} m"],
                "offset": [f"{e.x0!r} m", f"{e.y0!r} m"],
                "blocks": blocks,
            }
        )
    for source in chip.sources:
        whole = stack.layer(source.layer).thickness
        for i in stack.slabs[source.layer]:
            one = stack.layers[i]
            watts = source.power * one.thickness / whole
            box = metres(source.extent)
            sources.append({"name": f"{source.name}_{i}", "layer": one.name, "power": f"{watts!r} W", **box})
    foot = stack.footprint
    return {
        "scenario": "blocks",
        "geometry": {"footprint": [f"{foot.x1!r} m", f"{foot.y1!r} m"], "layers": layers},
        "power": {"sources": sources},
        **more,
    }


def test_the_chiplet_deck_is_that_of_blocks() -> None:
    """Every node to 1e-9 of the rise, and the means and maxima of the parts to those of their boxes."""
    cooling = {"top": "lid_heat_sink", "bottom": {"film_coefficient": "10 W/m^2/K"}, "ambient": "25 degC"}
    case = decks.load("chiplets_on_interposer", [("solver", COARSE), ("cooling", cooling), ("probes", [])])
    one = check(case.scenario)
    other = chip_of(as_blocks(one, cooling=cooling, solver=COARSE))
    assert not other.stack.parts and len(other.stack.layers) == len(one.stack.layers)
    parts, blocks = solved(one), solved(other)
    rise = float(blocks.field.values.max()) - 298.15
    assert np.abs(parts.field.values - blocks.field.values).max() <= 1e-9 * rise
    assert abs(parts.balance) < 1e-8 and rise > 10
    for part in one.stack.parts:
        slabs = [one.stack.layers[i] for i in one.stack.slabs[part.name]]
        means = [blocks.field.box_means(slab.name, [part.extent])[0] for slab in slabs]
        mean = np.average(means, weights=[slab.thickness for slab in slabs])
        assert abs(parts.field.layer_mean(part.name) - mean) <= 1e-9 * rise


def part(name: str, at: tuple[float, float], size: tuple[float, float], *layers: Tree, **more: Any) -> Tree:
    sides = [f"{v} mm" for v in size]
    return {"name": name, "at": [f"{v} mm" for v in at], "size": sides, "layers": list(layers), **more}


def layer(name: str, microns: float, material: str = "silicon", **more: Any) -> Tree:
    return {"name": name, "thickness": f"{microns} um", "material": material, **more}


def package(*parts: Tree, sources: dict[str, float], **more: Any) -> Tree:
    return {
        "scenario": "package",
        "geometry": {
            "footprint": ["10 mm", "6 mm"],
            "below": [layer("board", 800, "pcb", size=["16 mm", "12 mm"]), layer("base", 100)],
            "parts": list(parts),
            "fill": "mold_compound",
            "above": [layer("tim", 50, "tim1"), layer("lid", 500, "copper")],
        },
        "power": {"sources": [{"name": f"s{i}", "layer": n, "power": f"{w} W"} for i, (n, w) in enumerate(sources.items())]},
        "cooling": {"top": {"film_coefficient": "3000 W/m^2/K"}, "bottom": "board", "ambient": "300 K"},
        "solver": COARSE,
        **more,
    }


LOW = part("low", (6, 1), (3, 4), layer("bumps", 50, "c4_layer"), layer("die", 150))
TALL = part("tall", (1, 1), (4, 4), layer("bumps", 50, "c4_layer"), layer("die", 600))
CAP = part("cap", (0.5, 0.5), (2, 3), layer("die", 100), on="low")


def test_a_heated_layer_that_others_cut_is_one() -> None:
    """Its power, its peak and its mean with the bow are those of the whole, however many layers it lies in."""
    chip = chip_of(package(TALL, LOW, CAP, sources={"tall.die": 5.0}))
    slabs = [chip.stack.layers[i] for i in chip.stack.slabs["tall.die"]]
    assert [slab.name for slab in slabs] == ["fill1", "fill2", "fill3"]
    solution = solved(chip)
    assert abs(solution.balance) < 1e-8 and solution.heat_in == pytest.approx(5.0, rel=1e-12)
    blocks = solved(chip_of(as_blocks(chip, cooling=chip_cooling(), solver=COARSE)))
    box = chip.stack.layer("tall.die").extent
    means = [blocks.field.box_means(slab.name, [box])[0] for slab in slabs]
    mean = np.average(means, weights=[slab.thickness for slab in slabs])
    assert solution.field.layer_mean("tall.die") == pytest.approx(mean, abs=2e-3)  # elements may differ at cut faces
    peak, (x, y, z) = solution.field.layer_peak("tall.die")
    assert slabs[0].z0 <= z <= slabs[-1].z1 and box.contains(Rectangle(x, x, y, y))
    assert peak == max(solution.field.layer_max(slab.name) for slab in slabs)


def chip_cooling() -> Tree:
    found: Tree = package(sources={})["cooling"]
    return found


def test_symmetric_parts_have_symmetric_fields() -> None:
    left, right = (part(n, (x, 1), (3, 4), layer("bumps", 50, "c4_layer"), layer("die", 300)) for n, x in (("a", 1), ("b", 6)))
    solution = solved(chip_of(package(left, right, sources={"a.die": 2.0, "b.die": 2.0})))
    values = solution.field.values
    assert np.abs(values - values[:, :, ::-1]).max() < 1e-9 * (values.max() - 300)
    assert np.abs(values - values[:, ::-1]).max() < 1e-9 * (values.max() - 300)
    assert solution.field.layer_mean("a.die") == pytest.approx(solution.field.layer_mean("b.die"), abs=1e-9)


def test_other_solvers_and_cells_say_the_same() -> None:
    """Bricks by both backends to the last digit that k(T) leaves; tetrahedra within a few per cent on these coarse meshes."""
    sources = {"tall.die": 5.0, "low.die": 1.0, "cap.die": 0.5}
    found = {}
    for name, solver in {
        "tensor": COARSE,
        "fem": COARSE | {"backend": "fem"},
        "tet": COARSE | {"backend": "fem", "mesh": COARSE["mesh"] | {"cells": "tet"}},
    }.items():
        chip = chip_of(package(TALL, LOW, CAP, sources=sources, solver=solver))
        solution = solved(chip)
        assert abs(solution.balance) < 1e-8
        field = solution.field
        found[name] = np.array([[field.layer_mean(n.name), field.layer_max(n.name)] for n in chip.stack.named]) - 300
    rise = found["tensor"].max()
    assert np.abs(found["fem"] - found["tensor"]).max() < 1e-6 * rise
    assert np.abs(found["tet"] - found["tensor"]).max() < 0.03 * rise


def test_results_speak_of_parts_and_bound_their_errors() -> None:
    sources = {"tall.die": 5.0, "low.die": 1.0, "cap.die": 0.5}
    asked = {
        "probes": [{"name": "p", "layer": "cap.die", "x": "7 mm", "y": "3 mm"}],
        "maps": {"layers": ["tall.die"], "grid": [2, 2]},
        "limits": {"cap.die": "1000 degC"},
    }
    coarse = run(package(TALL, LOW, CAP, sources=sources, **asked))
    fine = run(package(TALL, LOW, CAP, sources=sources, **asked, solver=COARSE | {"mesh": FINER}))
    names = ["board", "base", "tall.bumps", "tall.die", "low.bumps", "low.die", "cap.die", "tim", "lid"]
    assert list(coarse.coordinates["layer"]) == names
    for path in ("layer_temperature_mean", "layer_temperature_max", "probe_temperature", "map_temperature"):
        one, other, error = (found.values[f"thermal/{path}"] for found, path in (
            (coarse, path), (fine, path), (coarse, f"{path}_error")))  # fmt: skip
        assert np.all(np.abs(one - other) <= error), path


def test_a_part_begins_at_its_temperature() -> None:
    """Parts, and the fill between them, by name: the heat that is there at the start is that of their volumes."""
    initial = {"tall.die": "350 K", "fill": "320 K"}
    transient = {"until": "1 ms", "outputs": ["1 ms"], "initial": initial}
    chip = chip_of(package(TALL, LOW, sources={"tall.die": 0.0}, transient=transient))
    portions = _portions(chip, chip.scenario.transient.initial)
    volume = {t: sum(p.volume for p in portions if p.temperature == t) for t in (300.0, 320.0, 350.0)}
    assert volume[350.0] == pytest.approx(4e-3 * 4e-3 * 600e-6, rel=1e-9)
    assert volume[320.0] == pytest.approx(10e-3 * 6e-3 * 650e-6 - 16e-6 * 650e-6 - 12e-6 * 200e-6, rel=1e-9)
    assert sum(volume.values()) == pytest.approx(sum(layer.volume for layer in chip.stack.layers), rel=1e-9)


def test_a_patch_has_its_resistance_on_what_is_exposed() -> None:
    """The rim of a board around a package, 16 x 12 mm less 10 x 6 mm, is given 5 K/W: all heat that it passes has 5 K/W more."""
    tree = package(TALL, sources={"tall.die": 1.0})
    rim = {"name": "rim", "layer": "board", "condition": {"resistance": "5 K/W"}}
    chip = chip_of(tree | {"cooling": {"bottom": {"film_coefficient": "1 W/m^2/K"}, "ambient": "300 K", "patches": [rim]}})
    problem = meshed(chip).problem(chip.stack, chip.scenario.cooling)
    assert problem.faces["rim"].film_coefficient * problem.area("rim") == pytest.approx(0.2, rel=1e-9)


def test_a_part_on_a_part_counts_from_the_place_of_the_other() -> None:
    """Not from the edge of a layer of the other that is wider than it, or narrower."""
    for lid in (5, 3):
        wide = part("wide", (2, 1), (4, 4), layer("die", 200), layer("lid", 100, size=[f"{lid} mm", f"{lid} mm"]))
        chip = chip_of(package(wide, part("cap", (1, 1.5), (1, 1), layer("die", 50), on="wide"), sources={"wide.die": 1.0}))
        assert astuple(chip.stack.layer("cap.die").extent) == pytest.approx((3e-3, 4e-3, 2.5e-3, 3.5e-3), abs=1e-12)


@pytest.mark.parametrize("cells", ["hex", "tet"])
def test_conductivities_of_parts_are_held_at_their_own_temperature(cells: str) -> None:
    """Held at the means of the steady state with k(T), 230 K above 300 K, heat is that of this state; at 300 K it is not."""
    solver = COARSE | {"backend": "fem", "mesh": COARSE["mesh"] | {"cells": cells}}
    cooling = {"top": {"film_coefficient": "300 W/m^2/K"}, "ambient": "300 K"}
    chip = chip_of(package(TALL, LOW, sources={"tall.die": 5.0}, solver=solver, cooling=cooling))
    backend = make_backend(chip.scenario, chip.stack, meshed(chip))
    free, held = backend.solve(chip.sources), _held(chip, backend, chip.sources).solve(chip.sources)
    at_300 = backend.held_at(dict.fromkeys(chip.stack.slabs, 300.0)).solve(chip.sources)
    true, near, far = (s.field.layer_mean("tall.die") - s.field.layer_mean("base") for s in (free, held, at_300))
    assert near == pytest.approx(true, rel=1e-3) and far < 0.97 * true


def test_a_contact_is_passed_by_meshed_cylinders_too() -> None:
    """Each carries it on its own section: half of it by their conductivity, as t / (t / k + R)."""
    bumps = {"host": PERFECT, "fill": PERFECT, "diameter": "0.4 mm", "pitch": "1 mm", "resolved": True}
    bond = layer("bond", 10, contact_resistance="20 mm^2*K/W") | {"material": {"cylinders": bumps}}
    solver = COARSE | {"backend": "fem", "mesh": COARSE["mesh"] | {"cells": "tet"}}
    tree = package(part("a", (1, 1), (2, 2), bond, layer("die", 100)), sources={"a.die": 1.0}, solver=solver)
    stack = chip_of(tree).stack
    [field] = stack.layers[stack.slabs["a.bond"].start].cylinders
    assert field.material.conductivity[2] == pytest.approx(10e-6 / 20e-6, rel=1e-4)


PERFECT = {"conductivity": "1e7 W/m/K", "heat_capacity": "1e6 J/m^3/K"}


def test_contact_of_a_part_is_a_resistance_in_series() -> None:
    """In a layer of a part it lies in the conductivity through it: 20 mm2K/W under 4 x 4 mm are 1.25 K/W more."""

    def rise(contact: str) -> float:
        die = layer("die", 300) | {"material": PERFECT}
        tower = part("tower", (1, 1), (4, 4), layer("bond", 10, "hybrid_bond", contact_resistance=contact), die)
        tree = package(tower, sources={"tower.die": 1.0})
        tree["geometry"]["below"] = [layer("base", 100) | {"material": PERFECT}]
        tree["geometry"] |= {"above": [], "fill": {"conductivity": "1e-4 W/m/K", "heat_capacity": "1 J/m^3/K"}}
        tree["cooling"] = {"bottom": {"film_coefficient": "1e4 W/m^2/K"}, "ambient": "300 K"}
        return solved(chip_of(tree)).field.layer_mean("tower.die")

    assert rise("20 mm^2*K/W") - rise("0 mm^2*K/W") == pytest.approx(1.25, rel=1e-3)


def at_rest(chip: Chip) -> dict[str, np.ndarray]:
    return {name: np.full(len(chip.places), 1e-3) for name in COMPONENTS}


def test_tiles_are_placed_over_tiers_of_several_parts() -> None:
    def rram(name: str, x: float) -> Tree:
        tier = {"name": "rram", "thickness": "1 um", "material": "rram_tier", "role": "rram", "tile_sites": [4, 4]}
        deck = {
            "footprint": ["3 mm", "4 mm"],
            "below": [layer("base", 100, role="logic")],
            "tiers": {"repeat": 2, "layers": [layer("bond", 5, "hybrid_bond"), tier]},
        }
        return {"name": name, "at": [f"{x} mm", "1 mm"], "deck": deck}

    work = {"network": "digits_mlp", "rate": "2e5 1/s", "tile": [32, 32], "placement": "spread", "periphery": "cmos_adc_8bit"}
    tree = package(rram("a", 1), rram("b", 6), sources={"a.base": 0.0}, workload=work, device="bulk_rram_ucsd")
    chip = chip_of(tree)
    assert [layer.name for layer in chip.stack.with_role("rram")] == ["a.t0_rram", "a.t1_rram", "b.t0_rram", "b.t1_rram"]
    assert all(chip.stack.layer(name).extent.contains(box) for name, box in chip.sites)
    assert {name for name, _ in chip.places} == {"a.t0_rram", "a.t1_rram", "b.t0_rram", "b.t1_rram"}
    assert {s.layer for s in heat_sources(chip, at_rest(chip), 1.0)} >= {"a.base", "b.base"}, "converters heat their own base"
    assert tier_boundaries(chip.stack, "a.t1_rram", "b.t0_rram") == 3
    assert tier_boundaries(chip.stack, "b.t1_rram", "b.base") == 2
    found = run(tree)
    density, places = found.values["power/power_density"], found.values["power/array_power"]
    area = 3e-3 * 4e-3 / (density.shape[1] * density.shape[2])
    assert density.shape[0] == 4
    assert density.sum() * area == pytest.approx(float(np.sum(places)), rel=1e-9)
    assert found.values["thermal/temperature_max"].shape == (4,)


def test_a_mesh_has_one_region_for_each_layer_of_a_part() -> None:
    """Whatever it is cut into, with the volume of the whole."""
    for cells in ("hex", "tet"):
        solver = COARSE | {"backend": "fem", "mesh": COARSE["mesh"] | {"cells": cells}}
        chip = chip_of(package(TALL, LOW, CAP, sources={"tall.die": 1.0}, solver=solver))
        mesh = meshed(chip).cells(chip.stack, chip.scenario.cooling).joined(chip.stack.regions)
        used = [name for i, name in enumerate(mesh.names) if (mesh.region == i).any()]
        assert sorted(used) == sorted([layer.name for layer in chip.stack.named] + [FILL])
        corners = mesh.points[mesh.cells[mesh.region == mesh.names.index("tall.die")]].reshape(-1, 3)
        die = chip.stack.layer("tall.die")
        assert (corners[:, 2].min(), corners[:, 2].max()) == pytest.approx((die.z0, die.z1), rel=1e-12)


@pytest.mark.slow
def test_slopes_over_numbers_of_parts_are_those_of_differences(tmp_path: Path) -> None:
    path = tmp_path / "package.yaml"
    path.write_text(json.dumps(package(TALL, LOW, CAP, sources={"tall.die": 5.0, "low.die": 1.0})))
    keys = ["geometry.parts.tall.layers.die.thickness", "geometry.parts.cap.layers.die.thickness"]
    scenario = stack3d.load(path)
    found = scenario.gradients(keys, of="low.die")
    for key, size in zip(keys, (600e-6, 100e-6)):
        ends = []
        for factor in (0.99, 1.01):
            moved = decks.load(path, [(key, f"{factor * size!r} m")])
            chip = check(moved.scenario)
            ends.append(solved(chip).field.layer_mean("low.die"))
        assert found[key] == pytest.approx((ends[1] - ends[0]) / (0.02 * size), rel=0.03)
    with pytest.raises(DeckError, match="moves an edge away from another on the same line"):
        scenario.gradients(["geometry.parts.low.layers.bumps.thickness"], of="low.die")


def test_a_limit_of_a_part_is_set_by_its_key() -> None:
    """The name of the layer holds a dot of its own."""
    case = decks.load("chiplets_on_interposer", [("limits.memory.t0_dram", "40 degC")])
    assert case.scenario.limits["memory.t0_dram"] == pytest.approx(313.15) and len(case.scenario.limits) == 2


@pytest.mark.slow
@pytest.mark.parametrize("duty", [{}, {"duty": {"period": "2 ms", "on": "1 ms"}, "periodic": True}])
def test_marches_and_periods_of_parts_are_those_of_blocks(duty: Tree) -> None:
    """Temperatures at a probe and the heat that leaves, over time, to 1e-9 of the rise; errors cover a finer mesh."""
    transient = {"until": "2 ms", "outputs": ["1 ms", "2 ms"], **duty}
    chip = chip_of(package(TALL, LOW, CAP, sources={"tall.bumps": 5.0, "cap.die": 1.0}))
    probe = {"name": "p", "x": "2.5 mm", "y": "3 mm"}
    tree = package(TALL, LOW, CAP, sources={"tall.bumps": 5.0, "cap.die": 1.0}, transient=transient)
    own = run(tree | {"probes": [probe | {"layer": "tall.bumps"}]})
    more = {key: tree[key] for key in ("cooling", "solver", "transient")}
    other = run(as_blocks(chip, **more) | {"probes": [probe | {"layer": "fill0"}]})
    rise = own.values["thermal/probe_temperature"].max() - 300
    for name, scale in (("probe_temperature", rise), ("heat_out", 6.0), ("peak_temperature", rise)):
        a, b = own.values[f"thermal/{name}"], other.values[f"thermal/{name}"]
        assert rise > 0.1 and np.abs(a - b).max() <= 1e-9 * scale, name
    assert np.isfinite(own.values["thermal/layer_temperature_max_error"]).all()
