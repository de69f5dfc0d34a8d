"""The last layer trained on the chip."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d import mvm
from stack3d.chip import Computer, forward_of
from stack3d.errors import Problem
from stack3d.heat import Climate, Upkeep
from stack3d.life.chips import Life, Passive, around, periodic, policies, reference_rng, too_often
from stack3d.schema import life as schema
from stack3d.workload import Classification


@policies.register("fine_tuning")
class FineTuning(Passive):
    """Train the last layer of each chip by softmax regression on its own features, then write the cells that moved."""

    def __init__(self, deck: schema.FineTuningDeck) -> None:
        self.deck = deck

    def check(self, computer: Computer) -> list[Problem]:
        """Refuse what softmax regression is not for, and to train again before that is done."""
        if isinstance(computer.task, Classification):
            return too_often("lifetime.fine_tuning.period", self.deck.period, self._reads(computer), computer)
        return [Problem("lifetime.fine_tuning", "trains classes; workload.task is not classification")]

    def _reads(self, computer: Computer) -> Upkeep:
        """Of one training: the profile once through the network, and steps that multiply forward and back, in digital."""
        last, n = list(computer.matrices.values())[-1], float(len(computer.data.profile))
        steps = 2.0 * self.deck.steps * n * last.n_inputs * last.n_outputs
        return Upkeep(np.full(len(computer.tiles), n), n, steps)

    def events(self, start: float, end: float) -> Sequence[tuple[float, float]]:
        """Return every multiple of the period: training starts from what the one before left."""
        return periodic(self.deck.period, start, end, most=schema.MOST_TRAININGS)

    def around(self, time: float) -> tuple[float, float]:
        """Return the multiples of the period about a time."""
        return around(self.deck.period, time)

    def act(self, life: Life, climate: Climate, event: int) -> Life:
        """Gradient steps with the analog forward pass of each chip; digital shadow weights start at the present targets.

        The profiling inputs are read once through the network; a step multiplies forward and back, in digital.
        """
        computer = life.computer
        name = list(computer.matrices)[-1]
        matrix, device = computer.matrices[name], computer.devices[name]
        features, logits = self._features(life, climate, name)
        labels = np.eye(matrix.n_outputs)[:, np.asarray(computer.data.profile_labels, np.intp)]
        start, across = np.swapaxes(logits, -1, -2).copy(), np.swapaxes(features, -1, -2).copy()  # classes first: short sums
        state = life.population.states[name]
        before = matrix.mapping.weights(np.asarray(state.target[..., : matrix.n_outputs], dtype=np.float64), matrix.weight_max)
        change = np.zeros_like(np.swapaxes(before, -1, -2))
        n = features.shape[-2]
        life = life.kept_up(self._reads(computer))
        for _ in range(self.deck.steps):
            p = start + change @ across
            p -= p.max(axis=-2, keepdims=True)
            np.exp(p, out=p)
            p /= p.sum(axis=-2, keepdims=True)
            p -= labels
            change -= self.deck.learning_rate / n * (p @ features)
        wanted = np.clip(before + np.swapaxes(change, -1, -2), -matrix.weight_max, matrix.weight_max)
        targets = np.array(state.target, dtype=np.float64)
        targets[..., : matrix.n_outputs] = np.stack([matrix.mapping.conductances(w, matrix.weight_max) for w in wanted])
        window = device.device.g_max - device.device.g_min
        mask = np.abs(targets - state.target) > self.deck.threshold * window
        if not mask.any():
            return life
        return life.rewritten(climate, event, masks={name: mask}, targets={name: targets})

    def _features(self, life: Life, climate: Climate, last: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Inputs of the last layer (chips, profile, n_inputs) and logits, as each chip computes them."""
        seen = life.conductances(climate)
        matrices = life.computer.matrices
        network = mvm.CrossbarNetwork(matrices, {n: m.prepare(seen[n]) for n, m in matrices.items()}, reference_rng(life))
        kept: dict[str, NDArray[np.float64]] = {}

        class Recorder:
            states = network.states

            def __call__(self, name: str, x: Any) -> Any:
                if name == last:
                    kept["features"] = np.asarray(x, dtype=np.float64)
                return network(name, x)

        logits = forward_of(life.computer.network)(Recorder(), life.computer.data.profile)
        return kept["features"], np.asarray(logits, dtype=np.float64)
