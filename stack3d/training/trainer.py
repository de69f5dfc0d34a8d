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
from stack3d.training.loss import loss_of
from stack3d.training.mean_weights import MeanWeights
from stack3d.training.operators import library
from stack3d.workload import Array, Inputs, LabelledData, Network, WeightMatrix

ORDER, AGE, CHIP, JUDGE = 1, 2, 3, 4
"""Streams of random numbers."""
SMALLEST = 1e-30
"""Mean square of products below which their size has no gradient."""


@dataclass(frozen=True, eq=False)
class Lesson:
    """Inputs, their labels, and what the network said of them in float arithmetic before."""

    inputs: Any
    labels: Array | None
    said: Array

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: Any) -> Lesson:
        return Lesson(self.inputs[index], None if self.labels is None else self.labels[index], self.said[index])


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
        self.optimiser = library().optim.AdamW(self.graph.parameters.values(), lr=deck.rate, weight_decay=0.0)

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
            A loss that is no number.
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
        return self.now(), now

    def now(self) -> Network:
        """The network with the weights of now."""
        return changed(self.network, self.graph, self.by_column)

    def _epoch(self, epoch: int) -> float:
        """Mean loss of one pass over the lesson."""
        order = np.random.default_rng([self.deck.seed, ORDER, epoch]).permutation(len(self.lesson))
        self._clip()
        chips = self.chips.calibrated(self.now())
        losses = []
        for step, chosen in enumerate(np.array_split(order, self.steps)):
            number = epoch * self.steps + step
            done = number / (self.deck.epochs * self.steps)
            for group in self.optimiser.param_groups:
                group["lr"] = 0.5 * self.deck.rate * (1.0 + math.cos(math.pi * done))
            losses.append(self._step(chips, self.lesson[chosen], number))
        return float(np.mean(losses))

    def _step(self, chips: TrainingChips, part: Lesson, number: int) -> float:
        torch, seed = library(), self.deck.seed
        age = self.deck.ages[int(np.random.default_rng([seed, AGE, number]).integers(len(self.deck.ages)))]
        chip = OneChip.of(chips, self.now(), age, int(np.random.default_rng([seed, CHIP, number]).integers(2**32)))
        labels = None if part.labels is None else torch.from_numpy(np.ascontiguousarray(part.labels))
        try:
            outputs = self.graph.run(_fed(self.network, part.inputs), product_of(self.graph, chip))
            loss = self.loss(outputs, labels, torch.from_numpy(part.said.astype(np.float32)).reshape(outputs.shape))
            value = float(loss.detach())
        except ArrayError:  # products that are no numbers
            value = math.nan
        if not math.isfinite(value):
            text = f"the loss of step {number + 1} is {value:g}: a smaller train.rate (now {self.deck.rate:g}) may help"
            raise SolverError(f"training stops: {text}")
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        self._clip()
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
        chips = self.chips.calibrated(network)
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
                    said = self.graph.run(_fed(self.network, self.apart.inputs), product_of(self.graph, chip)).numpy()
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
            if str(arrays["key"]) == key and "scores" in arrays:
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
        self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": moments})
        self._set(of("now."))
        if self.mean is not None:
            self.mean.resume(of("mean."), epoch * self.steps)
        return Learnt(epoch, best, since, of("best."), history, came)


def score_told(score: float) -> str:
    """Accuracy in words; below 0 the mean square of what outputs are off by, over their variance."""
    return f"{100 * score:.1f} %" if score >= 0 else f"error {-score:.3g}"


def _fed(network: Network, inputs: Any) -> Mapping[str, Array]:
    return inputs.arrays if isinstance(inputs, Inputs) else {network.program.inputs[0].name: inputs}


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
