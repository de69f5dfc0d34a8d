"""What a case will take is told before anything of that size is made: near what it takes, and refused with what would fit."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from stack3d import decks, memory
from stack3d.case import check
from stack3d.case.size import terms_of
from stack3d.errors import DeckError
from stack3d.geometry import build_columns, expected_points, tetrahedra, user_mesh
from stack3d.heat.loads import standing_out, surfaces_of

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "memory.py"
TOO_LITTLE, TOO_MUCH = 1.25, 3.0
"""Of what is taken over what was told, at most; of what was told over what is taken, above `MATTERS`."""
MATTERS = 100.0
"""Memory below which nothing is told that is too much. [MB]"""


def test_points_of_cylinders_are_told_before_they_are_made() -> None:
    chip = check(decks.load("resolved_bumps", [("solver.mesh.lateral", 6)]).scenario)
    asked = chip.stack, standing_out(chip), chip.scenario.solver.mesh, surfaces_of(chip.scenario.cooling, chip.stack)
    made = build_columns(*asked).used.size
    assert 0.7 * made < expected_points(*asked) < 1.4 * made


def test_tetrahedra_beyond_memory_are_refused_before_gmsh_makes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tetrahedra, "gmsh_model", None)
    monkeypatch.setenv(memory.VARIABLE, "150 MB")
    with pytest.raises(DeckError, match=r"solver.mesh: wants more memory than there is: solver.mesh 1\d\d MB, any case 35 MB"):
        check(decks.load("resolved_bumps").scenario)


def test_a_mesh_file_beyond_memory_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "own.msh").open("wb") as file:
        file.truncate(10_000_000)
    deck = {"mesh": str(tmp_path / "own.msh"), "materials": {}}
    monkeypatch.setattr(user_mesh.memory, "available", lambda: 5e7)
    with pytest.raises(DeckError, match=r"own.msh of 10 MB wants about 10 times as much memory to be read; there is 50 MB"):
        check(decks.load("quickstart", [("geometry", deck)]).scenario)


@pytest.mark.parametrize(("mesh", "coarser"), [(0.97e9, "1.1"), (8e9, "2.1"), (40e9, "3.5")])
def test_a_mesh_that_would_fit_is_coarser(mesh: float, coarser: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the cube root of what is left of it, rounded up."""
    monkeypatch.setenv(memory.VARIABLE, "1 GB")
    with pytest.raises(DeckError, match=f"; a mesh {re.escape(coarser)} times coarser in every direction would fit"):
        memory.check_terms({"solver.mesh": mesh, memory.ANY: 35e6})


def test_what_marches_and_answers_keep_is_told() -> None:
    pulse = check(decks.load("duty_cycled_package").scenario)
    assert terms_of(pulse)["transient"] > 10 * terms_of(pulse)["solver.mesh"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "row",
    ["quickstart", "on_device_learning", "resolved_bumps", "bulk_rram_8tier, bricks, ci", "own mesh of tetrahedra, order 1"],
)
def test_what_is_told_is_near_what_is_taken(row: str) -> None:
    said = subprocess.run([sys.executable, str(BENCHMARK), "--row", row], capture_output=True, text=True, check=True).stdout
    match = re.match(rf"{re.escape(row)}\s+(\d+)\s+(\d+)", said)
    assert match is not None, said
    told, taken = float(match[1]), float(match[2])
    assert taken < TOO_LITTLE * told and (told < MATTERS or told < TOO_MUCH * taken), said
