"""Chips between two instants: ageing in a climate, interrupted by what policies do to them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from stack3d import mvm
from stack3d.errors import DeckError, Problem, ValidityWarning
from stack3d.layout import Floats
from stack3d.lifetime.ageing import READ, REFERENCE, Population
from stack3d.lifetime.climate import Climate
from stack3d.lifetime.computer import Chip, Computer, forward_of
from stack3d.lifetime.crossbars import with_warm_wires
from stack3d.lifetime.heat import Limits
from stack3d.registry import Registry
from stack3d.schema.life import Lifetime


@dataclass(frozen=True)
class Bill:
    """What keeping the chips accurate has cost so far, per chip.

    Parameters
    ----------
    refreshes : float
        Times the policies wrote cells.
    pulses : float
        Write pulses.
    energy : float
        Of the pulses. [J]
    tile_energy : ndarray, shape (tiles,)
        The same by tile. [J]
    """

    refreshes: float
    pulses: float
    energy: float
    tile_energy: Floats


@dataclass(frozen=True, eq=False)
class Life:
    """A population of chips at one instant.

    Parameters
    ----------
    chip : Chip
    computer : Computer
        The chip's own, or one with a mechanism switched off.
    population : Population
    time : float
        Since programming. [s]
    bill : Bill
    reference : mapping of str to ndarray
        What fresh chips read, by layer, for drift compensation.
    fresh_accuracy : float or None
        Mean over chips at the first read-out.
    """

    chip: Chip
    computer: Computer
    population: Population
    time: float
    bill: Bill
    reference: Mapping[str, Floats] = field(default_factory=dict)
    fresh_accuracy: float | None = None

    @property
    def seed(self) -> int:
        """Seed of the run."""
        return int(self.chip.scenario.monte_carlo.seed)

    @property
    def samples(self) -> int:
        """Chips."""
        return int(self.chip.scenario.monte_carlo.samples)

    @property
    def programming_temperature(self) -> float:
        """Of the chips while they were programmed. [K]"""
        return (self.chip.scenario.lifetime or Lifetime()).programming_temperature

    def aged(self, until: float, climate: Climate) -> Life:
        """The same chips later."""
        population = self.population.aged(self.computer, until - self.time, climate)
        return replace(self, population=population, time=until)

    def rewritten(self, climate: Climate, event: int, **choice: Any) -> Life:
        """Cells programmed again now, and billed; see `Population.rewritten`."""
        key = [self.seed, event, int(self.time) % 2**31, int(np.ceil(self.time) // 2**31)]
        population, bills = self.population.rewritten(self.computer, climate, key, **choice)
        tile_energy = self.bill.tile_energy.copy()
        for name, bill in bills.items():
            tiles = self.computer.tiles_of(name)
            cells = sum(t.weights for _, t in tiles)
            for i, tile in tiles:
                tile_energy[i] += bill.energy / self.samples * tile.weights / cells
        total = Bill(
            self.bill.refreshes + 1,
            self.bill.pulses + sum(b.pulses for b in bills.values()) / self.samples,
            self.bill.energy + sum(b.energy for b in bills.values()) / self.samples,
            tile_energy,
        )
        return replace(self, population=population, bill=total)

    def conductances(self, climate: Climate) -> dict[str, Any]:
        """What a noiseless read sees while the chip computes. [S]"""
        return self.population.conductances(self.computer, climate.working)


@dataclass(frozen=True, eq=False)
class Reading:
    """A read-out of all chips.

    Parameters
    ----------
    accuracy, logit_error : ndarray, shape (chips,)
    signal_to_noise : ndarray, shape (layers,)
        Power of each layer's wanted outputs over that of their errors, mean over chips; empty when not asked for. [-]
    confusion : ndarray of int, shape (classes, classes)
        True class by found class, summed over chips.
    wire_error : float
        Of shared line losses; 0 where lines are exact. [-]
    """

    accuracy: Floats
    logit_error: Floats
    signal_to_noise: Floats
    confusion: NDArray[np.int64]
    wire_error: float


class Policy(Protocol):
    """Something that is done to keep the chips accurate, or cool."""

    renews: bool
    """Whether it writes again what has aged."""

    def check(self, computer: Computer) -> list[Problem]:
        """What this computer cannot do."""

    def programmed(self, life: Life, climate: Climate) -> Life:
        """After the first programming."""

    def events(self, start: float, end: float) -> Sequence[tuple[float, float]]:
        """Instants in (start, end] at which to act, each with the number of acts just before it that only wear."""

    def act(self, life: Life, climate: Climate, event: int) -> Life:
        """Do it."""

    def wear(self, life: Life, climate: Climate, times: float) -> Life:
        """Count `times` acts whose outcome is overwritten by a later one."""

    def is_due(self, life: Life, climate: Climate) -> bool:
        """Whether the state of the chips asks for an act now."""

    def limit(self, limits: Limits) -> Limits:
        """What the chip's temperature and leakage have to keep."""

    def correct(
        self, life: Life, matrices: dict[str, mvm.AnalogMatrix], seen: Mapping[str, Any], climate: Climate
    ) -> tuple[dict[str, mvm.AnalogMatrix], dict[str, mvm.Compensation]]:
        """Matrices with new converter ranges, and digital corrections by layer."""


class Passive:
    """Policy that does nothing; others override what they do."""

    renews: bool = False

    def check(self, computer: Computer) -> list[Problem]:
        """Return no problems."""
        return []

    def programmed(self, life: Life, climate: Climate) -> Life:
        """Leave the chips as they are."""
        return life

    def events(self, start: float, end: float) -> Sequence[tuple[float, float]]:
        """Return no instants."""
        return ()

    def act(self, life: Life, climate: Climate, event: int) -> Life:
        """Do nothing."""
        return life

    def wear(self, life: Life, climate: Climate, times: float) -> Life:
        """Wear nothing."""
        return life

    def is_due(self, life: Life, climate: Climate) -> bool:
        """Return False."""
        return False

    def limit(self, limits: Limits) -> Limits:
        """Ask for nothing."""
        return limits

    def correct(
        self, life: Life, matrices: dict[str, mvm.AnalogMatrix], seen: Mapping[str, Any], climate: Climate
    ) -> tuple[dict[str, mvm.AnalogMatrix], dict[str, mvm.Compensation]]:
        """Correct nothing."""
        return matrices, {}


policies: Registry[Any] = Registry("policy")
"""Name of a key of ``lifetime`` (or of ``lifetime.policies``) → class made from that key's value."""

CROSSINGS = 4
"""Acts of a triggered policy within one epoch that are followed one by one; further ones repeat the last interval."""


def chosen_policies(chip: Chip) -> tuple[Policy, ...]:
    """Policies of a scenario, in the order of the registry."""
    lifetime = chip.scenario.lifetime
    if lifetime is None:
        return ()
    found: dict[str, Any] = {name: getattr(lifetime, name, None) for name in policies}
    found |= lifetime.policies
    problems = [
        Problem(f"lifetime.policies.{n}", f"no policy {n!r}; known: {', '.join(policies)}") for n in found if n not in policies
    ]
    if problems:
        raise DeckError(problems)
    plan = tuple(policies[name](value) for name, value in found.items() if value is not None)
    problems = [problem for policy in plan for problem in policy.check(chip.computer)] if chip.computer is not None else []
    if problems:
        raise DeckError(problems)
    return plan


def elapse(life: Life, end: float, climate: Climate, plan: Sequence[Policy], epoch: int) -> Life:
    """Age the chips to `end` in a climate, acting where policies ask for it."""
    events = sorted(
        ((when, before, i) for i, p in enumerate(plan) for when, before in p.events(life.time, end)), key=lambda e: e[0]
    )
    for number, (when, before, i) in enumerate(events):
        life = life.aged(when, climate)
        if before:
            life = plan[i].wear(life, climate, before)
        life = plan[i].act(life, climate, _event(epoch, number))
    return _triggered(life, end, climate, plan, epoch, len(events))


def _event(epoch: int, number: int) -> int:
    return epoch * 1000 + number


def _triggered(life: Life, end: float, climate: Climate, plan: Sequence[Policy], epoch: int, number: int) -> Life:
    """Age to `end`, with acts whenever a policy finds them due."""
    interval = 0.0
    for count in range(CROSSINGS + 1):
        later = life.aged(end, climate)
        due = next((p for p in plan if p.is_due(later, climate)), None)
        if due is None:
            return later
        if count == CROSSINGS and interval > 0:
            times = (end - life.time) // interval
            life = due.wear(life, climate, max(times - 1, 0)).aged(max(life.time, end - (end - life.time) % interval), climate)
            return due.act(life, climate, _event(epoch, number + count)).aged(end, climate)
        when = _crossing(life, end, climate, due)
        interval = when - life.time
        life = due.act(life.aged(when, climate), climate, _event(epoch, number + count))
        if when >= end:
            return life
        if interval <= 0:
            return _in_vain(life, end, climate, due, _event(epoch, number + count + 1))
    return life.aged(end, climate)


def _in_vain(life: Life, end: float, climate: Climate, policy: Policy, event: int) -> Life:
    """Age to `end` with a policy that is due again as soon as it has acted: it acts a few times, evenly."""
    text = f"a write does not bring the accuracy back within what triggers it: {CROSSINGS} writes in such an epoch"
    warnings.warn(ValidityWarning(text), stacklevel=2)
    step = (end - life.time) / CROSSINGS
    middles = [life.time + (k + 0.5) * step for k in range(CROSSINGS)]
    for k, when in enumerate(middles):
        life = policy.act(life.aged(when, climate), climate, event + k)
    return life.aged(end, climate)


def _crossing(life: Life, end: float, climate: Climate, policy: Policy) -> float:
    """Time in (now, end] at which the policy first finds itself due, to 5 % of the interval. [s]"""
    if policy.is_due(life, climate):
        return life.time
    low, high = 0.0, end - life.time
    for _ in range(12):
        if high - low <= 0.05 * high:
            break
        middle = np.sqrt(low * high) if low > 0 else high / 8
        if policy.is_due(life.aged(life.time + middle, climate), climate):
            high = middle
        else:
            low = middle
    return life.time + high


def read_out(
    life: Life,
    climate: Climate,
    plan: Sequence[Policy],
    epoch: int,
    *,
    ideal: Mapping[str, Floats] | None = None,
    exact_converters: bool = False,
    layers: bool = True,
) -> Reading:
    """Accuracy and logit error of every chip now.

    Parameters
    ----------
    life : Life
    climate : Climate
        The cells are read at its mean temperature while the chip computes.
    plan : sequence of Policy
    epoch : int
        Seeds the read noise.
    ideal : mapping of str to ndarray of bool, optional
        Cells, shape (n_inputs, n_columns) by layer, that are taken as fresh and free of noise.
    exact_converters : bool
        Leave out DAC and ADC.
    layers : bool
        Whether the signal-to-noise ratio of the layers is wanted, which costs as much as the rest.
    """
    computer, scenario = life.computer, life.chip.scenario
    field_ = climate.working
    seen = life.conductances(climate)
    noise = life.population.read_noise(computer, field_, seen) if scenario.mvm.read_noise else {}
    for name, cells in (ideal or {}).items():
        seen[name] = np.where(cells, life.population.states[name].target, seen[name])
        if name in noise:
            noise[name] = np.where(cells, 0.0, noise[name]).astype(noise[name].dtype)
    warm = {name: float(np.mean([field_[i].mean() for i, _ in computer.tiles_of(name)])) for name in computer.matrices}
    matrices, wire_error = with_warm_wires(scenario, computer.matrices, warm, seen)
    corrections: dict[str, mvm.Compensation] = {}
    for policy in plan:
        matrices, more = policy.correct(life, matrices, seen, climate)
        for name, one in more.items():
            corrections[name] = corrections.get(name, mvm.Compensation()).then(one)
    if exact_converters:
        exact = mvm.Converter(None)
        matrices = {name: replace(m, dac=exact, adc=exact, input_slice_bits=None) for name, m in matrices.items()}
    rng = np.random.default_rng([life.seed, READ, epoch])
    statistics: dict[str, mvm.LayerStatistics] = {}
    logits = mvm.infer(
        matrices,
        seen,
        forward_of(computer.network),
        computer.data.inputs,
        rng,
        read_noise=noise,
        compensations=corrections,
        statistics=statistics if layers else None,
        memory_limit=computer.read_memory,
    )
    labels = computer.data.labels
    confusion = mvm.confusion_matrix(logits, labels)
    return Reading(
        np.asarray(mvm.accuracy(logits, labels), dtype=np.float64),
        np.asarray(mvm.logit_error(logits, computer.float_logits), dtype=np.float64),
        np.array([float(np.mean(statistics[name].signal_to_noise)) for name in matrices if name in statistics]),
        np.asarray(confusion).reshape(-1, *np.shape(confusion)[-2:]).sum(axis=0),
        wire_error,
    )


def reference_rng(life: Life) -> np.random.Generator:
    """Random numbers of reference reads at this time."""
    return np.random.default_rng([life.seed, REFERENCE, int(life.time) % 2**31])
