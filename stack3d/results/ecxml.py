"""A stack, or the two resistances of a package, as ECXML: the neutral file that tools of electronics cooling exchange."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from stack3d import decks, yamlfile
from stack3d.errors import DeckError, Problem, ResultsError
from stack3d.geometry import build_stack, explicit_sources
from stack3d.layout import FILL, Layer, Material, Rectangle, Stack
from stack3d.results.case_tree import open_result
from stack3d.results.netcdf import write_text
from stack3d.schema import Scenario

LAW_POINTS = 16
"""Of a conductivity that follows the temperature, between `LAW_RANGE` or its own limits."""
LAW_RANGE = (250.0, 450.0)
"""[K]"""
SPECIFIC = 1000.0
"""Specific heat [J kg⁻¹ K⁻¹] that is written: ours is by volume, and the density carries the rest."""


def write_ecxml(path: Path, given: Path) -> None:
    """Write a scenario (by file or name) in full, or of a result with the figures of a package its two resistances.

    Parameters
    ----------
    path : Path
        Of the ``.ecxml``.
    given : Path

    Raises
    ------
    DeckError, ResultsError
        For what the format cannot hold, and for a result without the figures.
    """
    if decks.is_scenario(given):
        case = decks.load(given)
        with case.located():
            write_text(path, ecxml_of_stack(case.scenario, case.name))
        return
    tree = open_result(given)
    figures = tree["thermal"].to_dataset() if "thermal" in tree.children else {}
    if "theta_jc_top" not in figures or "psi_jb" not in figures:
        raise ResultsError(
            "the result has no two resistances: put jedec: {junction, top, board} into its scenario; a .yaml is written in full"
        )
    text = str(tree.attrs["resolved_scenario"])
    case = decks.resolve(yamlfile.parse_text(text, str(given)), given)
    theta_jc, theta_jb = (float(figures[name]) for name in ("theta_jc_top", "psi_jb"))
    write_text(path, ecxml_of_figures(case.scenario, case.name, theta_jc, theta_jb))


def ecxml_of_stack(scenario: Scenario, name: str) -> str:
    """A steady stack in full: materials, a block for every layer and block, sources, probes and the ambient.

    Parameters
    ----------
    scenario : Scenario
    name : str
        Of the model.

    Raises
    ------
    DeckError
        For what the format cannot hold and what would change temperatures if it were left out.

    Notes
    -----
    Lengths in metres, powers in watts, temperatures in kelvin, conductivities in W m⁻¹ K⁻¹. Of solids that overlap the later
    counts: blocks follow their layer, and parts follow the fill that they stand in.
    """
    if scenario.geometry.mesh is not None:
        raise DeckError(Problem("geometry.mesh", "ECXML wants layers: a mesh of your own is not written"))
    stack = build_stack(scenario.geometry)
    if problems := list(_unheld(scenario, stack)):
        raise DeckError(problems)
    written = [*(layer for layer in stack.layers if layer.part != FILL), *_whole_fill(stack), *stack.parts]
    materials = _materials(written)
    solids = [solid for layer in written for solid in _solids(layer, materials)]
    sources = [
        _source(stack, source.layer, source.name, source.extent, source.power) for source in explicit_sources(scenario, stack)
    ]
    domain = _around(stack.footprint, written, scenario.cooling.ambient)
    listed = "".join(_material(label, material) for material, label in materials.items())
    geometry = "".join([*solids, *sources, *_monitors(scenario, stack)])
    return _document(name, f"{domain}{_element('materials', listed)}{_element('geometry', geometry)}")


def ecxml_of_figures(scenario: Scenario, name: str, theta_jc: float, theta_jb: float) -> str:
    """A package as two resistances from its junction, to its top and to the board.

    Parameters
    ----------
    scenario : Scenario
        With the figures of a package; what lies above the layer of its probe on the board is the package.
    name : str
    theta_jc, theta_jb : float
        [K W⁻¹]

    Raises
    ------
    DeckError
        When nothing lies above the board, and for a resistance that is not above 0.

    Notes
    -----
    The format wants θJB of JESD51-8, with a ring around the package that takes all heat. Ours is ΨJB, in the surroundings of
    the scenario: it lies below θJB by what leaves through the top.
    """
    _refuse_negative(theta_jc, theta_jb)
    stack = build_stack(scenario.geometry)
    board = next(stack.layer(p.layer) for p in scenario.probes if scenario.jedec is not None and p.name == scenario.jedec.board)
    body = [layer for layer in (*stack.layers, *stack.parts) if layer.z0 >= board.z1 - 1e-12]
    if not body:
        raise DeckError(Problem("jedec.board", f"nothing lies above layer {board.name!r}: there is no package to write"))
    outline = [layer.extent for layer in body]
    whole = Rectangle(
        min(b.x0 for b in outline), max(b.x1 for b in outline), min(b.y0 for b in outline), max(b.y1 for b in outline)
    )
    z0, z1 = min(layer.z0 for layer in body), max(layer.z1 for layer in body)
    power = sum(source.power for source in explicit_sources(scenario, stack))
    inner = [_box(name, whole, z0, z1), "<plane>+xy</plane>", _value("powerDissipation", power)]
    model = _element("twoResistorModel", "".join([*inner, _value("thetaJC", theta_jc), _value("thetaJB", theta_jb)]))
    low, size = (whole.x0, whole.y0, z0), (whole.x1 - whole.x0, whole.y1 - whole.y0, z1 - z0)
    return _document(name, _domain(low, size, scenario.cooling.ambient) + _element("geometry", model))


def _refuse_negative(theta_jc: float, theta_jb: float) -> None:
    """Raise DeckError for resistances that are not above 0. [K W⁻¹]"""
    for key, what, value in (("board", "psi_jb", theta_jb), ("top", "theta_jc_top", theta_jc)):
        if not value > 0:
            text = f"{what} is {value:.4g} K/W, so the {key} is no cooler than the junction; ECXML wants resistances above 0"
            raise DeckError(Problem(f"jedec.{key}", f"{text}: choose other probes for junction and {key}"))


def _monitors(scenario: Scenario, stack: Stack) -> Iterator[str]:
    for probe in scenario.probes:
        layer = stack.layer(probe.layer)
        at = (probe.x, probe.y, probe.z if probe.z is not None else 0.5 * (layer.z0 + layer.z1))
        yield _element("monitorPoint", _head(probe.name) + _xyz("location", at))


def _around(footprint: Rectangle, layers: Sequence[Layer], ambient: float) -> str:
    """The domain: the room that all layers take, and the ambient. [m], [K]"""
    boxes = [footprint, *(layer.extent for layer in layers)]
    low = (min(b.x0 for b in boxes), min(b.y0 for b in boxes), min(layer.z0 for layer in layers))
    high = (max(b.x1 for b in boxes), max(b.y1 for b in boxes), max(layer.z1 for layer in layers))
    return _domain(low, [b - a for a, b in zip(low, high)], ambient)


def _unheld(scenario: Scenario, stack: Stack) -> Iterator[Problem]:
    """What a file of this kind cannot say."""
    if scenario.workload is not None:
        yield Problem("workload", "ECXML holds powers in watts: the heat of a network is not written; give power.sources")
    for layer in (*stack.layers, *stack.parts):
        if layer.channels is not None:
            yield Problem("geometry", f"layer {layer.name!r} has coolant, which ECXML cannot hold")
        if layer.cylinders:
            yield Problem("geometry", f"layer {layer.name!r} has resolved cylinders; leave resolved away for ECXML")
        if layer.contact_resistance:
            yield Problem("geometry", f"layer {layer.name!r} has a contact_resistance; put a thin layer in its place for ECXML")


def _whole_fill(stack: Stack) -> list[Layer]:
    """What lies between parts, without them."""
    return [Layer(layer.name, layer.z0, layer.z1, layer.extent, layer.material) for layer in stack.layers if layer.part == FILL]


def _materials(layers: Sequence[Layer]) -> dict[Material, str]:
    """Every material with a name of its own: two of one name that differ get numbers."""
    found: dict[Material, str] = {}
    taken: set[str] = set()
    for material in (m for layer in layers for m in (layer.material, *(block.material for block in layer.blocks))):
        if material in found:
            continue
        base, count = material.name or "material", 1
        label = base
        while label in taken:
            count += 1
            label = f"{base}_{count}"
        taken.add(label)
        found[material] = label
    return found


def _material(label: str, material: Material) -> str:
    density = _value("density", material.heat_capacity / SPECIFIC) + _value("specific_heat", SPECIFIC)
    conductivity = _element("thermalConductivity", _conductivity(material))
    return _element("material", f"{_text('name', label)}{density}{_value('surfaceEmissivity', 0.0)}{conductivity}")


def _conductivity(material: Material) -> str:
    """Isotropic, orthotropic, or a table over the temperature; raises DeckError for both at once."""
    kx, ky, kz = material.conductivity
    if material.conducts is None:
        if kx == ky == kz:
            return _element("isotropic", _value("conductivity", kx))
        return _element("orthotropic", "".join(_value(axis, k) for axis, k in zip("xyz", material.conductivity)))
    if not kx == ky == kz:
        text = f"conductivity of {material.name!r} differs by direction and follows the temperature; ECXML holds one of the two"
        raise DeckError(Problem("geometry", text))
    low, high = (float(np.clip(end, *material.conducts.limits)) for end in LAW_RANGE)
    points = []
    for kelvin in np.linspace(low, high, LAW_POINTS):
        k = kx * float(material.conducts.factor(np.asarray(kelvin)))
        points.append(_element("tempCurvePoint", _value("temperature", float(kelvin)) + _value("conductivity", k)))
    return _element("nonLinearTemperatureDependant", "".join(points))


def _solids(layer: Layer, materials: dict[Material, str]) -> Iterator[str]:
    for name, extent, material in (
        (layer.name, layer.extent, layer.material),
        *((f"{layer.name}.{block.name}", block.extent, block.material) for block in layer.blocks),
    ):
        inner = (
            _box(name, extent, layer.z0, layer.z1) + _text("material", materials[material]) + _value("powerDissipation", 0.0)
        )
        yield _element("solid3dBlock", inner)


def _source(stack: Stack, layer: str, name: str, extent: Rectangle, power: float) -> str:
    """Heat in a box of a layer.

    Parameters
    ----------
    stack : Stack
    layer, name : str
    extent : Rectangle
        [m]
    power : float
        [W]
    """
    heated = stack.layer(layer)
    return _element("sourceBlock", _box(name, extent, heated.z0, heated.z1) + _value("powerDissipation", power))


def _box(name: str, extent: Rectangle, z0: float, z1: float) -> str:
    """Name, lower corner and size.

    Parameters
    ----------
    name : str
    extent : Rectangle
        [m]
    z0, z1 : float
        [m]
    """
    size = (extent.x1 - extent.x0, extent.y1 - extent.y0, z1 - z0)
    return _head(name) + _xyz("location", (extent.x0, extent.y0, z0)) + _xyz("size", size)


def _document(name: str, inner: str) -> str:
    head = f"{_text('name', name)}{_text('producer', 'stack3d')}"
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{_element("neutralXML", head + inner)}'


def _domain(location: Sequence[float], size: Sequence[float], ambient: float) -> str:
    """Room that is solved, and what is around it. [m], [K]"""
    around = _value("temperature", ambient) + _value("radiantTemperature", ambient) + _value("pressure", 0.0)
    return _element("solutionDomain", _xyz("location", location) + _xyz("size", size) + _element("ambientConditions", around))


def _head(name: str) -> str:
    return f"{_text('name', name)}<active>true</active>"


def _xyz(tag: str, values: Sequence[float]) -> str:
    return _element(tag, "".join(_value(axis, value) for axis, value in zip("xyz", values)))


def _value(tag: str, value: Any) -> str:
    return f"<{tag}>{float(value):.12g}</{tag}>"


def _text(tag: str, text: str) -> str:
    return f"<{tag}>{escape(text, quote=False)}</{tag}>"


def _element(tag: str, inner: str) -> str:
    """One element, those of objects on lines of their own."""
    return f"<{tag}>{inner}</{tag}>\n"
