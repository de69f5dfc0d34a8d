"""Runs whose heat a compact model solves: what stands against one, and its errors in those of the run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from stack3d.chip import Chip, ComputingChip
from stack3d.errors import Problem, RangeError
from stack3d.fields import is_temperature
from stack3d.heat.compacted import mistakes_of_films
from stack3d.heat.loads import channel_runs, outer_faces, patches_of
from stack3d.heat.trust import error_bars
from stack3d.record import Record
from stack3d.schema import CoolingDeck
from stack3d.thermal import CompactErrors, check_range


def check_compact(chip: Chip) -> list[Problem]:
    """What stands against ``solver.backend: compact``, with the range that is left where there is one."""
    scenario = chip.scenario
    if scenario.solver.backend != "compact":
        return []
    key, problems = "solver.backend", list[Problem]()
    if scenario.geometry.mesh is not None or scenario.solver.mesh.cells != "hex":
        problems.append(Problem(key, "compact wants bricks: no mesh of your own, and solver.mesh.cells: hex"))
        return problems
    if channel_runs(chip.stack):
        problems.append(Problem(key, "compact does not go with channels: a coolant carries heat one way alone"))
    problems += mistakes_of_films(scenario.cooling, scenario.compact)
    if problems:
        return problems
    problems += _outside(chip, scenario.cooling, "cooling", "cooling.ambient")
    problems += _outside_in_table(chip)
    for i, phase in enumerate(chip.phases):
        problems += _outside(chip, phase.cooling, f"mission[{i}].cooling", f"mission[{i}].ambient")
    return [*problems, *_over_time(chip)]


def _outside(chip: Chip, cooling: CoolingDeck, where: str, ambient: str) -> Iterator[Problem]:
    """Films and ambient outside the ranges of `compact`, and films that would leave what is not one.

    Parameters
    ----------
    chip : Chip
    cooling : CoolingDeck
    where, ambient : str
        Keys of the faces' holder and of the ambient, for the messages.
    """
    deck = chip.scenario.compact
    faces = {**outer_faces(chip.stack, cooling), **{s.name: face for s, face in patches_of(chip.stack, cooling)}}
    held = {face.reference for face in faces.values() if face.is_fixed}
    if len(held) > 1:
        yield Problem("solver.backend", "compact has one temperature that faces are held at; two of them differ")
    for name, ends in deck.films.items():
        yield from _beyond(f"film of {name}", faces[name].film_coefficient, ends, "W/m^2/K", f"{where}.{name}")
    for name, given in cooling.conditions.items():
        if given.follows_surface and name not in deck.films:
            text = f"follows the temperature of its face; say in which range, as compact.films.{name}"
            yield Problem(f"{where}.{name}", text)
    if deck.ambient is not None:
        yield from _beyond("ambient", cooling.ambient, deck.ambient, "K", ambient)


def _beyond(what: str, value: float, ends: tuple[float, float], unit: str, key: str) -> Iterator[Problem]:
    """A value outside its range.

    Parameters
    ----------
    what : str
    value : float
        [unit]
    ends : (float, float)
        Of the range. [unit]
    unit : str
    key : str
        Where the value stands.
    """
    try:
        check_range(what, value, *ends, unit)
    except RangeError as error:
        yield Problem(key, f"{error}: compact.{what.replace('film of ', 'films.')}")


def _outside_in_table(chip: Chip) -> Iterator[Problem]:
    """Films and ambient of a transient's table outside their ranges, each with its place in its column."""
    transient, deck = chip.scenario.transient, chip.scenario.compact
    if transient is None or transient.surroundings is None:
        return
    key, table = "transient.surroundings", transient.surroundings
    for face, films in table.films.items():
        if face not in deck.films:
            yield Problem(f"{key}.films.{face}", f"wants its range, as compact.films.{face}")
            continue
        for i, film in enumerate(films):
            yield from _beyond(f"film of {face}", film, deck.films[face], "W/m^2/K", f"{key}.films.{face}[{i}]")
    for i, ambient in enumerate(table.ambient or ()):
        if deck.ambient is not None:
            yield from _beyond("ambient", ambient, deck.ambient, "K", f"{key}.ambient[{i}]")


def _over_time(chip: Chip) -> Iterator[Problem]:
    """What a model does not do over time, and times shorter than it is made for."""
    scenario, deck = chip.scenario, chip.scenario.compact
    shortest = _shortest(chip)
    if shortest is None:
        return
    if deck.shortest is None:
        text = f"wants the shortest time that heat over time has to be followed from, such as {shortest:.3g} s"
        yield Problem("compact.shortest", f"{text}: solver.backend is compact")
    elif shortest < deck.shortest:
        text = f"times of {shortest:.3g} s lie outside the compact model, which was made for {deck.shortest:g} s and more"
        yield Problem("compact.shortest", text)
    if scenario.transient is not None and _stores_follow(chip):
        text = "compact keeps heat capacities over time: those that follow the temperature want backend tensor in a transient"
        yield Problem("solver.backend", text)
    is_of_parts = scenario.transient is not None and not isinstance(scenario.transient.initial, float | None)
    if is_of_parts and chip.stack.held_at() != chip.stack:
        text = "differs from part to part, and conductivities follow the temperature, which compact does not take together"
        yield Problem("transient.initial", f"{text}: give one temperature, or another solver.backend")


def _stores_follow(chip: Chip) -> bool:
    """Whether any heat capacity follows the temperature."""
    layers = chip.stack.layers
    return any(m.stores is not None for la in layers for m in (la.material, *(block.material for block in la.blocks)))


def _shortest(chip: Chip) -> float | None:
    """Shortest time between changes of power, or output; None where heat is not followed over time. [s]"""
    transient, found = chip.scenario.transient, list[float]()
    traces = [phase.trace for phase in chip.phases if phase.trace is not None]
    traces += [] if chip.source_trace is None else [chip.source_trace]
    if isinstance(chip, ComputingChip):
        traces.append(chip.activity)
    for trace in traces:
        found += np.diff([*trace.times, trace.period]).tolist() if trace.times.size > 1 else []
    if transient is not None:
        found += [time for time in transient.times if time > 0]
        if transient.surroundings is not None:
            found += np.diff(transient.surroundings.times).tolist()
        if transient.duty is not None:
            found += [transient.duty.on, transient.duty.period - transient.duty.on]
    return min(found) if found else None


BOUNDED = ("layer_temperature_mean", "temperature_mean", "probe_temperature", "tile_temperature")
"""Variables that a bound is of."""
PEAKS = ("thermal/peak_temperature", "thermal/layer_temperature_peak")
"""Maxima over all instants, the first ones among them."""


def joined(estimates: error_bars.Estimates, found: CompactErrors | None, record: Record) -> error_bars.Estimates:
    """Errors of a run with those of its compact model on top, which join the `record`; as they are without one."""
    if found is None:
        return estimates
    record.put("thermal/compact_bound", found.bound)
    record.put("thermal/compact_estimate", found.elsewhere + found.estimate)
    out = dict(estimates)
    for name, one in estimates.items():
        place = name.removesuffix("_error")
        if name != "thermal/discretisation_error" and not is_temperature(place):
            continue
        is_bound = place.removeprefix("thermal/").removeprefix("phase_") in BOUNDED
        more = (found.bound if is_bound else found.elsewhere) + found.estimate + found.early * (place in PEAKS)
        kind = "bound" if is_bound and not found.estimate else "estimate"
        out[name] = replace(one, value=one.value + more, how=f"{one.how}; {more:.2g} K of the compact model on top, its {kind}")
    return out
