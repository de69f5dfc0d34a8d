"""A wrong value in a shipped deck is one line: file:line, key, what came, what is wanted; never the words of a library."""

import json
import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from stack3d import decks, yamlfile
from stack3d.cli import main
from stack3d.decks.wording import NAMES
from stack3d.errors import DeckError, Problem

CASES: dict[str, Any] = {}


def problems_with(scenario: str, key: str, value: Any) -> tuple[Problem, ...]:
    """What is said of a scenario after one of its values, or of those of its decks, was written wrongly where it stands."""
    if scenario not in CASES:
        CASES[scenario] = decks.load(scenario)
    tree = yamlfile.copy_of(CASES[scenario].tree)
    *ahead, last = [int(p) if p.isdigit() else p for p in key.split(".")]
    node = tree
    for part in ahead:
        if isinstance(node, dict) and part not in node:
            node.put(part, yamlfile.wrapped({}, node.here), node.here)
        node = node[part]
    place = node.places[last] if isinstance(node, list) or last in node else node.here
    if isinstance(node, list):
        node[last] = yamlfile.wrapped(value, place)
    else:
        node.put(last, yamlfile.wrapped(value, place), place)
    try:
        decks.resolve(tree, CASES[scenario].path)
    except DeckError as error:
        return error.problems
    return ()


LENGTH = "a length greater than zero, as '50 um', got "
MEMORY = "wants a mapping of keys (size, bit)"
WRONG: list[tuple[str, Any, str]] = [
    ("geometry", None, "wants a mapping of keys (footprint, layers,"),
    ("geometry.footprint", [], "wants 2 values, got 0"),
    ("geometry.footprint.0", "-1 mm", f"wants {LENGTH}'-1 mm'"),
    ("geometry.footprint.0", "0 mm", f"wants {LENGTH}'0 mm'"),
    ("geometry.footprint.0", 5, "got the bare number 5; wanted: length with a unit, for example '50 um'"),
    ("geometry.footprint.0", None, "got nothing; wanted: length with a unit"),
    ("geometry.footprint.0", "5 K", "'K' is no unit of length"),
    ("geometry.below.0", {}, "lacks name, thickness and material"),
    ("geometry.below.0", {"xyzzy": 1}, "unknown key 'xyzzy'; lacks name, thickness and material; allowed: name"),
    ("geometry.below.0.name", "two words", "wants a name of letters, digits, _ and -, with a letter first, got 'two words'"),
    ("geometry.below.0.name", "a" * 101, "wants at most 100 characters, got 'aaa"),
    ("geometry.below.0.thickness", "0 um", f"wants {LENGTH}'0 um'"),
    ("geometry.below.0.role", "ram", "wants '', 'rram', 'periphery' or 'logic', got 'ram'"),
    ("geometry.below.0.contact_resistance", "-2 mm^2*K/W", "wants an areal thermal resistance zero or more, as '2 mm^2*K/W', got"),
    ("geometry.tiers.repeat", 257, "wants a whole number from 1 to 256, got 257"),
    ("geometry.tiers.repeat", 2.5, "wants a whole number from 1 to 256, got 2.5"),
    ("geometry.tiers.repeat", "many", "wants a whole number from 1 to 256, got 'many'"),
    ("geometry.tiers.repeat", True, "wants a whole number, got True"),
    ("geometry.tiers.layers", None, "wants a list, got nothing"),
    ("geometry.tiers.layers", [], "wants 1 or more values, got 0"),
    ("cooling", [], "wants a mapping of keys (top, bottom,"),
    ("cooling.ambient", "-300 degC", "got '-300 degC', which lies below absolute zero"),
    ("cooling.ambient", "0 K", "wants a temperature greater than zero, as '85 degC', got '0 K'"),
    ("cooling.top.film_coefficient", "-25 W/m^2/K", "wants a film coefficient zero or more, as '25 W/m^2/K', got '-25 W/m^2/K'"),
    ("workload.rate", "-1 1/s", "wants a rate zero or more, as '2e5 1/s', got '-1 1/s'"),
    ("workload.tile", [128], "wants 2 values, got 1"),
    ("workload.tile.0", 0, "wants a whole number from 1 to 8192, got 0"),
    ("workload.placement", None, "wants a text, a list or a mapping of keys, got nothing; leave the key out for its default"),
    ("workload.replicate", [1], "wants 'rate' or a mapping of keys, got [1]"),
    ("workload.periphery.adc.bits", 17, "wants a whole number from 1 to 16, got 17"),
    ("workload.periphery.adc.scaling", "linear", "wants 'doubling', 'serial', 'cycles', 'search' or 'constant', got 'linear'"),
    ("workload.periphery.array_included", "perhaps", "wants true or false, got 'perhaps'"),
    ("power.sources.0.power", None, "got nothing; wanted: power with a unit, for example '0.2 W'"),
    ("device.read.pulse", "0 s", "wants a time greater than zero, as '10 year', got '0 s'"),
    ("device.g_max", "-1 uS", "wants a conductance zero or more, as '1 uS', got '-1 uS'"),
    ("device.mechanisms.retention", None, "wants a mapping of keys (law, posterior), got nothing"),
    ("mvm.dac_bits", 99, "wants a whole number from 1 to 16, got 99"),
    ("lifetime.epochs", 0, "wants a whole number from 1 to 1000, got 0"),
    ("lifetime.accuracy_loss", "150 %", "wants a number between 0 and 1, more than 0, got '150 %'"),
    ("monte_carlo.samples", 2**60, "wants a whole number of at most 2^53, got"),
    ("solver.mesh.growth", 3, "wants a number more than 0, at most 2, got 3"),
    ("solver.error_promise", "text", "got 'text'; wanted: a number, or per cent as '3 %'"),
    ("tier_map", [0, 16], "wants a whole number from 1 to 4096, got 0"),
    ("sweep", {"workload.rate": None}, "wants a list, got nothing"),
    ("sweep", {"sample": {"count": 4, "keys": {"workload.rate": None}}}, "wants a mapping of keys or a list, got nothing"),
    ("sweep", {"sample": {"count": 4, "keys": {"workload.rate": {"from": None, "to": "1 1/s"}}}}, "wants a number, with a unit"),
    ("workload.conventional", {"sram": None}, "wants a list, got nothing; leave the key out for its default"),
    ("workload.conventional", {"sram": [None]}, f"{MEMORY}, got nothing"),
    ("workload.conventional", {"sram": [{}]}, "lacks size and bit"),
    ("workload.conventional", {"sram": [{"size": 8192}]}, "is missing: wants an energy more than 0 J"),
    ("workload.conventional", {"sram": [{"bit": "1 pJ"}]}, "is missing"),
    ("workload.conventional", {"sram": [{"size": 8192, "bit": "0 pJ"}]}, "wants an energy more than 0 J, got '0 pJ'"),
    ("workload.conventional", {"sram": [{"size": 8192, "bit": "1 pJ"}] * 2}, "8192 byte are given 2 times"),
    ("workload.conventional", {"technology": "7 nm"}, "technology 7 nm: mac and sram would still be figures of 45 nm"),
    ("workload.conventional", {"technology": "7 nm", "mac": "0.1 pJ"}, "technology 7 nm: sram would still be figures of 45 nm"),
]  # fmt: skip


@pytest.mark.parametrize(("key", "value", "words"), WRONG)
def test_one_wrong_value_is_one_line(key: str, value: Any, words: str) -> None:
    [problem] = problems_with("quickstart", key, value)
    assert words in problem.message
    assert problem.key.replace("[", ".").replace("]", "").startswith(key)
    assert problem.file is not None and problem.file.endswith(".yaml") and problem.line is not None


def _paths(node: Any, at: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for part, child in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield (*at, str(part))
        if part != "materials" and not (isinstance(node, list) and part > 0):
            yield from _paths(child, (*at, str(part)))


LIBRARY = re.compile(
    r"[Ii]nput should|valid (dictionary|tuple|list|string|integer|number|boolean)|instance of|Deck\b|String should|\bNone\b"
)


def test_no_key_of_a_shipped_deck_is_answered_in_the_words_of_a_library() -> None:
    """Every key without a value, and as an empty list, an empty mapping and a text."""
    problems_with("edge_wearable_8tier", "title", "")
    told = [
        str(problem)
        for path in _paths(CASES["edge_wearable_8tier"].tree)
        for value in (None, [], {}, "a text")
        for problem in problems_with("edge_wearable_8tier", ".".join(path), value)
    ]
    assert len(told) > 300
    assert [line for line in told if LIBRARY.search(line)] == []


def test_every_pattern_of_the_schema_has_words() -> None:
    """A pattern is told in words, not as it is written."""
    patterns = set(re.findall(r'"pattern": "((?:[^"\\]|\\.)*)"', json.dumps(decks.deck_schema())))
    assert {p.replace("\\\\", "\\") for p in patterns} <= set(NAMES)


def test_a_machine_with_figures_of_its_own_is_taken() -> None:
    own = {"technology": "28 nm", "mac": "0.1 pJ", "sram": [{"size": 8192, "bit": "0.1 pJ"}]}
    assert problems_with("quickstart", "workload.conventional", own) == ()
    machine = decks.load("quickstart", [("workload.conventional", own)]).scenario.workload.conventional
    assert machine.node == "28 nm (leakage as assumed for 45 nm)" and machine.kept == (
        "dram_bit",
        "logic_leakage",
        "sram_leakage",
        "dram_leakage",
    )


def test_the_command_leaves_with_two(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["stack3d", "validate", "quickstart", "--set", "workload.conventional.sram=null"])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    [line] = [line for line in capsys.readouterr().err.splitlines() if line]
    assert line.endswith("workload.conventional.sram: wants a list, got nothing; leave the key out for its default")
