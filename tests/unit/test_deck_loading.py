import re
import warnings
from pathlib import Path

import pytest

from stack3d import decks, yamlfile
from stack3d.errors import DeckError, ValidityWarning
from stack3d.results import resolved_yaml

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


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("cooling.film=3", "unknown key 'film' (did you mean 'top.film_coefficient'"),
        ("transient.until=[1, 2] K", "transient.until: cannot read '[1, 2] K'; a list is written as"),
        ("transient={until: 1 s, step: 1 ns}", "transient.step: makes 1000000000 steps until the end; at most 1000000, so the shortest"),
        ("transient={until: 1 s, duty: {period: 2 ns, on: 1 ns}}", "transient.duty.period: makes 500000000 periods"),
    ],
)  # fmt: skip
def test_what_is_set_by_hand_is_answered_in_words_of_a_deck(small: Path, override: str, words: str) -> None:
    """A key of one level down, text that is no list, steps and periods too short: key, count, shortest."""
    [line] = problems(small, override)
    assert words in line and "\n" not in line


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


def test_a_solver_set_by_hand_is_the_same_when_it_is_resolved_again(small: Path) -> None:
    """As the process that runs a case does, from the overrides of the one that planned it."""
    first = decks.load(small, [("solver", {"profile": "draft", "accuracy": "1 %", "backend": "tensor"})])
    again = decks.load(small, [(each.key, each.new) for each in first.overrides])
    assert again.digest() == first.digest() and again.scenario.solver.mesh.per_source == 12


def test_a_profile_set_by_hand_takes_the_place_of_the_named_one(small: Path) -> None:
    """It was laid under the keys of the named solver, and changed nothing."""
    draft = decks.load(small, [("solver", "draft")]).scenario.solver
    assert decks.load(small, [("solver.profile", "draft")]).scenario.solver == draft
    finer = decks.load(small, [("solver.profile", "draft"), ("solver.mesh.lateral", 9)]).scenario.solver
    assert finer.mesh.lateral == 9 and finer.error_promise == draft.error_promise
    assert problems(small, "solver.profile=drft") == [
        "--set: solver.profile: no deck 'drft' in solvers (did you mean 'draft'?);"
        " known: ci, compact, draft, reference, standard, study"
    ]
    [line] = problems(small, "solver.mesh.lateral=9", "solver.profile=draft")
    assert line == "--set: solver.profile: is set before other keys of solver, which lie over the profile"


def test_override_reaches_into_a_named_deck(small: Path) -> None:
    case = decks.load(small, [decks.parse_override("geometry.layers.die.material.conductivity=100 W/m/K")])
    assert case.scenario.geometry.layers[0].material.conductivity == (100.0,) * 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x", "KEY=VALUE"),
        ("geometry.layers.dy.thickness=1 mm", "no item 'dy'"),
        ("geometry.below.die.thickness=1 mm", "mean 'geometry.layers.die"),
        ("scenario.a=1", "has no keys"),
    ],
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


def test_a_spelled_out_deck_names_files_of_the_package_for_every_machine(tmp_path: Path) -> None:
    case = decks.load("quickstart")
    path = tmp_path / "chosen.yaml"
    path.write_text(resolved_yaml(case))
    assert (
        "stack3d:networks/digits_mlp.onnx" in path.read_text() and str(Path(decks.__file__).parents[1]) not in path.read_text()
    )
    assert decks.load(str(path)).digest() == case.digest()


@pytest.mark.parametrize(
    ("written", "words"),
    [
        (
            '{value: "300 um", low: "0.4 mm", high: "0.5 mm"}',
            "wants low, value and high to rise, got '0.4 mm', '300 um', '0.5 mm'",
        ),
        ('{value: "300 um", low: "0.2 mm"}', "wants low and high beside value, high is missing"),
        ('{value: "300 um", low: 1, high: "0.4 mm"}', "got the bare number 1"),
        ('{value: ["300 um"], low: "0.2 mm", high: "0.4 mm"}', "wants one value beside low and high"),
    ],
)
def test_a_number_with_a_band(tmp_path: Path, written: str, words: str) -> None:
    """Of any quantity; both ends in units of its own, and the value between them."""
    path = tmp_path / "small.yaml"
    path.write_text(SMALL.replace('"0.3 mm"', '{value: "300 um", low: "0.2 mm", high: "0.4 mm"}'))
    assert decks.load(str(path)).scenario.geometry.layers[0].thickness == pytest.approx(3e-4)
    path.write_text(SMALL.replace('"0.3 mm"', written))
    with pytest.raises(DeckError, match=re.escape(words)):
        decks.load(str(path))


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


NO_DECK = {
    "empty": b"", "a comment": b"# later\n", "a list": b"- a\n- b\n", "a text": b"soon\n", "no YAML": b"{ [\n", "no text": b"\xff\xfe\x00",
    "a title": b"title: mine\n", "a flow mapping of another kind": b"{scenario: a, geometry: b, cooling: c}\n", "a folder": None,
}  # fmt: skip
NAMED = {
    "solver": "ci", "geometry.layers.die.material": "silicon", "cooling.bottom": "board", "device": "ideal",
    "workload.network": "digits_mlp", "workload.data": "digits", "workload.periphery": "isaac", "geometry": "tsv_stack_4tier",
}  # fmt: skip


@pytest.mark.parametrize("key", NAMED)
@pytest.mark.parametrize("content", NO_DECK)
def test_what_is_no_deck_of_the_kind_shadows_no_packaged_one(small: Path, key: str, content: str) -> None:
    lies, wrong = small.parent / f"{NAMED[key]}.yaml", NO_DECK[content]
    lies.mkdir() if wrong is None else lies.write_bytes(wrong)
    overrides: list[tuple[str, object]] = [(key, NAMED[key])]
    if key.startswith("workload"):
        overrides = [
            ("workload", {"network": "digits_mlp", "periphery": "isaac", "rate": "1 1/s"}),
            ("device", "ideal"),
            *overrides,
        ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        case = decks.load(small, overrides)
    assert all(str(small.parent) not in file for file, _ in decks.value_at(case.tree, key).places.values())


@pytest.mark.parametrize(
    ("kind", "text", "others"),
    [
        ("networks", 'file: a.onnx\nsha256: "1"\nlicence: mine\n', {"networks"}),
        ("data", 'file: a.npz\nsha256: "1"\nlicence: mine\n', {"data"}),
        ("materials", 'conductivity: "1 W/m/K"\ndensity: "1 kg/m^3"\nspecific_heat: "1 J/kg/K"\n', {"materials"}),
        ("coolants", 'heat_capacity: "1 J/m^3/K"\nconductivity: "1 W/m/K"\nviscosity: "1 Pa*s"\n', {"coolants"}),
        ("solvers", "{mesh: {lateral: 4}, backend: tensor}\n", {"solvers"}),
        ("devices", 'g_max: "1 uS"\ng_min: "0 uS"\nraed: [\n', {"devices"}),
    ],
)
def test_the_kind_of_a_deck_is_that_of_most_of_its_keys(tmp_path: Path, kind: str, text: str, others: set[str]) -> None:
    """A broken one still is of its kind, so that its mistake is told."""
    path = tmp_path / "thing.yaml"
    path.write_text(text)
    assert {of for of in decks.KINDS if decks.finding.candidates(of, "thing", tmp_path)} == others == {kind}


def test_only_decks_of_the_kind_are_offered(small: Path) -> None:
    """Beside the scenario lie other scenarios and a device; a wrong name is answered by the device alone."""
    for name in ("idea", "ideas", "foundry_x"):
        small.with_name(f"{name}.yaml").write_text(SMALL)
    small.with_name("ideal_two.yaml").write_text('g_max: "1 uS"\ng_min: "0 uS"\nread: {voltage: "0.1 V", pulse: "1 us"}\n')
    [line] = problems(small, "device=idea_l")
    told, _, known = line.partition("known: ")
    assert "did you mean 'ideal', 'ideal_two'?" in told
    assert "ideal_two" in known and not {"idea", "ideas", "foundry_x", "small"} & set(known.split(", "))


def test_a_name_that_only_another_kind_answers_says_so(small: Path) -> None:
    small.with_name("mine.yaml").write_text(SMALL)
    [line] = problems(small, "device=mine")
    assert "no deck 'mine' in devices (" in line and "mine.yaml holds keys of scenarios)" in line


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


def test_a_deck_that_lies_here_is_told_by_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text((Path(decks.__file__).parents[1] / "library" / "devices" / "ideal.yaml").read_text())
    [line] = problems("quickstart", "device=mine")
    assert "no deck 'mine' in devices (the file mine.yaml here is one: write mine.yaml)" in line
