"""Decks that once hung, took gigabytes or ended in a bare exception: each is refused by file, line and key, without work."""

import re
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
import small_study
from typer.testing import CliRunner

from stack3d import cli, decks, study, yamlfile, yamltree
from stack3d.errors import DeckError
from stack3d.study.conditions import Condition
from stack3d.workload.onnx_file import read_model

REFUSED = Path(__file__).parents[1] / "decks_refused"
SMALL = (REFUSED / "unit_quote.yaml").read_text().replace("0.3 'm", "0.3 mm")

ANSWERS = {
    "alias_bomb_6": ":6: b5[0]: more than 200000 values",
    "fraction_huge_integer": ":16: solver.error_promise: a whole number of 401 digits",
    "merge_self": ":2: x: alias *x stands inside what it stands for",
    "mesh_of_terabytes": ":16: solver.mesh: wants",
    "repeat_1e9_hangs": ":7: geometry.tiers.repeat: wants a whole number from 1 to 256, got",
    "tier_map_1e9": ":15: tier_map[0]: wants a whole number from 1 to 4096, got",
    "tile_sites_1e4": ":10: geometry.tiers.layers[1].tile_sites: wants 1 to 512 sites",
    "two_errors_traversal": ":1: scenario: wants a name of letters, digits",
    "unit_divide_by_zero": ":5: geometry.below[0].thickness: unknown unit 'mm/0'",
    "unit_open_bracket": ":14: cooling.top.film_coefficient: unknown unit 'W/(m^2*K' (a bracket is left open)",
    "unit_power_tower_hangs": ":5: geometry.below[0].thickness: unknown unit 'm**9**9**9'",
    "unit_quote": ':5: geometry.below[0].thickness: unknown unit "\'m"',
    "where_divides_by_zero": ":20: sweep.where: 'tiers / 0 > 1' divides by zero",
    "where_memory": ":20: sweep.where: \"'a' * 99999999999 == 'b'\" computes with numbers",
    "where_recursion": ":20: sweep.where: ",
}


def mistakes(path: Path) -> list[str]:
    found = [checked.error for checked in study.checked(path) if checked.error is not None]
    return [line for error in found for line in str(error).splitlines()]


def test_every_refused_deck_has_its_answer() -> None:
    assert {p.stem for p in REFUSED.glob("*.yaml")} == {*ANSWERS, "sweep_2000"}


@pytest.mark.parametrize("name", ANSWERS)
def test_refused_with_file_line_and_key(name: str) -> None:
    found = mistakes(REFUSED / f"{name}.yaml")
    assert any(f"{name}.yaml{ANSWERS[name]}" in line for line in found), found


def test_a_large_study_is_counted_and_its_values_checked() -> None:
    """2000 draws: no more cases are made than are checked, and the line says which."""
    [one] = study.checked(REFUSED / "sweep_2000.yaml")
    assert (
        one.error is None
        and "2000 cases" in one.label
        and int(re.search(r", (\d+) of them in full", one.label)[1]) in range(300, 401)
    )


def test_hundred_thousand_cases_make_as_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "many.yaml"
    path.write_text((REFUSED / "sweep_2000.yaml").read_text().replace("count: 2000", "count: 100000"))
    made = []
    resolve = decks.resolve
    monkeypatch.setattr(decks, "resolve", lambda *args: made.append(1) or resolve(*args))
    [one] = study.checked(path)
    assert "100000 cases" in one.label and 300 < len(made) <= 400


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sweep: {a: [1, 2], sample: {count: 1000000, keys: {b: {from: 1, to: 2}}}}", "sweep: makes 2000000 cases, at most"),
        ("sweep: {" + ", ".join(f"k{i}: [1, 2, 3, 4, 5, 6, 7, 8, 9]" for i in range(24)) + "}", "makes 7.98e+22 cases"),
        ("sweep: {" + ", ".join(f"k{i}: [1]" for i in range(40)) + "}", "has 40 lists that combine, at most 24"),
        (
            "sweep: {sample: {count: 1000000, keys: {" + ", ".join(f"k{i}: [1]" for i in range(11)) + "}}}",
            "makes 11000000 numbers",
        ),
        ("sweep: {sample: {count: 4, keys: {a: {from: 1e400, to: 2}}}}", "want numbers"),
        ("sweep: {sample: {count: 4, keys: {a: {from: '١', to: '٢'}}}}", "want numbers"),
        ("sweep: {cooling.ambient: ['300 K', '300 K']}", "sweep.cooling.ambient: '300 K' is listed twice"),
    ],
)
def test_sweeps_are_counted_before_they_are_made(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "swept.yaml"
    path.write_text(f"{SMALL}{text}\n")
    found = mistakes(path)
    assert words in found[0] and "swept.yaml:17: sweep" in found[0], found


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("tiers / 0 > 1", "divides by zero"),
        ("1e200 * 1e200 > tiers", "too large"),
        ("'a' * 99999999999 == 'b'", "computes with numbers"),
        ("[1] * 9 == [1]", "computes with numbers"),
        ("-'a' == 1", "computes with numbers"),
        ("not " * 200 + "tiers", "more than 20 operations"),
        ("tiers" + " + 1" * 230 + " > 1", "more than 20 operations"),
        ("tiers < b'x'", "neither"),
        ("tiers < 1j", "neither"),
        ("tiers < f'{tiers}'", "something else"),
        ("(lambda: 1)() == 1", "something else"),
        ("tiers.__class__ == 1", "not swept"),
        ("'\\d' < tiers < 'x'", "cannot be compared"),
        ("tiers < \x00", "cannot be read"),
        ("tiers <" + " " * 2000 + "1", "at most 1000"),
    ],
)
def test_conditions_are_bounded(condition: str, words: str) -> None:
    with pytest.raises(DeckError, match=words):
        Condition.parse(condition, {"geometry.tiers.repeat": "tiers"}).holds({"geometry.tiers.repeat": 2})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x: &x [*x]", ":1: x[0]: alias *x stands inside"),
        ("x: &x {y: {z: *x}}", ":1: x.y.z: alias *x stands inside"),
        ("x: *y", ":1: x: alias *y has no anchor"),
        ("x: " + "[" * 2000 + "]" * 2000, "inside each other"),
        ("x: " + "{" * 2000, "inside each other"),
        ("- " * 500, "inside each other"),
        ("a: 1\nb:\n  c: " + "9" * 5000, ":3: b.c: a whole number of 5000 digits"),
        ("a: 0x" + "f" * 5000, "digits"),
        ("a: 1\n\x07: 2", ":2: the character U+0007"),
        ("a: !!python/object:os.system x", ":1: a: the tag"),
        ("a: !mine {b: 1}", ":1: a: the tag"),
        ("a: !!int x", ":1: a: "),
        ("a: !!bool maybe", "is no bool"),
        ("a: 1\n---\na: 2", ":2: not valid YAML: one document"),
        ("%YAML 1.1\n---\na: yes", ":2: decks are YAML 1.2"),
        ("a: 1\n3: 2", ":2: keys are text, got 3"),
        ("? [1]\n: 2", "keys are text"),
        ("<<: 3", "<< wants a mapping"),
        ("a: {b: 1, b: 2}", ":1: a: not valid YAML: duplicate key 'b'"),
    ],
)
def test_texts_that_no_deck_has(text: str, words: str) -> None:
    with pytest.raises(DeckError) as caught:
        yamlfile.parse_text(text, "deck.yaml")
    [problem] = caught.value.problems
    assert words in str(problem) and len(str(problem)) < 300 and str(problem).startswith("deck.yaml:")


def test_aliases_and_merges_mean_what_they_say() -> None:
    """Own keys come before merged ones, the first of several mappings before the others; a copy of an alias is its own."""
    tree = yamlfile.parse_text("a: &a {p: 1, q: 2}\nb: {<<: [*a, {q: 5, r: 6}], p: 7}\nc: [*a, *a]", "x")
    assert tree["b"] == {"p": 7, "q": 2, "r": 6} and tree["b"].places["q"] == ("x", 1)
    tree["c"][0]["p"] = 8
    assert tree["c"][1] == {"p": 1, "q": 2} == tree["a"]


def test_aliases_are_shared_until_they_are_copied() -> None:
    tree = yamltree.parsed("a: &a [1, 2]\nb: [*a, *a]", "x")
    assert tree["b"][0] is tree["b"][1] is tree["a"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a: 1\nb: \xff\n", ":2: cannot be read: not UTF-8 text"),
        ("a: 1".encode("utf-16"), ":1: cannot be read: not UTF-8 text"),
        (b"a: " + b"x" * 4_000_001, "is larger than 4 MB"),
        (b"a: 1\nb: \x00", ":2: the character U+0000"),
    ],
)
def test_files_that_no_deck_is(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "odd.yaml"
    path.write_bytes(content)
    with pytest.raises(DeckError) as caught:
        yamlfile.read(path)
    assert words in str(caught.value)


def test_byte_order_marks_and_line_ends_of_windows_are_read(tmp_path: Path) -> None:
    path = tmp_path / "windows.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + SMALL.replace("\n", "\r\n").encode())
    assert decks.load(path).name == "one"


def test_thousands_of_mistakes_are_told_in_hundreds(tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(SMALL + "".join(f"key{i}: 1\n" for i in range(8000)))
    found = mistakes(path)
    assert (len(found) <= 201 and found[-1].endswith("and 7800 more mistakes")) or "and 7800 more mistakes" in "".join(found)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"0.3 mm"', '"٣ mm"'),
        ('"0.3 mm"', '"5 m"'),
        ('"0.3 mm"', '"1e999 mm"'),
        ('"0.3 mm"', '"' + "9" * 100_000 + ' mm"'),
        ('"0.3 mm"', '"0.3 ' + "m*" * 5000 + 'm"'),
        ('"0.3 mm"', '"0.3 ' + "(" * 90 + "m" + ")" * 90 + '"'),
        ('"0.3 mm"', '"0.3 m^0.5"'),
        ('"0.3 mm"', '"0.3 m^99999999999999"'),
        ('"0.3 mm"', '"0.3 mdegC"'),
        ('"0.3 mm"', '"0.3 dBm"'),
        ('"0.3 mm"', '"0.3 lambda: 1"'),
        ('"0.3 mm"', '"0.3 __import__"'),
        ('"0.3 mm"', "[1, 2]"),
        ('"0.3 mm"', ".nan"),
        ("[2, 2]", "[9007199254740993, 1]"),
        ("material: hybrid_bond", "material: " + "x" * 5000),
        ("material: hybrid_bond", "material: a/" + "x" * 500),
        ("material: hybrid_bond", 'material: "a\\0b.yaml"'),
        ("scenario: one", "scenario: " + "x" * 300),
        ("scenario: one", 'scenario: "one\\n"'),
        ("scenario: one", "scenario: /tmp/one"),
        ("repeat: 1", "repeat: 1e9"),
        ("repeat: 1", "repeat: 1000000000000000000000000000000"),
        ("lateral: 8", "lateral: 100000"),
        ("tier_map: [4, 4]", "tier_map: [0, -1]"),
        ("solver: {", 'limits: {"²": 300 X}\nsolver: {'),
    ],
)
def test_values_that_no_deck_has(tmp_path: Path, old: str, new: str) -> None:
    assert old in SMALL
    path = tmp_path / "deck.yaml"
    path.write_text(SMALL.replace(old, new))
    found = mistakes(path)
    assert found and all("deck.yaml:" in line and len(line) < 700 for line in found), found


@pytest.mark.parametrize(
    "text", ["a[²]=1", "x.²=1", "geometry.tiers.layers.²=1", "geometry.below[999999999999999999]=1", "=1", "a"]
)
def test_overrides_that_no_deck_has(text: str) -> None:
    with pytest.raises(DeckError):
        decks.load(REFUSED / "sweep_2000.yaml", [decks.parse_override(text)])


def test_the_command_line_ends_with_2() -> None:
    outcome = CliRunner().invoke(cli.app, ["validate", str(REFUSED / "two_errors_traversal.yaml")])
    assert isinstance(outcome.exception, SystemExit | DeckError) and outcome.exit_code in (1, 2)
    done = subprocess.run(
        [sys.executable, "-m", "stack3d", "validate", str(REFUSED / "unit_quote.yaml")], capture_output=True, text=True
    )
    assert done.returncode == 2 and done.stderr.startswith("error: ") and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("scenario: small", "scenario: con", r"x.yaml:1: scenario: 'con' is a name that some systems keep for themselves"),
        ("scenario: small", "scenario: COM1", r"x.yaml:1: scenario: 'COM1' is a name that some systems keep for themselves"),
        ("tier_map", "probes: [{name: a, layer: die, x: 0 m, y: 0 m}, {name: a, layer: die, x: 1 um, y: 0 m}]\ntier_map",
         r"x.yaml:15: probes: names are given twice: a"),
        ("tier_map", "sweep: {variants: {a: {sweep: {cooling.ambient: [1 K]}}}}\ntier_map", r"x.yaml:15: sweep: sets 'sweep': which cases"),
        ("tier_map", "sweep: {cases: [{optimise.budget: 3}]}\ntier_map", r"x.yaml:15: sweep: sets 'optimise.budget': which cases"),
        ("tier_map", "sweep: {geometry.tiers.repeat: [1], where: 'tiers <'}\ntier_map", r"'tiers <' cannot be read: it ends before it is complete"),
        ("tier_map", "expect: {peak_temperatur: '[1, 2] K'}\ntier_map", r"x.yaml:15: expect.peak_temperatur: no output variable .*did you mean"),
        ("tier_map", "expect: {accuracy: '[0, 1]'}\ntier_map", r"x.yaml:15: expect.accuracy: accuracy comes of workload: the scenario has none"),
        ("tier_map", "sweep: {geometry.tiers.repeat: [1], where: ' '}\ntier_map", r"sweep.where: ' ' is empty"),
    ],
)  # fmt: skip
def test_what_reads_well_and_means_nothing(tmp_path: Path, old: str, new: str, words: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(small_study.STUDY.replace(old, new, 1))
    [told] = [str(found.error) for found in study.checked(path) if found.error is not None]
    assert re.search(words, told) and told.startswith(f"{path}:"), told


def test_a_model_without_outputs_says_so(tmp_path: Path) -> None:
    graph = onnx.helper.make_graph([], "g", [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 4])], [])
    onnx.save(onnx.helper.make_model(graph), tmp_path / "bare.onnx")
    with pytest.raises(DeckError, match="bare.onnx has no output: nothing of it is computed"):
        read_model(tmp_path / "bare.onnx")
