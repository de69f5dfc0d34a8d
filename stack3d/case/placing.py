"""The chip of a case with its tiles on their sites; a placement by accuracy is chosen at a few other chips."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from stack3d.case.duration import seconds_of
from stack3d.case.judged_placings import CHIPS, RIVALS, check_placing, groups_of, is_by_accuracy, readings_of
from stack3d.case.size import check_size
from stack3d.chances import standard_error
from stack3d.chip import TODAY, Chip, ComputingChip, with_weights
from stack3d.errors import RangeError, SolverError, ValidityWarning
from stack3d.heat import Climate, Heat, heat_sources
from stack3d.heat.placing import Trials, placed_chip, with_places
from stack3d.heat.solvers import Backends
from stack3d.heat.trust.error_bars import of_mesh
from stack3d.layout import Floats
from stack3d.life.chips import Life, Reading, chosen_policies, read_out
from stack3d.life.history import curve, replay
from stack3d.life.start import fresh_life
from stack3d.progress import Observer, Silent
from stack3d.record import Record
from stack3d.schema.scenario import Scenario
from stack3d.streams import PLACE
from stack3d.workload import BY_ACCURACY

LEAST_SPAN = 5.0
"""Between the temperatures at which the cost is found, where all tiles are closer than that. [K]"""


@dataclass(frozen=True, eq=False)
class ChosenPlacement:
    """How a placement by accuracy was chosen.

    Parameters
    ----------
    chip : ComputingChip
        Its tiles on the sites that were taken.
    names : tuple of str
        Placements that were compared.
    taken : int
        The one that was taken.
    accuracy : ndarray, shape (placements, chips)
        Predicted at the end of the life. [-]
    by_input : ndarray, shape (placements, inputs)
        What each calibration input adds to it, mean over chips. [-]
    sensitivity : ndarray, shape (tiles,)
        Accuracy that a kelvin more on the tile costs. [1/K]
    heats : tuple of Heat
        Of freshly programmed chips, by placement.
    errors : ndarray, shape (placements, 3)
        Estimated, of the hottest tile, of the mean over tiles and of the hottest point of these. [K]
    """

    chip: ComputingChip
    names: tuple[str, ...]
    taken: int
    accuracy: Floats
    by_input: Floats
    sensitivity: Floats
    heats: tuple[Heat, ...]
    errors: Floats

    def put(self, record: Record) -> None:
        """Put what was compared into the `record`."""
        record.along("placement", self.names)
        record.put("mvm/placement_accuracy", self.accuracy.mean(axis=1))
        gains = self.accuracy - self.accuracy[0], self.by_input - self.by_input[0]
        record.put("mvm/placement_gain_error", standard_error(*gains))
        record.put("mvm/placement_taken", (np.arange(len(self.names)) == self.taken).astype(np.int64))
        record.put("mvm/placement_sensitivity", self.sensitivity)
        found = [(h.tile_temperature.max(), h.tile_temperature.mean(), h.solution.field.values.max()) for h in self.heats]
        for name, values, errors in zip(("tile_peak", "tile_mean", "stack_peak"), np.transpose(found), self.errors.T):
            record.put(f"thermal/placement_{name}", values)
            record.put(f"thermal/placement_{name}_error", errors)

    @property
    def told(self) -> str:
        """What was compared and taken, in a line."""
        means = [f"{name} {100 * mean:.2f} %" for name, mean in zip(self.names, self.accuracy.mean(axis=1))]
        why = "" if self.taken else ", which no other beats by more than chance"
        return (
            f"placement          as {self.names[self.taken]}{why}; predicted at the end on {self.accuracy.shape[1]} other chips"
            f" and the calibration inputs: {', '.join(means)}"
        )


def placed(scenario: Scenario, observer: Observer | None = None) -> tuple[Chip, ChosenPlacement | None]:
    """Make a scenario concrete, tiles on their sites, and say how a placement by accuracy was chosen.

    Raises
    ------
    DeckError
        With every mistake that only shows when the parts meet; for one that takes more memory than there is before any work.
    """
    if not is_by_accuracy(scenario):
        return placed_chip(scenario), None
    chip = placed_chip(scenario, solve=False)
    if not isinstance(chip, ComputingChip) or check_placing(chip):
        return chip, None
    check_size(chip)
    judge = _Judge(chip, observer or Silent())
    try:
        choice = judge.choice()
    except (RangeError, SolverError) as error:
        text = f"workload.placement: no accuracy can be predicted, tiles lie as with {RIVALS[0]}: {error}"
        warnings.warn(ValidityWarning(text), stacklevel=2)
        return judge.rivals[0], None
    return choice.chip, choice


def placement_told(choice: ChosenPlacement | None, record: Record) -> tuple[str, ...]:
    """Lines that say how a placement was chosen, put into the `record` too; none where it was not."""
    if choice is None:
        return ()
    choice.put(record)
    return (choice.told,)


class _Judge:
    """Predicted accuracy at the end of the life of a few chips, their tiles on any sites.

    Parameters
    ----------
    chip : ComputingChip
    observer : Observer
    """

    def __init__(self, chip: ComputingChip, observer: Observer) -> None:
        self.chip, self.observer, self.plan = chip, observer, chosen_policies(chip.computer)
        self.trials, self.judging = Trials(chip), Backends()
        self.rivals = [with_places(chip, name, self.trials) for name in RIVALS]
        self.end = chip.computer.design.lifetime.until
        self.done, self.of = 0, readings_of(chip.computer)

    @cached_property
    def few(self) -> Life:
        """A few chips just programmed, from random numbers of their own, that read the calibration inputs."""
        computer = self.chip.computer
        design, loaded = computer.design, computer.origin.data
        seed = int(np.random.SeedSequence([design.chips.seed, PLACE]).generate_state(1)[0] >> 1)
        chips = design.chips.model_copy(update={"samples": CHIPS, "seed": seed})
        data = replace(loaded, inputs=loaded.profile, labels=loaded.profile_labels)
        origin = replace(computer.origin, data=data)
        other = replace(computer, design=replace(design, chips=chips), data=data, origin=origin)
        return fresh_life(replace(self.rivals[0], computer=with_weights(other, other.network)))

    @cached_property
    def fresh(self) -> float | None:
        """Accuracy that triggers look back to; None where nothing is done to the chips."""
        if not self.plan:
            return None
        life, climate = self._on(self.rivals[0]), Climate.steady(self.trials.settled(self.rivals[0]).field)
        return float(curve(life, np.array([TODAY]), [climate], self.plan).accuracy.mean())

    def _on(self, chip: ComputingChip) -> Life:
        """The few chips with their tiles where those of a chip lie."""
        computer = replace(self.few.computer, places=chip.computer.places, hops=chip.computer.hops)
        return replace(self.few, chip=replace(chip, computer=computer), computer=computer)

    def reading(self, chip: ComputingChip, field: NDArray[np.float64]) -> Reading:
        """The few chips at the end of a life at temperatures that stay, shape (tiles, ny, nx) [K]; raises RangeError."""
        self.observer.step("place", self.done, self.of)
        self.done += 1
        climate = Climate.steady(field)
        times, climates = np.array([TODAY, self.end]), [climate, climate]
        life = replay(self._on(chip), times, climates, self.plan, self.fresh)
        return read_out(life, climate, self.plan, 1, layers=False)

    def costs(self) -> tuple[Floats, Floats]:
        """Accuracy, and relative error of the outputs, that a kelvin more on each tile costs, shape (tiles,) each. [1/K]"""
        computer, (first, _) = self.chip.computer, self.rivals
        fields = [self.trials.settled(rival).field for rival in self.rivals]
        low, high = min(map(np.min, fields)), max(map(np.max, fields))
        wider = max(0.0, LEAST_SPAN - (high - low)) / 2
        span = np.array([low - wider, high + wider])
        costs = np.zeros((2, len(computer.tiles)))
        for group in groups_of(computer):
            cold, hot = (self.reading(first, _with(fields[0], group, level)) for level in span)
            lost = np.mean(cold.accuracy) - np.mean(hot.accuracy)
            noise = np.mean(hot.logit_error**2) - np.mean(cold.logit_error**2)
            cells = np.array([computer.tiles[i].weights for i in group])
            costs[:, group] = np.array([[lost], [noise]]) / (span[1] - span[0]) * (cells / cells.sum())
        return costs[0], costs[1]

    def choice(self) -> ChosenPlacement:
        """The most accurate placement; raises RangeError or SolverError where none can be told for the first rival."""
        takes = seconds_of(self.chip)
        later = {"mesh": sum(takes.values()) - takes["workload.placement"]}
        self.observer.stage("place", expected=sum(takes.values()), ahead=later, chips=CHIPS, readings=self.of)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ValidityWarning)
            by_accuracy, by_error = self.costs()
            found: dict[str, tuple[ComputingChip, Heat, Reading]] = {}
            wanted = {"by accuracy": by_accuracy, "by output error": by_error}
            for name, chip in zip(RIVALS, self.rivals):
                found |= self._judged(name, chip)
            for name, sensitivity in wanted.items():
                found |= self._judged(name, with_places(self.chip, BY_ACCURACY, self.trials, sensitivity))
        chips, heats, readings = zip(*found.values())
        accuracy, by_input = np.array([r.accuracy for r in readings]), np.array([r.by_input for r in readings])
        gains = accuracy.mean(axis=1) - accuracy[0].mean()
        chance = 2 * standard_error(accuracy - accuracy[0], by_input - by_input[0])
        taken = int(np.argmax(np.where(gains > chance, gains, 0.0)))
        errors = np.array([self._errors(chip, heat) for chip, heat in zip(chips, heats)])
        return ChosenPlacement(chips[taken], tuple(found), taken, accuracy, by_input, by_accuracy, heats, errors)

    def _errors(self, chip: ComputingChip, heat: Heat) -> tuple[float, float, float]:
        """Of the hottest tile, the mean over tiles and the hottest point, on the lines of the trials. [K]"""
        solver = chip.scenario.solver
        profile = solver.model_copy(
            update={"backend": "tensor", "order": 1, "mesh": solver.mesh.model_copy(update={"cells": "hex"})}
        )
        there = self.trials.bricks.kept_for(replace(chip, scenario=chip.scenario.model_copy(update={"solver": profile})))
        found = of_mesh(there, heat.solution, self.judging, heat_sources(chip, heat.powers, heat.rate))
        tiles = found["thermal/tile_temperature_error"].value
        return float(tiles.max()), float(tiles.mean()), float(found["thermal/peak_temperature_error"].value)

    def _judged(self, name: str, chip: ComputingChip) -> dict[str, tuple[ComputingChip, Heat, Reading]]:
        """A placement, its heat and what is read in the end; nothing of one that gets too hot, but the first rival raises."""
        try:
            heat = self.trials.settled(chip)
            reading = self.reading(chip, heat.field)
        except (RangeError, SolverError):
            if name == RIVALS[0]:
                raise
            return {}
        return {name: (chip, heat, reading)}


def _with(field: NDArray[np.float64], tiles: Sequence[int], level: float) -> NDArray[np.float64]:
    """Temperatures with some tiles at another. [K]"""
    other = field.copy()
    other[tiles] = level
    return other
