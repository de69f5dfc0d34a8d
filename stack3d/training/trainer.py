"""Training: epochs over the inputs, a new chip for every step, the best network by its chips on inputs kept apart or a mean."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from stack3d import storage
from stack3d.errors import ArrayError, SolverError
from stack3d.progress import Observer
from stack3d.schema import TrainDeck
from stack3d.training.drawn_chips import OneChip, TrainingChips
from stack3d.training.graph import TorchGraph, exact
from stack3d.training.lesson import Lesson, fed, outputs_of
from stack3d.training.loss import loss_of
from stack3d.training.mean_weights import MeanWeights
from stack3d.training.operators import library
from stack3d.workload import Array, LabelledData, Network, WeightMatrix

ORDER, AGE, CHIP, JUDGE = 1, 2, 3, 4
"""Streams of random numbers."""
SMALLEST = 1e-30
"""Mean square of products below which their size has no gradient."""


@dataclass
class Learnt:
    """How far training has come.

    Parameters
    ----------
    epoch : int
        That have ended.
    best : float
        Accuracy of chips on the inputs kept apart, of the best epoch so far or of the mean; below 0, how far their outputs are
        off; nan where no inputs are kept apart.
    since : int
        Epochs after it.
    kept : dict of str to ndarray
        Parameters of it.
    history : list of (loss, accuracy)
        By epoch.
    came : float
        As `best`, of the network as it came: told, but no epoch has to reach it, for it may know these inputs.
    mean : bool
        Whether what is kept is the mean of weights, not an epoch.
    """

    epoch: int = 0
    best: float = -math.inf
    since: int = 0
    kept: dict[str, Array] = field(default_factory=dict)
    history: list[tuple[float, float]] = field(default_factory=list)
    came: float = math.nan
    mean: bool = False

    def sentences(self) -> Iterator[str]:
        """Which epoch was chosen, and by what."""
        which = "the mean of weights over the second half" if self.mean else f"the best of them {self.epoch - self.since}"
        scores = f": {score_told(self.best)} on the inputs that judge epochs, {score_told(self.came)} as it came"
        yield f"{self.epoch} epoch{'s' if self.epoch != 1 else ''}, {which}{'' if math.isnan(self.best) else scores}"
        if self.best < self.came:
            yield "it was better there as it came: it may know these inputs already, so compare on the test data above"


class Trainer:
    """Fine-tunes a network for chips.

    Parameters
    ----------
    network : Network
        As the chips hold it.
    chips : TrainingChips
    deck : TrainDeck
    lesson, apart : Lesson
        Trained on, and judging epochs.
    by_column : bool
        Whether every output column has a scale of its own.
    observer : Observer
    """

    def __init__(
        self,
        network: Network,
        chips: TrainingChips,
        deck: TrainDeck,
        lesson: Lesson,
        apart: Lesson,
        *,
        by_column: bool,
        observer: Observer,
    ) -> None:
        self.network, self.deck, self.by_column, self.observer = network, deck, by_column, observer
        self.graph = TorchGraph(network)
        self.chips, self.lesson, self.apart = chips, lesson, apart
        self.loss = loss_of(chips.chip.computer.task, deck.loss, lesson.said)
        self.steps = -(-len(self.lesson) // deck.batch)
        self.mean = MeanWeights(deck.epochs * self.steps // 2) if deck.keep == "mean" else None
        optim = library().optim
        self.optimiser = optim.AdamW(self.graph.parameters.values(), lr=deck.rate, weight_decay=0.0)
        self.schedule = optim.lr_scheduler.CosineAnnealingLR(self.optimiser, T_max=deck.epochs * self.steps)

    @np.errstate(over="ignore", invalid="ignore")  # the loss tells it
    def trained(self, checkpoint: Path | None = None, key: str = "") -> tuple[Network, Learnt]:
        """The network that is kept, and how it came about.

        Parameters
        ----------
        checkpoint : Path, optional
            Written after every epoch, and read first where it carries the same `key`.
        key : str
            What it belongs to.

        Raises
        ------
        SolverError
            A loss, weights or outputs that are no numbers.
        """
        now = self._resumed(checkpoint, key) if checkpoint is not None else Learnt()
        if math.isnan(now.came):
            now.came = self._judged(self.network)
        while now.epoch < self.deck.epochs and (self.mean is not None or now.since < self.deck.patience):
            loss = self._epoch(now.epoch)
            accuracy = self._judged(self.now())
            now.epoch, now.since = now.epoch + 1, now.since + 1
            now.history.append((loss, accuracy))
            if self.mean is None and (not now.kept or accuracy > now.best):
                now.best, now.since, now.kept = accuracy, 0, self._parameters()
            judged = {} if math.isnan(accuracy) else {"on_chips": score_told(accuracy)}
            self.observer.step("train", now.epoch, self.deck.epochs, loss=f"{loss:.4g}", **judged)
            if checkpoint is not None:
                self._keep(checkpoint, key, now)
        self._set(now.kept if self.mean is None else self.mean.values)
        if self.mean is not None:
            self._clip()
            now.best, now.mean = self._judged(self.now()), True
        return self.checked(self.now()), now

    def checked(self, network: Network) -> Network:
        """A network whose outputs are numbers, also where ranges are found; raises SolverError for another."""
        try:
            known = (self.lesson.inputs, self.apart.inputs, self.chips.chip.computer.data.inputs)
            fine = all(np.isfinite(outputs_of(network, inputs)).all() for inputs in known if len(inputs))
        except ArrayError:
            fine = False
        if not fine:
            raise self._stop("the network that it ends with gives outputs that are no numbers")
        self._ranged(network)
        return network

    def _stop(self, why: str) -> SolverError:
        return SolverError(f"training stops: {why}: a smaller train.rate (now {self.deck.rate:g}) may help")

    def now(self) -> Network:
        """The network with the weights of now."""
        return changed(self.network, self.graph, self.by_column)

    def _epoch(self, epoch: int) -> float:
        """Mean loss of one pass over the lesson."""
        order = np.random.default_rng([self.deck.seed, ORDER, epoch]).permutation(len(self.lesson))
        self._clip()
        chips = self._ranged(self.now())
        losses = []
        for step, chosen in enumerate(np.array_split(order, self.steps)):
            losses.append(self._step(chips, self.lesson[chosen], epoch * self.steps + step))
            self.schedule.step()
        return float(np.mean(losses))

    def _ranged(self, network: Network) -> TrainingChips:
        """Chips of a network with ranges of its own; raises SolverError where products have none."""
        try:
            return self.chips.calibrated(network)
        except ArrayError as error:
            raise self._stop(str(error)) from None

    def _step(self, chips: TrainingChips, part: Lesson, number: int) -> float:
        torch, seed = library(), self.deck.seed
        age = self.deck.ages[int(np.random.default_rng([seed, AGE, number]).integers(len(self.deck.ages)))]
        chip = OneChip.of(chips, self.now(), age, int(np.random.default_rng([seed, CHIP, number]).integers(2**32)))
        labels = None if part.labels is None else torch.from_numpy(np.ascontiguousarray(part.labels))
        try:
            outputs = self.graph.run(fed(self.network, part.inputs), product_of(self.graph, chip))
            loss = self.loss(outputs, labels, torch.from_numpy(part.said.astype(np.float32)).reshape(outputs.shape))
            value = float(loss.detach())
        except ArrayError:  # products that are no numbers
            value = math.nan
        if not math.isfinite(value):
            raise self._stop(f"the loss of step {number + 1} is {value:g}")
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        self._clip()
        if not all(bool(torch.isfinite(p).all()) for p in self.graph.parameters.values()):
            raise self._stop(f"weights after step {number + 1} are no numbers")
        if self.mean is not None:
            self.mean.add(number, self._parameters())
        return value

    def _clip(self) -> None:
        """Cut the weights of matrices at so many of their standard deviations."""
        if self.deck.clip is None:
            return
        with library().no_grad():
            for name in self.graph.matrices:
                p = self.graph.parameters[name]
                end = float(self.deck.clip * p.std(unbiased=False))
                if end > 0:
                    p.clamp_(-end, end)

    def _judged(self, network: Network) -> float:
        """Accuracy of chips on the inputs kept apart; nan where there are none."""
        if not len(self.apart):
            return math.nan
        task = self.chips.chip.computer.task
        labels = self.apart.labels if self.apart.labels is not None and self.deck.loss == "task" else None
        if labels is None:
            labels = task.labels_of(self.apart.said)
        chips = self._ranged(network)
        if labels is None:
            return -self._away(chips, network)
        old = self.chips.chip.computer.data
        data = LabelledData(old.profile, old.profile_labels, self.apart.inputs, labels, task)
        seed = int(np.random.default_rng([self.deck.seed, JUDGE]).integers(2**32))
        return chips.accuracy(network, self.deck.ages, self.deck.chips, seed, data)

    def _away(self, chips: TrainingChips, network: Network) -> float:
        """Distance of chips' outputs from what the network said before, over their spread."""
        found = []
        for k, age in enumerate(self.deck.ages):
            for n in range(self.deck.chips):
                seed = int(np.random.default_rng([self.deck.seed, JUDGE, k, n]).integers(2**32))
                chip = OneChip.of(chips, network, age, seed)
                with library().no_grad():
                    said = self.graph.run(fed(self.network, self.apart.inputs), product_of(self.graph, chip)).numpy()
                found.append(np.mean((said.reshape(self.apart.said.shape) - self.apart.said) ** 2))
        return float(np.mean(found) / (np.mean(self.apart.said.var(axis=0)) + 1e-12))

    def _parameters(self) -> dict[str, Array]:
        return {name: p.detach().numpy().copy() for name, p in self.graph.parameters.items()}

    def _set(self, values: Mapping[str, Array]) -> None:
        with library().no_grad():
            for name, p in self.graph.parameters.items():
                p.copy_(library().from_numpy(np.asarray(values[name], np.float32)))

    def _keep(self, path: Path, key: str, now: Learnt) -> None:
        """Write how far training has come."""
        arrays: dict[str, Any] = {f"now.{name}": value for name, value in self._parameters().items()}
        arrays |= {f"best.{name}": value for name, value in now.kept.items()}
        if self.mean is not None:
            arrays |= {f"mean.{name}": value for name, value in self.mean.values.items()}
        for i, moments in self.optimiser.state_dict()["state"].items():
            arrays |= {f"adam.{i}.{name}": value.numpy() for name, value in moments.items()}
        pace = self.schedule.state_dict()
        arrays["schedule"] = np.array([pace["last_epoch"], *pace["_last_lr"]])
        arrays |= {"key": np.array(key), "count": np.array([now.epoch, now.since]), "scores": np.array([now.best, now.came])}
        arrays["history"] = np.array(now.history).reshape(-1, 2)
        with storage.beside(path) as scratch:
            with scratch.open("wb") as file:
                np.savez(file, **arrays)
            storage.seal(scratch)

    def _resumed(self, path: Path, key: str) -> Learnt:
        """What a checkpoint of the same training says; a new beginning where there is none, or it is damaged."""
        if not os.path.lexists(path):
            return Learnt()
        why, word = "is damaged", "damaged"
        try:
            arrays = storage.arrays_of(path)
            if str(arrays["key"]) == key and "schedule" in arrays:
                return self._of_arrays(arrays)
            why, word = "is of another training", "earlier"
        except Exception:  # a broken archive raises what it likes
            self.optimiser.state.clear()
        aside = storage.put_aside(path, word)
        self.observer.stage("warning", checkpoint=f"{path.name} {why}; it is kept as {aside.name if aside else path.name}")
        return Learnt()

    def _of_arrays(self, arrays: Mapping[str, Any]) -> Learnt:
        """Take over what `_keep` wrote."""

        def of(start: str) -> dict[str, Array]:
            return {name.removeprefix(start): value for name, value in arrays.items() if name.startswith(start)}

        wanted = {name: tuple(p.shape) for name, p in self.graph.parameters.items()}
        found = [of("now."), of("best."), of("mean.")]
        if any({name: v.shape for name, v in kept.items()} != wanted for kept in found if kept):
            raise ValueError("it is of another network")
        moments: dict[int, dict[str, Any]] = {}
        for name, value in of("adam.").items():
            moments.setdefault(int(name.split(".")[0]), {})[name.split(".")[1]] = library().from_numpy(value)
        epoch, since = (int(n) for n in arrays["count"])
        history = [(float(a), float(b)) for a, b in arrays["history"]]
        best, came = (float(score) for score in arrays["scores"])
        done, rate = (float(value) for value in arrays["schedule"])
        self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": moments})
        pace = {"last_epoch": int(done), "_step_count": int(done) + 1, "_last_lr": [rate]}
        self.schedule.load_state_dict({**self.schedule.state_dict(), **pace})
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self._set(of("now."))
        if self.mean is not None:
            self.mean.resume(of("mean."), epoch * self.steps)
        return Learnt(epoch, best, since, of("best."), history, came)


def score_told(score: float) -> str:
    """Accuracy in words; below 0 the mean square of what outputs are off by, over their variance."""
    return f"{100 * score:.1f} %" if score >= 0 else f"error {-score:.3g}"


def product_of(graph: TorchGraph, chip: OneChip) -> Any:
    """Products as a chip computes them; their gradients are those of exact products with what its cells say.

    Parameters
    ----------
    graph : TorchGraph
    chip : OneChip
        Converters, noise and corrections of which have no gradient of their own: it goes straight through.

    Notes
    -----
    Ranges of converters follow the products that they are found on, so what converters are off by grows with the products of a
    layer, and has that gradient, as a learnt step size has (arXiv:1902.08153). Without it few bits let training diverge:
    products that round to zero ask for larger weights, and larger weights for a wider range, in which they round to zero again.
    """
    torch = library()
    analog = {layer.name for layer in graph.network.layers}

    def product(layer: str, x: Any, blocks: Any) -> Any:
        if layer not in analog:
            return exact(layer, x, blocks)
        said = torch.from_numpy(chip.weights[layer].astype(np.float32))
        straight = exact(layer, x, blocks + (said - blocks).detach())
        found = torch.from_numpy(chip.times(layer, x.detach().numpy()))
        size = straight.square().mean().clamp(min=SMALLEST).sqrt()
        return straight + (found - straight).detach() * (size / size.detach())

    return product


def changed(network: Network, graph: TorchGraph, by_column: bool) -> Network:
    """A network with the weights that its graph has now.

    Parameters
    ----------
    network : Network
    graph : TorchGraph
    by_column : bool
        Scale every output column to the full conductance window.
    """

    def now(layers: Sequence[WeightMatrix]) -> tuple[WeightMatrix, ...]:
        blocks = [graph.blocks(layer.name).detach().numpy().astype(np.float64) for layer in layers]
        return tuple(WeightMatrix(layer.name, b) for layer, b in zip(layers, blocks))

    layers = now(network.layers)
    return replace(
        network,
        program=replace(network.program, constants=graph.constants()),
        layers=tuple(layer.scaled_by_column() for layer in layers) if by_column else layers,
        digital=now(network.digital),
    )
