"""Thermal networks of a result as SPICE subcircuits: power is a current, temperature over ambient a voltage."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import count
from typing import TYPE_CHECKING

import numpy as np

from stack3d.errors import ResultsError
from stack3d.layout import Floats

if TYPE_CHECKING:
    import xarray as xr

RESERVED = ("0", "gnd", "ground", "null", "params", "ambient")
"""Words that a pin cannot have, in any case: the common node of a simulator, words of its own, and the last pin."""
LEGAL = re.compile(r"[A-Za-z][A-Za-z0-9_\-]*")
"""Names of pins. Nodes within ``whole`` begin with an underscore, which no pin does."""


def pin_names(places: Sequence[str]) -> list[str]:
    """Pins of places, in their order: the names themselves, but for those that SPICE would take for another node.

    SPICE ignores case. A name that is reserved, that is no name there, or that an earlier place has in any case, ends in
    ``_pin``, with a number where that is taken too.
    """
    taken, pins = set(RESERVED), list[str]()
    for name in places:
        keeps = LEGAL.fullmatch(name) is not None and name.lower() not in taken
        pins.append(name if keeps else "")
        taken |= {name.lower()}
    for i, name in enumerate(places):
        if not pins[i]:
            plain = re.sub(r"[^A-Za-z0-9_\-]", "_", name)
            stem = f"{plain if plain[:1].isalpha() else f'n{plain}'}_pin"
            pins[i] = next(new for k in count(1) if (new := stem if k == 1 else f"{stem}{k}").lower() not in taken)
            taken.add(pins[i].lower())
    return pins


def renamed_pins(tree: xr.DataTree) -> list[tuple[str, str]]:
    """Places of a result with ``/impedance`` whose pin in `netlist` has another name, each with that name.

    Parameters
    ----------
    tree : xarray.DataTree
        Of one case.

    Raises
    ------
    ResultsError
        For a result without an impedance.
    """
    return [(name, pin) for name, pin in _pins(_impedance(tree)) if name != pin]


def netlist(tree: xr.DataTree) -> str:
    """All subcircuits of a result with ``/impedance``.

    ``foster_NAME`` and ``cauer_NAME`` have the pins ``junction ambient``; ``whole`` has a pin for every source and group, one
    for every probe, and ``ambient`` last: a current into a source's pin heats it, and the voltage of a pin is the rise of the
    source's own mean, or of the probe. Pins and subcircuits have the names of `pin_names`; comments tell those that differ.

    Parameters
    ----------
    tree : xarray.DataTree
        Of one case.

    Raises
    ------
    ResultsError
        For a result without an impedance.
    """
    found = _impedance(tree)
    named = _pins(found)
    pins = [pin for _, pin in named]
    lines = [
        f"* Thermal networks of {tree.attrs.get('scenario', 'a stack')}: 1 A is 1 W, 1 V is 1 K over ambient, 1 F is 1 J/K",
        f"* At the films and conductivities of its steady state. Pins of whole: {' '.join(pins)} ambient",
    ]
    why = "a name that SPICE reserves or cannot tell from another"
    lines += [f"* {pin} is {' '.join(name.split())}, {why}" for name, pin in named if name != pin]
    for i, pin in enumerate(pins[: found.sizes["source"]]):
        own = found.isel(source=i)
        lines += _foster(pin, *_kept(own["foster_resistance"].values, own["foster_time_constant"].values))
        lines += _cauer(pin, *_kept(own["cauer_resistance"].values, own["cauer_capacitance"].values))
    return "\n".join([*lines, *_whole(found, pins), ""])


def _impedance(tree: xr.DataTree) -> xr.Dataset:
    """Impedance of a result; raises ResultsError for one without."""
    if "impedance" not in tree.children or "mode_rate" not in tree["impedance"]:
        raise ResultsError("the result has no impedance; put impedance: {} into its scenario and run again")
    return tree["impedance"].to_dataset()


def _pins(found: xr.Dataset) -> list[tuple[str, str]]:
    """Places in their order, each with its pin."""
    places = [str(name) for name in found["place"].values]
    return list(zip(places, pin_names(places)))


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


def _whole(found: xr.Dataset, pins: Sequence[str]) -> Iterator[str]:
    """Every mode a capacitor of 1 F with its resistor, driven by all sources, shown at all pins."""
    rates, heated = found["mode_rate"].values, found.sizes["source"]
    yield f".subckt whole {' '.join(pins)} ambient"
    for k, rate in enumerate(rates):
        yield f"Cm{k} _m{k} 0 1"
        yield f"Rm{k} _m{k} 0 {1 / rate:.15e}"
    for i, loads in enumerate(found["mode_load"].transpose("source", ...).values):
        yield f"Vp{i} {pins[i]} _p{i}_0 0"
        yield from (f"F{i}_{k} 0 _m{k} Vp{i} {load:.15e}" for k, load in enumerate(loads))
    for i, shown in enumerate(found["mode_shown"].transpose("place", ...).values):
        nodes = [f"_p{i}_0" if i < heated else pins[i], *(f"_p{i}_{k}" for k in range(1, rates.size)), "ambient"]
        yield from (f"E{i}_{k} {nodes[k]} {nodes[k + 1]} _m{k} 0 {value:.15e}" for k, value in enumerate(shown))
    yield ".ends"
