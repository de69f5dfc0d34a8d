"""What heats a chip: explicit sources, tiles by component, digital layers; steady and over time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from stack3d.chip import Chip, ComputingChip
from stack3d.heat.loads.energy import digital_energies
from stack3d.heat.loads.thermal_state import Heat, Upkeep
from stack3d.layout import Floats, HeatSource
from stack3d.schema import TransientDeck
from stack3d.thermal import PowerSchedule
from stack3d.workload import DYNAMIC, joined, leakage, read_activity, tile_sources

TILE_CONTRAST = 0.01
"""Tiles whose power over the root of their area is below this share of the strongest source get no lines of their own."""

ROUNDED = 1e-9
"""Share of an instant by which it may miss a change of power and still count as right there."""


def sources_as_programmed(chip: Chip) -> tuple[HeatSource, ...]:
    """Explicit heat and that of tiles with every cell at its target, at the mean rate, without leakage."""
    if not isinstance(chip, ComputingChip):
        return chip.sources
    targets = {name: m.target_conductances()[None] for name, m in chip.computer.matrices.items()}
    return heat_sources(chip, dynamic_powers(chip, targets, chip.mean_rate), chip.mean_rate)


def standing_out(chip: Chip) -> list[HeatSource]:
    """Sources that a mesh has to follow: explicit ones, and tiles whose heat stands out beside them."""
    everything = sources_as_programmed(chip)
    strongest = max((_contrast(s) for s in everything), default=0.0)
    return [s for i, s in enumerate(everything) if i < len(chip.sources) or _contrast(s) > TILE_CONTRAST * strongest]


def _contrast(source: HeatSource) -> float:
    """Power over the square root of the area, which the local rise of a small source follows. [W/m]"""
    return abs(source.power) / float(np.sqrt(source.extent.area))


def dynamic_powers(chip: ComputingChip, conductances: Mapping[str, Floats], rate: float) -> dict[str, Floats]:
    """Power of each tile by component that goes with the rate [1/s], shape (tiles,). [W]"""
    energies = chip.computer.energies(chip.computer.activities(conductances))
    return {name: rate * energy for name, energy in energies.items()}


def upkeep_power(chip: ComputingChip, energies: Mapping[str, Floats], upkeep: Upkeep | None) -> Floats:
    """Mean power of calibrations and trainings in each tile; that of their logic is spread over the tiles. [W]

    Parameters
    ----------
    chip : ComputingChip
    energies : mapping of str to ndarray, shape (tiles,)
        Of one inference by component. [J]
    upkeep : Upkeep or None
        Per second.
    """
    each = np.asarray(sum(energies[name] for name in DYNAMIC))
    if upkeep is None:
        return np.zeros_like(each)
    price = chip.computer.design.periphery.digital_mac
    digital = upkeep.passes * sum(digital_energies(chip).values()) + upkeep.macs * price
    return np.asarray(upkeep.reads * each + digital / each.size)


def leakage_power(chip: ComputingChip, temperatures: Floats) -> Floats:
    """Power of each tile's periphery that is on, at its temperatures [K], shape (tiles,). [W]"""
    return leakage(chip.computer.design.periphery, temperatures)


def heat_sources(chip: ComputingChip, powers: Mapping[str, Floats], rate: float) -> tuple[HeatSource, ...]:
    """Explicit sources, then tiles by component [W], then digital layers on the logic die (else the lowest tier)."""
    home = (chip.stack.with_role("logic") or chip.stack.with_role("rram")[:1])[-1]
    digital = rate * sum(digital_energies(chip).values())
    host = (HeatSource("digital_layers", home.name, home.extent, digital),) if digital else ()
    tiles = tile_sources(chip.stack, chip.computer.places, powers, chip.computer.design.periphery)
    return (*chip.sources, *tiles, *host)


def since_change(chip: Chip, deck: TransientDeck, times: Floats) -> Floats:
    """Time that has passed at some instants since the power last changed; a change right there has not come yet. [s]

    Parameters
    ----------
    chip : Chip
    deck : TransientDeck
        The chip's own.
    times : ndarray, shape (n,)
        After the start. [s]
    """
    courses = [] if deck.duty is None else [(np.array([0.0, deck.duty.on]), deck.duty.period)]
    traces = [chip.source_trace, chip.activity if isinstance(chip, ComputingChip) else None]
    courses += [(trace.times, trace.period) for trace in traces if trace is not None and trace.times.size > 1]
    passed = times.copy()
    for starts, period in courses:
        phase = times % period
        last = np.searchsorted(starts, phase - ROUNDED * times) - 1
        passed = np.minimum(passed, np.where(last < 0, period - starts[-1], phase - starts[last]))
    return np.asarray(passed)


def power_schedule(chip: Chip, state: Heat | None = None) -> tuple[tuple[HeatSource, ...], PowerSchedule]:
    """All heat sources of a chip and their powers over time, for a transient solve.

    What goes with the rate follows the activity, leakage and writes stay as they are in `state`, explicit sources follow their
    trace. Means over a period are the powers of the steady solve. Raises DeckError when traces repeat after different times.
    """
    sources, activity = chip.sources, read_activity(None)
    moving, resting = np.zeros(len(sources)), np.zeros(len(sources))
    explicit = np.array([s.power for s in sources])
    if isinstance(chip, ComputingChip) and state is not None:
        sources, activity = heat_sources(chip, state.powers, state.rate), chip.activity
        explicit = np.append(explicit, np.zeros(len(sources) - explicit.size))
        idle = {name: p * (name not in DYNAMIC) for name, p in state.powers.items()}
        still = {s.name: s.power for s in heat_sources(chip, idle, 0.0)[len(chip.sources) :]}
        resting = np.array([0.0] * len(chip.sources) + [still.get(s.name, 0.0) for s in sources[len(chip.sources) :]])
        moving = (np.array([s.power for s in sources]) - resting - explicit) / (float(activity.mean[0]) or 1.0)
    of_traces = []
    if chip.source_trace is not None:
        names = [s.name for s in chip.sources]
        gain = np.zeros((len(chip.source_trace.blocks), len(sources)))
        for i, block in enumerate(chip.source_trace.blocks):
            gain[i, names.index(block)] = 1.0
        explicit[gain.any(axis=0)] = 0.0
        of_traces.append((chip.source_trace, gain, np.zeros(len(sources))))
    times, powers, period = joined([(activity, moving[None], resting + explicit), *of_traces])
    return sources, PowerSchedule(times, powers, period)
