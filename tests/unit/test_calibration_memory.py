"""What calibration takes is told before it: near what is traced, for networks of many kinds; and `--memory` binds it."""

from __future__ import annotations

import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stack3d import decks, memory
from stack3d.case import check
from stack3d.case.size import terms_of
from stack3d.chip import assemble, build_chip, reused
from stack3d.errors import DeckError
from stack3d.workload.tasks import Classification, Regression

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
import made_networks as made

SMALL = {
    "unet": (made.unet, 48, 8, 2),
    "deep": (made.deep, 32, 16, 6),
    "mobile": (made.mobile, 96, 8, 4),
    "transformer": (made.transformer, 128, 64, 1),
    "recurrent": (made.recurrent, 64, 64, 1),
    "dense": (made.dense, 512, 512, 1),
    "denoiser": (made.denoiser, 48, 16, 2),
}
LEAST, MOST = 0.9, 1.35
"""Of what was told over what was taken."""


@pytest.fixture
def deck(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setitem(made.MADE, request.param, SMALL[request.param])
    (tmp_path / "deck.yaml").write_text(made.write(tmp_path, request.param))
    return tmp_path / "deck.yaml"


@pytest.mark.parametrize("deck", SMALL, indirect=True)
def test_calibration_takes_what_is_told(deck: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[float] = []
    act = assemble.profiled

    def traced(*given: Any) -> Any:
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        try:
            return act(*given)
        finally:
            told.append(tracemalloc.get_traced_memory()[1] - before)
            tracemalloc.stop()

    monkeypatch.setattr(assemble, "profiled", traced)
    chip: Any = build_chip(decks.load(deck).scenario)
    assert LEAST < chip.computer.calibrating / told[0] < MOST, (chip.computer.calibrating, told)


@pytest.mark.parametrize("deck", ["unet", "dense"], indirect=True)
def test_memory_that_is_said_binds_or_refuses(deck: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The terms fit or they do not; what does not is refused before it is calibrated."""
    scenario = decks.load(deck).scenario
    found = sum(terms_of(check(scenario)).values()) / 1e6
    for said, fits in ((np.ceil(found), True), (0.98 * found, False), (45.0, False)):
        monkeypatch.setenv(memory.VARIABLE, f"{said:.1f} MB")
        if said < 50:
            reused.ranges.find(None)  # lets go of it
            monkeypatch.setattr(assemble, "profiled", None)
        if fits:
            check(scenario)
            continue
        with pytest.raises(DeckError, match=r"wants more .*there is .* MB; (.* would fit, or )?--memory '\d+ MB' would fit"):
            check(scenario)


def test_a_network_is_refused_by_the_size_of_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(made.MADE, "dense", (made.dense, 1024, 2048, 1))
    (tmp_path / "deck.yaml").write_text(made.write(tmp_path, "dense"))
    monkeypatch.setattr("stack3d.chip.loading.load_network", None)
    monkeypatch.setenv(memory.VARIABLE, "60 MB")
    with pytest.raises(DeckError, match=r"wants more than there is: any case 35 MB, workload.network 33.\d MB; there is 60 MB"):
        check(decks.load(tmp_path / "deck.yaml").scenario)


@pytest.mark.parametrize("deck", ["unet"], indirect=True)
def test_counts_of_many_classes_are_told(deck: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """2304 pixels taken for classes: five million counts of each instant; as numbers they are one."""
    assert (Classification((48, 48)).classes(), Regression((48, 48)).classes()) == (2304, 1)
    with np.load(deck.with_name("unet.npz")) as arrays:
        np.savez(deck.with_name("unlabelled.npz"), inputs=arrays["inputs"])
    new = [("workload.task", "agreement"), ("workload.network.data.file", "unlabelled.npz")]
    scenario = decks.load(deck, new).scenario
    assert terms_of(check(scenario))["workload.task"] > 8 * 2304**2 * (1 + 4)
    monkeypatch.setenv(memory.VARIABLE, "200 MB")
    with pytest.raises(DeckError, match=r"workload.task: wants more memory than there is: workload.task \d+ MB"):
        check(scenario)
