"""What is looked at before any work of a training: the scenario, its data, its operators, its memory; no torch."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d import memory
from stack3d.case import check
from stack3d.chip import TODAY, ComputingChip, data_of
from stack3d.constants import YEAR
from stack3d.errors import DeckError, Problem, RangeError, ValidityWarning
from stack3d.life.chips import Policy, chosen_policies
from stack3d.schema import Scenario, TrainDeck, celsius
from stack3d.training.drawn_chips import TrainingChips
from stack3d.training.graph import check_gradients, layouts
from stack3d.training.loss import check_labels, check_loss
from stack3d.training.training_memory import terms_of_training
from stack3d.workload import Task, TrainingShare, training_share


@dataclass(frozen=True, eq=False)
class Preparation:
    """A training that nothing stands against.

    Parameters
    ----------
    chip : ComputingChip
    plan : sequence of Policy
        What keeps chips accurate.
    share : TrainingShare
    judges : ndarray of bool, shape (inputs,), or None
        Inputs of the share that only judge epochs; None where scales alone are found.
    terms : mapping of str to float
        Memory by what asks for it. [byte]
    """

    chip: ComputingChip
    plan: Sequence[Policy]
    share: TrainingShare
    judges: NDArray[np.bool_] | None
    terms: dict[str, float]

    @property
    def by_column(self) -> bool:
        """Whether every output column has a scale of its own."""
        return self.chip.computer.design.mvm.weight_scaling == "column"

    def told(self) -> dict[str, str]:
        """What is known before the work."""
        parts = {f"sentence{i}" if i else "data": text for i, text in enumerate(self.sentences())}
        return {"memory": f"about {memory.size(sum(self.terms.values()))}", **parts}

    def sentences(self) -> Iterator[str]:
        """What the data are divided into."""
        if self.judges is not None and self.judges.any():
            yield f"epochs are judged by {self.share.told(self.judges)}, which are not trained on"
        if n := self.share.left_out:
            yield f"{n} input{'s' if n > 1 else ''} of 'train' left out: the same, or part of it, is in 'test'"


def age_told(seconds: float) -> str:
    """A time in words."""
    for unit, size in (("year", YEAR), ("day", 86400.0), ("h", 3600.0)):
        if seconds >= size:
            count = f"{seconds / size:.3g}"
            return f"{count} {unit}{'s' if unit != 'h' and count != '1' else ''}"
    return f"{seconds:.3g} s"


def prepared(scenario: Scenario, *, calibrate_only: bool = False, solve: bool = True) -> Preparation:
    """Look at all that may stand against a training.

    Parameters
    ----------
    scenario : Scenario
    calibrate_only : bool
        Of scales and biases alone.
    solve : bool
        Find temperatures that the placement of tiles wants.

    Raises
    ------
    DeckError
        A scenario without a network, data without inputs to train on, operators that cannot be trained, too little memory.
    """
    chip, deck = check(scenario, solve=solve), scenario.train
    if not isinstance(chip, ComputingChip):
        raise DeckError(Problem("workload", "is missing: there is no network to train"))
    computer = chip.computer
    plan, network, task = chosen_policies(computer), computer.network, computer.task
    key, data = data_of(computer.design.work)
    if data is None:
        raise DeckError(Problem("workload.data", "is missing: there is nothing to train on"))
    share = training_share(data, network, task, labelled=deck.loss == "task" and not calibrate_only, key=key)
    _check_judges(np.asarray(computer.data.labels), task, key)
    _check_ages(chip, plan, deck)
    judges = None
    if calibrate_only:
        layouts(network)
    else:
        check_gradients(network, share.inputs[:2])
        check_loss(task, deck.loss)
        judges = share.apart(deck.validation, deck.seed) if deck.validation else np.zeros(len(share.inputs), bool)
        check_labels(None if share.labels is None else share.labels[~judges], task)
    terms = terms_of_training(chip, share.inputs, gradients=not calibrate_only)
    memory.check_terms(terms)
    return Preparation(chip, plan, share, judges, terms)


def _check_judges(labels: Any, task: Task, key: str) -> None:
    """Refuse test labels of one class, which any constant answer meets; raises DeckError."""
    if labels is not None and hasattr(task, "confusion") and len(kinds := np.unique(labels)) == 1:
        text = f"all {np.size(labels)} labels of the test are class {kinds[0]:g}: they cannot tell how good a network is"
        raise DeckError(Problem(key, text))


def _check_ages(chip: ComputingChip, plan: Sequence[Policy], deck: TrainDeck) -> None:
    """Refuse ages beyond the life that is reported, and ages and temperatures that the device has no law for.

    Raises
    ------
    DeckError
    """
    lifetime = chip.computer.design.lifetime
    last, oldest = max(lifetime.until, TODAY), max(deck.ages)
    if oldest > last * (1 + 1e-9):
        text = f"{age_told(oldest)} lies beyond lifetime.until, {age_told(last)}: nothing would say how good chips are then"
        raise DeckError(Problem("train.ages", text))
    nx, ny = lifetime.subgrid
    kelvin = deck.temperature or lifetime.programming_temperature
    field = np.full((len(chip.computer.tiles), ny, nx), kelvin)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ValidityWarning)  # the run says it
            TrainingChips(chip, plan, field).drawn(chip.computer.network, oldest, 1, deck.seed)
    except RangeError as error:
        at = "train.ages" if deck.temperature is None else "train.temperature"
        then = f"{age_told(oldest)} at {celsius(kelvin)}"
        raise DeckError([Problem(at, f"{then}: {p.message}") for p in error.problems]) from None
