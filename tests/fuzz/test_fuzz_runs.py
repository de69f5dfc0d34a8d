"""Decks whose numbers are other than they were: refused, or run to numbers that can be."""

import copy
import re
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from harness import LARGE, LIMIT, SHORT_RUN, count, in_time
from hypothesis import given, settings
from hypothesis import strategies as st
from mutations import STUDY, TRANSIENT, paths

from stack3d import decks, yamlfile
from stack3d.case import check, run_case
from stack3d.case.run import Outcome
from stack3d.errors import Stack3dError
from stack3d.fields import FIELDS
from stack3d.progress import Silent
from stack3d.thermal.kept import MOST

CHIP = """\
scenario: chip
geometry: bulk_rram_8tier
cooling: {top: forced_air, bottom: board, ambient: "25 degC"}
workload: {network: digits_mlp, rate: "2e5 1/s", tile: [32, 32], placement: spread, periphery: cmos_adc_8bit, test_samples: 20}
power: {sources: [{name: host, layer: logic, power: "150 mW"}]}
device: bulk_rram_ucsd
mvm: {dac_bits: 8, adc_bits: 8}
lifetime: {until: "10 year", epochs: 2, attribution: false}
monte_carlo: {samples: 2, seed: 1}
solver: {backend: tensor, mesh: {lateral: 8, per_layer: 1}, error_promise: 0.5}
"""
HEATED = 'transient: {until: "10 us", outputs: ["5 us", "10 us"], duty: {period: "10 us", on: "5 us"}, tolerance: "1 K"}\n'
"""One period: each switch takes some steps, on five other meshes and steps for the estimate of the error too."""
NUMBER = re.compile(r"^([-+]?[0-9.]+(?:e[-+]?[0-9]+)?)( .*)?$")
BALANCE = 1e-6
"""Power that may be missing at the faces of a steady solve, over the power put in."""


def _bases() -> list[dict[str, Any]]:
    single = STUDY[: STUDY.index("expect:")]
    found = []
    short = (
        TRANSIENT[: TRANSIENT.index("transient:")].replace("repeat: 2", "repeat: 1").replace("lateral: 8", "lateral: 2")
        + HEATED
    )
    for text in (single, short, CHIP):
        found.append(decks.resolve(yamlfile.parse_text(text, "base")).tree)
    return found


BASES = _bases()


def mutated(number: int) -> dict[str, Any]:
    """The deck of a number: one to four of its numbers scaled, counts and switches chosen anew."""
    by = Random(number)
    tree = copy.deepcopy(by.choice(BASES))
    leaves = [p for p in paths(tree) if p and not isinstance(_at(tree, p), (dict, list)) and p[-1] not in ("source", "assumed")]
    for _ in range(by.randint(1, 4)):
        path = by.choice(leaves)
        holder, value = _at(tree, path[:-1]), _at(tree, path)
        match = NUMBER.match(value) if isinstance(value, str) else None
        if match:
            factor = by.choice([0, -1, 0.001, 0.1, 0.5, 0.9, 1.1, 2, 10, 1000, 1e6])
            holder[path[-1]] = f"{float(match[1]) * factor:.6g}{match[2] or ''}"
        elif isinstance(value, bool):
            holder[path[-1]] = not value
        elif isinstance(value, int):
            holder[path[-1]] = by.choice([0, 1, 2, 3, 5, 7, 8, 16])
        elif isinstance(value, float):
            holder[path[-1]] = value * by.choice([0, 0.5, 0.9, 1.1, 2, 10])
    return tree


def _at(tree: Any, path: tuple[Any, ...]) -> Any:
    for part in path:
        tree = tree[part]
    return tree


def assert_possible(scenario: Any, outcome: Outcome) -> None:
    """No nan that the catalogue does not tell of, no heat that is lost, nothing colder than all that cools, shares as shares."""
    values = outcome.values
    for name, value in values.items():
        if not name.endswith("error") and "NaN" not in FIELDS[name].long_name:
            assert not np.isnan(np.asarray(value, float)).any(), name
    kelvin = [
        np.asarray(v) for n, v in values.items() if FIELDS[n].units == "K" and "temperature" in n and not n.endswith("_error")
    ]
    coldest = min(float(v.min()) for v in kelvin)
    assert coldest > 0, coldest
    heat = np.asarray(values["thermal/heat_in"])
    sources = scenario.power.sources if scenario.power else ()
    faces = scenario.cooling.model_dump_json()
    simple = all(word not in faces for word in ('"heat_flux":"', '"temperature":"')) and all(s.power >= 0 for s in sources)
    if simple and scenario.transient is None and scenario.geometry.mesh is None:
        lowest = min(_temperatures(scenario.cooling.model_dump()), default=0.0)
        assert coldest >= lowest - 1e-3 - 1e-6 * abs(coldest - lowest), (coldest, lowest)
        assert np.all(np.abs(heat - np.asarray(values["thermal/heat_out"])) <= BALANCE * np.abs(heat).max() + 1e-9)
    for name in ("mvm/accuracy", "mvm/accuracy_ideal", "reliability/stuck_fraction", "reliability/conductance_histogram"):
        if name in values:
            share = np.asarray(values[name], float)
            assert share.min() >= 0 and share.max() <= 1 + 1e-12, name


def _temperatures(node: Any) -> list[float]:
    """Of everything that cools: ambients, faces, inlets."""
    if isinstance(node, dict):
        own = [v for k, v in node.items() if isinstance(v, float) and k in ("ambient", "temperature", "inlet_temperature")]
        return own + [t for v in node.values() for t in _temperatures(v)]
    return [t for v in node for t in _temperatures(v)] if isinstance(node, (list, tuple)) else []


RAN: list[int] = []
"""Numbers whose decks were accepted and ran to an end."""


def assert_survived(number: int) -> None:
    with in_time():
        try:
            case = decks.resolve(mutated(number))
            check(case.scenario)
            assert (
                not isinstance(case.scenario.lifetime and case.scenario.lifetime.epochs, int)
                or case.scenario.lifetime.epochs < 50
            )
            outcome = run_case(case.scenario, Silent())
        except Stack3dError as error:
            assert str(error)
            return
    assert_possible(case.scenario, outcome)
    RAN.append(number)


NUMBERS = st.integers(0, 2**32 - 1)


@settings(SHORT_RUN, max_examples=6)
@given(number=NUMBERS)
def test_other_numbers(number: int) -> None:
    assert_survived(number)


@pytest.mark.fuzz
@pytest.mark.parametrize("run", [1, 2, 3])
def test_other_numbers_for_long(tmp_path: Path, run: int) -> None:
    RAN.clear()
    try:
        count("runs", run, tmp_path, 160, NUMBERS, assert_survived, LIMIT, LARGE + MOST)
    finally:
        print(f"runs-{run}: {len(RAN)} were accepted and ran")
