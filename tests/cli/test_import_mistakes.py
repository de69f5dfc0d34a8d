"""One mistake in a file of another tool is one line, at the user's own file and line and in the words of that file."""

from pathlib import Path

import pytest
from in_process import exit_code

from stack3d.errors import DeckError
from stack3d.geometry.importers import import_files

FOLDER = Path(__file__).parents[1] / "imports"
GIVEN = {
    "hotspot_chip": ["chip.flp", "chip.ptrace", "chip.config"],
    "hotspot_stack": ["stack.lcf", "stack.ptrace", "stack.config", "stack.materials"],
    "ice_die": ["die.stk"],
    "ice_pins": ["pins.stk"],
    "ice_channels": ["cooled.stk"],
    "ice_tiers": ["tiers.stk"],
    "layout_def": ["chip.def", "tech.lef", "layers.csv"],
    "blox_package": ["package.3dbx", "powers.csv"],
}


def refused(run: str, file: str, old: str, new: str, folder: Path) -> None:
    """Import the files of a run, one of them changed, in the folder that the command runs in; nothing is written."""
    for path in (FOLDER / run).iterdir():
        text = path.read_text()
        if path.name == file:
            assert old in text
            text = text.replace(old, new, 1)
        (folder / path.name).write_text(text)
    assert exit_code("import", *GIVEN[run], "-o", "out.yaml") == 2
    assert not (folder / "out.yaml").exists()


OF_ICE = [
    ("ice_die", "die.stk", "coefficient 1.0e-8", "coefficient -1e-8",
     "die.stk:6: top heat sink: heat transfer coefficient wants 0 or more, got '-1e-8'"),
    ("ice_die", "die.stk", "thermal conductivity     1.30e-4", "thermal conductivity 0",
     "die.stk:2: material SILICON: thermal conductivity wants a number above zero, got '0'"),
    ("ice_die", "die.stk", "coefficient 1.0e-8", "coefficient 0",
     "die.stk:6: heat transfer coefficient: is 0 and there is no coolant: heat has no way out"),
    ("ice_die", "die.stk", "T (", "T (CORE, 20000, 10, \"far.txt\", final) ; T (",
     "die.stk:25: output: 'CORE': the point lies outside the chip, 10000 x 8000 um"),
    ("ice_die", "core.flp", "position 0, 0", "position -5, 0", "core.flp:2: hot: reaches outside the chip, 10000 x 8000 um"),
    ("ice_die", "core.flp", "position 0, 0", "position 1e300, 0", "core.flp:2: hot: reaches outside the chip, 10000 x 8000 um"),
    ("ice_pins", "pins.stk", "pin pitch 100", "pin pitch -1",
     "pins.stk:9: pinfin: pin pitch wants a number above zero, got '-1'"),
    ("ice_pins", "pins.stk", "pin diameter 50", "pin diameter 1e300",
     "pins.stk:8: pinfin: pin diameter is at most 1000 m, got '1e300'"),
]  # fmt: skip

TWICE_OR_TOO_MUCH = [
    ("ice_pins", "pins.stk", "channel cavity ;", "channel cavity",
     "pins.stk:30: stack: wants a semicolon after 'channel cavity', got 'die D lower floorplan \"e'…"),
    ("ice_die", "die.stk", "top heat sink", "side heat sink",
     "die.stk:5: side heat sink: unknown heading 'side heat sink'; known: top heat sink, conventional heat sink, bottom heat sink"),
    ("ice_tiers", "tiers.stk", "bottom heat sink", "top heat sink",
     "tiers.stk:16: top heat sink: there are two such sections, the first on line 13"),
    ("ice_die", "die.stk", "temperature 300.0 ;", "temperature 300 ; temperature 310 ;",
     "die.stk:7: top heat sink: there are two of 'temperature', the first on line 7"),
    ("ice_die", "die.stk", "cell length  1000, width 1000", "chip length 2000, width 2000",
     "die.stk:11: dimensions: there are two of 'chip', the first on line 10"),
    ("ice_die", "die.stk", "steady ;", "transient step 1, slot 2 ;\n  steady ;",
     "die.stk:22: solver: there are two of 'steady or transient', the first on line 21"),
    ("ice_die", "die.stk", "steady ;", "steady transient step 1 ;",
     "die.stk:21: solver: wants a semicolon after 'steady', got 'transient step 1'"),
    ("ice_tiers", "tiers.stk", "material BEOL ;", "material BEOL SILICON ;",
     "tiers.stk:11: layer BOND: wants a semicolon after 'material BEOL', got 'SILICON'"),
    ("ice_pins", "pins.stk", "dimensions", "microchannel 4rm :\n  height 5 ;\ndimensions",
     "pins.stk:16: microchannel 4rm: there are two kinds of cavity, the first, 'pinfin', on line 6"),
    ("ice_pins", "pins.stk", "pin diameter 50", "pin diameter 120",
     "pins.stk:8: pinfin: pins wider than their pitch of 100 um leave no way for the coolant"),
    ("ice_die", "core.flp", "power values 1.0 ;", "power values 1.0 ; power values 2.0 ;",
     "core.flp:8: cold: there are two of 'power'"),
    ("ice_die", "core.flp", "power values 1.0", "position 5000, 0 ; dimension 5000, 8000 ; power values 1.0",
     "core.flp:8: cold: wants position and dimension, or rectangles, not both"),
    ("ice_die", "die.stk", "material SILICON", "materiel SILICON",
     "die.stk:1: materiel SILICON: unknown heading 'materiel SILICON' (did you mean 'material'?); known: material, microchannel,"
     " pinfin, dimensions, layer, die, stack, solver, output"),
    ("ice_tiers", "tiers.stk", "average", "mean",
     "tiers.stk:42: output: got 'mean' after the name of its file; known: average, maximum, minimum, final, slot, step,"
     " then a semicolon"),
    ("ice_tiers", "tiers.stk", "average, slot", "slot",
     "tiers.stk:42: output: wants one of average, maximum, minimum after the name of the file"),
    ("ice_tiers", "tiers.stk", "average, slot ) ;", "average, slot )",
     "tiers.stk:42: output: got 'T GLUE \"glue.txt\" 3000 3'… after the name of its file; known: average, maximum, minimum,"
     " final, slot, step, then a semicolon"),
    ("ice_die", "die.stk", "length 10000, width 8000", "length 10000, length 8000",
     "die.stk:10: dimensions: there are two of 'length'"),
    ("ice_pins", "pins.stk", "pin diameter 50 ;", "pin diameter 50",
     "pins.stk:8: pinfin: wants a number, got 'pin'"),
    ("ice_tiers", "tiers.stk", 'T ( GLUE, "glue.txt", 3000, 3000, slot )', 'Tcoolant ( GLUE, "glue.txt", average, slot )',
     "tiers.stk:43: output: 'GLUE' is no channel: only those have coolant"),
]  # fmt: skip


OF_HOTSPOT = [
    ("hotspot_chip", "chip.ptrace", "18.0", "1e40", "chip.ptrace:3: core: is at most 1e+12 W, got '1e40'"),
    ("hotspot_chip", "chip.config", "-s_sink        0.024", "-s_sink 1e5", "chip.config:5: s_sink: is at most 1000 m, got '1e5'"),
    ("hotspot_chip", "chip.config", "-s_sink        0.024", "-s_sink 0.004",
     "chip.config:5: s_sink: is 4000 um, smaller than the chip, 8000 um"),
    ("hotspot_chip", "chip.config", "-s_sink        0.024", "-s_sink 0.012",
     "chip.config:5: s_sink: is 12000 um, smaller than the spreader, 16000 um"),
    ("hotspot_chip", "chip.config", "-s_spreader    0.016", "-s_spreader 0.005",
     "chip.config:4: s_spreader: is 5000 um, smaller than the chip, 8000 um"),
    ("hotspot_chip", "chip.config", "-t_sink", "-T_chip 0.005\n-t_sink",
     "chip.config:6: t_chip: is given twice, first on line 2; HotSpot takes the first"),
    ("hotspot_stack", "stack.lcf", "\n2\nN", "\n5\nN", "stack.lcf:20: wants layers numbered from 0 on, got 0, 1, 5"),
    ("hotspot_chip", "chip.config", "-ambient", "-ambient 1e9\n#", "chip.config:8: ambient: is at most 1e+06 K, got '1e9'"),
]  # fmt: skip


@pytest.mark.parametrize(("run", "file", "old", "new", "line"), OF_ICE + TWICE_OR_TOO_MUCH + OF_HOTSPOT)
def test_3d_ice_and_hotspot(
    run: str, file: str, old: str, new: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """They named keys of decks, at the line of the stack or the first one, powers at a line of the floorplan."""
    monkeypatch.chdir(tmp_path)
    refused(run, file, old, new, tmp_path)
    assert capsys.readouterr().err == f"error: {line}\n"


@pytest.mark.parametrize(("run", "file", "old", "new", "line"), [
    ("layout_def", "layers.csv", "v1,V1,0.3,copper", "v1,V1,0.3,coper",
     "layers.csv:5: fill: unknown material 'coper' (did you mean 'copper'"),
    ("layout_def", "layers.csv", "active,,10,,silicon", "active,,10,,/*", "layers.csv:3: host: unknown material '/*'; known: "),
    ("blox_package", "powers.csv", "power [W]\ncompute,,,,,,12", "power [W],material\ncompute,,,,,,12,/*",
     "powers.csv:2: material: unknown material '/*'; known: "),
])  # fmt: skip
def test_materials_of_tables(
    run: str, file: str, old: str, new: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """They named keys of decks, or the folder in which the deck was tried."""
    monkeypatch.chdir(tmp_path)
    refused(run, file, old, new, tmp_path)
    said = capsys.readouterr().err
    assert said.startswith(f"error: {line}") and said.count("\n") == 1 and ".stack3d-import" not in said


def test_what_the_deck_alone_shows_is_told_once_a_place(tmp_path: Path) -> None:
    """Keys of the deck and the folder that it is tried in are nothing that the user wrote."""
    found = import_files([FOLDER / "ice_die" / "die.stk"])
    layer = found.layers[0]
    for key in ("thickness", "material"):
        layer[key] = "/*"
    with pytest.raises(DeckError) as caught, found.resolved():
        pass
    [problem] = caught.value.problems
    assert problem.line == layer.here[1] and str(problem.file).endswith("die.stk")
    assert "layers[0]" not in str(problem) and ".stack3d-import" not in str(problem)


def test_a_floorplan_of_two_dies_is_told_of_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It was told once a die, and its columns of powers over time as sources that are not there."""
    monkeypatch.chdir(tmp_path)
    for path in (FOLDER / "ice_pins").iterdir():
        (tmp_path / path.name).write_text(path.read_text())
    stack = (tmp_path / "pins.stk").read_text().replace("steady", "transient step 0.01, slot 0.02")
    (tmp_path / "pins.stk").write_text(stack)
    for path in tmp_path.glob("*.flp"):
        path.write_text("all :\n  position 0, 0 ;\n  dimension 99999, 10000 ;\n  power values 1, 2 ;\n")
    assert stack.count(".flp") == 2 and len(list(tmp_path.glob("*.flp"))) == 1
    assert exit_code("import", "pins.stk", "-o", "out.yaml") == 2
    [file] = tmp_path.glob("*.flp")
    assert capsys.readouterr().err == f"error: {file.name}:2: all: reaches outside the chip, 10000 x 10000 um\n"
