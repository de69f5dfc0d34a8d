"""The noise that training sees is that of inference: logits in torch against those of the engine's own read-out."""

import functools
import json
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from stack3d import decks, mvm, yamlfile
from stack3d.chip import forward_of
from stack3d.constants import YEAR
from stack3d.heat.placing import placed_chip
from stack3d.life.chips import as_read, chosen_policies
from stack3d.streams import READ
from stack3d.training.drawn_chips import OneChip, TrainingChips
from stack3d.training.graph import TorchGraph
from stack3d.training.trainer import product_of

pytestmark = pytest.mark.torch
CHIPS, INPUTS = 64, 8
FRESH, AGED = (1.0, 300.0), (10 * YEAR, 358.15)
"""Time since programming [s], temperature [K]."""
SHUFFLES = 4000
THREE_ERRORS = 0.0027
"""Chance that a normal number lies beyond three standard errors."""
TREE: dict[str, Any] = {
    "scenario": "noise",
    "geometry": "bulk_rram_8tier",
    "cooling": {"top": "forced_air", "ambient": "25 degC"},
    "workload": {"network": "digits_cnn", "rate": "1e4 1/s", "tile": [64, 64], "periphery": "cmos_adc_8bit"},
    "lifetime": {"until": "10 year", "epochs": 2, "attribution": False},
    "solver": {"backend": "tensor", "mesh": {"lateral": 4, "per_layer": 1}, "error_promise": 0.5},
}


class Source(NamedTuple):
    """Chips of a device at a temperature."""

    chips: TrainingChips
    inputs: NDArray[Any]
    age: float

    @classmethod
    def of(cls, device: str, age: float, kelvin: float, noise: float = 1.0, **mvm: Any) -> "Source":
        tree = {**TREE, "device": device, "mvm": {"dac_bits": 8, "adc_bits": 8, **mvm}}
        chip = placed_chip(decks.resolve(yamlfile.parse_text(json.dumps(tree), "a.yaml")).scenario)
        nx, ny = chip.computer.design.lifetime.subgrid
        field = np.full((len(chip.computer.tiles), ny, nx), kelvin)
        chips = TrainingChips(chip, chosen_policies(chip.computer), field, noise)
        return cls(chips, chip.computer.data.inputs[:INPUTS], age)

    def in_torch(self, seeds: Any) -> NDArray[np.float64]:
        """Logits (chips, inputs, classes) as a step of training computes them."""
        network = self.chips.chip.computer.network
        graph, name = TorchGraph(network), network.program.inputs[0].name
        found = []
        for seed in seeds:
            one = OneChip.of(self.chips, network, self.age, seed)
            found.append(graph.run({name: self.inputs}, product_of(graph, one)).detach().numpy())
        return np.stack(found).astype(np.float64)

    def in_engine(self, seed: int, samples: int) -> NDArray[np.float64]:
        """Logits (chips, inputs, classes) as a read-out of a run computes them."""
        network = self.chips.chip.computer.network
        life = self.chips.drawn(network, self.age, samples, seed)
        read = as_read(life, self.chips.climate, self.chips.plan)
        rng = np.random.default_rng([seed, READ])
        forward = forward_of(network)
        return np.asarray(
            mvm.infer(
                read.matrices, read.seen, forward, self.inputs, rng, read_noise=read.noise, compensations=read.corrections
            ),
            np.float64,
        )


def off(one: NDArray[np.float64], two: NDArray[np.float64]) -> NDArray[np.float64]:
    """By how many standard errors the means of numbers (..., chips, numbers) differ."""
    error = np.sqrt((one.var(axis=-2, ddof=1) + two.var(axis=-2, ddof=1)) / one.shape[-2])
    return np.asarray(np.abs(one.mean(axis=-2) - two.mean(axis=-2)) / error)


def compared(one: NDArray[np.float64], two: NDArray[np.float64]) -> list[tuple[float, float]]:
    """Of the means of logits (chips, ...), and of their spreads: the largest difference in standard errors, and its chance.

    A spread is the mean distance of chips from their own mean. The chance is that of the largest of all differences where
    chips are shuffled between the two, so that many logits that go together count as one test.
    """
    rng, found = np.random.default_rng(0), []
    flat = [x.reshape(len(x), -1) for x in (one, two)]
    for a, b in (flat, [np.abs(x - x.mean(axis=0)) for x in flat]):
        seen, both = off(a, b).max(), np.concatenate([a, b])
        orders = (rng.permutation(len(both)) for _ in range(SHUFFLES))
        larger = sum(off(both[order[: len(a)]], both[order[len(a) :]]).max() >= seen for order in orders)
        found.append((float(seen), (1 + larger) / (1 + SHUFFLES)))
    return found


@functools.cache
def source(device: str, age: float, kelvin: float, noise: float = 1.0) -> Source:
    return Source.of(device, age, kelvin, noise)


@pytest.mark.parametrize("when", [FRESH, AGED], ids=["fresh", "aged and hot"])
@pytest.mark.parametrize("device", ["hfox_analog", "cmo_hfox"])
def test_a_chip_in_torch_is_that_of_the_engine(device: str, when: tuple[float, float]) -> None:
    """By the same seed, and without noise of reads, which are drawn apart: rounding, no step of a converter."""
    one = Source.of(device, *when, read_noise=False)
    for seed in range(3):
        mine, own = one.in_torch([seed])[0], one.in_engine(seed, 1)[0]
        assert np.abs(mine - own).max() < 1e-6 * np.abs(own).max()


@pytest.mark.parametrize("when", [FRESH, AGED], ids=["fresh", "aged and hot"])
@pytest.mark.parametrize("device", ["hfox_analog", "cmo_hfox"])
def test_means_and_spreads_of_logits_are_those_of_the_engine(device: str, when: tuple[float, float]) -> None:
    """Of 80 logits over 64 chips each, drawn apart: every mean and spread is within three standard errors."""
    one = source(device, *when)
    for most, chance in compared(one.in_torch(range(1000, 1000 + CHIPS)), one.in_engine(7, CHIPS)):
        assert most < 3.0 and chance > THREE_ERRORS


@pytest.mark.parametrize("device", ["hfox_analog", "cmo_hfox"])
def test_a_noise_that_is_off_is_seen(device: str) -> None:
    """Chips that are off by half as much again have other spreads; logits moved by three quarters of theirs other means."""
    own = source(device, *FRESH).in_engine(7, CHIPS)
    louder = source(device, *FRESH, 1.5).in_torch(range(1000, 1000 + CHIPS))
    most, chance = compared(louder, own)[1]
    assert most > 3.0 and chance < THREE_ERRORS
    most, chance = compared(own + 0.75 * own.std(axis=0), source(device, *FRESH).in_engine(8, CHIPS))[0]
    assert most > 3.0 and chance < THREE_ERRORS
