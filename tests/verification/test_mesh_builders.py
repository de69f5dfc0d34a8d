"""Bricks reach DOLFINx through Gmsh or as arrays; the two are one mesh."""

import numpy as np
import pytest

from stack3d import decks
from stack3d.case import check, run_case
from stack3d.geometry.gmsh_model import through_gmsh
from stack3d.geometry.tetrahedra import build_columns
from stack3d.heat.loads import standing_out
from stack3d.heat.meshing import Bricks, meshed
from stack3d.heat.meshing.bricks import MOST_THROUGH_GMSH
from stack3d.progress import Silent

STACKS = ("bulk_rram_8tier", "tsv_stack_4tier", "flip_chip_package")


@pytest.mark.parametrize("geometry", STACKS)
def test_gmsh_gives_back_the_mesh_it_was_given(geometry: str) -> None:
    """Points, cells, regions and faces come back in their order, to the bit."""
    chip = check(decks.load("quickstart", [("geometry", geometry)] if geometry != "flip_chip_package" else FLIP_CHIP).scenario)
    given = meshed(chip).cells(chip.stack, chip.scenario.cooling)
    back = through_gmsh(given)
    assert back.fingerprint == given.fingerprint and back.names == given.names and back.faces == given.faces


FLIP_CHIP = [("geometry", "flip_chip_package"), ("workload", None), ("device", None), ("lifetime", None), ("power", {"sources": [
    {"name": "die", "layer": "active", "power": "1 W"}]})]  # fmt: skip


def test_tetrahedra_come_back_too() -> None:
    chip = check(decks.load("resolved_bumps", [("solver.mesh.lateral", 6)]).scenario)
    given = build_columns(chip.stack, standing_out(chip), chip.scenario.solver.mesh, []).cells
    assert through_gmsh(given).fingerprint == given.fingerprint


def test_both_builders_give_the_same_temperatures() -> None:
    """Probe and layer means to 1e-10 of the kelvin scale; the log says which builder it was."""
    said: list[str] = []

    class Heard(Silent):
        def stage(self, name: str, **facts: object) -> None:
            if name == "mesh":
                said.append(str(facts.get("builder")))

    found = []
    for builder in ("auto", "arrays"):
        scenario = decks.load("quickstart", [("solver", "ci"), ("solver.mesh.builder", builder)]).scenario
        found.append(run_case(scenario, Heard(), until="thermal").values)
    assert said == ["gmsh", "arrays"]
    for name in ("thermal/layer_temperature_mean", "thermal/layer_temperature_max"):
        np.testing.assert_allclose(found[0][name], found[1][name], rtol=1e-10)


def test_auto_counts_cells() -> None:
    few = decks.load("quickstart", [("solver", "ci")]).scenario
    chip = check(few)
    bricks = Bricks.of(chip)
    assert np.prod(bricks.grid.shape) <= MOST_THROUGH_GMSH and bricks.builder(few.solver) == "gmsh"
    many = decks.load("quickstart", [("solver", "ci"), ("solver.mesh.lateral", 100), ("solver.mesh.per_layer", 4)]).scenario
    assert Bricks.of(check(many)).builder(many.solver) == "arrays"
    assert bricks.builder(decks.load("quickstart", [("solver", "study")]).scenario.solver) is None


def test_the_builder_is_no_part_of_the_hash() -> None:
    one, other = (decks.load("quickstart", [("solver.mesh.builder", b)]).digest() for b in ("gmsh", "arrays"))
    assert one == other
