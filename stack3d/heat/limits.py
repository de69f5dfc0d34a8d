"""Limits of cooling and of layers: checked before a run, watched after it."""

from __future__ import annotations

import warnings

import numpy as np

from stack3d.chip.chip import Chip, ComputingChip
from stack3d.errors import Problem, RangeError, ValidityWarning, did_you_mean
from stack3d.heat.channels import warn_of_channels
from stack3d.layout import Floats
from stack3d.schema.material_laws import celsius
from stack3d.thermal.backend import ThermalSolution
from stack3d.thermal.problem import HeatProblem


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
