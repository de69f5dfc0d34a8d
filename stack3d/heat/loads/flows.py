"""Coolant of channels and pins: their films, their pressure, what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from stack3d.chip import Chip
from stack3d.errors import Problem, RangeError, did_you_mean
from stack3d.geometry import channel_keys
from stack3d.layout import CHANNEL_PARTS, ChannelPart, Channels, Fins, Pins, Stack
from stack3d.thermal import ChannelRun, PinRun, flow_laws


def channel_films(channels: Channels) -> dict[ChannelPart, float]:
    """Film coefficients of walls (or pins), floors and ceilings: given, else of the law, else NaN. [W m⁻² K⁻¹]"""
    film = channels.film_coefficient
    found = flow_laws[channels.law]().films(channels.ducts) if film is None else dict.fromkeys(CHANNEL_PARTS, film)
    given = {"floor": channels.floor_film_coefficient, "ceiling": channels.ceiling_film_coefficient}
    return {part: found[part] if (own := given.get(part)) is None else own for part in ("walls", "floor", "ceiling")}


def channel_runs(stack: Stack) -> list[ChannelRun]:
    """Channels of every layer that has them, apart for each inlet."""
    fed = [(layer, *part) for layer in stack.layers if layer.channels is not None for part in layer.channels.fed]
    return [_run(layer.name, f"{layer.name}.{inlet}" if inlet else layer.name, channels) for layer, inlet, channels in fed]


def _run(layer: str, label: str, channels: Channels) -> ChannelRun:
    name, films = f"{label}_coolant", channel_films(channels)
    if channels.pins is None:
        return ChannelRun(name, layer, channels, films)
    return PinRun(name, layer, channels, films, channels.pins)


def hydraulics(runs: Sequence[ChannelRun]) -> dict[str, list[float]]:
    """Flow rate [m³/s], pressure drop [Pa], pumping power [W], Reynolds number [-] and thermal entrance [m] of each run.

    NaN where not known.
    """
    names = ("coolant_flow_rate", "pressure_drop", "pumping_power", "reynolds_number", "entrance_length")
    out: dict[str, list[float]] = {name: [] for name in names}
    for run in runs:
        c, law = run.channels.ducts, flow_laws[run.channels.law]()
        drop = law.pressure_drop(c)
        for name, value in zip(out, (c.flow_rate, drop, drop * c.flow_rate, law.reynolds(c), law.entrance(c))):
            out[name].append(value)
    return out


def check_flows(chip: Chip) -> list[Problem]:
    """Laws of channels and pins that are not there or of the other kind, films that they do not give, solvers without pins."""
    problems, keys = [], channel_keys(chip.scenario.geometry)
    for layer in chip.stack.layers:
        if (c := layer.channels) is None:
            continue
        what, key = ("channels", "pins")[isinstance(c.pins, Pins)], keys[layer.name]
        if c.law not in flow_laws:
            text = f"no flow law {c.law!r}{did_you_mean(c.law, flow_laws)}; known: {', '.join(flow_laws)}"
            problems.append(Problem(f"{key}.law", text))
            continue
        if flow_laws[c.law].of_pins != isinstance(c.pins, Pins):
            fitting = ", ".join(name for name in flow_laws if flow_laws[name].of_pins == isinstance(c.pins, Pins))
            problems.append(Problem(f"{key}.law", f"the flow law {c.law!r} is none of {what}; those are {fitting}"))
            continue
        if np.isnan(sum(part.flow_rate for _, part in c.fed)):
            continue  # told with the pumps
        try:
            if not all(np.isfinite(film) for _, part in c.fed for film in channel_films(part).values()):
                text = "the law wants a coolant with conductivity, viscosity and density; or give film_coefficient"
                problems.append(Problem(key, text))
        except RangeError as error:
            problems.append(Problem(key, str(error)))
        problems += _unsolved(c, chip)
    return list(dict.fromkeys(problems))


def _unsolved(channels: Channels, chip: Chip) -> Iterator[Problem]:
    """What the solver that a profile asks for cannot do with pins and fins."""
    profile, is_fins = chip.scenario.solver, isinstance(channels.pins, Fins)
    if channels.pins is not None and profile.backend == "fem":
        name = "homogenised channels" if is_fins else "pins"
        yield Problem("solver.backend", f"fem has no {name}, which cool inside a layer; take tensor or auto")
    if is_fins and profile.accuracy is not None:
        text = "cannot be asked for beside homogenised channels: no mesh makes their own error smaller; leave out homogenised"
        yield Problem("solver.accuracy", text)
