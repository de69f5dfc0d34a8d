"""Limits of cooling and of layers, checked before a run and watched after it; leakage that runs away."""

from __future__ import annotations

import warnings

import numpy as np

from stack3d.chip import Chip, ComputingChip
from stack3d.errors import Problem, RangeError, ThermalRunawayError, ValidityWarning, did_you_mean
from stack3d.heat.loads import MOST_REYNOLDS, channel_runs, entrance, reynolds
from stack3d.layout import Floats
from stack3d.schema import celsius
from stack3d.thermal import HeatProblem, ThermalSolution

MOST_ENTRANCE = 0.5
"""Share of a channel that may be thermal entrance before a run warns; the mean film is then a tenth above the developed one."""
RUNAWAY_TEMPERATURE = 1000.0
"""No stack survives this; leakage that gets here runs away. [K]"""


def warn_of_limits(chip: Chip, problem: HeatProblem, solution: ThermalSolution, highest: Floats | None = None) -> None:
    """Warn where a face passes what its cooling can do, or a layer its highest temperature.

    Parameters
    ----------
    chip : Chip
    problem : HeatProblem
        With the films of the solution.
    solution : ThermalSolution
    highest : ndarray, shape (layers,), optional
        Hottest that each layer gets over a life, where one was followed. [K]
    """
    for name, deck in chip.scenario.cooling.conditions.items():
        face = problem.faces[name]
        if face.is_fixed or not face.film_coefficient:
            continue
        surface = face.reference + solution.face_heat[name] / (face.film_coefficient * problem.area(name))
        if (peak := solution.field.face_peak(name)) is not None:  # the hottest place counts, where it is known
            surface = max(surface, peak)
        flux = face.film_coefficient * (surface - face.reference)
        if deck.largest_flux is not None and flux > deck.largest_flux:
            _warn(
                f"cooling.{name} ({deck.name}): {flux / 1e4:.3g} W/cm2 leaves, its limit is {deck.largest_flux / 1e4:.3g} W/cm2"
            )
        if deck.largest_temperature is not None and surface > deck.largest_temperature:
            _warn(
                f"cooling.{name} ({deck.name}): the face is at {surface:.1f} K, its limit is {deck.largest_temperature:.1f} K"
            )
    warn_of_channels(problem, solution)
    _warn_of_laws(chip, solution, highest)
    for name, limit in chip.scenario.limits.items():
        for i, layer in enumerate(chip.stack.layers):
            peak = solution.field.layer_peak(layer.name)[0] if highest is None else float(highest[i])
            if name in (layer.role, layer.name) and peak > limit:
                _warn(f"limits.{name}: layer {layer.name!r} reaches {peak:.2f} K, {peak - limit:.2f} K above its limit")


def warn_of_channels(problem: HeatProblem, solution: ThermalSolution) -> None:
    """Warn of coolant that boils or flows beyond the correlations that describe it."""
    stack = problem.stack
    for run in channel_runs(stack):
        c, where = run.channels, f"channels of {run.layer}"
        number, reach = reynolds(c), entrance(c)
        if number > MOST_REYNOLDS:
            laws = "the pressure drop is" if c.film_coefficient is not None else "film and pressure drop are"
            _warn(f"{where}: Reynolds number {number:.0f}; {laws} of laminar flow, up to {MOST_REYNOLDS:.0f}")
        if c.film_coefficient is None and reach > MOST_ENTRANCE * c.length:
            _warn(
                f"{where}: the film is that of developed flow, but the thermal entrance takes {reach * 1e3:.3g} of"
                f" {c.length * 1e3:.3g} mm; temperatures are upper bounds"
            )
        if c.boiling_point is None:
            continue
        wall = float(run.wall_temperature(stack, problem.lines, solution.field.values).max())
        outlet = float(solution.outlets[run.name].max())
        if outlet > c.boiling_point:
            _warn(f"{where}: the coolant leaves at {outlet:.1f} K, it boils at {c.boiling_point:.1f} K")
        elif wall > c.boiling_point:
            _warn(
                f"{where}: a wall is at {wall:.1f} K, the coolant boils at {c.boiling_point:.1f} K; the film is that of liquid"
            )


def located(error: RangeError, chip: ComputingChip, field: Floats, watts: float) -> RangeError:
    """The error of a law that a temperature leaves, with the hottest tile, the heat and what to do.

    Parameters
    ----------
    error : RangeError
    chip : ComputingChip
    field : ndarray, shape (tiles, ny, nx)
        Temperatures of the tiles. [K]
    watts : float
        Heat of the chip. [W]
    """
    if "temperature" not in str(error):
        return error
    i = int(np.argmax(field.max(axis=(1, 2))))
    tile, layer = chip.computer.tiles[i], chip.computer.places[i][0]
    hot = f"tile {tile.layer}[{tile.index}] in {layer} reaches {celsius(float(field[i].max()))} with {watts:.4g} W in the chip"
    remedy = "lower power.sources or workload.rate, or cool better; --until thermal gives the temperatures"
    return RangeError(f"{error}: {hot}; {remedy}")


def _warn_of_laws(chip: Chip, solution: ThermalSolution, highest: Floats | None) -> None:
    """Warn where a layer leaves the temperatures that the laws of its materials hold at."""
    for i, layer in enumerate(chip.stack.layers):
        materials = dict.fromkeys((layer.material, *(block.material for block in layer.blocks)))
        laws = [(m.name, what, law.limits) for m in materials for what, law in m.laws.items()]
        if not laws:
            continue
        peak, where = solution.field.layer_peak(layer.name)
        place = "" if highest is not None else f" at ({', '.join(f'{1e3 * v:.4g}' for v in where)}) mm"
        hottest, mean = peak if highest is None else float(highest[i]), solution.field.layer_mean(layer.name)
        for name, what, (low, high) in laws:
            holds = f"the law of the {what} of {name!r} holds"
            if hottest > high:
                _warn(f"layer {layer.name!r} reaches {celsius(hottest)}{place}; {holds} up to {celsius(high)}")
            if mean < low:
                _warn(f"layer {layer.name!r} has a mean of {celsius(mean)}; {holds} from {celsius(low)}")


def _warn(text: str) -> None:
    warnings.warn(ValidityWarning(text), stacklevel=3)


def check_limits(chip: Chip) -> list[Problem]:
    """Limits for what is neither a role nor a layer of the stack."""
    known = {layer.name for layer in chip.stack.layers} | {layer.role for layer in chip.stack.layers if layer.role}
    problems = [
        Problem(f"limits.{name}", f"no role or layer {name!r}{did_you_mean(name, known)}")
        for name in chip.scenario.limits
        if name not in known
    ]
    for i, patch in enumerate(chip.scenario.cooling.patches):
        if patch.layer not in chip.stack.index:
            near = did_you_mean(patch.layer, chip.stack.index)
            problems.append(Problem(f"cooling.patches[{i}].layer", f"no layer {patch.layer!r}{near}"))
    return problems


class Runaway:
    """Watches the iterations of leakage and temperature.

    Leakage is convex in temperature, so that steps which rise towards a stable temperature shrink from the second on. Steps
    that rise and grow twice running have no stable temperature ahead; where they began to grow, an extra watt of heat made a
    watt of leakage.
    """

    def __init__(self) -> None:
        self.steps: list[float] = []
        self.peaks: list[float] = []

    def check(self, before: Floats, after: Floats) -> None:
        """Take the temperatures of one iteration [K]; raises ThermalRunawayError with the temperature where it began."""
        hottest = int(np.argmax(np.abs(after - before)))
        self.steps.append(float(after[hottest] - before[hottest]))
        self.peaks.append(float(before[hottest]))
        grows = len(self.steps) > 2 and self.steps[-1] > self.steps[-2] > self.steps[-3] > 0
        if grows or after.max() > RUNAWAY_TEMPERATURE:
            self.conclude(after)

    def conclude(self, present: Floats) -> None:
        """Report that the temperature [K] has run away, if its steps have grown."""
        steps = self.steps
        rising = [i for i in range(1, len(steps)) if steps[i] > steps[i - 1] > 0]
        if rising or present.max() > RUNAWAY_TEMPERATURE:
            began = self.peaks[rising[0]] if rising else self.peaks[-1]
            raise ThermalRunawayError(
                f"leakage runs away: from about {began:.0f} K on each iteration adds more heat than the cooling removes"
                f" (last steps {', '.join(f'{s:.1f} K' for s in steps[-3:])}); cool better, or lower workload.periphery.leakage"
            )
