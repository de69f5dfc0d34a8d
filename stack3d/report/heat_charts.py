"""Figures of the stack, its temperatures and its power."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby

import numpy as np

from stack3d import units
from stack3d.constants import ZERO_CELSIUS
from stack3d.errors import ResultsError
from stack3d.layout import FILL, Floats, Layer, Material
from stack3d.report.chart import (
    COLOURS,
    Axis,
    ColourScale,
    Dot,
    DrawnBox,
    Figure,
    Line,
    Map,
    Mark,
    Panel,
    Rule,
    categories,
    colour_scale,
    decades,
    linear,
    si,
)
from stack3d.report.facts import Facts

WIDE = 100.0
"""Largest over smallest power from which on their axis is logarithmic."""
TOLD_APART = 0.01
"""Share of the range of a figure by which a curve has to leave another one to be drawn beside it."""
EVEN = 20
"""Instants at equal distances that are drawn over time as it runs; fewer, or others, on a logarithmic axis."""
MATERIALS = ("#8fb8de", "#e8c39e", "#b7d7b0", "#d9b3d4", "#f2e394", "#c9c9c9", "#e79f8f", "#8fc7c2", "#b3a58c", "#a3a3d1")
"""Pale fills for materials, told apart by lightness too; a further material starts again and is named on hover."""


def _millimetres(values: tuple[float, float]) -> tuple[float, float]:
    return 1e3 * values[0], 1e3 * values[1]


def _height_axis(low: float, high: float) -> Axis:
    if high - low < 0.3e-3:
        return linear("z [µm]", 1e6 * low, 1e6 * high, margin=0.0, unit="µm")
    return linear("z [mm]", 1e3 * low, 1e3 * high, margin=0.0, unit="mm")


def _scaled(axis: Axis) -> float:
    return 1e6 if axis.unit == "µm" else 1e3


def _layer_tip(layer: Layer) -> str:
    k = layer.material.conductivity
    conductivity = f"{k[0]:g}" if len(set(k)) == 1 else ", ".join(f"{v:g}" for v in k)
    contact = f", {layer.contact_resistance * 1e6:g} mm²K/W to the layer below" if layer.contact_resistance else ""
    role = f" ({layer.role})" if layer.role else ""
    return f"{layer.name}{role}: {layer.material.name}, {si(layer.thickness, 'm')} thick, k {conductivity} W/m/K{contact}"


def _stack_marks(facts: Facts, factor: float, low: float, high: float) -> tuple[Mark, ...]:
    names = list(dict.fromkeys(m.name for layer in facts.stack.layers for m in _materials(layer)))
    colour = {name: MATERIALS[i % len(MATERIALS)] for i, name in enumerate(names)}
    marks: list[Mark] = []
    parts = {part.name: _layer_tip(part) for part in facts.stack.parts}
    for layer in facts.stack.layers:
        z0, z1 = max(layer.z0, low), min(layer.z1, high)
        if z1 <= z0:
            continue
        x0, x1 = _millimetres((layer.extent.x0, layer.extent.x1))
        tip = _layer_tip(layer)
        label = "" if layer.part == FILL else layer.name
        marks.append(DrawnBox(x0, x1, factor * z0, factor * z1, colour[layer.material.name], tip, label))
        for block in layer.blocks:
            b0, b1 = _millimetres((block.extent.x0, block.extent.x1))
            marks.append(
                DrawnBox(
                    b0,
                    b1,
                    factor * z0,
                    factor * z1,
                    colour[block.material.name],
                    parts.get(block.name, f"{block.name}: {block.material.name}, in {tip}"),
                )
            )
    return tuple(marks)


def _materials(layer: Layer) -> list[Material]:
    return [layer.material, *(block.material for block in layer.blocks)]


def stack(facts: Facts) -> Figure:
    """The stack to scale in height, and its tiers magnified."""
    bottom, top = facts.stack.layers[0].z0, facts.stack.layers[-1].z1
    boxes = [layer.extent for layer in facts.stack.layers]
    x = linear("x [mm]", 1e3 * min(b.x0 for b in boxes), 1e3 * max(b.x1 for b in boxes), margin=0.0, unit="mm")
    used = list(dict.fromkeys(m.name for layer in facts.stack.layers for m in _materials(layer)))
    legend = tuple((name.replace("_", " "), MATERIALS[i % len(MATERIALS)]) for i, name in enumerate(used))
    panels: list[Panel] = []
    for title, span in (("whole stack", (bottom, top)), ("tiers, magnified", facts.zoom())):
        if span is None:
            continue
        y = _height_axis(*span)
        marks = _stack_marks(facts, _scaled(y), *span)
        of = (
            ("peak_spot", "layer_temperature_peak") if facts.has("thermal/peak_spot") else ("hot_spot", "layer_temperature_max")
        )
        if facts.has(f"thermal/{of[0]}"):
            hx, _, hz = facts.last(f"thermal/{of[0]}")
            if span[0] <= hz <= span[1]:
                peak = facts.celsius(f"thermal/{of[1]}").max()
                tip = f"hottest point of the stack: {peak:.2f} °C"
                marks += (Dot(1e3 * hx, _scaled(y) * hz, "hottest", tip, "#b91c1c", ring=True),)
        panels.append(Panel(title, x, y, marks, legend=legend if not panels else (), height=0.75))
    return Figure(
        "stack",
        "The stack",
        "Cross-section, heights to scale (x is compressed or stretched to fit). Colours are materials.",
        tuple(panels),
    )


def profile(facts: Facts) -> Figure:
    """Mean and largest temperature of each layer over the height."""
    mean, peak = facts.celsius("thermal/layer_temperature_mean"), facts.celsius("thermal/layer_temperature_max")
    layers = facts.stack.named
    if len(mean) != len(layers):
        raise ResultsError(f"the result of {facts.name} has {len(mean)} layers, its resolved scenario {len(layers)}")
    middle = np.array([0.5 * (layer.z0 + layer.z1) for layer in layers])
    hottest = facts.last("thermal/layer_hot_spot")[:, 2] if facts.has("thermal/layer_hot_spot") else middle

    def panel(title: str, low: float, high: float) -> Panel:
        inside = np.flatnonzero((middle >= low) & (middle <= high))
        y = _height_axis(low, high)
        factor = _scaled(y)
        both = np.concatenate([mean[inside], peak[inside]])
        x = linear("temperature [°C]", both.min(), both.max(), unit="°C")
        dots: tuple[Mark, ...] = tuple(
            Dot(
                mean[i],
                factor * middle[i],
                "",
                f"{layers[i].name}: mean {mean[i]:.3f} °C, largest {peak[i]:.3f} °C",
                COLOURS[0],
            )
            for i in inside
        ) + tuple(
            Dot(
                peak[i], factor * hottest[i], "", f"{layers[i].name}: largest {peak[i]:.3f} °C, at that height", COLOURS[1]
            )
            for i in inside
            if low <= hottest[i] <= high
        )  # fmt: skip
        curves: list[Mark] = []
        for _, run in groupby(inside.tolist(), key=lambda i: layers[i].part):  # a part has curves of its own
            at, told = list(run), not curves
            curves += [
                Line("layer mean" if told else "", mean[at], factor * middle[at], COLOURS[0]),
                Line("layer maximum" if told else "", peak[at], factor * hottest[at], COLOURS[1], dashed=True),
            ]
        return Panel(title, x, y, (*curves, *dots), height=0.75)

    panels = [panel("whole stack", layers[0].z0, layers[-1].z1)]
    zoom = facts.zoom()
    if zoom is not None:
        panels.append(panel("tiers, magnified", *zoom))
    return Figure(
        "profile",
        "Temperature through the height",
        "Volume mean of every layer at its mid-height; its largest temperature at the height where that is.",
        tuple(panels),
    )


def history(facts: Facts) -> Figure:
    """Temperature over time at the probes and in the hottest layers; raises ResultsError for a steady run."""
    peaks = facts.get("thermal/layer_temperature_max")
    if "time" not in peaks.dims:
        raise ResultsError(f"the result of {facts.name} is steady; a temperature over time needs transient in its scenario")
    time = peaks["time"].values
    curves = {}
    if facts.has("thermal/probe_temperature"):
        found = facts.get("thermal/probe_temperature")
        curves = {str(name): found.sel(probe=name).values - ZERO_CELSIUS for name in found["probe"].values[:5]}
    for index in np.argsort(-peaks.isel(time=-1).values, kind="stable")[:3]:
        values = peaks.isel(layer=index).values - ZERO_CELSIUS
        apart = TOLD_APART * float(np.ptp([*values, *np.ravel(list(curves.values()))]))
        if all(np.abs(values - one).max() > apart for one in curves.values()):
            curves[f"largest in {peaks['layer'].values[index]}"] = values
    marks = tuple(
        Line(label, time, values, COLOURS[i], dots=True, dashed=label.startswith("largest"))
        for i, (label, values) in enumerate(curves.items())
    )
    spread = np.concatenate(list(curves.values()))
    y = linear("temperature [°C]", float(spread.min()), float(spread.max()), unit="°C")
    if time.size >= EVEN and np.allclose(np.diff(time), time[-1] / time.size, rtol=0.01):
        x, shown = linear("time [s]", 0.0, float(time[-1]), unit="s"), tuple(replace(m, dots=False) for m in marks)
        stored = ""
    else:
        x = decades("time", float(time[time > 0].min()), float(time[-1]), unit="s", prefixed=True)
        shown = tuple(replace(m, x=m.x[time > 0], y=m.y[time > 0]) for m in marks)
        stored = " Dots are the instants that `transient.outputs` asks for; what lies between them is not straight."
    caption = f"At the probes, and the largest of the hottest layers that differ from them.{stored}"
    return Figure("history", "Temperature over time", caption, (Panel("", x, y, shown),))


def period(facts: Facts) -> Figure:
    """Temperature of the hottest and the coolest tile within one period of the power."""
    history = facts.get("thermal/tile_temperature_history")
    phase = history["phase"].values
    unit, size = next((u, s) for u, s in (("h", 3600.0), ("min", 60.0), ("s", 1.0), ("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9))
                      if phase[-1] >= 2 * s or u == "ns")  # fmt: skip
    celsius = history.values - ZERO_CELSIUS
    means = np.trapezoid(celsius, phase, axis=0) / phase[-1]
    marks: list[Mark] = []
    for index, colour in dict(zip((int(means.argmax()), int(means.argmin())), COLOURS[1::-1])).items():
        label = f"tile {history['tile'].values[index]}"
        marks += [Line(label, phase / size, celsius[:, index], colour)]
        marks += [Rule("y", float(means[index]), f"mean {means[index]:.1f} °C", colour)]
    x = linear(f"time within the period [{unit}]", 0.0, float(phase[-1] / size), unit=unit, margin=0.0)
    y = linear("temperature [°C]", float(celsius.min()), float(celsius.max()), unit="°C")
    levels = int(facts.last("reliability/temperature_levels"))
    caption = (
        f"Hottest and coolest tile in the first epoch. Cells age at {levels} temperature{'s' if levels > 1 else ''} that stand"
        " for this history; activated mechanisms run faster at its top than at its mean."
    )
    return Figure("period", "Temperature within a period of the power", caption, (Panel("", x, y, tuple(marks)),))


def mission(facts: Facts) -> Figure:
    """Hottest place, time and ageing of every phase of a mission."""
    highest = facts.get("thermal/phase_layer_temperature_max")
    names = [str(name) for name in highest["mission_phase"].values]
    hottest, shares = highest.values.max(axis=1) - ZERO_CELSIUS, 100 * facts.values("thermal/phase_share")
    scale = linear("temperature [°C]", float(min(0.0, hottest.min())), 1.25 * float(hottest.max()), unit="°C")
    panels = [
        _phase_bars("hottest place", names, hottest, scale),
        _phase_bars("time", names, shares, linear("share [%]", 0.0, 125.0, unit="%")),
    ]
    if facts.has("reliability/phase_ageing"):
        tier = int(np.argmax(facts.values("reliability/equivalent_time")[-1]))
        aged = 100 * facts.values("reliability/phase_ageing")[-1, :, tier]
        panels.append(_phase_bars("ageing of retention", names, aged, linear("share [%]", 0.0, 125.0, unit="%")))
    caption = (
        "Each phase as it is when its heat has settled, in the first epoch; ageing of the tier that ages most, in the last."
        " All other figures are of the mean ambient and power."
    )
    return Figure("mission", "Phases of the mission", caption, tuple(panels))


def _phase_bars(title: str, names: list[str], values: Floats, x: Axis) -> Panel:
    """A bar for each phase, the first on top."""
    bars = [
        DrawnBox(0.0, float(v), row - 0.3, row + 0.3, COLOURS[0], f"{name}: {v:.4g} {x.unit}", f"{v:.4g}", True)
        for row, name, v in zip(range(len(names) - 1, -1, -1), names, values)
    ]
    return Panel(title, x, categories(names), tuple(bars))


def _digits(values: Floats) -> int:
    spread = float(np.nanmax(values) - np.nanmin(values))
    return int(np.clip(2 - np.floor(np.log10(spread)), 1, 5)) if spread > 0 else 2


def maps(facts: Facts) -> Figure:
    """Temperature of each tier on one colour scale, hot spot ringed; of requested layers when there are no tiers."""
    if facts.has("thermal/temperature"):
        path, names = "thermal/temperature", [f"tier {i}" for i in range(len(facts.tiers))]
        layers = list(facts.tiers)
    else:
        path = "thermal/map_temperature"
        names = [str(n) for n in facts.get(path)["map_layer"].values]
        layers = [facts.stack.layer(n) for n in names]
    values = facts.celsius(path)
    scale = colour_scale("temperature [°C]", values)
    digits = _digits(values)
    panels = [_map_panel(name, layer, field, scale, digits, "°C") for name, layer, field in zip(names, layers, values)]
    return Figure(
        "maps",
        "Temperature of each tier" if path.endswith("/temperature") else "Temperature maps",
        "Box means on one colour scale for all; the ring marks the hottest box.",
        tuple(panels),
        deck=True,
    )


def _map_panel(name: str, layer: Layer, field: Floats, scale: ColourScale, digits: int, unit: str) -> Panel:
    x, y = _millimetres((layer.extent.x0, layer.extent.x1)), _millimetres((layer.extent.y0, layer.extent.y1))
    ny, nx = field.shape
    j, i = np.unravel_index(int(np.nanargmax(field)), field.shape)
    place = x[0] + (i + 0.5) * (x[1] - x[0]) / nx, y[0] + (j + 0.5) * (y[1] - y[0]) / ny
    peak = f"{field[j, i]:.{digits}f} {unit}"
    tip = f"{name}, hottest box: {peak} at x {place[0]:.2f}, y {place[1]:.2f} mm"
    marks: tuple[Mark, ...] = (Map(field, x, y, scale, digits), Dot(*place, peak, tip, "#ffffff", ring=True))
    axes = linear("x [mm]", *x, margin=0.0, unit="mm"), linear("y [mm]", *y, margin=0.0, unit="mm")
    called = name if name == layer.name else f"{name} ({layer.name})"
    return Panel(f"{called}, hottest box {peak}", *axes, marks, equal=True)


def power(facts: Facts) -> Figure:
    """Power by component and by layer."""
    panels = []
    if facts.has("power/component_power"):
        parts = facts.get("power/component_power")
        panels.append(
            _bars(
                "by component",
                [str(c) for c in parts["component"].values],
                np.atleast_2d(facts.values("power/component_power"))[0],
            )
        )
    by_layer: dict[str, float] = {}
    if facts.has("power/tile_power"):
        for site, watts in zip(facts.get("power/tile_power")["tile_site"].values, facts.values("power/tile_power")):
            by_layer[f"tiles on {site}"] = by_layer.get(f"tiles on {site}", 0.0) + float(watts)
    for source in (facts.scenario.get("power") or {}).get("sources", ()):
        name = f"{source['name']} on {source['layer']}"
        by_layer[name] = by_layer.get(name, 0.0) + units.parse(source["power"], "power")
    panels.append(_bars("by place", list(by_layer), np.array(list(by_layer.values()))))
    count = sum(panel.x.log for panel in panels)
    caption = ("", "One axis is logarithmic. ", "On logarithmic axes. ")[count if len(panels) > 1 else 2 * count]
    if facts.has("power/tile_power"):
        caption += "At the first epoch. Tiles count with their converters and leakage."
    return Figure("power", "Where the power goes", caption.strip(), tuple(panels))


def _bars(title: str, names: list[str], watts: Floats, most: int = 16) -> Panel:
    order = [i for i in np.argsort(-watts, kind="stable") if watts[i] > 0][:most]
    if not order:
        raise ResultsError("no component draws any power")
    kept, shown = watts[order], [names[i] for i in order]
    if len(order) < int((watts > 0).sum()):
        title += f" (the {most} largest of {int((watts > 0).sum())})"
    if kept.max() > WIDE * kept.min():
        x = decades("power", float(kept.min()), 10 * float(kept.max()), unit="W", prefixed=True)
    else:
        x = linear("power [W]", 0.0, 1.3 * float(kept.max()), unit="W", margin=0.0)
    y = categories(shown)
    share = kept / watts.sum()
    marks = tuple(
        DrawnBox(
            x.low,
            value,
            len(order) - 1.3 - i,
            len(order) - 0.7 - i,
            COLOURS[0],
            f"{name}: {si(value, 'W')}, {100 * part:.3g} %",
            si(value, "W"),
            bar=True,
        )
        for i, (name, value, part) in enumerate(zip(shown, kept, share))
    )
    return Panel(title, x, y, marks, height=max(0.25, 0.07 * len(order)))


def density(facts: Facts) -> Figure:
    """Array power per area on each tier, on one colour scale."""
    values = facts.values("power/power_density") * 1e-4  # W m⁻² -> W cm⁻²
    prefix, factor = next((p, f) for p, f, top in (("µ", 1e6, 1e-3), ("m", 1e3, 1.0), ("", 1.0, np.inf)) if values.max() < top)
    unit = f"{prefix}W/cm²"
    scale = colour_scale(f"array power density [{unit}]", values * factor, "viridis")
    panels = tuple(
        _map_panel(f"tier {i}", layer, field * factor, scale, _digits(values * factor), unit)
        for i, (layer, field) in enumerate(zip(facts.tiers, values))
    )
    return Figure(
        "power_density", "Array power of each tier", "Reads of the arrays alone, at the first epoch.", panels, deck=True
    )
