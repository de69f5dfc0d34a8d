"""A network made fit for the chip of a scenario: trained or scaled, written, and judged before and after as a run does."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d import __version__
from stack3d.case import Outcome, run_case
from stack3d.chip import ComputingChip
from stack3d.decks import Case, load
from stack3d.errors import DeckError, Problem, UntriedError, brief
from stack3d.progress import Observer
from stack3d.schema import Scenario, TrainDeck
from stack3d.storage import locked
from stack3d.training.drawn_chips import TrainingChips
from stack3d.training.lesson import Lesson, outputs_of
from stack3d.training.preparation import Preparation, age_told, prepared
from stack3d.training.scales import scaled
from stack3d.training.standing import Standing
from stack3d.training.trainer import Learnt, Trainer
from stack3d.training.written import model_of, write_model, write_report
from stack3d.workload import LabelledData, Network

STUDIES = ("sweep", "optimise", "uncertain")
"""Blocks of a scenario that make many cases of it."""
AS_IT_CAME = "chips are no better with other scales on the inputs that calibrate them: the network stays as it came"
SCALED_ON = 256
"""Inputs that scales are found on, at most."""


@dataclass(frozen=True)
class Course:
    """What came of making a network fit.

    Parameters
    ----------
    before, after : Standing
    progress : Learnt or None
        Of the training; None where only scales were found.
    path : Path
        The network.
    about : tuple of str
        What the data were divided into, in sentences.
    """

    before: Standing
    after: Standing
    progress: Learnt | None
    path: Path
    about: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """In words, a line each."""
        one, two = self.before, self.after
        lines = [f"{'':<22}{'before':>18}{'after':>18}", f"{'float':<22}{_percent(one.exact):>18}{_percent(two.exact):>18}"]
        for i, time in enumerate(one.times):
            cells = [f"{_percent(j.accuracy[i])} ± {100 * j.spread[i]:.1f}" for j in (one, two)]
            lines.append(f"{'chips, ' + age_told(time):<22}{cells[0]:>18}{cells[1]:>18}")
        lost, won = one.exact - one.accuracy[0], two.accuracy[0] - one.accuracy[0]
        if lost > one.chance_of_loss and won > 0:
            lines.append(f"of the {100 * lost:.1f} points that fresh chips lost to float, {_percent(won / lost)} are won back")
        elif won < -two.chance_of_change(one):
            lines.append(f"fresh chips lose another {-100 * won:.1f} points: the network is worse than it came")
        if self.progress is not None:
            lines += self.progress.sentences()
        lines += self.about
        lines.append(f"{two.chips} chips, on the test part of the data, which was not used before")
        return [*lines, f"{self.path}, and {self.path.with_suffix('.report.json').name} beside it"]

    def report(self, facts: Mapping[str, str]) -> dict[str, Any]:
        """What is kept beside the network: where it comes from, and how good it is before and after. Times are in s."""

        def told(standing: Standing) -> dict[str, Any]:
            rows = zip(standing.times, standing.accuracy, standing.spread)
            chips = [{"time": float(t), "accuracy": float(a), "spread": float(s)} for t, a, s in rows]
            return {"float_accuracy": standing.exact, "on_chips": chips}

        after: dict[str, Any] = {
            "chips": self.after.chips,
            "before": told(self.before),
            "after": told(self.after),
            "epochs": [],
        }
        if (p := self.progress) is not None:
            if judged := not math.isnan(p.best):
                after["inputs_that_judge"] = {"before": p.came, "after": p.best}
            after["epochs"] = [{"loss": a, **({"accuracy_on_chips": b} if judged else {})} for a, b in p.history]
        return {"network": self.path.name, **facts, **after, "told": self.lines()[:-1]}


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def train(case: Case, output: Path, observer: Observer, *, calibrate_only: bool = False) -> Course:
    """Make the network of a scenario fit for its chip, and write it.

    Parameters
    ----------
    case : Case
    output : Path
        The ONNX file to write; beside it lies a checkpoint while training goes on.
    observer : Observer
    calibrate_only : bool
        Change scales and biases alone, by column statistics: no gradient, no torch.

    Raises
    ------
    DeckError
        A scenario without a network, data without inputs to train on, operators that cannot be trained.
    SolverError
        A loss, weights or outputs that are no numbers.
    """
    with locked(output.parent, file=output.name, work="training to the same file"):
        return _train(case, output, observer, prepared(case.scenario, calibrate_only=calibrate_only))


def _train(case: Case, output: Path, observer: Observer, start: Preparation) -> Course:
    scenario, chip, deck = case.scenario, start.chip, case.scenario.train
    computer, inputs, judges = chip.computer, start.share.inputs, start.judges
    observer.stage("prepare", **start.told())
    trainer = None
    if judges is not None:
        whole = Lesson(inputs, start.share.labels, outputs_of(computer.network, inputs))
        chips = TrainingChips(chip, start.plan, np.zeros(0), deck.noise)
        parts = {"lesson": whole[np.flatnonzero(~judges)], "apart": whole[np.flatnonzero(judges)]}
        trainer = Trainer(computer.network, chips, deck, **parts, by_column=start.by_column, observer=observer)
    observer.stage(
        "before", network=Path(computer.design.work.network.file).name, takes="what is told next, and again at the end"
    )
    begun = monotonic()
    outcome = run_case(scenario, observer, also=deck.ages)
    again = {"after": monotonic() - begun}
    chips = TrainingChips(chip, start.plan, _field(chip, outcome, scenario), 1.0 if trainer is None else deck.noise)
    progress, checkpoint = None, output.with_name(f".{output.name}.training.npz")
    if trainer is None:
        observer.stage("scales", ahead=again, chips=deck.chips)
        network = _scaled(chips, deck, inputs, start.by_column)
    else:
        observer.stage("train", ahead=again, inputs=len(trainer.lesson), epochs=deck.epochs)
        trainer.chips = chips
        digest = hashlib.sha256(f"{case.digest()} {deck!r} {__version__}".encode()).hexdigest()
        network, progress = trainer.trained(checkpoint, digest)
    source = Path(computer.design.work.network.file)
    is_other = network is not computer.network
    facts = _facts(case, progress, is_other=is_other)
    write_model(model_of(network, source, computer.task.shape, facts), output)
    observer.stage("after", network=output.name)
    after = run_case(_with_file(scenario, output), observer, also=deck.ages)
    checkpoint.unlink(missing_ok=True)
    about = (*start.sentences(), *(() if is_other else (AS_IT_CAME,)))
    course = Course(Standing.of(outcome), Standing.of(after), progress, output, about)
    write_report(course.report(facts), output.with_suffix(".report.json"))
    return course


def check_output(case: Case, output: Path) -> None:
    """Refuse a target that is no ONNX file or that the training reads, and a scenario that is a study; raises DeckError."""
    studies = [word for word in STUDIES if case.tree.get(word)]
    if studies:
        text = "makes many cases of the scenario, and a network is trained for one: leave it out, and choose with --set"
        raise DeckError(Problem(studies[0], text))
    if output.suffix.lower() != ".onnx":
        raise DeckError(Problem("-o", f"the network is written as ONNX: wants FILE.onnx, got {brief(output.name)}"))
    work = case.scenario.workload
    read = [] if work is None else [work.network.file, *([] if work.network.data is None else [work.network.data.file])]
    if any(os.path.realpath(file) == os.path.realpath(output) for file in read if file):
        raise DeckError(Problem("-o", f"{output.name} is what is trained; write to another file, it would be lost"))


def objections(paths: Sequence[str], overrides: Sequence[tuple[str, Any]] = ()) -> Iterator[str]:
    """What stands against the trainings that scenarios describe by a ``train`` block; of studies nothing is said.

    Parameters
    ----------
    paths : sequence of str
        Files, or names of shipped scenarios.
    overrides : sequence of (key, value)
    """
    for path in paths:
        case = load(path, overrides)
        if "train" in case.tree and not any(word in case.tree for word in STUDIES):
            try:
                with case.located(), suppress(UntriedError):
                    prepared(case.scenario, solve=False)
            except DeckError as error:
                yield str(error)


def _scaled(chips: TrainingChips, deck: TrainDeck, inputs: Any, by_column: bool) -> Network:
    """The network with other scales and biases, or as it is where chips are no better with them on the calibration inputs."""
    computer = chips.chip.computer
    old, count = computer.data, max(2, deck.chips)
    network = scaled(computer.network, chips, deck.ages, count, deck.seed, inputs[-SCALED_ON:], by_column=by_column)
    data = LabelledData(old.profile, old.profile_labels, old.profile, old.profile_labels, old.task)
    scores = [chips.calibrated(n).accuracy(n, deck.ages, count, deck.seed + 1, data) for n in (computer.network, network)]
    return network if scores[1] > scores[0] else computer.network


def _field(chip: ComputingChip, outcome: Outcome, scenario: Scenario) -> NDArray[Any]:
    """Temperature of the cells in training, shape (tiles, ny, nx): as asked, else that of the run near the last age. [K]"""
    nx, ny = chip.computer.design.lifetime.subgrid
    tiles = len(chip.computer.tiles)
    if scenario.train.temperature is not None:
        return np.full((tiles, ny, nx), scenario.train.temperature)
    times = np.asarray(outcome.coordinates["time"])
    nearest = int(np.argmin(np.abs(np.log(np.maximum(times, 1e-9) / max(scenario.train.ages)))))
    found = np.asarray(outcome.values["thermal/tile_temperature"]).reshape(len(times), tiles)
    return np.ascontiguousarray(np.broadcast_to(found[nearest][:, None, None], (tiles, ny, nx)))


def _facts(case: Case, progress: Learnt | None, *, is_other: bool) -> Mapping[str, str]:
    """Where a network comes from."""
    how = "training with the noise of chips"
    if progress is None:
        how = "column statistics of chips" if is_other else "nothing: other scales make chips no better"
    network = case.scenario.workload.network if case.scenario.workload is not None else None
    facts = {"version": __version__, "scenario": case.name, "case": case.digest(), "made_by": how}
    if network is not None:
        facts["made_from"] = f"{Path(network.file).name}, SHA-256 {hashlib.sha256(Path(network.file).read_bytes()).hexdigest()}"
    if progress is not None:
        facts["epochs"] = str(progress.epoch)
    facts["train"] = case.scenario.train.model_dump_json()
    return {f"stack3d.{name}": text for name, text in facts.items()}


def _with_file(scenario: Scenario, path: Path) -> Scenario:
    """The scenario with another file for its network."""
    work = scenario.workload
    if work is None:
        raise DeckError(Problem("workload", "is missing: there is no network to train"))
    network = work.network.model_copy(update={"file": str(path.resolve()), "float_accuracy": None, "sha256": None})
    return scenario.model_copy(update={"workload": work.model_copy(update={"network": network})})
