"""Stacks go out as ECXML and come back with the same temperatures; mistakes are told by file and line."""

import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from stack3d import decks, yamlfile
from stack3d.case import run_case
from stack3d.cli import main
from stack3d.errors import DeckError
from stack3d.geometry.importers import Imported, import_files
from stack3d.layout import Rectangle
from stack3d.progress import Silent
from stack3d.results.ecxml import ecxml_of_figures

STACK = Path(__file__).parents[1] / "imports" / "ecxml_module" / "module.ecxml"
FINE = [("solver", {"profile": "ci", "backend": "tensor", "mesh": {"lateral": 24, "per_layer": 3}})]
DECK = """\
scenario: pair
geometry:
  footprint: ["4 mm", "3 mm"]
  below:
    - {name: base, thickness: "0.2 mm", material: organic_substrate, size: ["6 mm", "5 mm"]}
    - {name: slab, thickness: "0.1 mm", material: silicon}
  parts:
    - name: a
      at: ["0.5 mm", "0.5 mm"]
      size: ["1 mm", "2 mm"]
      layers:
        - {name: active, thickness: "20 um", material: silicon}
        - name: bulk
          thickness: "180 um"
          material: copper
          blocks: [{name: hole, x: ["0.2 mm", "0.5 mm"], y: ["0.4 mm", "1 mm"], material: beol}]
    - {name: b, at: ["2 mm", "0.5 mm"], size: ["1.5 mm", "2 mm"], layers: [{name: whole, thickness: "300 um", material: silicon}]}
  fill: mold_compound
  above:
    - {name: lid, thickness: "0.5 mm", material: copper}
power:
  sources:
    - {name: core, layer: a.active, x: ["0.5 mm", "1 mm"], y: ["0.5 mm", "1.5 mm"], power: "2 W"}
    - {name: all, layer: b.whole, power: "1 W"}
cooling: {top: cold_plate, ambient: "310 K"}
probes: [{name: core, layer: a.active, x: "0.75 mm", y: "1 mm"}, {name: lid, layer: lid, x: "2 mm", y: "1 mm", z: "1.0 mm"}]
solver: ci
"""


def told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["stack3d", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.err or said.out


def rises(deck: Path) -> dict[str, float]:
    """Of the probes over the ambient. [K]"""
    case = decks.load(deck, FINE)
    values = run_case(case.scenario, Silent(), until="thermal").values["thermal/probe_temperature"]
    ambient = case.scenario.cooling.ambient
    return {probe.name: float(values[..., i].ravel()[-1]) - ambient for i, probe in enumerate(case.scenario.probes)}


def test_a_stack_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Parts in fill, a wider base, a block in a part, k(T) as a table: every rise within 0.5 %."""
    monkeypatch.chdir(tmp_path)
    Path("pair.yaml").write_text(DECK)
    assert told(monkeypatch, capsys, "export", "pair", "-o", "pair.ecxml")[0] == 0  # by its name
    assert told(monkeypatch, capsys, "import", "pair.ecxml", "-o", "back.yaml")[0] == 0
    out, back = rises(Path("pair.yaml")), rises(Path("back.yaml"))
    assert set(out) == set(back) == {"core", "lid"}
    for name, rise in out.items():
        assert abs(back[name] - rise) < 0.005 * rise, name
    case = decks.load("back.yaml")
    assert case.scenario.power is not None
    assert sum(source.power for source in case.scenario.power.sources) == pytest.approx(3.0, rel=1e-9)


def test_every_number_is_in_si(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pair.yaml").write_text(DECK)
    told(monkeypatch, capsys, "export", "pair.yaml", "-o", "pair.ecxml")
    root = ElementTree.parse("pair.ecxml").getroot()
    assert root.tag == "neutralXML"
    solids = {node.findtext("name"): node for node in root.iter("solid3dBlock")}
    assert set(solids) >= {"base", "slab", "a.active", "a.bulk", "b.whole", "lid"}
    active = solids["a.active"]
    assert [float(active.findtext(f"size/{axis}", "")) for axis in "xyz"] == pytest.approx([1e-3, 2e-3, 2e-5])
    assert [float(active.findtext(f"location/{axis}", "")) for axis in "xyz"] == pytest.approx([5e-4, 5e-4, 3e-4])
    copper = next(node for node in root.iter("material") if node.findtext("name") == "copper")
    k = float(copper.findtext("thermalConductivity/isotropic/conductivity", "nan"))
    by_volume = float(copper.findtext("density", "")) * float(copper.findtext("specific_heat", ""))
    assert (k, by_volume) == pytest.approx((398.0, 3.45e6), rel=0.03)
    assert {node.findtext("name"): float(node.findtext("powerDissipation", "")) for node in root.iter("sourceBlock")} == {"core": 2.0, "all": 1.0}  # fmt: skip
    assert float(root.findtext("solutionDomain/ambientConditions/temperature", "")) == 310.0


def layers(found: Imported) -> dict[str, dict]:
    return {layer["name"]: layer for layer in found.scenario["geometry"]["layers"]}


def test_objects_become_layers() -> None:
    """A board, a part of two materials, of which the later one counts, heat in it and on it, a group, a point."""
    found = import_files([STACK])
    made = layers(found)
    assert list(made) == ["board", "mold"]
    assert made["mold"]["size"] == ["10000 um", "10000 um"] and made["mold"]["offset"] == ["5000 um", "5000 um"]
    boxes = [(b["name"], b["x"], b["y"]) for b in made["mold"]["blocks"]]
    assert boxes == [("die", ["8000 um", "12000 um"], ["8000 um", "12000 um"])]
    powers = {(s["name"], s["layer"]): s["power"] for s in found.scenario["power"]["sources"]}
    assert powers == {("die", "mold"): "1 W", ("heater", "board"): "0.5 W"}
    assert found.scenario["probes"][0]["layer"] == "mold" and found.scenario["cooling"]["ambient"] == "308.15 K"
    assert any("'spare' is not active" in note for note in found.notes)


def test_what_overlaps_is_cut() -> None:
    from stack3d.geometry.importers.ecxml.slicing import _without

    pieces = list(_without(Rectangle(0.0, 4.0, 0.0, 4.0), Rectangle(1.0, 2.0, 1.0, 5.0)))
    assert sum(p.area for p in pieces) == pytest.approx(16.0 - 3.0)
    assert not any(p.overlaps(q) for p in pieces for q in pieces if p is not q)
    assert not any(p.overlaps(Rectangle(1.0, 2.0, 1.0, 5.0)) for p in pieces)


@pytest.mark.parametrize(("old", "new", "said"), [
    ("<neutralXML>", "<neutral>", "module.ecxml:"),
    ("<conductivity>0.8<", "<conductivity>none<", "wants a number of 0 or more, got 'none'"),
    ("<conductivity>0.8<", "<conductivity>0<", "conductivity: wants more than 0, got 0"),
    ("<material>fr4<", "<material>fr5<", "'board': no material 'fr5' (did you mean 'fr4'?)"),
    ("<sourceBlock>", "<grille>", "module.ecxml:"),
    ("<size><x>0.01</x>", "<size><x>0</x>", "wants a size above 0"),
    ("<z>0.0016</z></size><plane>", "<z>-1</z></size><plane>", "wants a number of 0 or more, got '-1'"),
    ("<?xml version=\"1.0\"?>", "<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY b 'c'>]>", "has a document type"),
    ("<active>false</active>", "<active>true</active>", "<twoResistorModel> is a compact model, which no stack of layers has"),
])  # fmt: skip
def test_mistakes_by_file_and_line(old: str, new: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                   capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    text = STACK.read_text()
    assert old in text
    Path("module.ecxml").write_text(text.replace(old, new, 1))
    code, err = told(monkeypatch, capsys, "import", "module.ecxml", "-o", "deck.yaml")
    assert code == 2 and said in err and "module.ecxml:" in err and len(err.strip().splitlines()) == 1, err


BODY = "<location><x>0</x><y>0</y><z>0</z></location><size><x>0.001</x><y>0.001</y><z>0.001</z></size><material>fr4</material>"


@pytest.mark.parametrize(("inner", "said"), [
    (f"<foo><name>lid</name><active>true</active>{BODY}</foo>", "'foo': is no object that is read; leave it out"),
    (f"<cylinder><name>lid</name>{BODY}</cylinder>", "'cylinder': is no object that is read (did you mean 'solidCylinder'?)"),
    (f"<solid3dblock><name>lid</name>{BODY}</solid3dblock>", "'solid3dblock': is no object that is read (did you mean 'solid3dBlock'"),
    ("<fan><name>blower</name><active>true</active></fan>", "'fan': is no object that is read"),
    ("<fan><name>blower</name></fan>", "'fan': is no object that is read"),
    ("<fan/>", "'fan': is no object that is read"),
    ("<thing><name>blower</name></thing>", "'thing': is no object that is read"),
    ("<grille2><name>g</name></grille2>", "'grille2': is no object that is read (did you mean 'grille'?)"),
    ("<group><data><part><size><x>1</x></size></part></data></group>", "'group': is no object that is read"),
])  # fmt: skip
@pytest.mark.parametrize("before", ["</geometry></assembly>", "</geometry>\n</neutralXML>", "</neutralXML>"])
def test_unknown_objects_are_refused_by_name(before: str, inner: str, said: str, tmp_path: Path) -> None:
    """In a group, in the geometry and beside it; a note said that they were not read, and their heat path was gone."""
    text = STACK.read_text()
    head, middle, tail = text.partition(before)
    assert middle
    (tmp_path / "module.ecxml").write_text(f"{head}\n{inner}{middle}{tail}")
    with pytest.raises(DeckError) as caught:
        import_files([tmp_path / "module.ecxml"])
    (problem,) = caught.value.problems
    assert said in str(problem) and problem.line == head.count("\n") + 2


SECOND = [
    ("<name>die</name>", "<name>dice</name>"),
    ("<location><x>0.008</x><y>0.008</y><z>0.0016</z></location>", None),
    ("<size><x>0.004</x><y>0.004</y><z>0.001</z></size>", "<size><x>0.001</x><y>0.001</y><z>0.001</z></size>"),
    ("<x>0.004</x>", "<x>0.001</x>"),
    ("<powerDissipation>1</powerDissipation>", "<powerDissipation>9</powerDissipation>"),
    ("<material>silicon</material>", "<material>fr4</material>"),
    ("<active>true</active>", "<active>false</active>"),
    ("<conductivity>0.8</conductivity>", "<conductivity>8</conductivity>"),
    ("<density>1900</density>", "<density>1</density>"),
    ("<coeff>-0.4</coeff>", "<coeff>0</coeff>"),
    ("<temperature>308.15</temperature>", "<temperature>400</temperature>"),
    ("</ambientConditions>", "<ambientConditions><temperature>400</temperature></ambientConditions>"),
    ("</solutionDomain>", "<solutionDomain/>"),
    ("</geometry></assembly>", "<geometry/>"),
    ("<name>module</name>", "<name>other</name>"),
    ("</isotropic>", "<orthotropic><x>17</x><y>17</y><z>0.4</z></orthotropic>"),
]
"""What stands once, and a second one after it."""


@pytest.mark.parametrize(("once", "more"), SECOND)
def test_a_second_of_what_counts_once_is_refused_at_its_line(once: str, more: str | None, tmp_path: Path) -> None:
    """The first counted, in silence."""
    head, found, tail = STACK.read_text().partition(once)
    once, behind = (found.removesuffix("</assembly>"), "</assembly>") if found.endswith("</assembly>") else (found, "")
    assert found
    (tmp_path / "module.ecxml").write_text(f"{head}{once}\n{more or once}{behind}{tail}")
    with pytest.raises(DeckError, match=r"is the second in <|is <isotropic> already") as caught:
        import_files([tmp_path / "module.ecxml"])
    assert caught.value.problems[0].line == head.count("\n") + 2


@pytest.mark.parametrize(("old", "new", "said"), [
    ("</materials>", "<material><name>fr4</name><density>1</density><specific_heat>1</specific_heat><thermalConductivity><isotropic>"
     "<conductivity>1</conductivity></isotropic></thermalConductivity></material></materials>", "'fr4': is the second material"),
    ("</geometry></assembly>", "</geometry><fan/></assembly>", None),
    ("</geometry></assembly>", f"</geometry><solid3dBlock><name>s</name><active>true</active>{BODY}</solid3dBlock></assembly>",
     "'solid3dBlock': stands in <assembly> itself"),
])  # fmt: skip
def test_what_would_be_lost_beside_its_list_is_refused(old: str, new: str, said: str | None, tmp_path: Path) -> None:
    text = STACK.read_text()
    assert old in text
    (tmp_path / "module.ecxml").write_text(text.replace(old, new, 1))
    with pytest.raises(DeckError, match=said or "'fan': is no object that is read"):
        import_files([tmp_path / "module.ecxml"])


def test_what_is_no_object_is_told_and_a_second_geometry_is_read(tmp_path: Path) -> None:
    """Descriptions and data of a user stay a note; the heat of a board and of a second list was lost in silence."""
    text = STACK.read_text().replace(
        "<plane>+xy</plane>\n<material>fr4", "<plane>+xy</plane><powerDissipation>3</powerDissipation>\n<material>fr4", 1
    )
    said = "<description>of a board</description><userData><key>colour</key><value>7</value></userData>"
    spare = f"<foo><name>f</name><active>false</active>{BODY}</foo>"
    extra = f"<solid3dBlock><name>extra</name><active>true</active>{BODY}<powerDissipation>2</powerDissipation><mesh/></solid3dBlock>"
    file = tmp_path / "module.ecxml"
    file.write_text(text.replace("</neutralXML>", f"<geometry>{said}{spare}{extra}</geometry></neutralXML>"))
    found = import_files([file])
    told = ("<'description'> is", "<'userData'> is", "<'foo'> is not active", "<'mesh'> of <solid3dBlock> is")
    assert [start for start in told if not any(note.startswith(start) for note in found.notes)] == []
    powers = {s["name"]: s["power"] for s in found.scenario["power"]["sources"]}
    assert (
        powers["extra"] == "2 W"
        and "board" in powers
        and sum(float(p.split()[0]) for p in powers.values()) == pytest.approx(6.5)
    )


@pytest.mark.parametrize(("key", "value", "said"), [
    ("geometry.above.lid.contact_resistance", "1e-5 m^2 K/W", "layer 'lid' has a contact_resistance"),
    ("geometry.above.lid.material", "{cylinders: {host: silicon, fill: copper, diameter: 10 um, pitch: 50 um, resolved: true}}", "resolved"),
])  # fmt: skip
def test_what_cannot_be_held_is_refused(key: str, value: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                        capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    name = key.rpartition(".")[2]
    line = f'thickness: "0.5 mm", {name}: "{value}"' if name != "material" else f'thickness: "0.5 mm", material: {value}'
    old = 'thickness: "0.5 mm", material: copper' if name == "material" else 'thickness: "0.5 mm"'
    Path("pair.yaml").write_text(DECK.replace(old, line))
    code, err = told(monkeypatch, capsys, "export", "pair.yaml", "-o", "pair.ecxml")
    assert code == 2 and said in err and not Path("pair.ecxml").exists(), err


JEDEC = """\
scenario: package
geometry:
  footprint: ["5 mm", "5 mm"]
  layers:
    - {name: board, thickness: "1 mm", material: {conductivity: "10 W/m/K", heat_capacity: "1e6 J/m^3/K"}}
    - {name: die, thickness: "0.4 mm", material: {conductivity: "120 W/m/K", heat_capacity: "1e6 J/m^3/K"}}
    - {name: cap, thickness: "0.5 mm", material: {conductivity: "1 W/m/K", heat_capacity: "1e6 J/m^3/K"}}
power: {sources: [{name: heat, layer: die, power: "2 W"}]}
cooling: {top: {film_coefficient: "50 W/m^2/K"}, bottom: {resistance: "20 K/W"}, ambient: "25 degC"}
probes:
  - {name: diode, layer: die, x: "2.5 mm", y: "2.5 mm", z: "1.4 mm"}
  - {name: case, layer: cap, x: "2.5 mm", y: "2.5 mm", z: "1.9 mm"}
  - {name: pcb, layer: board, x: "2.5 mm", y: "2.5 mm", z: "0 mm"}
jedec: {junction: diode, top: case, board: pcb}
solver: ci
"""


def test_a_package_goes_out_as_two_resistances(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Box, power and both resistances: θJC is the cap's own, 20 K/W; a result without the figures is refused."""
    monkeypatch.chdir(tmp_path)
    Path("package.yaml").write_text(JEDEC)
    assert told(monkeypatch, capsys, "run", "package.yaml", "-o", "out")[0] == 0
    code, said = told(monkeypatch, capsys, "export", "out/package", "-o", "package.ecxml")
    assert code == 0, said
    root = ElementTree.parse("package.ecxml").getroot()
    (model,) = [e for e in root.iter() if e.tag.endswith("twoResistorModel")]

    def value(tag: str) -> float:
        (found,) = [e for e in model.iter() if e.tag.endswith(tag)]
        return float("".join(found.itertext()))

    assert value("powerDissipation") == pytest.approx(2.0)
    assert value("thetaJC") == pytest.approx(0.5e-3 / 1.0 / 25e-6, rel=2e-3)
    assert 0 < value("thetaJB") < 20.0
    (height,) = [e for e in next(e for e in model.iter() if e.tag.endswith("size")) if e.tag.endswith(("z", "Z"))]
    assert float(height.text or "nan") == pytest.approx(0.9e-3)  # die and cap, without the board
    Path("bare.yaml").write_text(JEDEC.replace("jedec: {junction: diode, top: case, board: pcb}\n", ""))
    assert told(monkeypatch, capsys, "run", "bare.yaml", "-o", "bare")[0] == 0
    code, said = told(monkeypatch, capsys, "export", "bare/package", "-o", "bare.ecxml")
    assert code == 5 and "put jedec: {junction, top, board} into its scenario" in said


@pytest.mark.parametrize(("jc", "jb", "said"), [
    (1.5, -0.4946, "jedec.board: psi_jb is -0.4946 K/W, so the board is no cooler than the junction"),
    (0.0, 2.0, "jedec.top: theta_jc_top is 0 K/W, so the top is no cooler than the junction"),
    (1.5, float("nan"), "jedec.board: psi_jb is nan K/W"),
])  # fmt: skip
def test_resistances_that_are_none_are_refused(jc: float, jb: float, said: str) -> None:
    """A probe of the board that is warmer than the junction gave a negative resistance without a word."""
    case = decks.resolve(yamlfile.parse_text(JEDEC, "package.yaml"), Path("package.yaml"))
    with pytest.raises(DeckError) as caught:
        ecxml_of_figures(case.scenario, case.name, jc, jb)
    assert str(caught.value).startswith(said) and caught.value.exit_code == 2 and "choose other probes" in str(caught.value)


def test_an_ambient_that_the_file_does_not_say_is_told(tmp_path: Path) -> None:
    text = STACK.read_text()
    start, end = text.index("<ambientConditions>"), text.index("</solutionDomain>")
    (tmp_path / "bare.ecxml").write_text(text[:start] + text[end:])
    found, whole = import_files([tmp_path / "bare.ecxml"]), import_files([STACK])
    assert found.scenario["cooling"]["ambient"] == "300 K" and "no ambientConditions" in found.scenario["cooling"]["assumed"]
    told = "The file has no ambientConditions: 300 K around (assumed); set cooling.ambient."
    assert told in found.notes and told not in whole.notes and "ambient" not in whole.scenario["cooling"]["assumed"]
