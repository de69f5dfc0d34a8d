"""Decks whose errors are known from much finer meshes: what an error bar is judged on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

Tree = dict[str, Any]
MM = "mm"


def layer(name: str, micrometres: float, k: Any, capacity: float = 1.66e6, **more: Any) -> Tree:
    """A layer; `k` is one conductivity or those along x, y and z [W/m/K]."""
    conductivity = [f"{v} W/m/K" for v in k] if isinstance(k, (list, tuple)) else f"{k} W/m/K"
    material = {"conductivity": conductivity, "heat_capacity": f"{capacity} J/m^3/K"}
    return {"name": name, "thickness": f"{micrometres} um", "material": material, **more}


def box(name: str, x: tuple[float, float], y: tuple[float, float], **more: Any) -> Tree:
    """Something with a rectangle in millimetres."""
    return {"name": name, "x": [f"{v} mm" for v in x], "y": [f"{v} mm" for v in y], **more}


def source(name: str, where: str, watts: float, x: Any = None, y: Any = None) -> Tree:
    """A source over a rectangle, or over its whole layer."""
    place = box(name, x, y) if x is not None else {"name": name}
    return {**place, "layer": where, "power": f"{watts} W"}


def filled(name: str, x: tuple[float, float], y: tuple[float, float], k: float) -> Tree:
    """A block of a material of its own."""
    return box(name, x, y, material={"conductivity": f"{k} W/m/K", "heat_capacity": "1.66e6 J/m^3/K"})


def deck(side: float | tuple[float, float], layers: list[Tree], sources: list[Tree], cooling: Tree, **more: Any) -> Tree:
    """A scenario without its solver; `side` in millimetres."""
    width, depth = side if isinstance(side, tuple) else (side, side)
    return {
        "scenario": "bars",
        "geometry": {"footprint": [f"{width} mm", f"{depth} mm"], "layers": layers},
        "power": {"sources": sources},
        "cooling": {"ambient": "300 K", **cooling},
        **more,
    }


def film(h: float, face: str = "top") -> Tree:
    """A cooled face [W/m2/K]."""
    return {face: {"film_coefficient": f"{h} W/m^2/K"}}


def probe(name: str, where: str, x: float, y: float) -> Tree:
    """A probe in the mid-plane of a layer, in millimetres."""
    return {"name": name, "layer": where, "x": f"{x} mm", "y": f"{y} mm"}


def _strip(width: float) -> Tree:
    """A heated strip, alone on its layer."""
    layers = [layer("base", 300, 120), layer("active", 2, 120), layer("oxide", 5, 1.2), layer("lid", 500, 390)]
    strip = source("strip", "active", 4, (2.1, 2.1 + width), (1, 5))
    return deck(6, layers, [strip], film(8e3), probes=[probe("p", "active", 2.1 + width / 2, 3), probe("far", "lid", 4.7, 4.1)])


def _ring(width: float, k: float) -> Tree:
    """A die with a ring of another material around it, one element wide."""
    a, b = 1.0, 5.0
    c, d = a + width, b - width
    ring = [
        filled("w", (a, c), (a, b), k), filled("e", (d, b), (a, b), k), filled("s", (c, d), (a, c), k), filled("n", (c, d), (d, b), k)
    ]  # fmt: skip
    layers = [layer("board", 400, 5), layer("die", 100, 120, blocks=ring), layer("lid", 300, 200)]
    return deck(6, layers, [source("core", "die", 6, (2, 4), (2, 4))], film(1e4), probes=[probe("p", "die", 3, 3)])


def _gaps(width: float, k: float) -> Tree:
    """Four dies side by side in a stack, with gaps between them; a uniform layer below heats."""
    low, high = 4 - width / 2, 4 + width / 2
    dies = [("sw", (0.2, low), (0.2, low)), ("se", (high, 7.8), (0.2, low)), ("nw", (0.2, low), (high, 7.8)), ("ne", (high, 7.8), (high, 7.8))]  # fmt: skip
    layers = [layer("active", 1, 100), layer("base", 80, 140)]
    sources = [source("logic", "active", 40)]
    for tier in range(1):
        layers.append(layer(f"metal{tier}", 3, 0.8, blocks=[filled(n, x, y, 1.2) for n, x, y in dies]))
        layers.append(layer(f"die{tier}", 41, k, blocks=[filled(n, x, y, 140) for n, x, y in dies]))
        sources += [source(f"{n}{tier}", f"metal{tier}", 0.5, x, y) for n, x, y in dies]
    layers += [layer("tim", 60, 9), layer("lid", 1000, 390)]
    return deck(8, layers, sources, film(2e4), probes=[probe("p", "active", 4.0, 4.0)])


def _crack(micrometres: float, k: float, lid: tuple[float, float], h: float, y: tuple[float, float] = (0, 2)) -> Tree:
    """A narrow gap through a heated plate, or a narrow wall, and a lid [um, W/m/K] that takes the heat round it."""
    wall = filled("crack", (2.6, 2.6 + 1e-3 * micrometres), y, k)
    layers = [layer("plate", 100, 130 if k < 1 else 0.8, blocks=[wall]), layer("lid", *lid)]
    probes = [probe("l", "plate", 1, 1), probe("r", "plate", 3, 1)]
    return deck((4, 2), layers, [source("s", "plate", 0.5, (0, 2), (0, 2))], film(h), probes=probes)


def _blocks(k: float) -> Tree:
    """Posts of another conductivity in a layer of bonds."""
    posts = [filled(f"p{i}{j}", (1 + i, 1.3 + i), (1 + j, 1.3 + j), k) for i in range(3) for j in range(3)]
    layers = [layer("low", 150, 130), layer("bond", 30, 1.0, blocks=posts), layer("top", 80, 130)]
    return deck(4.3, layers, [source("s", "low", 3, (1, 2.6), (1.3, 3))], film(1.5e4), probes=[probe("p", "low", 2.15, 2.15)])


def _patch(h: float, size: float, thickness: float) -> Tree:
    """A film that jumps: a cooled patch on a thin plate."""
    patches = [
        box("pad", (0.5, 0.5 + size), (1, 1 + size), layer="plate", face="top", condition={"film_coefficient": f"{h} W/m^2/K"})
    ]
    cooling = {**film(200, "bottom"), "patches": patches}
    layers = [layer("plate", thickness, 60)]
    return deck(5, layers, [source("s", "plate", 1.5, (3, 4.5), (2, 4))], cooling, probes=[probe("p", "plate", 4, 3)])


def _thin_film(thickness: float, k: tuple[float, float, float], h: float) -> Tree:
    """A film cooled from below, with elements much wider than it is thick."""
    layers = [layer("film", thickness, k, 1.2e6)]
    sources = [source("a", "film", 0.218, (2.65, 3.975), (0.75, 1.125)), source("b", "film", 0.173, (3.975, 5.3), (0, 0.375))]
    return deck((5.3, 1.5), layers, sources, film(h, "bottom"), probes=[probe("p", "film", 3.3, 0.9)], maps={"layers": ["film"], "grid": [8, 8]})  # fmt: skip


def _channels(count: int, width: float, flow: float) -> Tree:
    """Water between two dies, one of them heated in part."""
    wall = 2000 / count - width
    channels = {
        "count": count, "width": f"{width} um", "wall_width": f"{wall} um", "edge_wall_width": f"{wall / 2} um",
        "coolant": "water", "flow_rate": f"{flow} ml/min", "inlet_temperature": "300 K",
    }  # fmt: skip
    layers = [layer("lower", 100, 130), layer("cavity", 100, 130, channels=channels), layer("upper", 100, 130)]
    sources = [source("low", "lower", 2), source("up", "upper", 2, (0.5, 1.5), (0.8, 2))]
    return deck(2, layers, sources, {}, probes=[probe("p", "upper", 1, 1.9)])


def _floors(k: float) -> Tree:
    """Two channels whose walls stand on a thin floor that conducts worse than they do; half walls at the edges."""
    channels = {
        "count": 2, "width": "100 um", "wall_width": "100 um", "edge_wall_width": "50 um", "direction": "y",
        "coolant": {"heat_capacity": "4.17e6 J/m^3/K"}, "flow_rate": "2 ml/min", "inlet_temperature": "300 K",
        "wall_film_coefficient": "3e4 W/m^2/K",
    }  # fmt: skip
    layers = [
        layer("lower", 50, 130),
        layer("floor", 10, k),
        layer("cavity", 100, 130, channels=channels),
        layer("upper", 50, 130),
    ]
    sources = [source("low", "lower", 0.5), source("up", "upper", 0.2, (0, 0.15), (0.4, 1))]
    return deck((0.4, 1), layers, sources, {}, probes=[probe("p", "lower", 0.2, 0.8), probe("q", "upper", 0.02, 0.6)])


def _cavities(film_above: float) -> Tree:
    """Two cavities of unlike flow under a cooled lid, so that the mesh says where heat leaves."""
    tree = _channels(5, 200, 10)
    lower, cavity, upper = tree["geometry"]["layers"]
    slower = {**cavity["channels"], "flow_rate": "4 ml/min"}
    layers = [lower, cavity, upper, {**cavity, "name": "second", "channels": slower}, layer("lid", 300, 130)]
    tree["geometry"]["layers"] = layers
    return {**tree, "cooling": {"ambient": "300 K", **film(film_above)}}


def _tiles(placement: str) -> Tree:
    """Two tiers with tiles of a network over a heated die; means of tiles are read."""
    sites = {"role": "rram", "tile_sites": [4, 4]}
    layers = [layer("die", 200, 120), layer("oxide", 5, 1.2), layer("low", 2, 10, **sites), layer("bond", 10, 0.5)]
    layers += [layer("high", 2, 10, **sites), layer("cap", 50, 120), layer("tim", 30, 4)]
    tree = deck(4, layers, [source("core", "die", 3, (0.4, 1.6), (0.6, 2.1)), source("even", "die", 1)], film(6e3))
    workload = {
        "network": "digits_mlp", "rate": "2e5 1/s", "tile": [32, 32], "placement": placement, "periphery": "cmos_adc_8bit",
    }  # fmt: skip
    return {**tree, "workload": workload, "device": "bulk_rram_ucsd"}


def _parts(bond: float) -> Tree:
    """Two parts of unlike size and height on a plate, under a lid, and what lies between them filled."""
    base, lid = layer("base", 500, 20), layer("lid", 500, 390)
    parts = [
        {"name": "low", "at": ["0.5 mm", "0.6 mm"], "size": ["2.2 mm", "2.6 mm"], "layers": [layer("bond", 40, bond), layer("die", 100, 120)]},
        {"name": "high", "at": ["3.3 mm", "0.9 mm"], "size": ["1.9 mm", "1.5 mm"], "layers": [layer("bond", 20, bond), layer("die", 300, 120, role="rram", tile_sites=[4, 4])]},
    ]  # fmt: skip
    sources = [source("low", "low.die", 2), source("high", "high.die", 1.5, (3.7, 4.6), (1.2, 1.9))]
    tree = deck((6, 4), [], sources, film(4e3), probes=[probe("p", "high.die", 4.1, 1.5), probe("q", "low.die", 2.6, 2)])
    fill = layer("fill", 1, 0.9)["material"]
    tree["geometry"] = {"footprint": ["6 mm", "4 mm"], "below": [base], "parts": parts, "fill": fill, "above": [lid]}
    return tree


def _thin_layers(nanometres: float, contact: float) -> Tree:
    """A junction much thinner than what lies around it, on a contact."""
    layers = [
        layer("substrate", 400, 130), layer("oxide", 1, 1.1), layer("junction", nanometres / 1000, 40),
        layer("cap", 20, 1.4, contact_resistance=f"{contact} mm^2*K/W"), layer("lid", 300, 200),
    ]  # fmt: skip
    spot = source("s", "junction", 0.5, (1.2, 1.4), (0.8, 1.0))
    return deck(3, layers, [spot], film(1e4), probes=[probe("p", "junction", 1.3, 0.9)])


def _spot(side: float) -> Tree:
    """A small square source on a thick slab."""
    low, high = 2.5 - side / 2, 2.5 + side / 2
    layers = [layer("film", 1, 120), layer("slab", 999, 120)]
    return deck(5, layers, [source("s", "film", 1, (low, high), (low, high))], film(2e4), probes=[probe("p", "film", 2.5, 2.5)])


def _die(side: tuple[float, float], bond: float, probe_at: tuple[float, float], **more: Any) -> Tree:
    """A die smaller than the base it lies on, heated in part."""
    size = {"size": [f"{v} mm" for v in side]}
    layers = [layer("base", 500, 60), layer("bond", 20, bond, **size), layer("die", 200, 130, **size)]
    x, y = (4 - side[0] / 2, 4 - side[1] / 2)  # the die's corner
    heat = source("s", "die", 4, (x + 0.2, x + 0.9), (y + 0.3, y + side[1]))
    cooling = {**film(5e3), "bottom": {"film_coefficient": "2e3 W/m^2/K"}}
    return deck(8, layers, [heat], cooling, probes=[probe("p", "die", *probe_at), probe("q", "base", x, y)], **more)


def _step(first: str, outputs: list[str], where: str, spot: bool) -> Tree:
    """Power on from the start, read at early times."""
    layers = [layer("base", 400, 148), layer("junction", 0.1, 148), layer("metal", 8, 5, 2.5e6), layer("cap", 80, 0.8, 2e6)]
    place = ((1.2, 1.8), (1, 2)) if spot else (None, None)
    transient = {"until": outputs[-1], "outputs": [first, *outputs]}
    cooling = {"bottom": {"temperature": "300 K"}}
    return deck(
        3, layers, [source("s", where, 10, *place)], cooling, transient=transient, probes=[probe("p", "junction", 1.5, 1.5)]
    )


def _begun(initial: Any, cooling: Tree) -> Tree:
    """Layers that begin warmer than what is around them, or than each other."""
    layers = [layer("base", 300, 120), layer("die", 60, 15), layer("lid", 500, 390)]
    transient = {"until": "20 ms", "outputs": ["20 us", "1 ms", "20 ms"], "initial": initial}
    probes = [probe("p", "die", 1, 0.5), probe("q", "base", 1, 0.5)]
    return deck((2, 1), layers, [source("s", "die", 0.1)], cooling, transient=transient, probes=probes)


def _passed(z: float, layers: list[Tree], where: str, outputs: list[str]) -> Tree:
    """A plate that begins at 400 K on a cold face, whose heat leaves through layers by the first output; a probe at a height in um."""
    transient = {"until": outputs[-1], "outputs": outputs, "initial": "400 K"}
    read = [{**probe("p", where, 0.8, 0.55), "z": f"{z} um"}]
    cold = {"bottom": {"temperature": "300 K"}}
    return deck((2, 1), layers, [source("s", layers[0]["name"], 1)], cold, transient=transient, probes=read)


def _pulse(period: str, on: str, outputs: list[str], x: tuple[float, float] = (1, 2)) -> Tree:
    """Power that comes and goes; where heat has the time to reach the edges, the source lies in the middle, as the peak does."""
    layers = [layer("die", 200, 130), layer("tim", 40, 4, 2e6), layer("lid", 500, 390, 3.4e6)]
    transient = {"until": outputs[-1], "outputs": outputs, "duty": {"period": period, "on": on}}
    heat = source("s", "die", 15, x, (1.5, 3) if x == (1, 2) else (1.25, 2.75))
    return deck(4, layers, [heat], film(8e3), transient=transient, probes=[probe("p", "die", 1.5, 2)])


def _switched() -> Tree:
    """A hot layer that is switched on and off, read 3 us after the switch: by then its heat has come a seventh of its height."""
    layers = [layer("low", 14, 280), layer("cap", 72.9, 2.32), layer("lid", 29.8, 1.07)]
    transient = {
        "until": "16 ms",
        "outputs": ["3.2 ms", "6.403 ms", "6.46 ms", "16 ms"],
        "duty": {"period": "6.4 ms", "on": "3.2 ms"},
    }
    probes = [probe("p", "low", 0.8, 0.55), {**probe("q", "lid", 0.8, 0.55), "z": "116.2 um"}]
    return deck(
        (2, 1), layers, [source("s", "low", 1)], {"bottom": {"temperature": "300 K"}}, transient=transient, probes=probes
    )


def _bow(side: float | tuple[float, float], x: tuple[float, float], y: tuple[float, float], **more: Any) -> Tree:
    """A heater one element tall, whose own heat bends the temperature inside it."""
    layers = [layer("base", 48.9, 9.75), layer("heater", 16.5, 1.61), layer("die", 613, 108)]
    layers.append(layer("lid", 16.5, 176, contact_resistance="3.94 mm^2*K/W"))
    return deck(side, layers, [source("s", "heater", 0.168, x, y)], {**film(34100), **film(6860, "bottom")}, **more)


def _sheet_step(outputs: list[str]) -> Tree:
    """A narrow source in the middle of a sheet over time."""
    tree = _sheet()
    tree["power"]["sources"] = [source("a", "sheet", 0.75, (0.98675, 1.06325), (1.0404, 1.3196))]
    return {**tree, "transient": {"until": outputs[-1], "outputs": outputs}}


def _sheet() -> Tree:
    """A heated sheet alone, a narrow source beside a wide one; its peak lies between lines of the mesh."""
    sources = [
        source("a", "sheet", 0.75, (1.95, 2.0265), (1.976, 2.2552)),
        source("b", "sheet", 0.364, (0.023, 1.733), (0.062, 2.186)),
    ]
    return deck((2.05, 2.36), [layer("sheet", 4.33, 69.4)], sources, film(692))


def _overlap() -> Tree:
    """Two sources of a thin layer, one upon the other."""
    layers = [
        layer("base", 147, 11),
        layer("heater", 15.1, 249),
        layer("cap", 6.74, (148, 47.5, 10.6), contact_resistance="12.6 mm^2*K/W"),
    ]
    sources = [
        source("a", "heater", 0.466, (0.108, 2.223), (1.26, 2.5967)),
        source("b", "heater", 0.115, (0.938, 1.112), (2.518, 2.6471)),
    ]
    return deck((2.35, 2.67), layers, sources, {**film(6770), **film(151, "bottom")})


def _memory_stack() -> Tree:
    """The shipped stack of twelve memory dies, its base die heated in part, the dies evenly."""
    sources = [box("phy", (1, 5), (1, 4), layer="base", power="8 W"), {"name": "base", "layer": "base", "power": "3 W"}]
    sources += [{"name": f"die{i}", "layer": f"t{i}_rram", "power": "0.5 W"} for i in range(12)]
    probes = [
        {"name": "p", "layer": "base", "x": "3 mm", "y": "2.5 mm"},
        {"name": "q", "layer": "t11_rram", "x": "5.5 mm", "y": "5 mm"},
    ]
    cooling = {"ambient": "300 K", **film(1.2e4), "bottom": {"film_coefficient": "500 W/m^2/K"}}
    return {
        "scenario": "bars",
        "geometry": "hbm_like_12high",
        "power": {"sources": sources},
        "cooling": cooling,
        "probes": probes,
    }


def _cold_end() -> Tree:
    """A heated die on a plate that a part of its lower face cools; nothing in it asks for the lines of a stack."""
    cold = box("cold", (0, 1.5), (0, 2), layer="base", face="bottom", condition={"film_coefficient": "2e4 W/m^2/K"})
    layers = [layer("base", 600, 60), layer("die", 300, 130)]
    return deck((3, 2), layers, [source("heat", "die", 3)], {"patches": [cold]}, probes=[probe("p", "die", 2.6, 1.1), probe("q", "base", 1.2, 0.7)])  # fmt: skip


DECKS: dict[str, Tree] = {
    **{f"strip_{w}": _strip(w) for w in (0.02, 0.1, 0.4)},
    **{f"ring_{w}_{k}": _ring(w, k) for w, k in ((0.1, 0.5), (0.2, 2.0), (0.15, 390.0))},
    **{f"gaps_{w}": _gaps(w, k) for w, k in ((0.2, 0.8), (0.1, 0.8), (0.3, 5.0))},
    "crack_2um": _crack(2, 0.02, (60, 5), 300), "crack_10um": _crack(10, 0.1, (100, 2), 1000),
    "crack_20um": _crack(20, 0.2, (50, 2), 200, (0.4, 1.5)), "wall_5um": _crack(5, 390, (60, 5), 1000),
    **{f"blocks_{k}": _blocks(k) for k in (50.0, 390.0, 0.05)},
    **{f"patch_{h}_{s}": _patch(h, s, t) for h, s, t in ((2e4, 1.0, 50), (5e3, 0.3, 300), (1e5, 2.0, 100))},
    **{f"thin_film_{t}": _thin_film(t, k, h) for t, k, h in ((5.35, (7.5, 0.2, 9.5), 6.3e5), (20, (30, 30, 5), 5e4), (2, (1, 1, 1), 1e5))},
    **{f"channels_{n}_{w}": _channels(n, w, f) for n, w, f in ((5, 200, 10), (8, 100, 10), (4, 100, 5))},
    **{f"floors_{k}": _floors(k) for k in (1.5, 30.0)},
    **{f"thin_layers_{t}": _thin_layers(t, c) for t, c in ((100, 1), (500, 10), (20, 0.2))},
    **{f"spot_{s}": _spot(s) for s in (0.06, 0.4, 1.5)}, "bow": _bow((3.53, 3.35), (0, 0.487), (2.467, 2.6389)), "sheet": _sheet(), "overlap": _overlap(),
    "bow_step": _bow(0.9, (0.2065, 0.6935), (0.364, 0.536), transient={"until": "20 ms", "outputs": ["0.1 ms", "1 ms", "20 ms"]}),
    "sheet_step": _sheet_step(["0.1 ms", "10 ms", "1 s"]),
    **{f"step_{f.replace(' ', '')}_{w}{'_spot' * s}": _step(f, o, w, s) for f, o, w, s in (
        ("1 us", ["10 us", "100 us", "1 ms"], "junction", False), ("10 us", ["1 ms"], "metal", False),
        ("5 us", ["50 us", "1 ms"], "junction", True), ("1 ms", ["10 ms", "50 ms"], "cap", True),
        ("100 us", ["5 ms"], "metal", True), ("20 us", ["2 ms"], "cap", True))},
    "begun_die": _begun({"die": "400 K"}, film(8e3)),
    "begun_level": _passed(
        38.6, [layer("low", 11.2, 72), layer("slow", 295.5, 1.47), layer("lid", 458.8, 16.7)], "slow", ["0.25 ms", "1.24 ms", "24.9 ms"]
    ),
    "begun_passed": _passed(
        60.9,
        [layer("low", 34.1, 254), layer("die", 26.1, 81.2), layer("cap", 68.2, 28.2), layer("lid", 351.7, 4.41)],
        "cap",
        ["0.139 ms", "0.693 ms", "13.9 ms"],
    ),
    "begun_hot": _begun("400 K", {"bottom": {"temperature": "300 K"}}),
    **{f"pulse_{p.replace(' ', '')}": _pulse(p, on, *o) for p, on, *o in (
        ("1 ms", "0.2 ms", ["0.1 ms", "0.2 ms", "1 ms", "1.2 ms"]), ("20 ms", "10 ms", ["2 ms", "10 ms", "50 ms"]),
        ("0.1 ms", "50 us", ["20 us", "50 us", "0.3 ms"]), ("200 ms", "50 ms", ["5 ms", "50 ms", "400 ms"], (1.5, 2.5)))},
    "switched": _switched(),
    **{f"die_{s[0]}_{b}": _die(s, b, at) for s, b, at in (
        ((2.5, 1.5), 2, (3.6, 3.9)), ((4.0, 4.0), 0.4, (2.2, 2.3)), ((1.2, 3.1), 20, (4.0, 4.0)))},
    **{f"cavities_{h}": _cavities(h) for h in (300, 8000)}, **{f"tiles_{p}": _tiles(p) for p in ("spread", "bottom_up")},
    **{f"parts_{k}": _parts(k) for k in (1, 20)},
    "hbm_like_12high": _memory_stack(), "cold_end": _cold_end(),
}  # fmt: skip
"""By name; bricks."""
TETRAHEDRA = {f"tet_{name}": name for name in ("strip_0.4", "ring_0.15_390.0", "blocks_0.05", "spot_1.5")}
"""Decks whose errors are also judged on tetrahedra."""
OWN = {"own_tetra": ("tetra", 1), "own_tetra_order_2": ("tetra", 2), "own_hexahedra": ("hexahedron", 1)}
"""Kinds of cells, and their order, of meshes of `_cold_end` that Gmsh made."""


def own_mesh(kind: str, size: float, path: Path) -> None:
    """`_cold_end` by Gmsh, its elements of a size in millimetres; the suffix of the path chooses the format."""
    from stack3d.geometry.gmsh_model import gmsh_model

    with gmsh_model("part") as gmsh:
        occ, mesh = gmsh.model.occ, gmsh.model.mesh
        boxes = [(3, occ.addBox(x, 0, z, 1.5, 2, h)) for z, h in ((0, 0.6), (0.6, 0.3)) for x in (0, 1.5)]
        occ.fragment(boxes[:1], boxes[1:])
        occ.synchronize()
        volumes = {tag: occ.getCenterOfMass(3, tag) for _, tag in gmsh.model.getEntities(3)}
        for name, is_there in (("base", lambda z: z < 0.6), ("die", lambda z: z > 0.6)):
            gmsh.model.addPhysicalGroup(3, [tag for tag, (_, _, z) in volumes.items() if is_there(z)], name=name)
        surfaces = {tag: occ.getCenterOfMass(2, tag) for _, tag in gmsh.model.getEntities(2)}
        cold = [tag for tag, (x, _, z) in surfaces.items() if abs(z) < 1e-9 and x < 1.5]
        gmsh.model.addPhysicalGroup(2, cold, name="cold")
        gmsh.option.setNumber("Mesh.MeshSizeMax", size)
        if kind == "hexahedron":
            for _, curve in gmsh.model.getEntities(1):
                mesh.setTransfiniteCurve(curve, round(occ.getMass(1, curve) / size) + 1)
            for tag in surfaces:
                mesh.setTransfiniteSurface(tag)
                mesh.setRecombine(2, tag)
            for tag in volumes:
                mesh.setTransfiniteVolume(tag)
        mesh.generate(3)
        gmsh.write(str(path))


def of_mesh(path: Path, order: int) -> Tree:
    """The deck of such a mesh."""
    tree = _cold_end()
    regions = {one["name"]: one["material"] for one in tree["geometry"]["layers"]}
    heights = {"die": "0.75 mm", "base": "0.3 mm"}
    return {
        **tree,
        "geometry": {"mesh": path.name, "mesh_unit": "1 mm", "materials": regions},
        "cooling": {"ambient": "300 K", "faces": {"cold": tree["cooling"]["patches"][0]["condition"]}},
        "probes": [{**p, "z": heights[p["layer"]]} for p in tree["probes"]],
        "order": order,
    }
