"""Wrong decks of parts: one line each with both names and sizes, file and line, before anything is meshed."""

import json
from pathlib import Path
from typing import Any

import pytest
from in_process import exit_code


def layer(name: str, thickness: str = "0.1 mm", **more: Any) -> dict[str, Any]:
    return {"name": name, "thickness": thickness, "material": "silicon", **more}


def part(name: str, at: tuple[float, float], size: tuple[float, float] = (3, 3), **more: Any) -> dict[str, Any]:
    sides = [f"{v} mm" for v in size]
    return {"name": name, "at": [f"{v} mm" for v in at], "size": sides, "layers": [layer("die")], **more}


def geometry(*parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    base = [layer("board", size=["20 mm", "20 mm"]), layer("interposer")]
    return {"footprint": ["10 mm", "8 mm"], "below": base, "parts": list(parts), "fill": "mold_compound", **more}


CPU, MEM = part("cpu", (1, 1)), part("mem", (5, 1))
STACK = {"footprint": ["3 mm", "3 mm"], "layers": [layer("die")]}


PLAIN = {"conductivity": "1 W/m/K", "heat_capacity": "1e6 J/m^3/K"}
INNER = {
    "footprint": ["3 mm", "3 mm"],
    "below": [{"name": "base", "thickness": "1 mm", "material": PLAIN}],
    "parts": [{**part("die", (0, 0), (1, 1)), "layers": [{"name": "die", "thickness": "1 mm", "material": PLAIN}]}],
    "fill": PLAIN,
}


def without(given: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in given.items() if key not in keys}


def deck(given: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "scenario": "wrong",
        "geometry": given,
        "power": {"sources": [{"name": "heat", "layer": "cpu.die", "power": "1 W"}]},
        "cooling": {"top": {"film_coefficient": "1e4 W/m^2/K"}, "ambient": "300 K"},
        "solver": "ci",
        **more,
    }


def source(layer: str, **more: Any) -> dict[str, Any]:
    return {"power": {"sources": [{"name": "heat", "layer": layer, "power": "1 W", **more}]}}


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "overlap": (
        deck(geometry(CPU, part("mem", (3, 2)))),
        "geometry.parts[1].at: part 'mem' overlaps part 'cpu': layer 'mem.die', x 3 to 6 mm, y 2 to 5 mm, in layer 'cpu.die',"
        " x 1 to 4 mm, y 1 to 4 mm",
    ),
    "overlap higher up": (
        deck(geometry(CPU, part("mem", (5, 1), layers=[layer("low", size=["1 mm", "1 mm"]), layer("die")]), part(
            "arm", (0, 5), (8, 3), layers=[layer("foot", "0.15 mm"), layer("reach", offset=["0 mm", "-2 mm"])]))),
        "part 'arm' overlaps part 'mem': layer 'arm.reach'",
    ),
    "overhang on the base": (
        deck(geometry(part("cpu", (8, 1)))),
        "geometry.parts[0].at: part 'cpu' (x 8 to 11 mm, y 1 to 4 mm) overhangs layer 'interposer' under it (x 0 to 10 mm,"
        " y 0 to 8 mm)",
    ),
    "overhang on a smaller base": (
        deck(geometry(CPU, below=[layer("board"), layer("interposer", size=["5 mm", "5 mm"])])),
        "overhangs layer 'interposer' under it (x 2.5 to 7.5 mm, y 1.5 to 6.5 mm)",
    ),
    "outside the footprint": (
        deck(geometry(part("cpu", (-2, 1)), below=[layer("board", size=["20 mm", "20 mm"])])),
        "part 'cpu' (x -2 to 1 mm, y 1 to 4 mm) reaches outside the footprint (x 0 to 10 mm, y 0 to 8 mm)",
    ),
    "overhang on a part": (
        deck(geometry(CPU, part("mem", (1, 0), on="cpu"))),
        "part 'mem' (x 2 to 5 mm, y 1 to 4 mm) overhangs part 'cpu' under it (x 1 to 4 mm, y 1 to 4 mm)",
    ),
    "a wide layer over the edge": (
        deck(geometry(part("cpu", (1, 1), layers=[layer("die"), layer("lid", size=["9 mm", "3 mm"])]))),
        "part 'cpu' (x -2 to 7 mm, y 1 to 4 mm) reaches outside the footprint",
    ),
    "a gap": (
        deck(geometry(part("cpu", (1, 1), layers=[layer("die", size=["1 mm", "1 mm"]), layer("lid", size=["0.5 mm", "1 mm"],
                                                                                            offset=["2.5 mm", "0 mm"])]))),
        "geometry.parts[0]: layer 'cpu.lid' does not touch layer 'cpu.die' below it",
    ),
    "on nothing": (deck(geometry(CPU, part("mem", (0, 0), on="cup"))), "stands on part 'cup', which is not there (did you mean"),
    "on itself": (deck(geometry(part("cpu", (0, 0), on="cpu"))), "part 'cpu' stands on part 'cpu', which stands on it in turn"),
    "in a ring": (
        deck(geometry(part("cpu", (0, 0), on="mem"), part("mem", (0, 0), on="cpu"))),
        "part 'cpu' stands on part 'mem', which stands on it in turn",
    ),
    "no base": (deck(without(geometry(CPU), "below")), "geometry: parts want a common base: below"),
    "no fill": (deck(without(geometry(CPU), "fill")), "geometry: parts and fill go together"),
    "fill alone": (deck(geometry()), "geometry: parts and fill go together"),
    "unknown fill": (deck(geometry(CPU, fill="mould_compound")), "geometry.fill: no deck 'mould_compound' in materials (did you"),
    "unknown material": (
        deck(geometry(part("cpu", (1, 1), layers=[layer("die") | {"material": "silicone"}]))),
        "geometry.parts[0].layers[0].material: no deck 'silicone' in materials (did you mean",
    ),
    "unknown deck": (
        deck(geometry(without(CPU, "size", "layers") | {"deck": "bulk_rram_9tier"})),
        "geometry.parts[0].deck: no deck 'bulk_rram_9tier' in geometries (did you mean",
    ),
    "deck and layers": (deck(geometry(CPU | {"deck": STACK})), "geometry.parts[0]: wants either deck, or size and layers"),
    "size alone": (deck(geometry(without(CPU, "layers"))), "geometry.parts[0]: wants either deck, or size and layers together"),
    "layers without size": (deck(geometry(without(CPU, "size"))), "geometry.parts[0]: wants either deck, or size and layers"),
    "parts in a part": (
        deck(geometry(without(CPU, "size", "layers") | {"deck": INNER})),
        "geometry.parts[0]: its deck wants layers, or below, tiers and above; neither a mesh nor parts",
    ),
    "tiers beside parts": (
        deck(geometry(CPU, tiers={"repeat": 2, "layers": [layer("die")]})), "geometry: has parts and tiers"),
    "layers beside parts": (
        deck(without(geometry(CPU), "below") | {"layers": [layer("die")]}), "geometry: wants either layers, or below, tiers"),
    "a name twice": (deck(geometry(CPU, part("cpu", (5, 1)))), "the name of part 'cpu' is used twice"),
    "a layer twice": (
        deck(geometry(part("cpu", (1, 1), layers=[layer("die"), layer("die")]))),
        "geometry.parts[0].layers[1].name: the name 'die' is used twice",
    ),
    "a common layer twice": (deck(geometry(CPU, above=[layer("board")])), "geometry: the name 'board' is used twice"),
    "the name of the fill": (deck(geometry(part("fill", (1, 1)))), "geometry.parts[0]: 'fill' is the name of what lies between"),
    "thousands of layers": (
        deck(geometry(*(without(part(f"p{i}", (i, 0)), "size", "layers") | {"deck": {"footprint": ["0.5 mm", "1 mm"], "tiers": {
            "repeat": 256, "layers": [layer(f"l{j}") for j in range(2)]}}} for i in range(8)))),
        "geometry: parts have 4096 layers, those of every tier, at most 2000",
    ),
    "a bad name": (deck(geometry(part("cpu.a", (1, 1)))), "geometry.parts[0].name: "),
    "a bare number": (deck(geometry(CPU | {"at": ["1 mm", 1]})), "geometry.parts[0].at"),
    "no place": (deck(geometry(without(CPU, "at"))), "geometry.parts[0].at: "),
    "a contact of silicon": (
        deck(geometry(part("cpu", (1, 1), layers=[layer("die", contact_resistance="1 mm^2*K/W")]))),
        "geometry.parts[0]: layer 'cpu.die' has a contact_resistance and a conductivity that follows the temperature",
    ),
    "a contact under heat": (
        deck(geometry(part("cpu", (1, 1), layers=[layer("die", contact_resistance="1 mm^2*K/W", material=PLAIN)]))),
        "power.sources[0].layer: source 'heat' heats layer 'cpu.die', which has a contact_resistance: that heat would pass but",
    ),
    "a contact under tiles": (
        deck(geometry(CPU, part("mem", (5, 1), layers=[
            layer("die", contact_resistance="1 mm^2*K/W", material=PLAIN, role="logic")]))),
        "geometry.parts[1]: layer 'mem.die' has a contact_resistance and heat of its own as logic: that heat would pass but",
    ),
    "a layer far below an atom": (
        deck(geometry(part("cpu", (1, 1), layers=[layer("glue", "1e-12 m"), layer("die", "2 mm")]))),
        "geometry.parts: layer 'cpu.glue' of 1e-12 m vanishes at a height of 0.0002 m",
    ),
    "channels": (
        deck(geometry(part("cpu", (1, 1), layers=[layer("die", channels={
            "count": 2, "width": "0.1 mm", "wall_width": "0.1 mm", "coolant": "water", "flow_rate": "1 ml/min",
            "inlet_temperature": "300 K"})]))),
        "geometry.parts[0]: layer 'die' of a part has channels; only layers common to all parts can",
    ),
    "a floorplan": (
        deck(geometry(part("cpu", (1, 1), layers=[layer("die", floorplan="units.csv")]))),
        "geometry.parts[0]: layer 'die' of a part has a floorplan; only layers common to all parts can",
    ),
    "a block outside": (
        deck(geometry(part("cpu", (1, 1), layers=[layer("die", blocks=[
            {"name": "core", "x": ["2 mm", "4 mm"], "y": ["0 mm", "1 mm"], "material": "copper"}])]))),
        "block 'core' reaches outside layer 'cpu.die': x 3 to 5 mm, y 1 to 2 mm in x 1 to 4 mm, y 1 to 4 mm",
    ),
    "a source in no part": (deck(geometry(CPU), **source("cpu.dye")), "no layer 'cpu.dye' (did you mean 'cpu.die'"),
    "a source in a whole part": (deck(geometry(CPU), **source("cpu")), "no layer 'cpu' (did you mean 'cpu.die'"),
    "a source in the fill": (deck(geometry(CPU), **source("fill0")), "no layer 'fill0'"),
    "a source beside": (
        deck(geometry(CPU, MEM), **source("cpu.die", x=["1 mm", "6 mm"], y=["1 mm", "2 mm"])),
        "source 'heat' reaches outside layer 'cpu.die': x 1 to 6 mm, y 1 to 2 mm in x 1 to 4 mm, y 1 to 4 mm",
    ),
    "a patch that is covered": (
        deck(geometry(CPU), cooling={"top": {"film_coefficient": "1e4 W/m^2/K"}, "ambient": "300 K", "patches": [
            {"name": "spray", "layer": "interposer", "condition": {"resistance": "1 K/W"}}]}),
        "cooling.patches[0]: nothing of patch 'spray' on the top of layer 'interposer' is exposed",
    ),
    "a probe beside": (
        deck(geometry(CPU), probes=[{"name": "p", "layer": "cpu.die", "x": "6 mm", "y": "2 mm"}]),
        "probe 'p' lies outside layer 'cpu.die' (x 1 to 4 mm, y 1 to 4 mm)",
    ),
    "a limit of nothing": (deck(geometry(CPU), limits={"cpu.dye": "90 degC"}), "limits.cpu.dye: no role or layer 'cpu.dye'"),
    "a map of nothing": (deck(geometry(CPU), maps={"layers": ["cpu.dye"], "grid": [2, 2]}), "no layer 'cpu.dye'"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_deck_gets_one_line(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given, wanted = WRONG[name]
    path = tmp_path / "wrong.yaml"
    path.write_text(json.dumps(given, indent=1))
    assert exit_code("validate", str(path)) == 2
    lines = [
        line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ") and not line.endswith(".yaml:")
    ]
    assert len(lines) == 1, lines
    assert wanted in lines[0] and "wrong.yaml:" in lines[0], lines[0]


def test_the_decks_that_they_are_made_from_are_sound(tmp_path: Path) -> None:
    path = tmp_path / "sound.yaml"
    path.write_text(json.dumps(deck(geometry(CPU, MEM, part("cap", (0, 0), (1, 1), on="mem")))))
    assert exit_code("validate", str(path)) == 0
