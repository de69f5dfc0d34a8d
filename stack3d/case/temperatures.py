"""Temperatures that a run has found: refused where nothing has them, warned of where no law is made for them."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np

from stack3d.chip import Chip, ComputingChip
from stack3d.errors import SolverError, ValidityWarning
from stack3d.heat import Heat
from stack3d.heat.loads import component_powers
from stack3d.heat.too_hot import FIELD_IS_GIVEN, Drawn, parts_of, remedy
from stack3d.layout import hottest_layer
from stack3d.record import Record
from stack3d.schema import celsius

HOTTEST = 700.0
"""Peak above which results carry a warning: solder, interfaces and every device law end well below. [K]"""
NOTHING_SOLID = 1e4
"""Peak above which a run fails; tungsten melts at 3695 K. [K]"""


def drawn(chip: Chip, record: Record, entered: float, heat: Heat | None) -> Drawn:
    """What a stack draws at its hottest.

    Parameters
    ----------
    chip : Chip
    record : Record
        With the powers of every epoch, of a life.
    entered : float
        Heat that goes into the stack in the state that was solved. [W]
    heat : Heat or None
        Of the first epoch; None without a workload.
    """
    if not isinstance(chip, ComputingChip) or heat is None:
        return Drawn(entered)
    if "power/component_power" not in record:
        return Drawn(entered, parts_of(component_powers(chip, heat)))
    rows = np.atleast_2d(record["power/component_power"])
    row = rows[int(np.argmax(rows.sum(axis=1)))]
    return Drawn(float(row.sum()), parts_of(dict(zip(record.coordinates["component"], row.tolist()))))


def drawn_in_phases(chip: Chip, record: Record, heated: Drawn) -> list[Drawn] | None:
    """What a stack draws in the phase in which each layer is hottest; None without a mission.

    Parameters
    ----------
    chip : Chip
    record : Record
    heated : Drawn
        At the mean of the phases.
    """
    if "thermal/phase_layer_temperature_max" not in record:
        return None
    hottest, watts = record["thermal/phase_layer_temperature_max"].argmax(axis=0), record["thermal/phase_power"]
    return [replace(heated, watts=float(watts[i]), phase=int(i), name=chip.phases[i].name) for i in hottest]


def check_temperatures(chip: Chip, record: Record, heated: Drawn, *, is_field: bool) -> None:
    """Refuse temperatures that nothing has, and warn of those that no law here was made for.

    Parameters
    ----------
    chip : Chip
    record : Record
    heated : Drawn
    is_field : bool
        Whether temperatures alone are asked for: those at which nothing is solid are then given, with a warning.

    Raises
    ------
    SolverError
    """
    means = record["thermal/layer_temperature_mean"]
    peak = float(record["thermal/peak_temperature"])
    layers = record.coordinates["layer"]
    if not (np.isfinite(means).all() and np.isfinite(peak)):
        raise SolverError(
            "temperatures are no finite numbers: does a law of a material leave the temperatures that it holds at?"
        )
    if means.min() <= 0:
        coldest = str(layers[int(np.argmin(means.reshape(-1, means.shape[-1]).min(axis=0)))])
        text = f"the mean temperature of layer {coldest!r} is {celsius(float(means.min()))}, below absolute zero,"
        raise SolverError(f"{text} {heated}: is a power negative, or in the wrong unit?")
    maxima = hottest_layers(record)
    where = f"{celsius(peak)} in layer {str(layers[hottest_layer(maxima, chip.heated)])!r} {heated}"
    if peak > NOTHING_SOLID:
        text = f"the peak temperature is {where}; no material is solid there: is a power in the wrong unit?"
        text += f" {remedy(chip, HOTTEST, heated)}"
        if not is_field:
            raise SolverError(f"{text}; {FIELD_IS_GIVEN}")
        warnings.warn(ValidityWarning(text), stacklevel=2)
    elif peak > HOTTEST:
        text = f"peak temperature {where}: material and device data are made for less than {celsius(HOTTEST)}"
        warnings.warn(ValidityWarning(f"{text}; {remedy(chip, HOTTEST, heated)}"), stacklevel=2)


def hottest_layers(record: Record) -> Any:
    """`highest`, or of a steady state what each layer has. [K]"""
    most = highest(record)
    return record["thermal/layer_temperature_max"] if most is None else most


def highest(record: Record) -> Any:
    """Hottest that each layer gets over a life, a mission or a transient; None for a steady state. [K]"""
    if "thermal/layer_temperature_high" in record:
        return record["thermal/layer_temperature_high"].max(axis=0)
    if "thermal/phase_layer_temperature_max" in record:
        return record["thermal/phase_layer_temperature_max"].max(axis=0)
    return record.get("thermal/layer_temperature_peak")
