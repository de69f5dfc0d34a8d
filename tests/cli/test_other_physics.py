"""A kind of mesh and a second field of an installed package, found through its entry points by the command line."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from test_other_packages import command

from stack3d import decks
from stack3d.case import check
from stack3d.errors import DeckError
from stack3d.fields import physics
from stack3d.heat.meshing import mesh_kinds
from stack3d.registry import Registry

KUHN = '''
"""Six tetrahedra around the long diagonal of every brick of an even grid."""

from itertools import permutations

import numpy as np

from stack3d.geometry.grid import build_grid
from stack3d.geometry.hexahedra import layered_cells
from stack3d.heat.meshing import AnyCells
from stack3d.meshes import CellMesh


class Kuhn(AnyCells):
    @classmethod
    def of(cls, chip):
        bricks, _ = layered_cells(chip.stack, build_grid(chip.stack, [], chip.scenario.solver.mesh))
        walk = [[0, a, a + b, 7] for a, b, _ in permutations((1, 2, 4))]
        order = np.array([0, 1, 3, 2, 4, 5, 7, 6])  # of a brick's corners, so that a step along an axis is 1, 2 or 4
        cells = bricks.cells[:, order[walk]].reshape(-1, 4)
        low = np.argmin(bricks.points[bricks.facets].sum(axis=2), axis=1)  # the diagonal of a face begins at its least corner
        turned = np.take_along_axis(bricks.facets, (low[:, None] + np.arange(4)) % 4, axis=1)
        sides = turned[:, [[0, 1, 2], [0, 2, 3]]].reshape(-1, 3)
        return cls(
            CellMesh(
                "tetra", bricks.points, cells, np.repeat(bricks.region, 6), bricks.names, bricks.materials,
                sides, np.repeat(bricks.face, 2), bricks.faces,
            )
        )
'''
CURRENT = '''
"""Steady current between two faces through layers that conduct worse the hotter they are."""

import numpy as np
from scipy.sparse.linalg import spsolve

from stack3d.case.second_fields import SecondField, faces_of
from stack3d.errors import Problem, did_you_mean
from stack3d.fe.stiffness import points_on, stiffness
from stack3d.fields import Variable
from stack3d.schema.base import ElectricalConductivity, InverseTemperature, Voltage


class Current(SecondField):
    reference = "Ohm's law, div(sigma grad phi) = 0"
    own = {"electric": "of a current"}
    fields = (
        Variable("electric", "resistance", (), "ohm", "between the two faces"),
        Variable("electric", "heat", ("layer",), "W", "made by the current in the layer"),
    )

    plus: str
    minus: str
    voltage: Voltage
    conductivity: dict[str, ElectricalConductivity]
    slope: InverseTemperature = 0.0

    def check(self, chip):
        layers, faces = chip.stack.index, faces_of(chip)
        asked = [(f"conductivity.{n}", n, layers) for n in self.conductivity]
        asked += [("plus", self.plus, faces), ("minus", self.minus, [f for f in faces if f != self.plus])]
        return [Problem(key, f"no {n!r}{did_you_mean(n, known)}; known: {', '.join(known)}") for key, n, known in asked if n not in known]

    def solve(self, chip, mesh, temperature, record):
        cold = np.array([self.conductivity.get(name, 0.0) for name in mesh.names])[mesh.region]
        sigma = cold / (1 + self.slope * (temperature[mesh.cells].mean(axis=1) - 300))
        matrix, phi = stiffness(mesh, sigma), np.zeros(mesh.n_nodes)
        phi[plus := points_on(mesh, self.plus)] = self.voltage
        free = np.setdiff1d(np.flatnonzero(matrix.diagonal()), [*plus, *points_on(mesh, self.minus)])
        phi[free] = spsolve(matrix[free][:, free], -(matrix @ phi)[free])
        current = (matrix @ phi)[plus].sum()
        layers = [layer.name for layer in chip.stack.layers]
        heat = [phi @ (stiffness(mesh, sigma * (mesh.region == mesh.names.index(name))) @ phi) for name in layers]
        record.put("electric/resistance", self.voltage / current)
        record.put("electric/heat", heat)
'''
ANNOUNCED = {"stack3d.mesh_kind": "kuhn = kuhn:Kuhn", "stack3d.physics": "current = current:Current"}
REGISTRIES: tuple[Registry[Any], ...] = (mesh_kinds, physics)
SCENARIO = """
scenario: wall
geometry:
  footprint: ["2 mm", "1 mm"]
  layers:
    - {{name: base, thickness: "0.3 mm", material: {{conductivity: "20 W/m/K", heat_capacity: "1.6e6 J/m^3/K"}}}}
    - {{name: die, thickness: "0.1 mm", material: {{conductivity: "100 W/m/K", heat_capacity: "1.6e6 J/m^3/K"}}}}
power: {{sources: [{{name: all, layer: die, power: "{power}"}}]}}
cooling: {{bottom: {{film_coefficient: "1e4 W/m^2/K"}}, ambient: "{ambient}"}}
probes: [{{name: joint, layer: base, x: "0.7 mm", y: "0.4 mm", z: "0.3 mm"}}]
solver: {{mesh: {{cells: {cells}, lateral: 6, per_layer: 3}}, error_promise: 0.05}}
{physics}
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An installed distribution; the registries forget it afterwards."""
    info = tmp_path / "site" / "farther-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: farther\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("".join(f"[{group}]\n{line}\n" for group, line in ANNOUNCED.items()))
    (tmp_path / "site" / "kuhn.py").write_text(KUHN)
    (tmp_path / "site" / "current.py").write_text(CURRENT)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    for registry in REGISTRIES:
        monkeypatch.setattr(registry, "_entries", dict(registry._entries))
        monkeypatch.setattr(registry, "_outside_loaded", False)
    yield tmp_path
    for name in ("kuhn", "current"):
        sys.modules.pop(name, None)


def written(folder: Path, **values: str) -> Path:
    path = folder / "wall.yaml"
    path.write_text(SCENARIO.format(**{"power": "2 W", "ambient": "300 K", "cells": "kuhn", "physics": "", **values}))
    return path


def test_a_kind_of_mesh_of_a_package_is_solved_on(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All heat of the die leaves through base and film; what is found lies within the error that the estimate states."""
    command(monkeypatch, "run", str(written(package)), "-o", str(package / "out"))
    flux = 2 / 2e-6
    joint = 300 + flux * (1 / 1e4 + 0.3e-3 / 20)
    with xr.open_datatree(package / "out" / "wall" / "result.nc") as tree:
        thermal = tree["thermal"]
        assert float(thermal.probe_temperature[0]) == pytest.approx(joint, abs=float(thermal.probe_temperature_error[0]))
        assert float(thermal.heat_out) == pytest.approx(2.0, rel=1e-9)
        die = float(thermal.layer_temperature_mean.sel(layer="die"))  # above the joint by a third of q d / k
        assert die == pytest.approx(joint + flux * 0.1e-3 / 100 / 3, abs=float(thermal.layer_temperature_mean_error.max()))
        assert "elements of twice the size" in thermal.layer_temperature_mean_error.attrs["comment"]
    command(monkeypatch, "mesh", str(written(package)), "-o", str(package / "wall.msh"))
    command(monkeypatch, "view", str(written(package)), "-o", str(package / "wall.vtu"))


def test_what_such_a_mesh_cannot_do_is_refused(package: Path) -> None:
    text = written(package).read_text()
    wrong = text.replace('power: "2 W"', 'power: "2 W", x: ["0 mm", "1 mm"]').replace(
        "solver: {", "maps: {layers: [die], grid: [2, 2]}\nsolver: {backend: tensor, "
    )
    with pytest.raises(DeckError) as refused:
        check(decks.load(_saved(package, wrong)).scenario)
    said = str(refused.value)
    assert "maps: does not go with" in said and "tensor wants the lines" in said and "power.sources[0]: heats a whole" in said
    with pytest.raises(DeckError, match=r"no kind of mesh 'kuhm' \(did you mean 'kuhn'\?\); known: hex, tet, kuhn"):
        decks.load(_saved(package, text.replace("cells: kuhn", "cells: kuhm")))
    with pytest.raises(DeckError, match="'file'"):
        decks.load(_saved(package, text.replace("cells: kuhn", "cells: file")))


def _saved(folder: Path, text: str) -> Path:
    (folder / "wrong.yaml").write_text(text)
    return folder / "wrong.yaml"


ASKED = (
    'physics: {current: {plus: top, minus: bottom, voltage: "0.1 V",'
    ' conductivity: {base: "1e5 S/m", die: "2e5 S/m"}, slope: "4e-3 1/K"}}'
)


@pytest.mark.parametrize("cells", ["hex", "kuhn"])
def test_a_second_field_of_a_package_is_in_the_dataset(package: Path, monkeypatch: pytest.MonkeyPatch, cells: str) -> None:
    """Layers in series at one temperature: R = sum of d / (sigma A), and each takes its share of the heat."""
    path = written(package, power="0 W", ambient="350 K", cells=cells, physics=ASKED)
    command(monkeypatch, "run", str(path), "-o", str(package / "out"), "--set", "expect.electric/resistance='[1, 3] mohm'")
    each = np.array([0.3e-3 / 1e5, 0.1e-3 / 2e5]) / 2e-6 * (1 + 4e-3 * 50)
    with xr.open_datatree(package / "out" / "wall" / "result.nc") as tree:
        electric = tree["electric"]
        assert float(electric.resistance) == pytest.approx(each.sum(), rel=1e-9)
        np.testing.assert_allclose(electric.heat, 0.1**2 / each.sum() * each / each.sum(), rtol=1e-9)
        assert electric.resistance.attrs["units"] == "ohm" and list(electric.layer.values) == ["base", "die"]


def test_a_second_field_sees_the_temperature(package: Path) -> None:
    """Its deck is checked like any other, and its values are in the content hash."""
    path = written(package, cells="hex", physics=ASKED)
    case = decks.load(path)
    assert case.digest() != decks.load(path, [("physics.current.slope", "0 1/K")]).digest()
    assert decks.load(path, [("physics", {})]).digest() == decks.load(written(package, cells="hex")).digest()
    path = _saved(package, SCENARIO.format(power="2 W", ambient="300 K", cells="hex", physics=ASKED.replace("die:", "dye:")))
    with pytest.raises(
        DeckError, match=r"physics.current.conductivity.dye: no 'dye' \(did you mean 'die'\?\); known: base, die"
    ):
        check(decks.load(path).scenario)
    for wrong, said in (
        ("plus: tpo", r"physics.current.plus: no 'tpo' \(did you mean 'top'\?\); known: top, bottom, sides"),
        ("plus: bottom", "physics.current.minus: no 'bottom'"),
    ):
        path = _saved(
            package, SCENARIO.format(power="2 W", ambient="300 K", cells="hex", physics=ASKED.replace("plus: top", wrong))
        )
        with pytest.raises(DeckError, match=said):
            check(decks.load(path).scenario)
    for wrong, said in (
        ("slope", "physics.current.slop: unknown key 'slop'"),
        (
            "current",
            r"physics.curren: unknown key 'curren' \(did you mean 'current', 'source'\?\); allowed: current, source, assumed",
        ),
    ):
        path = _saved(
            package, SCENARIO.format(power="2 W", ambient="300 K", cells="hex", physics=ASKED.replace(wrong, wrong[:-1]))
        )
        with pytest.raises(DeckError, match=said):
            decks.load(path)


def test_a_second_field_is_short() -> None:
    for text in (KUHN, CURRENT):
        assert len([line for line in inspect.cleandoc(text).splitlines() if line.strip()]) < 60
