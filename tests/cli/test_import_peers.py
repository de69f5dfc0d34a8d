"""Inputs of other tools whose right temperatures are known: from the tools themselves, on cells as their files ask for."""

import sys
from pathlib import Path

import pytest

from stack3d import decks
from stack3d.case import run_case
from stack3d.cli import main
from stack3d.errors import DeckError
from stack3d.geometry.importers import Imported, import_files
from stack3d.geometry.stack import build_stack, explicit_sources
from stack3d.progress import Silent

FOLDER = Path(__file__).parents[1] / "imports"
CI = [("solver", "ci"), ("solver.backend", "tensor")]
CELLS = 0.015
"""Of the rise: the other tools solve on cells of their own. Where ours and theirs are fine, they differ by a tenth of it."""
PEER = {
    # 3D-ICE 4.0, commit 39ed2a7
    "ice_shapes/shapes.stk": {"T_U": 329.551, "T_U_2": 311.408, "T_D": 321.339},
    "ice_cavity/cavity.stk": {"T_U": 319.667, "T_U_2": 326.992, "T_D": 319.592, "T_D_2": 326.923},
    # its own test pf2rm/steady/2dies_background.stk, whose results lie beside it; probes in the middle of its cells
    "ice_pins/pins.stk": {"T_D": 318.735, "T_U": 308.826},
}
"""Temperatures of the probes. [K]"""
ICEPAK = {
    # github.com/alexxony/hbm-build at 40de24b, results/p3_icepak_scenarios/p3_icepak_s2.csv
    "base_die": 114.72152440464731,
    "dram_1": 114.51524278544503,
    "dram_4": 113.75175171575351,
    "dram_7": 112.79334156424592,
    "top_die": 112.73609184076992,
}
"""Means of dies by Icepak. [degC]"""
SHIFTS = {"phy": 133.5027393629284 - 116.61778372832121, "direct_access": 106.03327379728782 - 117.08187763986211}
"""By how much Icepak's means of blocks change from even power of the base die to most of it in one block: p3_icepak_s2, s0. [K]"""


def probes(found: Imported, folder: Path) -> dict[str, float]:
    """Temperature of each probe of the deck as it is written. [K]"""
    folder.mkdir()
    for name, text in found.files("deck.yaml").items():
        (folder / name).write_text(text)
    case = decks.load(folder / "deck.yaml", CI)
    values = run_case(case.scenario, Silent(), until="thermal").values["thermal/probe_temperature"]
    return {probe.name: float(values[..., i].ravel()[-1]) for i, probe in enumerate(case.scenario.probes)}


@pytest.mark.parametrize("file", PEER)
def test_temperatures_are_those_of_3d_ice(file: str, tmp_path: Path) -> None:
    """Elements of several rectangles; channels with three films and no heat sink, whose inlet temperature is the ambient."""
    found = probes(import_files([FOLDER / file]), tmp_path / "deck")
    for name, right in PEER[file].items():
        assert abs(found[name] - right) < CELLS * (right - 300.0), name


def test_table_for_icepak_has_the_temperatures_of_icepak() -> None:
    """Seventeen layers with a floorplan as CSV: means of dies, and what shifting the power changes in the blocks."""
    blocks = {}
    for plan in ("even", "heavy"):
        changed = [("geometry.layers.base_die.floorplan", f"base_die_{plan}.csv"), *CI]
        case = decks.load(FOLDER / "table_icepak" / "stack.yaml", changed)
        values = run_case(case.scenario, Silent(), until="thermal").values
        stack = build_stack(case.scenario.geometry)
        names = [source.name for source in explicit_sources(case.scenario, stack)]
        blocks[plan] = dict(zip(names, values["thermal/block_temperature"].ravel()))
    means = dict(zip((layer.name for layer in stack.layers), values["thermal/layer_temperature_mean"].ravel() - 273.15))
    for name, right in ICEPAK.items():
        assert abs(means[name] - right) < 3e-4 * (right - 40.0), name
    for name, right in SHIFTS.items():
        assert abs(blocks["heavy"][name] - blocks["even"][name] - right) < 0.005 * abs(right), name


def test_discretisation_of_a_layer_is_no_part_of_the_stack() -> None:
    found = import_files([FOLDER / "ice_shapes" / "discretised_layer.stk"])
    assert [layer["name"] for layer in found.scenario["geometry"]["layers"]] == ["B", "U_si", "U_source"]
    assert any("leave gaps" in note for note in found.notes)


def test_columns_go_layer_by_layer() -> None:
    """Two layers of one floorplan: the first pair of columns is that of layer 0, the second that of layer 1."""
    files = [FOLDER / "hotspot_same_names" / name for name in ("s.lcf", "a.flp", "p.ptrace")]
    sources = {s["name"]: (s["layer"], s["power"]) for s in import_files(files).scenario["power"]["sources"]}
    assert sources == {
        "l0_a_core": ("l0_a_active", "5 W"),
        "l0_a_X1": ("l0_a_active", "0 W"),
        "l1_a_core": ("l1_a_active", "1 W"),
        "l1_a_X1": ("l1_a_active", "0 W"),
    }


def test_films_of_floor_and_ceiling_count_on_their_own(tmp_path: Path) -> None:
    """The die below the cavity is hotter where its film, the floor's, is the smaller one: three means would show nothing."""
    text = (FOLDER / "ice_cavity" / "cavity.stk").read_text()
    plan = (FOLDER / "ice_cavity" / "even.flp").read_text()
    (tmp_path / "even.flp").write_text(plan.replace("6000", "600").replace("12.0", "1.2"))
    text = text.replace("chip length 6000", "chip length 600").replace("( U, 3000", "( U, 300").replace("( D, 3000", "( D, 300")
    text = text.replace("flow rate 18", "flow rate 1.8")
    swapped = text.replace("top 4.5e-08, bottom 6.0e-08", "top 6.0e-08, bottom 4.5e-08")
    assert swapped != text
    found = {}
    for name, content in {"as_is": text, "swapped": swapped}.items():
        (tmp_path / f"{name}.stk").write_text(content)
        found[name] = probes(import_files([tmp_path / f"{name}.stk"]), tmp_path / name)
    upper, lower = (abs(found["as_is"][f"T_{a}"] - found["swapped"][f"T_{b}"]) for a, b in (("U", "D"), ("D", "U")))
    assert max(upper, lower) < 1e-6  # the stack is its own mirror image
    assert found["as_is"]["T_U"] - found["as_is"]["T_D"] > 0.02


def test_floorplans_are_found_beside_the_file_then_in_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = tmp_path / "stacks"
    inner.mkdir()
    for name in ("shapes.stk", "shapes_a.flp", "shapes_b.flp"):
        (inner / name if name == "shapes.stk" else tmp_path / name).write_text((FOLDER / "ice_shapes" / name).read_text())
    monkeypatch.chdir(tmp_path)
    assert len(import_files([Path("stacks/shapes.stk")]).scenario["power"]["sources"]) == 6


def test_mistakes_of_the_deck_stand_at_the_lines_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What only the check of the deck finds is a mistake in the file all the same; nothing is written."""
    for path in (FOLDER / "ice_shapes").iterdir():
        (tmp_path / path.name).write_text(path.read_text().replace("(3000, 0, 1000, 2000)", "(3000, 0, 1000, 4000)"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["stack3d", "import", "shapes.stk", "-o", "out/deck.yaml"])
    with pytest.raises(SystemExit) as leave:
        main()
    assert leave.value.code == 2
    said = capsys.readouterr().err
    assert said == "error: shapes_a.flp:7: bar: reaches outside the chip, 4000 x 3000 um\n"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        (
            "shapes.stk",
            "material OX",
            "material SI",
            "shapes.stk:5: material SI: there are two such sections, the first on line 1",
        ),
        ("shapes.stk", "height 10 ;", "height 10 ; height 5 ;", "shapes.stk:23: layer GLUE: there are two of 'height'"),
        ("shapes_a.flp", "(2000, 1000, 1000", "(500, 1000, 1000", "shapes_a.flp:7: bar: overlaps 'ell' of line 2"),
        ("shapes_a.flp", "(2000, 1000, 1000", "(1999.9, 1000, 1000", "shapes_a.flp:7: bar: overlaps itself"),
        ("shapes_a.flp", "(0, 1000, 1000", "(0, 500, 1000", "shapes_a.flp:2: ell: overlaps itself"),
        ("shapes.stk", "steady ;", "transient step 0.02, slot 0.002 ;", "shapes.stk:40: solver: wants a slot of at least one"),
        ("shapes.stk", "output:", 'output:\n  Pmap (Z, "p", final) ;', "shapes.stk:44: output: unknown part of the stack 'Z'"),
        ("cavity.stk", "channel C ;", "channel C ; channel E ;", "cavity.stk:31: stack: channel 'E' lies right under another"),
        ("cavity.stk", "stack:", "stack: channel E ;", "cavity.stk:29: stack: channel 'E' lies on top"),
        ("cavity.stk", "solver:", "channel E ;\nsolver:", "cavity.stk:34: stack: channel 'E' lies at the bottom"),
        (
            "cavity.stk",
            "channel length 50 ;",
            "channel length 50 ; height 9 ;",
            "cavity.stk:7: microchannel 4rm: there are two of",
        ),
    ],
)
def test_what_3d_ice_itself_refuses_is_refused(file: str, old: str, new: str, said: str, tmp_path: Path) -> None:
    """Rather than added up, overwritten or solved: things told twice, powers in one place, coolant without a solid beside it."""
    folder = "ice_cavity" if file == "cavity.stk" else "ice_shapes"
    for path in (FOLDER / folder).iterdir():
        text = path.read_text()
        assert path.name != file or old in text
        (tmp_path / path.name).write_text(text.replace(old, new, 1) if path.name == file else text)
    with pytest.raises(DeckError) as caught:
        import_files([tmp_path / ("cavity.stk" if folder == "ice_cavity" else "shapes.stk")])
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_paths_in_quotes_hold_what_begins_a_comment_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "no#1").mkdir()
    for path in (FOLDER / "ice_shapes").iterdir():
        plan = path.suffix == ".flp"
        (tmp_path / "no#1" / path.name if plan else tmp_path / path.name).write_text(
            path.read_text().replace('"./shapes', '".//no#1//shapes').replace("stack:", 'stack: // the "stack\n')
        )
    assert len(import_files([tmp_path / "shapes.stk"]).scenario["power"]["sources"]) == 6


def test_floorplans_of_one_name_lie_in_their_own_folders(tmp_path: Path) -> None:
    """Those that the layers name by folder, though both are given too."""
    plan = (FOLDER / "hotspot_same_names" / "a.flp").read_text()
    for folder, name in (("core", "core"), ("bank", "bank")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.flp").write_text(plan.replace("core", name))
    text = (FOLDER / "hotspot_same_names" / "s.lcf").read_text()
    (tmp_path / "s.lcf").write_text(text.replace("a.flp", "core/a.flp", 1).replace("\na.flp", "\nbank/a.flp"))
    (tmp_path / "p.ptrace").write_text("core X1 bank X1\n5 0 1 0\n")
    given = [tmp_path / name for name in ("s.lcf", "p.ptrace", "bank/a.flp", "core/a.flp")]
    for files in (given[:2], given[:3], given):
        assert [s["power"] for s in import_files(files).scenario["power"]["sources"]] == ["5 W", "0 W", "1 W", "0 W"]


def test_the_secondary_path_lies_below_the_chip(tmp_path: Path) -> None:
    """Board, solder and substrate of their sizes, bumps and metal of the chip's; materials as HotSpot's temperature.h says."""
    for path in (FOLDER / "hotspot_chip").iterdir():
        (tmp_path / path.name).write_text(path.read_text().replace("-model_secondary 0", "-model_secondary 1\n-s_pcb 0.05"))
    found = import_files([tmp_path / name for name in ("chip.flp", "chip.ptrace", "chip.config")])
    layers = found.scenario["geometry"]["layers"]
    assert [layer["name"] for layer in layers][:6] == ["pcb", "solder", "sub", "c4", "metal", "chip_active"]
    assert layers[0]["size"] == ["50000 um", "50000 um"] and "size" not in layers[3]
    assert layers[3]["material"]["conductivity"] == "1.25 W/m/K"
    assert found.scenario["cooling"]["bottom"]["resistance"] == "1 K/W"


def test_effective_films_of_the_2rm_model_are_taken_apart_by_the_published_rule(tmp_path: Path) -> None:
    """Films 3e4, 4.5e4 and 6e4 W/m2/K put together, (film width + side height) / pitch, come back where side is their mean."""
    text = (FOLDER / "ice_cavity" / "cavity.stk").read_text()
    (tmp_path / "even.flp").write_text((FOLDER / "ice_cavity" / "even.flp").read_text())
    side, top, bottom = 4.5e4, 3e4, 6e4
    width, height, pitch = 50e-6, 100e-6, 100e-6
    effective = [1e-12 * (film * width + side * height) / pitch for film in (top, bottom)]
    text = text.replace("microchannel 4rm", "microchannel 2rm").replace(
        "side 2.5e-08, top 4.5e-08, bottom 6.0e-08", f"top {effective[0]}, bottom {effective[1]}"
    )
    text = text.replace("  first wall length 25 ;\n  last wall length 25 ;\n", "")
    (tmp_path / "two.stk").write_text(text)
    [cavity] = [x["channels"] for x in import_files([tmp_path / "two.stk"]).scenario["geometry"]["layers"] if "channels" in x]
    assert cavity["count"] == 60 and cavity["edge_wall_width"] == "25 um"
    films = [float(cavity[f"{part}_film_coefficient"].split()[0]) for part in ("wall", "ceiling", "floor")]
    assert films == pytest.approx([side, top, bottom], rel=1e-9)
