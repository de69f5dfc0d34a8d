import warnings
from pathlib import Path

import pytest

from stack3d import decks, yamlfile
from stack3d.errors import DeckError, ValidityWarning

SMALL = """\
scenario: small
geometry:
  footprint: ["1 mm", "1 mm"]
  layers:
    - {name: die, thickness: "0.3 mm", material: silicon}
power:
  sources:
    - {name: all, layer: die, power: "1 W"}
cooling: {top: {film_coefficient: "1e4 W/m^2/K"}, ambient: "300 K"}
solver: ci
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    return path


def problems(path: Path, *overrides: str) -> list[str]:
    with pytest.raises(DeckError) as caught:
        decks.load(path, [decks.parse_override(o) for o in overrides])
    return [str(p) for p in caught.value.problems]


def test_yaml_1_2_rules() -> None:
    tree = yamlfile.parse_text("{a: 1e-6, b: off, c: 010, d: 1_000, e: '5', f: yes, g: 12:30}", "x")
    assert tree["a"] == 1e-6 and tree["b"] == "off" and tree["f"] == "yes" and tree["g"] == "12:30"
    assert tree["c"] == 10 and tree["e"] == "5"


def test_places_survive(small: Path) -> None:
    tree = yamlfile.read(small)
    place = yamlfile.locate(tree, ("geometry", "layers", 0, "thickness"))
    assert place is not None and place[1] == 5


@pytest.mark.parametrize(
    ("text", "words"), [("a: [1", "not valid YAML"), ("a: 1\na: 2", "duplicate key"), ("- 1", "mapping of keys")]
)
def test_broken_yaml_is_one_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    [line] = problems(path)
    assert words in line and "broken.yaml:" in line and "\n" not in line


def test_all_mistakes_at_once_with_place(small: Path) -> None:
    small.write_text(
        SMALL.replace('"0.3 mm"', "0.3")
        .replace("silicon}", "silicn}")
        .replace('"1 W"', '"1 K"')
        .replace("solver: ci", "solvr: ci")
    )
    lines = problems(small)
    assert len(lines) == 4  # one line a mistake: the misspelt solver is not missing as well
    found = "\n".join(lines)
    assert "small.yaml:5: geometry.layers[0].thickness: got the bare number 0.3" in found
    assert "small.yaml:5: geometry.layers[0].material: no deck 'silicn' in materials (did you mean 'silicon'" in found
    assert "small.yaml:8: power.sources[0].power: 'K' is no unit of power" in found
    assert "small.yaml:10: solvr: unknown key 'solvr' (did you mean 'solver'" in found


def test_nearest_key_inside_a_named_deck(small: Path) -> None:
    [line] = problems(small, "solver.mesh.laterl=3")
    assert "did you mean 'lateral'" in line and line.startswith("--set: solver.mesh.laterl")


def test_overrides_are_ordered_and_recorded(small: Path) -> None:
    pairs = [
        decks.parse_override(t)
        for t in ("cooling.ambient=310 K", "cooling.ambient=320 K", "geometry.layers.die.thickness=1 mm")
    ]
    case = decks.load(small, pairs)
    assert case.scenario.cooling.ambient == 320.0
    assert [str(o) for o in case.overrides] == [
        "cooling.ambient: 300 K -> 310 K",
        "cooling.ambient: 310 K -> 320 K",
        "geometry.layers.die.thickness: 0.3 mm -> 1 mm",
    ]


def test_override_reaches_into_a_named_deck(small: Path) -> None:
    case = decks.load(small, [decks.parse_override("geometry.layers.die.material.conductivity=100 W/m/K")])
    assert case.scenario.geometry.layers[0].material.conductivity == (100.0,) * 3


@pytest.mark.parametrize(
    ("text", "words"),
    [("x", "KEY=VALUE"), ("geometry.layers.dy.thickness=1 mm", "no item 'dy'"), ("scenario.a=1", "has no keys")],
)
def test_bad_overrides(small: Path, text: str, words: str) -> None:
    with pytest.raises(DeckError, match=words):
        decks.load(small, [decks.parse_override(text)])


def test_hash_follows_meaning_not_spelling(small: Path) -> None:
    base = decks.load(small).digest()
    small.write_text(
        SMALL.replace('"0.3 mm"', '{value: "300 um", source: "a book"}').replace("scenario: small", "# note\nscenario: small")
    )
    assert decks.load(small).digest() == base
    assert decks.load(small, [("cooling.ambient", "301 K")]).digest() != base


@pytest.mark.filterwarnings("ignore::stack3d.errors.ValidityWarning")
def test_name_resolves_beside_the_scenario_first(small: Path) -> None:
    (small.parent / "silicon.yaml").write_text('conductivity: "1 W/m/K"\nheat_capacity: "1e6 J/m^3/K"\n')
    assert decks.load(small).scenario.geometry.layers[0].material.conductivity == (1.0,) * 3


def test_a_scenario_called_as_its_deck_does_not_stand_for_it(small: Path) -> None:
    same = small.rename(small.with_name("ci.yaml"))
    assert decks.load(same).scenario.solver.error_promise == 0.01


@pytest.mark.parametrize(
    "other", [SMALL, 'layers: [{name: a, thickness: "1 mm", material: silicon}]\nfootprint: ["1 mm", "1 mm"]\n']
)
def test_a_deck_of_another_kind_shadows_no_packaged_one(small: Path, other: str) -> None:
    """Beside the scenario lies a file `study.yaml` that is no solver; the packaged profile is meant."""
    (small.parent / "study.yaml").write_text(other)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decks.load(small, [("solver", "study")]).scenario.solver.title is not None


def test_two_decks_of_one_kind_and_name_are_both_named(small: Path) -> None:
    (small.parent / "study.yaml").write_text('backend: tensor\nmesh: {lateral: 4}\nerror_promise: "1 %"\n')
    with pytest.warns(
        ValidityWarning, match=r"'study' in solvers is .*study.yaml, not .*solvers/study.yaml; a path says which"
    ):
        assert decks.load(small, [("solver", "study")]).scenario.solver.title is None


def test_a_name_cut_short_is_answered_by_what_begins_with_it(small: Path) -> None:
    small.write_text(SMALL.replace("film_coefficient:", "film:"))
    [line] = problems(small)
    assert "did you mean 'film_coefficient'" in line


def test_explicit_path(small: Path) -> None:
    (small.parent / "mine").mkdir()
    (small.parent / "mine" / "stuff.yaml").write_text(
        'conductivity: ["1 W/m/K", "2 W/m/K", "3 W/m/K"]\nheat_capacity: "1e6 J/m^3/K"\n'
    )
    case = decks.load(small, [("geometry.layers.die.material", "mine/stuff.yaml")])
    assert case.scenario.geometry.layers[0].material.conductivity == (1.0, 2.0, 3.0)


def test_scenario_by_name_and_near_miss() -> None:
    assert decks.load("quickstart").name == "quickstart"
    with pytest.raises(DeckError, match="did you mean 'quickstart'"):
        decks.load("quikstart")


def test_no_cooling_is_refused(small: Path) -> None:
    small.write_text(SMALL.replace('top: {film_coefficient: "1e4 W/m^2/K"}, ', ""))
    [line] = problems(small)
    assert "every face is adiabatic" in line


def test_a_deck_of_another_kind_is_not_taken_for_its_name(tmp_path: Path) -> None:
    """Beside a scenario in the project's folder of scenarios lie scenarios, whatever they are called."""
    (tmp_path / "geometries").mkdir()
    (tmp_path / "scenarios").mkdir()
    path = tmp_path / "scenarios" / "mine.yaml"
    path.write_text(SMALL)
    (tmp_path / "scenarios" / "silicon.yaml").write_text(SMALL)
    assert decks.load(path).scenario.geometry.layers[0].material.name == "silicon"


def test_files_count_from_the_deck_they_stand_in(tmp_path: Path) -> None:
    import shutil

    packaged = decks.load("quickstart").scenario.workload.network
    (tmp_path / "nets").mkdir()
    shutil.copy(packaged.file, tmp_path / "nets" / "net.onnx")
    shutil.copy(packaged.data.file, tmp_path / "numbers.npz")
    (tmp_path / "nets" / "mine.yaml").write_text("file: net.onnx\ndata: {file: ../numbers.npz, scale: 0.0625}\n")
    quick = yamlfile.read(decks.available("scenarios")["quickstart"])
    for network, data in (("nets/mine.yaml", None), ("nets/net.onnx", "numbers.npz")):
        quick["workload"].put("network", network, (str(tmp_path / "case.yaml"), 1))
        if data:
            quick["workload"].put("data", data, (str(tmp_path / "case.yaml"), 1))
        case = decks.resolve(yamlfile.parse_text(_text(quick), str(tmp_path / "case.yaml")), tmp_path / "case.yaml")
        work = case.scenario.workload
        assert work.network.file == str(tmp_path / "nets" / "net.onnx")
        assert (work.data or work.network.data).file == str(tmp_path / "numbers.npz")
    (tmp_path / "numbers.npz").unlink()
    with pytest.raises(DeckError, match=r"workload\.data\.file: .*numbers\.npz cannot be read"):
        decks.resolve(yamlfile.parse_text(_text(quick), str(tmp_path / "case.yaml")), tmp_path / "case.yaml")


@pytest.mark.parametrize("deep", [False, True])
def test_files_of_overrides_count_from_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deep: bool) -> None:
    """Named alone or within a mapping; a file that is nowhere is told as it would be there."""
    import shutil

    shutil.copy(decks.load("quickstart").scenario.workload.network.data.file, tmp_path / "mine.npz")
    monkeypatch.chdir(tmp_path)

    def loaded(name: str) -> decks.Case:
        return decks.load("quickstart", [("workload.data", {"file": name} if deep else name)])

    assert loaded("mine.npz").scenario.workload.data.file == str(tmp_path / "mine.npz")
    with pytest.raises(DeckError, match=rf"workload\.data\.file: {tmp_path}/nothing\.npz cannot be read"):
        loaded("nothing.npz")


def test_a_power_trace_counts_from_its_deck_and_into_the_hash(small: Path) -> None:
    small.write_text(small.read_text().replace("power:\n", "power:\n  trace: {pattern: table, file: powers.csv}\n"))
    hashes = []
    for watts in (1, 2):
        (small.parent / "powers.csv").write_text(f"time [s],all [W]\n0,{watts}\n1,0\n")
        case = decks.load(small)
        hashes.append(case.digest())
    assert case.scenario.power.trace.file == str(small.parent / "powers.csv")
    assert hashes[0] != hashes[1]
    (small.parent / "powers.csv").unlink()
    with pytest.raises(DeckError, match=r"power\.trace\.file: .*powers\.csv cannot be read"):
        decks.load(small)


def _text(tree: object) -> str:
    import json

    return json.dumps(tree)
