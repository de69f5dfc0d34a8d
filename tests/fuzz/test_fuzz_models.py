"""Models and data with anything in them are checked as part of a chip, or refused by file and key."""

import json
from pathlib import Path

import pytest
from harness import SHORT_RUN, assert_answered, count, problems_of
from hypothesis import given, settings
from hypothesis import strategies as st
from models import NETWORKS, SOUND, broken, built

DECK = """\
scenario: net
geometry: bulk_rram_8tier
cooling: {top: forced_air, ambient: "25 degC"}
workload:
  network: {file: m.onnx, data: {file: m.npz}}
  task: agreement
  rate: "1 1/s"
  tile: [32, 32]
  periphery: cmos_adc_8bit
device: ideal
mvm: {dac_bits: 8, adc_bits: 8}
lifetime: {until: "1 year", epochs: 2}
monte_carlo: {samples: 2}
solver: ci
"""
NUMBERS = st.integers(0, 2**32 - 1)
"""Each stands for one broken model."""


def put(folder: Path, model: bytes, data: bytes) -> Path:
    (folder / "m.onnx").write_bytes(model)
    (folder / "m.npz").write_bytes(data)
    path = folder / "net.yaml"
    output = "  output: probabilities\n" if b"probabilities" in model else ""
    path.write_text(DECK.replace("  task:", f"{output}  task:"))
    return path


def assert_survived(folder: Path, number: int) -> None:
    assert_answered(put(folder, *broken(number)))
    assert sorted(p.name for p in folder.iterdir()) == ["m.npz", "m.onnx", "net.yaml"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.mark.parametrize("file", SOUND[::4], ids=lambda p: p.stem)
def test_the_models_before_their_mutation_are_sound(folder: Path, file: Path) -> None:
    data = NETWORKS / f"{file.stem.rpartition('_')[0] or file.stem}.npz"
    told = problems_of(put(folder, file.read_bytes(), data.read_bytes()))
    assert told == []


PAST = json.loads((Path(__file__).parent / "corpus" / "models.json").read_text())
"""What was wrong with a model → its sound file, a change of its graph, and what is set in it."""


@pytest.mark.parametrize("name", PAST)
def test_failures_of_the_past(folder: Path, name: str) -> None:
    model, data = built(PAST[name])
    assert_answered(put(folder, model, data))


@pytest.mark.parametrize("number", [87523934])
def test_a_drawn_failure_of_the_past(folder: Path, number: int) -> None:
    assert_survived(folder, number)


@settings(SHORT_RUN, max_examples=25)
@given(number=NUMBERS)
def test_broken_models(folder: Path, number: int) -> None:
    assert_survived(folder, number)


@pytest.mark.fuzz
@pytest.mark.parametrize("run", [1, 2, 3])
def test_broken_models_for_long(folder: Path, run: int) -> None:
    count("models", run, folder, 340, NUMBERS, lambda number: assert_survived(folder, number))
