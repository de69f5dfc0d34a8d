"""What is said where conductivities that fall with the temperature leave no steady state."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from stack3d.constants import ZERO_CELSIUS
from stack3d.errors import SolverError, ThermalRunawayError
from stack3d.fe.corrections import UncorrectedError
from stack3d.layout import Floats, Stack
from stack3d.thermal.fields.field import Field
from stack3d.unit_text import short

MELTS = 1000.0
"""Temperature above which a search that fails has left what any material does. [K]"""


def of_conductivity(error: UncorrectedError, field_of: Callable[[Floats], Field], stack: Stack, watts: float) -> SolverError:
    """The error of k(T) that did not settle, which says where it ran away to if it did.

    Parameters
    ----------
    error : UncorrectedError
    field_of : callable
        State of the search → temperature.
    stack : Stack
    watts : float
        Heat that goes in. [W]
    """
    if not np.isfinite(error.state).all():
        return SolverError(f"no steady state with {short(watts, 'W')} in the stack: {error}; lower the power, or cool better")
    field = field_of(error.state)
    peaks = {layer.name: field.layer_peak(layer.name) for layer in stack.named}
    name, (peak, spot) = max(peaks.items(), key=lambda item: item[1][0])
    if not peak > MELTS:
        return error
    at = ", ".join(f"{1e3 * v:.4g}" for v in spot)
    text = "conductivities that fall with the temperature leave no steady state"
    place = f"layer {name!r} has come to {peak - ZERO_CELSIUS:.4g} degC at ({at}) mm with {short(watts, 'W')} in the stack"
    return ThermalRunawayError(f"{text}: {place}; lower the power, or cool better")
