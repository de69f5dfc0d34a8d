"""Random stacks, and what holds of heat on every one of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from stack3d import decks, yamlfile
from stack3d.case import check, run_case
from stack3d.chip import Chip
from stack3d.fields import is_temperature
from stack3d.heat.meshing import Bricks
from stack3d.heat.solvers import make_backend
from stack3d.progress import Silent

Tree = dict[str, Any]
Box = tuple[float, float, float, float]
"""x0, x1, y0, y1 [mm]."""
AMBIENT = 300.0
MESH = {"lateral": 8, "per_source": 4, "per_layer": 2, "aspect": 2, "refinement": 4, "growth": 0.5}

OVER_TIME = {"lateral": 4, "per_source": 2, "per_layer": 1, "aspect": 4, "refinement": 2, "growth": 1}
"""Fewer elements for heat over time, which takes many steps."""


@dataclass(frozen=True)
class Layer:
    """Thickness [um], conductivity along x, y, z [W/m/K], capacity [J/m3/K], contact below [mm2*K/W], a block and its conductivity."""

    thickness: float
    k: tuple[float, float, float]
    c: float
    contact: float = 0.0
    block: Box | None = None
    k_block: float = 1.0


@dataclass(frozen=True)
class Source:
    """Layer it lies in, where, and its power [W]."""

    layer: int
    box: Box
    watts: float


@dataclass(frozen=True)
class Stack:
    """Sides [mm], layers from below, sources, film on top [W/m2/K], where the probe lies in the uppermost heated layer [mm]."""

    sides: tuple[float, float]
    layers: tuple[Layer, ...]
    sources: tuple[Source, ...]
    film: float
    probe: tuple[float, float]

    def tree(self, unit: str = "mm", backend: str = "tensor", mesh: Tree = MESH, **more: Any) -> Tree:
        """As a scenario."""
        scale = {"mm": 1.0, "um": 1000.0}[unit]

        def length(v: float) -> str:
            return f"{round(v * scale, 6):g} {unit}"

        def rectangle(box: Box) -> Tree:
            return {"x": [length(box[0]), length(box[1])], "y": [length(box[2]), length(box[3])]}

        def material(k: Any, c: float) -> Tree:
            return {"conductivity": [f"{v!r} W/m/K" for v in k], "heat_capacity": f"{c!r} J/m^3/K"}

        layers = []
        for i, layer in enumerate(self.layers):
            one: Tree = {"name": f"l{i}", "thickness": f"{layer.thickness!r} um", "material": material(layer.k, layer.c)}
            if layer.contact and i:
                one["contact_resistance"] = f"{layer.contact!r} mm^2*K/W"
            if layer.block:
                one["blocks"] = [{"name": "b", **rectangle(layer.block), "material": material([layer.k_block] * 3, layer.c)}]
            layers.append(one)
        sources = [
            {"name": f"s{i}", "layer": f"l{s.layer}", **rectangle(s.box), "power": f"{s.watts!r} W"}
            for i, s in enumerate(self.sources)
        ]
        heated = max(s.layer for s in self.sources)
        return {
            "scenario": "any",
            "geometry": {"footprint": [length(v) for v in self.sides], "layers": layers},
            "power": {"sources": sources},
            "cooling": {"top": {"film_coefficient": f"{self.film!r} W/m^2/K"}, "ambient": f"{AMBIENT} K"},
            "probes": [{"name": "p", "layer": f"l{heated}", "x": length(self.probe[0]), "y": length(self.probe[1])}],
            "solver": {"backend": backend, "mesh": mesh, "error_promise": 0.05},
            **more,
        }

    def boxed(self, change: Callable[[Box], Box], turned: bool = False) -> Stack:
        """With every rectangle changed."""
        x, y = self.probe
        a, _, b, _ = change((x, x, y, y))
        layers = [replace(la, block=change(la.block) if la.block else None) for la in self.layers]
        if turned:
            layers = [replace(la, k=(la.k[1], la.k[0], la.k[2])) for la in layers]
        sources = tuple(replace(s, box=change(s.box)) for s in self.sources)
        sides = self.sides[::-1] if turned else self.sides
        return replace(self, sides=(sides[0], sides[1]), layers=tuple(layers), sources=sources, probe=(a, b))


@st.composite
def stacks(draw: st.DrawFn) -> Stack:
    """Two to four layers, with blocks, contacts and one to three sources on edges of a quarter of a millimetre; some blocks are slits."""
    nx, ny = draw(st.integers(6, 16)), draw(st.integers(6, 16))

    def box() -> Box:
        x0, y0 = draw(st.integers(0, nx - 1)), draw(st.integers(0, ny - 1))
        x1, y1 = draw(st.integers(x0 + 1, nx)), draw(st.integers(y0 + 1, ny))
        return 0.25 * x0, 0.25 * x1, 0.25 * y0, 0.25 * y1

    def power_of_ten(low: float, high: float) -> float:
        return float(f"{10 ** draw(st.floats(low, high)):.3g}")

    def slit() -> Box:
        x0, x1, y0, y1 = box()
        width = power_of_ten(-3, -1)
        return (x0, x0 + width, y0, y1) if draw(st.booleans()) else (x0, x1, y0, y0 + width)

    def layer() -> Layer:
        k = power_of_ten(-0.3, 2.5)
        return Layer(
            thickness=power_of_ten(0.7, 2.7),
            k=(k, k * draw(st.sampled_from((1.0, 1.0, 3.0))), k * draw(st.sampled_from((1.0, 0.2)))),
            c=float(f"{draw(st.floats(1.2e6, 3.4e6)):.3g}"),
            contact=draw(st.sampled_from((0.0, 0.0, 1.0, 10.0))),
            block=draw(st.sampled_from((lambda: None, lambda: None, box, box, slit)))(),
            k_block=power_of_ten(-0.3, 2.5),
        )

    layers = tuple(layer() for _ in range(draw(st.integers(2, 4))))
    count = draw(st.integers(1, 3))
    sources = tuple(Source(draw(st.integers(0, len(layers) - 1)), box(), power_of_ten(-2.5, -0.5)) for _ in range(count))
    probe = 0.25 * draw(st.integers(1, nx - 1)), 0.25 * draw(st.integers(1, ny - 1))
    return Stack((0.25 * nx, 0.25 * ny), layers, sources, power_of_ten(3, 5), probe)


def chip_of(tree: Tree) -> Chip:
    return check(decks.resolve(yamlfile.parse_text(json.dumps(tree), "any.yaml")).scenario)


def solved(tree: Tree) -> dict[str, Any]:
    return dict(run_case(decks.resolve(yamlfile.parse_text(json.dumps(tree), "any.yaml")).scenario, Silent()).values)


PEAKS = ("layer_temperature_max", "layer_temperature_mean", "probe_temperature", "peak_temperature")


def apart(one: dict[str, Any], other: dict[str, Any]) -> Iterator[tuple[str, float, float]]:
    """Largest difference of each variable, and the most by which one exceeds what the errors of both allow."""
    for name in PEAKS:
        a, b, e, f = (np.asarray(of[f"thermal/{name}{part}"]) for part in ("", "_error") for of in (one, other))
        gap = np.abs(a - b)
        yield name, float(gap.max()), float((gap - e - f).max())


def steady_faults(stack: Stack) -> Iterator[str]:
    """What does not hold of the steady heat of a stack."""
    tree = stack.tree()
    base = solved(tree)
    rise = float(base["thermal/layer_temperature_max"].max()) - AMBIENT
    power = sum(s.watts for s in stack.sources)
    if not abs(float(base["thermal/heat_out"]) - power) < 1e-7 * power:
        yield "balance"
    for name, value in base.items():
        has_error = is_temperature(name) and f"{name}_error" in base
        if has_error and np.any(value + base[f"{name}_error"] < AMBIENT - 1e-6 * rise):
            yield f"{name} is colder than the surroundings"
    yield from _linear_faults(chip_of(tree), rise)
    yield from _solver_faults(stack)
    width = stack.sides[0]
    same = {
        "mirror": stack.boxed(lambda b: (width - b[1], width - b[0], b[2], b[3])),
        "quarter turn": stack.boxed(lambda b: (b[2], b[3], width - b[1], width - b[0]), turned=True),
        "order of entries": replace(stack, sources=stack.sources[::-1]),
    }
    for what, other in same.items():
        for name, gap, _ in apart(base, solved(other.tree())):
            if gap > 1e-6 * rise:
                yield f"{what}: {name} differs by {gap / rise:.1e} of the rise"
    for name, gap, _ in apart(base, solved(stack.tree(unit="um"))):
        if gap > 1e-9 * rise:
            yield f"units: {name} differs by {gap / rise:.1e} of the rise"
    first, *rest = stack.sources
    middle = round(0.5 * (first.box[0] + first.box[1]), 6)
    halves = [
        replace(first, box=(*x, *first.box[2:]), watts=0.5 * first.watts)
        for x in ((first.box[0], middle), (middle, first.box[1]))
    ]
    yield from _beyond("source split", base, solved(replace(stack, sources=(*halves, *rest)).tree()))
    yield from _layer_split(stack, base)
    yield from _monotony(stack, base, rise)


def _beyond(what: str, one: dict[str, Any], other: dict[str, Any]) -> Iterator[str]:
    for name, gap, excess in apart(one, other):
        if excess > 0:
            yield f"{what}: {name} differs by {gap:.2e} K at most, {excess:.2e} K more than errors allow"


def _linear_faults(chip: Chip, rise: float) -> Iterator[str]:
    """Reciprocity, superposition and scaling of the means over sources."""
    backend = make_backend(chip.scenario, chip.stack, Bricks.of(chip))

    def rises(powers: Any) -> Any:
        field = backend.solve([replace(s, power=float(p)) for s, p in zip(chip.sources, powers)]).field
        return np.array([field.box_means(s.layer, [s.extent])[0] - AMBIENT for s in chip.sources])

    units = np.array([rises(row) for row in np.eye(len(chip.sources))])
    if np.abs(units - units.T).max() > 1e-7 * np.abs(units).max():
        yield f"reciprocity: {np.abs(units - units.T).max() / np.abs(units).max():.1e}"
    powers = np.array([s.power for s in chip.sources])
    for factor in (1.0, 3.0):
        if np.abs(rises(factor * powers) - factor * powers @ units).max() > 1e-7 * factor * rise:
            yield "superposition" if factor == 1.0 else "scaling"


def _solver_faults(stack: Stack) -> Iterator[str]:
    """Both solvers give the same on the same elements."""
    found = []
    for backend in ("tensor", "fem"):
        chip = chip_of(stack.tree(backend=backend, mesh=OVER_TIME))
        field = make_backend(chip.scenario, chip.stack, Bricks.of(chip)).solve(chip.sources).field
        found.append(np.array([field.box_means(layer.name, [layer.extent])[0] - AMBIENT for layer in chip.stack.layers]))
    if np.abs(found[0] - found[1]).max() > 1e-7 * found[0].max():
        yield f"tensor against fem: means differ by {np.abs(found[0] - found[1]).max() / found[0].max():.1e} of the rise"


def _layer_split(stack: Stack, base: dict[str, Any]) -> Iterator[str]:
    """The lowest layer in two of its material; sources in it go half into each."""
    low = stack.layers[0]
    parts = (replace(low, thickness=0.5 * low.thickness), replace(low, thickness=0.5 * low.thickness, contact=0.0))
    sources = []
    for source in stack.sources:
        if source.layer:
            sources.append(replace(source, layer=source.layer + 1))
        else:
            sources += [replace(source, layer=i, watts=0.5 * source.watts) for i in (0, 1)]
    split = solved(replace(stack, layers=(*parts, *stack.layers[1:]), sources=tuple(sources)).tree())
    for name in PEAKS[:2]:
        value, error = split[f"thermal/{name}"], split[f"thermal/{name}_error"]
        joined = value[:2].max() if name.endswith("max") else value[:2].mean()
        split[f"thermal/{name}"] = np.concatenate([[joined], value[2:]])
        split[f"thermal/{name}_error"] = np.concatenate([[error[:2].max()], error[2:]])
    if not any(s.layer == 0 for s in stack.sources) or len(stack.layers) > max(s.layer for s in stack.sources) > 0:
        yield from _beyond("layer split", base, split)


def _monotony(stack: Stack, base: dict[str, Any], rise: float) -> Iterator[str]:
    """More film, more conductivity and less contact cool: the mean over sources, weighted with their power."""

    def mean(of: Stack) -> float:
        chip = chip_of(of.tree())
        field = make_backend(chip.scenario, chip.stack, Bricks.of(chip)).solve(chip.sources).field
        return sum(s.power * float(field.box_means(s.layer, [s.extent])[0] - AMBIENT) for s in chip.sources)

    own = mean(stack)
    better = {
        "film": replace(stack, film=1.5 * stack.film),
        "conductivity": replace(
            stack, layers=tuple(replace(la, k=(1.3 * la.k[0], 1.3 * la.k[1], 1.3 * la.k[2]), k_block=1.3 * la.k_block) for la in stack.layers)
        ),
        "contact": replace(stack, layers=tuple(replace(la, contact=0.0) for la in stack.layers)),
    }  # fmt: skip
    for what, other in better.items():
        if mean(other) > own * (1 + 1e-9):
            yield f"monotony in {what}"


def faults_over_time(stack: Stack) -> Iterator[str]:
    """What does not hold of the heat of a stack over time."""
    closed = replace(stack, film=1e-6)
    area = stack.sides[0] * stack.sides[1] * 1e-6
    capacity = np.array([la.c * la.thickness * 1e-6 * area for la in stack.layers])
    power = sum(s.watts for s in stack.sources)
    span = float(f"{capacity.sum() / power:.3g}")  # a kelvin
    outputs = [f"{span * share!r} s" for share in (0.01, 0.1, 1.0)]
    found = solved(closed.tree(mesh=OVER_TIME, transient={"until": outputs[-1], "outputs": outputs}))
    stored = (found["thermal/layer_temperature_mean"] - AMBIENT) @ capacity
    put = power * span * np.array([0.01, 0.1, 1.0])
    if np.abs(stored / put - 1).max() > 1e-5:
        yield f"energy over time: {stored / put}"
    yield from peak_faults(found)
    base = solved(stack.tree(mesh=OVER_TIME))
    yield from _periodic_faults(stack, base, float(capacity.sum() / (stack.film * area)))
    upright = 1 / stack.film + sum(1e-6 * (la.contact + la.thickness / min(la.k[2], la.k_block)) for la in stack.layers)
    across = max(la.c / min(*la.k[:2], la.k_block) for la in stack.layers) * max(stack.sides) ** 2 * 1e-6
    yield from _late_faults(stack, base, float(capacity.sum() / area * upright + across))


def _late_faults(stack: Stack, base: dict[str, Any], constant: float) -> Iterator[str]:
    """After many time constants [s] heat is steady."""
    until = f"{20 * constant:.3g} s"
    found = solved(stack.tree(mesh=OVER_TIME, transient={"until": until, "outputs": [until]}))
    for name in PEAKS[:3]:
        value, error = found[f"thermal/{name}"][-1], found[f"thermal/{name}_error"][-1]
        gap, allowed = np.abs(value - base[f"thermal/{name}"]), error + base[f"thermal/{name}_error"]
        if np.any(gap > allowed):
            yield f"transient to steady: {name} differs by {gap.max():.2e} K, errors allow {allowed.min():.2e} K"


def peak_faults(values: dict[str, Any]) -> Iterator[str]:
    """Peaks of all instants are no lower than what outputs show, the stack's is that of its hottest layer, each has an error."""
    peak, shown = float(values["thermal/peak_temperature"]), np.asarray(values["thermal/layer_temperature_max"])
    rounding = 1e-9 * shown.max()
    if peak < shown.max() - rounding:
        yield f"the peak of all instants, {peak}, is below that of an output, {shown.max()}"
    if not values["thermal/peak_temperature_error"] >= 0:
        yield "the peak has no error"
    if (ever := values.get("thermal/layer_temperature_peak")) is not None:
        if np.any(ever < np.atleast_2d(shown).max(axis=0) - rounding):
            yield "a layer's peak of all instants is below that of an output"
        if abs(ever.max() - peak) > rounding:
            yield f"the peak is {peak}, that of the hottest layer {ever.max()}"
        if not np.all(values["thermal/layer_temperature_peak_error"] >= 0):
            yield "a layer's peak has no error"


def _periodic_faults(stack: Stack, base: dict[str, Any], constant: float) -> Iterator[str]:
    """On for half of a period: two instants half a period apart have the rise of steady power in sum."""
    period = float(f"{constant:.3g}")
    duty = {"period": f"{period!r} s", "on": f"{0.5 * period!r} s"}
    times = [f"{share * period!r} s" for share in (0.2, 0.7)]
    found = solved(
        stack.tree(mesh=OVER_TIME, transient={"until": f"{period!r} s", "outputs": times, "duty": duty, "periodic": True})
    )
    yield from peak_faults(found)
    for name in PEAKS[1:3]:
        value, error = found[f"thermal/{name}"], found[f"thermal/{name}_error"]
        gap = np.abs(value.sum(axis=0) - AMBIENT - base[f"thermal/{name}"])
        allowed = error.sum(axis=0) + base[f"thermal/{name}_error"]
        if np.any(gap > allowed):
            yield f"periodic: {name} differs by {gap.max():.2e} K, errors allow {allowed.min():.2e} K"
