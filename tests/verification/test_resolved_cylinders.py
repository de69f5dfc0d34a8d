"""Cylinders that are meshed one by one against exact bounds, a multipole series and the mixing rules."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from stack3d import decks, yamlfile
from stack3d.case import run_case
from stack3d.geometry.mixing import across_cylinders, along_cylinders, area_fraction
from stack3d.geometry.stack import build_stack
from stack3d.geometry.tetrahedra import build_columns
from stack3d.meshes import Columns
from stack3d.progress import Silent
from stack3d.schema.geometry import GeometryDeck
from stack3d.schema.numerics import MeshDeck
from stack3d.thermal.column_problem import ColumnProblem
from stack3d.thermal.fem.solver_of_cells import solver_of_cells
from stack3d.thermal.problem import Face

PITCH, THICKNESS = 100e-6, 20e-6


def unit_cell(diameter: float, host: float, fill: float, **more: Any) -> tuple[Any, Columns]:
    """One cylinder in a square of the pitch."""
    material = {
        name: {"conductivity": f"{k} W/m/K", "heat_capacity": "1e6 J/m^3/K"} for name, k in (("host", host), ("fill", fill))
    }
    cylinders = {**material, "diameter": f"{diameter} m", "pitch": f"{PITCH} m", "resolved": True, **more}
    slab = {"name": "field", "thickness": f"{THICKNESS} m", "material": {"cylinders": cylinders}}
    stack = build_stack(GeometryDeck.model_validate({"footprint": [f"{PITCH} m"] * 2, "layers": [slab]}))
    return stack, build_columns(stack, [], MeshDeck(lateral=12, per_layer=1, aspect=100.0, cells="tet", sides=24))


def conductivity(stack: Any, body: Columns, direction: str) -> float:
    """Between two opposite faces of fixed temperature, the others adiabatic. [W m⁻¹ K⁻¹]"""
    n, faces = len(body.points), dict(body.faces)
    if direction == "x":
        x = body.points[faces["sides"] % n, 0]
        faces = {"low": faces["sides"][(x < 1e-9).all(axis=1)], "high": faces["sides"][(x > PITCH - 1e-9).all(axis=1)]}
        area, length = PITCH * THICKNESS, PITCH
    else:
        faces = {"low": faces["bottom"], "high": faces["top"]}
        area, length = PITCH**2, THICKNESS
    problem = ColumnProblem(stack, replace(body, faces=faces), {"low": Face(np.inf, 300.0), "high": Face(np.inf, 310.0)})
    solution = solver_of_cells(problem, order=2).solve([])
    np.testing.assert_allclose(solution.face_heat["low"], -solution.face_heat["high"], rtol=1e-9)
    return solution.face_heat["low"] * length / (area * 10.0)


def multipoles(fill: float, host: float, f: float) -> float:
    """Across a square lattice, to the order f⁸.

    W. T. Perrins, D. R. McKenzie and R. C. McPhedran, Proc. R. Soc. A 369 (1979) 207. doi:10.1098/rspa.1979.0160
    """
    t = (host + fill) / (host - fill)
    return host * (1 - 2 * f / (t + f - 0.305827 * f**4 * t / (t**2 - 1.402958 * f**8) - 0.013362 * f**8 / t))


CASES = [(50e-6, 1.0, 60.0), (50e-6, 130.0, 398.0), (70e-6, 1.0, 60.0), (80e-6, 148.0, 1.4)]


@pytest.mark.parametrize(("diameter", "host", "fill"), CASES)
def test_unit_cell(diameter: float, host: float, fill: float) -> None:
    """Along the cylinders the area mean to rounding; across them the series to 0.3 %, within the bounds of Hashin and Shtrikman."""
    f = area_fraction(diameter, PITCH)
    stack, body = unit_cell(diameter, host, fill)
    np.testing.assert_allclose(conductivity(stack, body, "z"), along_cylinders(fill, host, f), rtol=1e-9)
    across = conductivity(stack, body, "x")
    np.testing.assert_allclose(across, multipoles(fill, host, f), rtol=3e-3)
    bounds = sorted([across_cylinders(fill, host, f), across_cylinders(host, fill, 1 - f)])  # Hashin 1970, two dimensions
    assert bounds[0] * (1 - 1e-3) < across < bounds[1] * (1 + 1e-3)
    if f < 0.2:
        np.testing.assert_allclose(across, across_cylinders(fill, host, f), rtol=3e-3)


def test_liner_and_ends() -> None:
    """A liner leaves the host alone to conduct across; resistance at the ends is in series with each cylinder."""
    f = area_fraction(50e-6, PITCH)
    stack, body = unit_cell(50e-6, 130.0, 398.0, insulated=True, end_resistance="1 mm^2*K/W")
    through = THICKNESS / (THICKNESS / 398.0 + 1e-6)
    np.testing.assert_allclose(conductivity(stack, body, "z"), along_cylinders(through, 130.0, f), rtol=1e-9)
    np.testing.assert_allclose(conductivity(stack, body, "x"), multipoles(0.0, 130.0, f), rtol=3e-3)


FIELD = """
scenario: field
geometry:
  footprint: ["300 um", "300 um"]
  layers:
    - {name: lower, thickness: "30 um", material: {conductivity: "130 W/m/K", heat_capacity: "1.6e6 J/m^3/K"}}
    - name: bumps
      thickness: "20 um"
      material: {cylinders: {host: underfill, fill: solder_sac, diameter: "25 um", pitch: "50 um", resolved: RESOLVED}}
    - {name: upper, thickness: "30 um", material: {conductivity: "130 W/m/K", heat_capacity: "1.6e6 J/m^3/K"}}
power: {sources: [{name: heat, layer: lower, power: "0.5 W"}]}
cooling: {top: {film_coefficient: "1e5 W/m^2/K"}, ambient: "300 K"}
solver: {mesh: {cells: tet, lateral: 12, per_layer: 2, aspect: 0.5}, order: 2, error_promise: 0.02}
"""


def test_field_against_its_mixing_rule() -> None:
    """Six by six bumps between dies: the drop is that of the homogenised layer and the constriction of the heat beside it.

    Constriction of a flux tube into a disc, both sides: (1 - e)^1.5 / (2 k a), e the radius over that of the tube (M. G. Cooper,
    B. B. Mikic, M. M. Yovanovich, Int. J. Heat Mass Transfer 12 (1969) 279). It holds for discs of one temperature; even flux
    has 8 % more, and the tube is a square of 50 um, 30 um long.
    """
    drop = {}
    for resolved in ("true", "false"):
        case = decks.resolve(yamlfile.parse_text(FIELD.replace("RESOLVED", resolved), "field.yaml"))
        values = run_case(case.scenario, Silent()).values
        assert values["thermal/heat_balance_error"] < 1e-8
        means = values["thermal/layer_temperature_mean"]
        drop[resolved] = float(means[0] - means[2])
    radius, tube = 12.5e-6, 50e-6 / np.sqrt(np.pi)
    constriction = (1 - radius / tube) ** 1.5 / (2 * 130.0 * radius) * 0.5 / 36
    np.testing.assert_allclose(drop["true"] - drop["false"], constriction, rtol=0.15)
