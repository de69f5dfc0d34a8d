"""Limits of cooling and of layers, checked before a run and watched after it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from stack3d.chip import Chip
from stack3d.errors import Problem, ValidityWarning, did_you_mean
from stack3d.heat.loads import channel_runs, check_flows, exposed_area, surfaces_of
from stack3d.heat.too_hot import Drawn, remedy
from stack3d.layout import Floats, Pins
from stack3d.schema import celsius
from stack3d.thermal import HeatProblem, ThermalSolution, flow_laws
from stack3d.unit_text import short

CLEAR = 1e-9
"""Share of a patch that has to be exposed."""
MOST_ENTRANCE = 0.5
"""Share of a channel that may be thermal entrance before a run warns; the mean film is then a tenth above the developed one."""


class PhaseAlone(NamedTuple):
    """A state that a chip is in: with its surroundings, its films, its temperatures, and what heats."""

    chip: Chip
    problem: HeatProblem
    solution: ThermalSolution
    drawn: Drawn


def warn_of_limits(
    chip: Chip,
    problem: HeatProblem,
    solution: ThermalSolution,
    drawn: Drawn,
    highest: Floats | None = None,
    in_phases: Sequence[Drawn] | None = None,
    phases: Sequence[PhaseAlone] = (),
) -> None:
    """Warn where a face passes what its cooling can do, or a layer its highest temperature.

    Parameters
    ----------
    chip : Chip
    problem : HeatProblem
        With the films of the solution.
    solution : ThermalSolution
    drawn : Drawn
        What heats.
    highest : ndarray, shape (layers,), optional
        Hottest that each layer gets over a life, where one was followed. [K]
    in_phases : sequence of Drawn, optional
        What heats in the phase of a mission in which each layer is hottest.
    phases : sequence of PhaseAlone, optional
        Of a mission, whose mean is no state of its own.
    """
    for alone in phases or [PhaseAlone(chip, problem, solution, drawn)]:
        _warn_of_faces(alone)
        warn_of_channels(alone.problem, alone.solution)
    _warn_of_laws(chip, [alone.solution for alone in phases] or [solution], highest)
    for name, limit in chip.scenario.limits.items():
        for i, layer in enumerate(chip.stack.named):
            if name not in (layer.role, layer.name):
                continue
            peak, place = _hottest(solution, layer.name, None if highest is None else float(highest[i]))
            if peak > limit:
                above, by = f"{peak - limit:.2f} K above its limit of {celsius(limit)}", in_phases[i] if in_phases else drawn
                told = f"limits.{name}: layer {layer.name!r} reaches {celsius(peak)}{place}, {above} {by}"
                _warn(f"{told}; {remedy(chip, limit, by)}")


def within_limits(chip: Chip, maxima: Floats) -> tuple[str, ...]:
    """Line of a summary: the layer that comes nearest to its limit; none without limits, nor beyond one, which is warned of.

    Parameters
    ----------
    chip : Chip
    maxima : ndarray, shape (..., layers)
        Hottest that each layer gets. [K]
    """
    hottest = np.reshape(maxima, (-1, np.shape(maxima)[-1])).max(axis=0)
    left = [
        (limit - float(peak), layer.name, limit)
        for name, limit in chip.scenario.limits.items()
        for layer, peak in zip(chip.stack.named, hottest)
        if name in (layer.role, layer.name)
    ]
    if not left or min(left)[0] < 0.0:
        return ()
    kelvin, name, limit = min(left)
    return (f"within limits      {kelvin:.2f} K are left in {name} up to its {celsius(limit)}, the least of all limits",)


def _warn_of_faces(alone: PhaseAlone) -> None:
    """Warn where a face passes what its cooling can do."""
    chip, problem, solution, drawn = alone
    cause = f" {drawn}; {remedy(chip, drawn=drawn)}"
    for name, deck in chip.scenario.cooling.conditions.items():
        face = problem.faces[name]
        if face.is_fixed or not face.film_coefficient:
            continue
        surface = face.reference + solution.face_heat[name] / (face.film_coefficient * problem.area(name))
        if (hottest := solution.field.face_peak(name)) is not None:  # the hottest place counts, where it is known
            surface = max(surface, hottest)
        flux = face.film_coefficient * (surface - face.reference)
        if deck.largest_flux is not None and flux > deck.largest_flux:
            passed = f"{flux / 1e4:.3g} W/cm2 leaves, its limit is {deck.largest_flux / 1e4:.3g} W/cm2"
            _warn(f"cooling.{name} ({deck.name}): {passed}; {celsius(surface)}{cause}")
        if deck.largest_temperature is not None and surface > deck.largest_temperature:
            passed = f"the face is at {celsius(surface)}, its limit is {celsius(deck.largest_temperature)}"
            _warn(f"cooling.{name} ({deck.name}): {passed}{cause}")


def warn_of_channels(problem: HeatProblem, solution: ThermalSolution) -> None:
    """Warn of coolant that boils or flows beyond the correlations that describe it."""
    stack = problem.stack
    cause, more = f" with {short(solution.heat_in, 'W')} in the stack", "raise the flow rate, or lower the power"
    for run in channel_runs(stack):
        c, where = run.channels.ducts, f"{'pins' if isinstance(run.channels.pins, Pins) else 'channels'} of {run.label}"
        law = flow_laws[c.law]()
        for text in law.beyond(c):
            _warn(f"{where}: {text}")
        if c.film_coefficient is None and (reach := law.entrance(c)) > MOST_ENTRANCE * c.length:
            _warn(
                f"{where}: the film is that of developed flow, but the thermal entrance takes {reach * 1e3:.3g} of"
                f" {c.length * 1e3:.3g} mm; temperatures are upper bounds"
            )
        if c.boiling_point is None:
            continue
        wall = float(run.wall_temperature(stack, problem.lines, solution.field.values).max())
        outlet = float(solution.outlets[run.name].max())
        if outlet > c.boiling_point:
            _warn(f"{where}: the coolant leaves at {celsius(outlet)}{cause}; it boils at {celsius(c.boiling_point)}; {more}")
        elif wall > c.boiling_point:
            boils = f"the coolant boils at {celsius(c.boiling_point)}; the film is that of liquid"
            _warn(f"{where}: a wall is at {celsius(wall)}{cause}, {boils}; {more}")


def _warn_of_laws(chip: Chip, solutions: Sequence[ThermalSolution], highest: Floats | None) -> None:
    """Warn where a layer leaves the temperatures that the laws of its materials hold at, in the coldest of some states."""
    for i, layer in enumerate(chip.stack.named):
        materials = dict.fromkeys((layer.material, *(block.material for block in layer.blocks)))
        laws = [(m.name, what, law.limits) for m in materials for what, law in m.laws.items()]
        if not laws:
            continue
        hottest, place = _hottest(solutions[0], layer.name, None if highest is None else float(highest[i]))
        mean = min(solution.field.layer_mean(layer.name) for solution in solutions)
        for name, what, (low, high) in laws:
            holds = f"the law of the {what} of {name!r} holds"
            if hottest > high:
                _warn(f"layer {layer.name!r} reaches {celsius(hottest)}{place}; {holds} up to {celsius(high)}")
            if mean < low:
                _warn(f"layer {layer.name!r} has a mean of {celsius(mean)}; {holds} from {celsius(low)}")


def _hottest(solution: ThermalSolution, layer: str, highest: float | None) -> tuple[float, str]:
    """Largest temperature of a layer [K] and its place in words; the place of the `highest` of a life is not known."""
    peak, where = solution.field.layer_peak(layer)
    return (peak, f" at ({', '.join(f'{1e3 * v:.4g}' for v in where)}) mm") if highest is None else (highest, "")


def _warn(text: str) -> None:
    warnings.warn(ValidityWarning(text), stacklevel=3)


def check_limits(chip: Chip) -> list[Problem]:
    """Limits for what is neither a role nor a layer of the stack, flows without a law, patches that cover nothing."""
    known = {layer.name for layer in chip.stack.named} | {layer.role for layer in chip.stack.named if layer.role}
    problems = [
        Problem(f"limits.{name}", f"no role or layer {name!r}{did_you_mean(name, known)}")
        for name in chip.scenario.limits
        if name not in known
    ]
    problems += check_flows(chip)
    for i, patch in enumerate(chip.scenario.cooling.patches):
        if patch.layer not in chip.stack.index:
            near = did_you_mean(patch.layer, chip.stack.index)
            problems.append(Problem(f"cooling.patches[{i}].layer", f"no layer {patch.layer!r}{near}"))
    if not problems:
        for i, surface in enumerate(surfaces_of(chip.scenario.cooling, chip.stack)):
            if exposed_area(chip.stack, surface) < CLEAR * sum(box.area for box in surface.extents):
                text = f"nothing of patch {surface.name!r} on the {surface.side} of layer {surface.layer!r} is exposed"
                problems.append(Problem(f"cooling.patches[{i}]", text))
    return problems
