"""Thermal networks of a result as SPICE subcircuits: power is a current, temperature over ambient a voltage."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from stack3d.errors import ResultsError
from stack3d.layout import Floats

if TYPE_CHECKING:
    import xarray as xr


def netlist(tree: xr.DataTree) -> str:
    """All subcircuits of a result with ``/impedance``.

    ``foster_NAME`` and ``cauer_NAME`` have the pins ``junction ambient``; ``whole`` has a pin for every source and group, one
    for every probe, and ``ambient`` last: a current into a source's pin heats it, and the voltage of a pin is the rise of the
    source's own mean, or of the probe.

    Parameters
    ----------
    tree : xarray.DataTree
        Of one case.

    Raises
    ------
    ResultsError
        For a result without an impedance.
    """
    if "impedance" not in tree.children or "mode_rate" not in tree["impedance"]:
        raise ResultsError("the result has no impedance; put impedance: {} into its scenario and run again")
    found = tree["impedance"].to_dataset()
    pins = " ".join(map(str, found["place"].values))
    lines = [
        f"* Thermal networks of {tree.attrs.get('scenario', 'a stack')}: 1 A is 1 W, 1 V is 1 K over ambient, 1 F is 1 J/K",
        f"* At the films and conductivities of its steady state. Pins of whole: {pins} ambient",
    ]
    for name in map(str, found["source"].values):
        own = found.sel(source=name)
        lines += _foster(name, *_kept(own["foster_resistance"].values, own["foster_time_constant"].values))
        lines += _cauer(name, *_kept(own["cauer_resistance"].values, own["cauer_capacitance"].values))
    return "\n".join([*lines, *_whole(found), ""])


def _kept(*columns: Floats) -> tuple[Floats, ...]:
    return tuple(column[np.isfinite(column)] for column in columns)


def _foster(name: str, resistances: Floats, time_constants: Floats) -> Iterator[str]:
    return _chain(f"foster_{name}", resistances, time_constants / resistances, grounded=False)


def _cauer(name: str, resistances: Floats, capacitances: Floats) -> Iterator[str]:
    return _chain(f"cauer_{name}", resistances, capacitances, grounded=True)


def _chain(name: str, resistances: Floats, capacitances: Floats, *, grounded: bool) -> Iterator[str]:
    """Resistors in a row, each with a capacitor across it or, `grounded`, from its first node to ambient. [K/W], [J/K]"""
    nodes = ["junction", *(f"n{i}" for i in range(1, resistances.size)), "ambient"]
    yield f".subckt {name} junction ambient"
    for i, (r, c) in enumerate(zip(resistances, capacitances), 1):
        yield f"R{i} {nodes[i - 1]} {nodes[i]} {r:.15e}"
        yield f"C{i} {nodes[i - 1]} {'ambient' if grounded else nodes[i]} {c:.15e}"
    yield ".ends"


def _whole(found: xr.Dataset) -> Iterator[str]:
    """Every mode a capacitor of 1 F with its resistor, driven by all sources, shown at all pins."""
    rates = found["mode_rate"].values
    heated, pins = ([str(name) for name in found[dim].values] for dim in ("source", "place"))
    yield f".subckt whole {' '.join(pins)} ambient"
    for k, rate in enumerate(rates):
        yield f"Cm{k} m{k} 0 1"
        yield f"Rm{k} m{k} 0 {1 / rate:.15e}"
    for i, name in enumerate(heated):
        yield f"Vp{i} {name} p{i}_0 0"
        loads = found["mode_load"].sel(source=name).values
        yield from (f"F{i}_{k} 0 m{k} Vp{i} {load:.15e}" for k, load in enumerate(loads))
    for i, name in enumerate(pins):
        nodes = [f"p{i}_0" if i < len(heated) else name, *(f"p{i}_{k}" for k in range(1, rates.size)), "ambient"]
        shown = found["mode_shown"].sel(place=name).values
        yield from (f"E{i}_{k} {nodes[k]} {nodes[k + 1]} m{k} 0 {value:.15e}" for k, value in enumerate(shown))
    yield ".ends"
