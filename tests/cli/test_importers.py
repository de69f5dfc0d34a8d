"""Files of HotSpot and 3D-ICE become decks that run, with the temperatures of the same stack written by hand."""

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from in_process import exit_code

from stack3d import decks, yamlfile
from stack3d.case import fitting, run_case
from stack3d.cli import main
from stack3d.errors import DeckError
from stack3d.geometry.importers import Imported, import_files
from stack3d.progress import Silent, Waiting
from stack3d.yamltree import WATCHED

FOLDER = Path(__file__).parents[1] / "imports"
RUNS = {
    "hotspot_chip": ["chip.flp", "chip.ptrace", "chip.config"],
    "hotspot_stack": ["stack.lcf", "stack.ptrace", "stack.config", "stack.materials"],
    "ice_die": ["die.stk"],
    "ice_tiers": ["tiers.stk"],
    "ice_channels": ["cooled.stk"],
}
CI = [("solver", "ci"), ("solver.backend", "tensor")]

SILICON = '{conductivity: "130 W/m/K", heat_capacity: "1.628e6 J/m^3/K"}'
BEOL = '{conductivity: ["20 W/m/K", "20 W/m/K", "2.25 W/m/K"], heat_capacity: "2.175e6 J/m^3/K"}'
COPPER = '{conductivity: "400 W/m/K", heat_capacity: "3.55e6 J/m^3/K"}'
BY_HAND = {
    # means of the trace: core 15 W, cache 2 W, io 1 W, in the lowest micrometre of the chip
    "hotspot_chip": f"""
scenario: by_hand
geometry:
  footprint: ["8 mm", "8 mm"]
  layers:
    - {{name: a, thickness: "1 um", material: {{conductivity: "120 W/m/K", heat_capacity: "1.75e6 J/m^3/K"}}}}
    - {{name: b, thickness: "299 um", material: {{conductivity: "120 W/m/K", heat_capacity: "1.75e6 J/m^3/K"}}}}
    - {{name: c, thickness: "20 um", material: {{conductivity: "4 W/m/K", heat_capacity: "4e6 J/m^3/K"}}}}
    - {{name: d, thickness: "1 mm", material: {COPPER}, size: ["16 mm", "16 mm"]}}
    - {{name: e, thickness: "2 mm", material: {COPPER}, size: ["24 mm", "24 mm"]}}
power:
  sources:
    - {{name: core, layer: a, x: ["0 mm", "4 mm"], y: ["0 mm", "6 mm"], power: "15 W"}}
    - {{name: cache, layer: a, x: ["4 mm", "8 mm"], y: ["0 mm", "6 mm"], power: "2 W"}}
    - {{name: io, layer: a, x: ["0 mm", "8 mm"], y: ["6 mm", "8 mm"], power: "1 W"}}
probes:
  - {{name: core, layer: a, x: "2 mm", y: "3 mm"}}
  - {{name: cache, layer: a, x: "6 mm", y: "3 mm"}}
  - {{name: io, layer: a, x: "4 mm", y: "7 mm"}}
cooling:
  top: {{resistance: "0.5 K/W", heat_capacity: "140.4 J/K"}}
  ambient: "300 K"
solver: ci
""",
    "hotspot_stack": f"""
scenario: by_hand
geometry:
  footprint: ["6 mm", "6 mm"]
  layers:
    - {{name: a, thickness: "1 um", material: {{conductivity: "100 W/m/K", heat_capacity: "1.75e6 J/m^3/K"}}}}
    - {{name: b, thickness: "149 um", material: {{conductivity: "100 W/m/K", heat_capacity: "1.75e6 J/m^3/K"}}}}
    - name: c
      thickness: "20 um"
      material: {{conductivity: "4 W/m/K", heat_capacity: "4e6 J/m^3/K"}}
      blocks:
        - name: vias
          x: ["0 mm", "6 mm"]
          y: ["4 mm", "6 mm"]
          material: {{conductivity: "200 W/m/K", heat_capacity: "3.4e6 J/m^3/K"}}
    - name: d
      thickness: "1 um"
      material: {{conductivity: ["130e-6 W/m/K", "130e-6 W/m/K", "130 W/m/K"], heat_capacity: "1630300 J/m^3/K"}}
    - name: e
      thickness: "99 um"
      material: {{conductivity: ["130e-6 W/m/K", "130e-6 W/m/K", "130 W/m/K"], heat_capacity: "1630300 J/m^3/K"}}
    - {{name: f, thickness: "1 mm", material: {COPPER}}}
    - {{name: g, thickness: "1 mm", material: {COPPER}}}
power:
  sources:
    - {{name: left, layer: a, x: ["0 mm", "3 mm"], y: ["0 mm", "6 mm"], power: "2 W"}}
    - {{name: right, layer: a, x: ["3 mm", "6 mm"], y: ["0 mm", "6 mm"], power: "1 W"}}
    - {{name: memory, layer: d, power: "0.5 W"}}
probes:
  - {{name: left, layer: a, x: "1.5 mm", y: "3 mm"}}
  - {{name: right, layer: a, x: "4.5 mm", y: "3 mm"}}
  - {{name: memory, layer: d, x: "3 mm", y: "3 mm"}}
cooling: {{top: {{resistance: "2 K/W"}}, ambient: "318.15 K"}}
solver: ci
""",
    "ice_die": f"""
scenario: by_hand
geometry:
  footprint: ["10 mm", "8 mm"]
  layers:
    - {{name: a, thickness: "2 um", material: {SILICON}}}
    - {{name: b, thickness: "48 um", material: {SILICON}}}
power:
  sources:
    - {{name: hot, layer: a, x: ["0 mm", "5 mm"], y: ["0 mm", "4 mm"], power: "6 W"}}
    - {{name: cold, layer: a, x: ["5 mm", "10 mm"], y: ["0 mm", "8 mm"], power: "1 W"}}
probes:
  - {{name: hot, layer: a, x: "2.5 mm", y: "2 mm"}}
  - {{name: cold, layer: a, x: "7.5 mm", y: "4 mm"}}
  - {{name: asked, layer: a, x: "2.5 mm", y: "2 mm"}}
maps: {{layers: [a], grid: [10, 8]}}
cooling: {{top: {{film_coefficient: "1e4 W/m^2/K"}}, ambient: "300 K"}}
solver: ci
""",
    "ice_channels": f"""
scenario: by_hand
geometry:
  footprint: ["4 mm", "4 mm"]
  layers:
    - {{name: a, thickness: "50 um", material: {SILICON}}}
    - {{name: b, thickness: "2 um", material: {SILICON}}}
    - name: c
      thickness: "100 um"
      material: {SILICON}
      channels:
        direction: y
        count: 20
        width: "100 um"
        wall_width: "100 um"
        edge_wall_width: "50 um"
        coolant: {{heat_capacity: "4.172e6 J/m^3/K"}}
        flow_rate: "12 ml/min"
        inlet_temperature: "300 K"
        wall_film_coefficient: "3e4 W/m^2/K"
        ceiling_film_coefficient: "3.2e4 W/m^2/K"
        floor_film_coefficient: "2.8e4 W/m^2/K"
    - {{name: d, thickness: "50 um", material: {SILICON}}}
power:
  sources: [{{name: core, layer: b, x: ["1 mm", "3 mm"], y: ["1 mm", "3 mm"], power: "8 W"}}]
probes: [{{name: core, layer: b, x: "2 mm", y: "2 mm"}}]
cooling: {{top: {{film_coefficient: "1e3 W/m^2/K"}}, ambient: "300 K"}}
solver: ci
""",
    "ice_tiers": f"""
scenario: by_hand
geometry:
  footprint: ["6 mm", "6 mm"]
  layers:
    - {{name: a, thickness: "100 um", material: {SILICON}}}
    - {{name: b, thickness: "2 um", material: {SILICON}}}
    - {{name: c, thickness: "10 um", material: {BEOL}}}
    - {{name: d, thickness: "20 um", material: {BEOL}}}
    - {{name: e, thickness: "50 um", material: {SILICON}}}
    - {{name: f, thickness: "2 um", material: {SILICON}}}
power:
  sources:
    - {{name: cpu, layer: b, x: ["1 mm", "3 mm"], y: ["2 mm", "3.5 mm"], power: "4 W"}}
    - {{name: banks, layer: f, power: "0.5 W"}}
  trace: {{pattern: table, file: by_hand.csv}}
transient: {{until: "0.4 s", initial: "310 K", outputs: ["0.2 s", "0.4 s"]}}
probes:
  - {{name: cpu, layer: b, x: "2 mm", y: "2.75 mm"}}
  - {{name: banks, layer: f, x: "3 mm", y: "3 mm"}}
  - {{name: glue, layer: d, x: "3 mm", y: "3 mm"}}
cooling:
  top: {{film_coefficient: "1e5 W/m^2/K"}}
  bottom: {{film_coefficient: "2e3 W/m^2/K"}}
  ambient: "310 K"
solver: ci
""",
}


TRACES = {
    "ice_tiers": "time [s],cpu [W],banks [W]\n0,2,0.4\n0.2,6,0.6\n0.4,0,0\n",
    "hotspot_chip": "time [s],core [W],cache [W],io [W]\n0,12,3,1\n0.01,18,1,1\n0.02,0,0,0\n",
}
"""Powers over time by hand."""


def imported(run: str, transient: bool | None = None) -> Imported:
    return import_files([FOLDER / run / name for name in RUNS[run]], run, transient)


def values(text: str, folder: Path, tables: Mapping[str, str]) -> dict[str, Any]:
    folder.mkdir()
    for name, table in {**tables, "deck.yaml": text}.items():
        (folder / name).write_text(table)
    case = decks.resolve(yamlfile.parse_text(text, str(folder / "deck.yaml")), folder / "deck.yaml", CI)
    return dict(run_case(case.scenario, Silent(), until="thermal").values)


@pytest.mark.parametrize("run", RUNS)
def test_temperatures_equal_those_of_the_stack_by_hand(run: str, tmp_path: Path) -> None:
    """The same physics twice: only the rounding of unit conversions (1e-15) may differ, magnified by the solver (1e-10)."""
    ours = values(imported(run).text(), tmp_path / "imported", imported(run).tables)
    theirs = values(BY_HAND[run], tmp_path / "by_hand", {"by_hand.csv": TRACES.get(run, "")})
    rise = theirs["thermal/layer_temperature_max"].max() - 300.0
    for name in ("layer_temperature_max", "layer_temperature_mean", "probe_temperature"):
        assert abs(ours[f"thermal/{name}"] - theirs[f"thermal/{name}"]).max() < 1e-9 * rise, name
    assert rise > 1.0


@pytest.mark.slow
def test_a_power_trace_over_time_on_demand(tmp_path: Path) -> None:
    """HotSpot's samples become steps of a transient that starts at its own temperature."""
    found = imported("hotspot_chip", transient=True)
    ours = values(found.text(), tmp_path / "imported", found.tables)
    transient = 'transient: {until: "20 ms", initial: "333.15 K", outputs: ["10 ms", "20 ms"]}\n'
    by_hand = (
        BY_HAND["hotspot_chip"].replace("probes:\n", "  trace: {pattern: table, file: by_hand.csv}\nprobes:\n") + transient
    )
    theirs = values(by_hand, tmp_path / "by_hand", {"by_hand.csv": TRACES["hotspot_chip"]})
    probes = theirs["thermal/probe_temperature"]
    assert probes.shape == (2, 3) and probes[1, 0] > probes[0, 0] + 0.5
    np.testing.assert_allclose(ours["thermal/probe_temperature"], probes, rtol=0, atol=1e-9)
    assert "averaged" not in " ".join(found.notes)
    with pytest.raises(DeckError, match=r"wants a \.ptrace"):
        import_files([FOLDER / "hotspot_chip" / "chip.flp"], transient=True)


def test_means_of_elements_are_those_that_3d_ice_writes(tmp_path: Path) -> None:
    """``Tflp`` asks for means of elements: a run keeps them, and notes say where they and their extremes are."""
    said = (FOLDER / "ice_tiers" / "tiers.stk").read_text()
    asked = 'Tflp ( UPPER, "upper.txt", average, slot ) ;'
    for path in (FOLDER / "ice_tiers").iterdir():
        more = 'Tflpel ( LOWER.cpu, "cpu.txt", maximum, slot ) ;'
        (tmp_path / path.name).write_text(path.read_text().replace(asked, f"{asked}\n {more}"))
    assert asked in said
    found = import_files([tmp_path / "tiers.stk"], transient=False)
    assert found.scenario["maps"]["sources"] is True
    for start in ("Output Tflp, average of an element: block_temperature", "Output Tflpel, maximum of an element: the largest"):
        assert any(note.startswith(start) for note in found.notes)
    kept = values(found.text(), tmp_path / "run", found.tables)
    blocks, boxes = kept["thermal/block_temperature"], kept["thermal/map_temperature"]
    of = {source["name"]: i for i, source in enumerate(found.scenario["power"]["sources"])}
    layer = [layer["name"] for layer in found.layers].index("UPPER_source")
    whole = kept["thermal/layer_temperature_mean"][layer]
    np.testing.assert_allclose(blocks[of["UPPER_banks"]], whole, rtol=0, atol=1e-9)
    mapped = found.scenario["maps"]["layers"].index("LOWER_source")
    np.testing.assert_allclose(blocks[of["LOWER_cpu"]], boxes[mapped, 4:7, 2:6].mean(), rtol=0, atol=1e-9)
    assert blocks[of["LOWER_cpu"]] > boxes[mapped].mean() + 0.1


def test_hotspot_decks_keep_the_mean_of_every_unit(tmp_path: Path) -> None:
    """HotSpot writes one temperature a unit."""
    found = imported("hotspot_chip")
    blocks = values(found.text(), tmp_path / "run", found.tables)["thermal/block_temperature"]
    assert len(blocks) == len(found.scenario["power"]["sources"]) and np.ptp(blocks) > 0.1


def test_maps_alone_keep_no_means_of_elements(tmp_path: Path) -> None:
    for path in (FOLDER / "ice_tiers").iterdir():
        (tmp_path / path.name).write_text(path.read_text().replace("Tflp ( UPPER", "Tmap ( UPPER").replace("average, ", ""))
    found = import_files([tmp_path / "tiers.stk"], transient=False)
    assert "sources" not in found.scenario["maps"] and not any("block_temperature" in note for note in found.notes)


def test_a_transient_stack_can_be_taken_over_steady() -> None:
    found = imported("ice_tiers", transient=False)
    assert "transient" not in found.scenario and not found.tables
    assert "the first counts" in " ".join(found.notes)


def test_a_slot_of_no_whole_steps_ends_as_stated(tmp_path: Path) -> None:
    """3D-ICE cuts it to whole steps, which is told; outputs at every step hold the ends of slots too."""
    for path in (FOLDER / "ice_tiers").iterdir():
        text = path.read_text().replace("step 0.02, slot 0.2", "step 0.08, slot 0.2")
        (tmp_path / path.name).write_text(text.replace("3000, slot )", "3000, step )"))
    found = import_files([tmp_path / "tiers.stk"])
    outputs = [float(str(time).split()[0]) for time in found.scenario["transient"]["outputs"]]
    assert outputs[:6] == pytest.approx([0.08, 0.16, 0.2, 0.28, 0.36, 0.4])
    assert any("in 3D-ICE it lasts 0.16 s, whole steps; here as stated" in note for note in found.notes)


def test_elements_and_materials_of_one_line_are_told_apart(tmp_path: Path) -> None:
    """They were told apart by the lines of their headings; 3D-ICE knows no lines."""
    for path in (FOLDER / "ice_die").iterdir():
        (tmp_path / path.name).write_text(" ".join(path.read_text().split()))
    apart, together = imported("ice_die"), import_files([tmp_path / "die.stk"])
    assert together.scenario["power"] == apart.scenario["power"] and len(apart.scenario["power"]["sources"]) == 2


def test_powers_are_the_means_of_the_trace_as_it_is_written(tmp_path: Path) -> None:
    """Elements with more values than the shortest end with it, and their means count what is left."""
    for path in (FOLDER / "ice_tiers").iterdir():
        (tmp_path / path.name).write_text(path.read_text().replace("2.0, 6.0, 4.0", "2.0, 6.0, 10.0"))
    found = import_files([tmp_path / name for name in RUNS["ice_tiers"]])
    (text,) = found.tables.values()
    names, *rows = [line.split(",") for line in text.splitlines()]
    columns = dict(zip((name.removesuffix(" [W]") for name in names), zip(*rows[:-1])))
    for source in found.scenario["power"]["sources"]:
        mean = np.mean([float(v) for v in columns[source["name"]]])
        assert float(source["power"].removesuffix(" W")) == pytest.approx(mean, abs=1e-12)


@pytest.mark.parametrize("number", ["1", "2"])
def test_units_without_lateral_flow_keep_their_own_material_as_in_hotspot(number: str, tmp_path: Path) -> None:
    """The bond has a unit of its own material, the upper die none; only where there is one it is told."""
    for path in (FOLDER / "hotspot_stack").iterdir():
        text = path.read_text()
        (tmp_path / path.name).write_text(text.replace("\n1\nY\nN\n", "\n1\nN\nN\n") if path.suffix == ".lcf" else text)
    found = import_files([tmp_path / name for name in RUNS["hotspot_stack"]])
    notes = [note for note in found.notes if note.startswith(f"l{number}_") and "no lateral heat flow" in note]
    assert len(notes) == 1 and ("keep theirs" in notes[0]) == (number == "1")
    blocks = [block for layer in found.layers for block in layer.get("blocks", [])]
    assert [block["material"]["conductivity"] for block in blocks] == ["200 W/m/K"]


@pytest.mark.parametrize(("material", "said", "told"), [
    ("", "on", ["-detailed_3D is on: HotSpot counts half of the convection"]),
    ("", "off", []),
    ("", "1", []),  # HotSpot takes every word but `on` for off
    (" copper", "on", ["-detailed_3D is on: HotSpot counts half of the convection"]),
    (" copper", "", ["HotSpot reads the materials of units only with -detailed_3D on"]),
])  # fmt: skip
def test_the_detailed_mode_of_hotspot_is_told_by_its_switch(material: str, said: str, told: list[str], tmp_path: Path) -> None:
    """It was told of units with materials alone, and the switch as a setting that was not used."""
    (tmp_path / "a.flp").write_text(f"one 0.004 0.004 0 0{material}\n")
    (tmp_path / "a.lcf").write_text("0\nY\nY\n1.75e6\n0.01\n0.0001\na.flp\n")
    (tmp_path / "a.materials").write_text("copper\nsolid\n400\n3.55e6\n")
    (tmp_path / "a.config").write_text(f"-detailed_3D {said}\n" if said else "-r_convec 0.5\n")
    notes = import_files([tmp_path / f"a.{ending}" for ending in ("lcf", "materials", "config")]).notes
    found = [note for note in notes if "detailed_3D" in note]
    assert all(
        "11.3 K/W over the chip" in note or "56.2 K/W over the chip" in note for note in found
    )  # 0.05, 0.25 K/W, (60/4)^2
    assert len(found) == len(told) and all(note.startswith(start) for note, start in zip(found, told)), found


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (
            "hotspot_chip",
            ["0.333", "bottom face", "c_convec", "2 samples", "not used: model_type", "t_spreader 0.001", "k_sink 400"],
        ),
        ("hotspot_stack", ["l2_upper: no lateral heat flow"]),
        ("ice_die", ["micrometres", "top down", "first counts", "T3d"]),
        ("ice_tiers", ["ends with the shortest", "error control"]),
    ],
)
def test_what_had_no_equivalent_is_told(run: str, words: list[str]) -> None:
    notes = " ".join(imported(run).notes)
    assert [w for w in words if w not in notes] == []
    assert all(line in imported(run).text() for line in imported(run).notes)


@pytest.mark.parametrize(
    ("run", "file", "old", "new", "message"),
    [
        ("ice_die", "die.stk", "CORE LOGIC", "CORE LOGIK", r"die\.stk:18: stack: unknown die 'LOGIK' \(did you mean 'LOGIC'"),
        ("ice_die", "die.stk", "48 SILICON", "48 SILICO", r"die\.stk:14: die LOGIC: unknown material 'SILICO'"),
        ("ice_die", "die.stk", "1.0e-8", "lots", r"die\.stk:6: top heat sink: wants a number, got 'lots'"),
        (
            "ice_die",
            "die.stk",
            "   die CORE",
            "   channel C ;\n   die CORE",
            r"die\.stk:18: stack: there is neither a microchannel nor",
        ),
        ("ice_die", "die.stk", "top heat sink", "top pluggable heat sink", "pluggable"),
        ("ice_die", "core.flp", "position 0, 0", "positon 0, 0", r"core\.flp:2: hot: unknown word 'positon' \(did you mean"),
        (
            "ice_tiers",
            "tiers.stk",
            "2.0e-9 ;\n   temperature 310.0",
            "2.0e-9 ;\n   temperature 300.0",
            "one temperature for all",
        ),
        ("hotspot_chip", "chip.ptrace", "cache", "cash", r"cash: no powered unit of this name \(did you mean 'cache'"),
        ("hotspot_chip", "chip.flp", "0.004  0.006   0.000", "0.004  wide   0.000", r"chip\.flp:2: core: wants a number"),
        ("hotspot_chip", "chip.config", "-t_chip        0.0003", "t_chip 0.0003", r"chip\.config:2: .*wants '-key value'"),
        (
            "hotspot_chip",
            "chip.ptrace",
            "18.0\t1.0",
            "18.0\t-1.0",
            r"chip\.ptrace:3: cache: has a negative power in column 2: -1.0 W",
        ),
        (
            "hotspot_chip",
            "chip.flp",
            "0.004   0.000\nio",
            "0.003   0.000\nio",
            r"chip\.flp:3: cache: unit 'cache' overlaps unit 'core' of line 2",
        ),
        ("hotspot_chip", "chip.ptrace", "core\tcache\tio", "core\tcore\tio", r"chip\.ptrace:1: core: is named twice"),
        (
            "hotspot_chip",
            "chip.flp",
            "io      0.008",
            "pad 0.004 0.001 0 0.016\nio 0.008",
            r"chip\.ptrace:1: pad: has no column of powers",
        ),
        (
            "ice_die",
            "die.stk",
            "thermal conductivity     1.30e-4",
            "thermal conductivity",
            r"die\.stk:2: material SILICON: wants 1 or 3 numbers",
        ),
        ("hotspot_stack", "stack.lcf", "\nsilicon\n", "\nsilicone\n", "unknown material 'silicone' .did you mean 'silicon'"),
        ("hotspot_stack", "stack.config", "-r_convec 2.0", "-use_microfluidic_cooling 1", "cannot be imported"),
        ("hotspot_stack", "stack.lcf", "\nbond.flp", "\nbond.csv", "cooling channels"),
    ],
)
def test_mistakes_are_placed(run: str, file: str, old: str, new: str, message: str, tmp_path: Path) -> None:
    for path in (FOLDER / run).iterdir():
        text = path.read_text()
        if path.name == file:
            assert old in text
            text = text.replace(old, new, 1)
        (tmp_path / path.name).write_text(text)
    with pytest.raises(DeckError, match=message):
        import_files([tmp_path / name for name in RUNS[run]], run)


def test_through_the_door(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / "taken_over.yaml"
    files = [str(FOLDER / "hotspot_chip" / name) for name in RUNS["hotspot_chip"]]
    monkeypatch.setattr("sys.argv", ["stack3d", "import", *files, "-o", str(output)])
    with pytest.raises(SystemExit) as leave:
        main()
    assert not leave.value.code
    said = capsys.readouterr().out
    assert "5 layers, 3 sources" in said and "note: HotSpot's nodes" in said
    assert decks.load(output).name == "taken_over"


@pytest.mark.parametrize(("memory", "solver", "said"), [
    ("", "standard", ""),
    ("100 MB", "draft", "The deck asks for the solver draft, which takes"),
    ("60 MB", "study", "the others would take more: standard"),
    ("20 MB", None, "wants more than there is"),
])  # fmt: skip
def test_the_profile_fits_what_there_is(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
                                        memory: str, solver: str | None, said: str) -> None:  # fmt: skip
    """The finest that fits stands in the deck, what a finer one would take in the notes; where none fits nothing is written."""
    if memory:
        monkeypatch.setenv("STACK3D_MEMORY", memory)
    output = tmp_path / "taken_over.yaml"
    code = exit_code("import", *(str(FOLDER / "hotspot_chip" / name) for name in RUNS["hotspot_chip"]), "-o", str(output))
    told = capsys.readouterr()
    assert code == (0 if solver else 2) and said in told.out + told.err
    assert output.exists() == bool(solver) and (solver is None or yamlfile.read(output)["solver"] == solver)


def test_where_no_profile_is_small_the_smallest_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last one that was tried was, though another takes less; and the note called that one finer."""
    sizes = iter([{"mesh": 99.8e9}, {"mesh": 7.11e9}, {"mesh": 14.9e9}])
    monkeypatch.setattr(sys.modules["stack3d.case.fitting"], "terms_of", lambda chip: next(sizes))
    with imported("hotspot_chip").resolved() as case:
        name, note = fitting(case.scenario)
    assert name == "draft" and next(sizes, None) is None
    assert note.endswith("takes 7.11 GB of memory; the others would take more: standard 99.8 GB, study 14.9 GB.")


@pytest.mark.parametrize("ending", [".stk", ".flp"])
def test_long_files_are_told_while_they_are_read(ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
                                                 monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    """Which file, and how many of its units are done; a path is looked up once a file; nobody is told of short ones."""
    count = 600
    stack = (FOLDER / "ice_tiers" / "tiers.stk").read_text()
    (tmp_path / "big.stk").write_text(stack.replace("memory.flp", "units.flp"))
    (tmp_path / "logic.flp").write_text((FOLDER / "ice_tiers" / "logic.flp").read_text())
    units = "".join(f"u{i} :\n position {10 * i}, 0 ;\n dimension 10, 6000 ;\n power values 0.1, 0.2 ;\n" for i in range(count))
    (tmp_path / "units.flp").write_text(units)
    (tmp_path / "big.flp").write_text("".join(f"u{i} 1e-5 6e-3 {1e-5 * i:.9g} 0\n" for i in range(count)))
    monkeypatch.setattr(sys.modules["stack3d.progress.streamed"], "Waiting", lambda: Waiting(patience=0.0))
    looked, shown = [], yamlfile.shown
    monkeypatch.setattr(yamlfile, "shown", lambda path: looked.append(path) or shown(path))
    assert exit_code("import", str(tmp_path / f"big{ending}"), "-o", str(tmp_path / "deck.yaml")) == 0
    said = capsys.readouterr().err
    assert f"big{ending}, 512 of 600 units: 85 %" in said and "checking the deck" in said and len(looked) < 60
    assert ("units.flp, 256 of 600 units: 43 %" in said) == (ending == ".stk")
    assert WATCHED.get() is None


def test_thousands_of_units_come_in_as_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path is looked up once a file, not once a unit; the deck itself stays short."""
    looked, shown = [], yamlfile.shown
    monkeypatch.setattr(yamlfile, "shown", lambda path: looked.append(path) or shown(path))
    side = 71
    units = [(f"u{j}_{i}", i, j) for j in range(side) for i in range(side)]
    (tmp_path / "c.flp").write_text("".join(f"{name}\t1e-4\t1e-4\t{i}e-4\t{j}e-4\n" for name, i, j in units))
    (tmp_path / "c.ptrace").write_text("\t".join(name for name, *_ in units) + "\n" + "\t".join(["0.001"] * len(units)) + "\n")
    found = import_files([tmp_path / "c.flp", tmp_path / "c.ptrace"])
    texts = found.files("deck.yaml")
    assert len(looked) < 100
    assert texts["deck_chip_active.csv"].count("\n") == side * side + 1 and len(texts["deck.yaml"]) < 5000


def test_other_files_are_refused() -> None:
    with pytest.raises(DeckError, match=r"known: .stk"):
        import_files([Path("a.inp")])
    with pytest.raises(DeckError, match="exactly one .flp"):
        import_files([FOLDER / "hotspot_chip" / "chip.ptrace"])
    with pytest.raises(DeckError, match="one .stk"):
        import_files([Path("a.stk"), Path("b.stk")])


@pytest.mark.parametrize(("given", "said"), [
    (["ice_die/die.stk", "hotspot_chip/chip.flp", "hotspot_chip/chip.ptrace"], "a .stk is imported alone.*chip.flp, .*chip.ptrace"),
    (["hotspot_stack/stack.lcf", "hotspot_stack/stack.materials", "hotspot_chip/chip.flp"], "stack.lcf:1: no layer has the floorplan .*chip.flp;"),
    (["blox_package/package.3dbx", "hotspot_chip/chip.flp"], "a .3dbx goes with one table of powers .*chip.flp"),
    (["ecxml_module/module.ecxml", "hotspot_chip/chip.flp"], "an .ecxml is imported alone, got .*chip.flp"),
    (["layout_gds/die.gds", "hotspot_chip/chip.flp"], "a layout goes with .lef and .csv, got .*chip.flp"),
    (["hotspot_chip/chip.flp", "blox_package/powers.csv"], "powers.csv: a table belongs to a .3dbx or a layout"),
    (["hotspot_chip/chip.flp", "layout_def/tech.lef"], "tech.lef: LEF belongs to a .def"),
])  # fmt: skip
def test_a_file_that_no_reader_takes_is_refused(given: list[str], said: str) -> None:
    """Files beside a .stk, and floorplans that no layer names, were dropped in silence."""
    with pytest.raises(DeckError, match=said):
        import_files([FOLDER / name for name in given])


def test_defaults_of_hotspot_are_assumed_and_not_stated_by_files() -> None:
    """They stood under `source: HotSpot files`, as if a file had them."""
    deck = import_files([FOLDER / "hotspot_chip" / f"chip.{end}" for end in ("flp", "ptrace", "config")]).scenario
    said = deck["geometry"]["assumed"]
    assert "t_interface 2e-05" in said and "s_sub" not in said  # no secondary path
    assert all(stated not in said for stated in ("t_chip", "k_chip", "s_spreader", "s_sink", "t_sink"))
    assert "assumed" not in deck["cooling"]  # r_convec and ambient are in the file
    bare = import_files([FOLDER / "hotspot_chip" / f"chip.{end}" for end in ("flp", "ptrace")], transient=True).scenario
    assert "r_convec 0.1, ambient 318.15, c_convec 140.4, init_temp 333.15" in bare["cooling"]["assumed"]


@pytest.mark.parametrize("factor", [1e3, 1e6])
def test_a_floorplan_in_millimetres_is_refused(tmp_path: Path, factor: float) -> None:
    rows = [
        line.split() for line in (FOLDER / "hotspot_chip" / "chip.flp").read_text().splitlines() if line[:1] not in ("#", "")
    ]
    path = tmp_path / "chip.flp"
    path.write_text("\n".join("\t".join([name, *(f"{float(v) * factor:g}" for v in size)]) for name, *size in rows))
    with pytest.raises(
        DeckError, match=r"chip\.flp:1: .*: lengths of a \.flp are metres, and this unit has .*: are mm or um meant"
    ):
        import_files([path])


@pytest.mark.parametrize("files", [
    ("ice_die/die.stk",), ("blox_package/package.3dbx", "blox_package/powers.csv"), ("ecxml_module/module.ecxml",),
    ("layout_gds/die.gds", "layout_gds/layers.csv"),
    ("layout_def/chip.def", "layout_def/tech.lef", "layout_def/layers.csv", "layout_def/powers.csv"),
])  # fmt: skip
def test_endings_in_capitals_are_those_in_small_letters(tmp_path: Path, files: tuple[str, ...]) -> None:
    """Files that some systems write as CHIP.DEF make the same scenario."""
    folder = Path(__file__).parents[1] / "imports"
    whole = Path(shutil.copytree(folder / Path(files[0]).parent, tmp_path / "files"))
    plain = [whole / Path(file).name for file in files]
    found = import_files(plain, "x")
    capital = [path.rename(path.with_suffix(path.suffix.upper())) for path in plain]
    same = import_files(capital, "x")
    old, new = (str(f.scenario | {"title": "", "geometry": {**f.scenario["geometry"], "source": ""}}) for f in (found, same))
    assert old == new and found.tables == same.tables


def test_hotspot_in_capitals_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "A.FLP").write_text("core 0.001 0.001 0 0\n")
    with pytest.raises(DeckError, match=r"A.FLP: HotSpot's files end in small letters, .flp; rename it"):
        import_files([tmp_path / "A.FLP"])
