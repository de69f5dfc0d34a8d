"""What is said of a chip that gets too hot: where, by what power, and what to do; leakage that runs away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from stack3d.chip import Chip, ComputingChip
from stack3d.errors import DeckError, RangeError, Stack3dError, ThermalRunawayError
from stack3d.heat.loads import Heat, component_powers, total_power
from stack3d.layout import Floats
from stack3d.schema import CoolingDeck, celsius
from stack3d.unit_text import duration, short

RUNAWAY_TEMPERATURE = 1000.0
"""No stack survives this; leakage that gets here runs away. [K]"""
SHARE = 0.05
"""Of the heat, from which a part of it is named."""
FIELD_IS_GIVEN = "--until thermal gives the temperatures"


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
        """Report that the temperature [K] has run away, if its steps have grown; before the first step nothing has."""
        steps = self.steps
        rising = [i for i in range(1, len(steps)) if steps[i] > steps[i - 1] > 0]
        if steps and (rising or present.max() > RUNAWAY_TEMPERATURE):
            began = self.peaks[rising[0]] if rising else self.peaks[-1]
            raise ThermalRunawayError(
                f"leakage runs away: from about {celsius(began)} on each iteration adds more heat than the cooling removes"
                f" (last steps {', '.join(f'{s:.1f} K' for s in steps[-3:])})"
            )


def explained(chip: ComputingChip, field: Floats, heat: Heat | None) -> str:
    """The hottest tile, what heats it, and what to do.

    Parameters
    ----------
    chip : ComputingChip
    field : ndarray, shape (tiles, ny, nx)
        Temperatures of the tiles. [K]
    heat : Heat or None
        What made them; None = the surroundings alone.
    """
    i = int(np.argmax(field.max(axis=(1, 2))))
    tile, layer = chip.computer.tiles[i], chip.computer.places[i][0]
    where = f"tile {tile.layer}[{tile.index}] in {layer} reaches {celsius(float(field[i].max()))}"
    ambient = chip.scenario.cooling.ambient
    if heat is None:
        watts = total_power(chip.sources)
        cause = "lower cooling.ambient" if field.max() <= ambient else remedy(chip)
        return f"{where} with {short(watts, 'W')} in the chip; {cause}"
    parts = parts_of(component_powers(chip, heat))
    watts, large = sum(parts.values()), _large(parts)
    named = ", ".join(f"{short(w, 'W')} of {_said(chip, name)}" for name, w in large.items())
    told = "" if list(large) == ["power.sources"] else f" ({named})"
    return f"{where} with {short(watts, 'W')} in the chip{told}; {_advice(chip, large)}"


def standing_too_hot(chip: ComputingChip, field: Floats, heat: Heat, limit: float) -> str:
    """What is said of a chip that is above the limit of its throttling without an inference.

    Parameters
    ----------
    chip : ComputingChip
    field : ndarray, shape (tiles, ny, nx)
        Of the idle chip at its hottest instant. [K]
    heat : Heat
        Of the idle chip.
    limit : float
        [K]
    """
    idle = f"the idle chip is at {celsius(float(field.max()))} already, above the limit of {celsius(limit)}"
    return f"lifetime.throttling: {idle}: {explained(chip, field, heat)}"


def parts_of(components: Mapping[str, float]) -> dict[str, float]:
    """Power by what a user can change, of power by component. [W]"""
    watts = dict(components)
    explicit, standing = watts.pop("explicit"), {name: watts.pop(name) for name in ("leakage", "write", "calibration")}
    return {"power.sources": explicit, "inferences": sum(watts.values()), **standing}


def _large(parts: Mapping[str, float]) -> dict[str, float]:
    """Those that are worth a word, the largest first. [W]"""
    return {name: w for name, w in sorted(parts.items(), key=lambda item: -item[1]) if w > SHARE * sum(parts.values())}


def remedy(chip: Chip, limit: float = np.inf, drawn: Drawn | None = None) -> str:
    """What to do about a chip above a `limit` [K], by the parts of what it draws where those are known."""
    cooling, ambient = _surrounding(chip, None if drawn is None else drawn.phase)
    held = {f"{cooling.keys[name]}.temperature": deck.temperature for name, deck in cooling.conditions.items()}
    hot = [key for key, kelvin in {ambient: cooling.ambient, **held}.items() if kelvin is not None and kelvin >= limit]
    if hot:
        return f"lower {' and '.join(hot)}"
    if drawn is not None and drawn.parts and isinstance(chip, ComputingChip):
        return _advice(chip, _large(drawn.parts))
    computes = isinstance(chip, ComputingChip)
    keys = [*(["power.sources"] if chip.sources else []), *(["workload.rate"] if computes else [])]
    return f"lower {' or '.join(keys)}, or cool better" if keys else "cool better"


def _surrounding(chip: Chip, phase: int | None) -> tuple[CoolingDeck, str]:
    """Cooling of a phase, or without one of the scenario, and the key of its ambient."""
    if phase is None:
        return chip.scenario.cooling, "cooling.ambient"
    own = (chip.scenario.mission or ())[phase].ambient
    return chip.phases[phase].cooling, "cooling.ambient" if own is None else f"mission[{phase}].ambient"


@dataclass(frozen=True)
class Drawn:
    """The power of a stack at its hottest, and the parts of it, None without a workload; [W].

    Of a mission also the number of the phase, and its name.
    """

    watts: float
    parts: Mapping[str, float] | None = None
    phase: int | None = None
    name: str = ""

    def __str__(self) -> str:
        within = "" if self.phase is None else f" in phase {self.name!r}"
        return f"with {short(self.watts, 'W')} in the stack{within}"


def _acts(chip: ComputingChip, name: str) -> list[tuple[str, str, float | None]]:
    """Policies that write, or that calibrate: key, what of it to change, and its period. [s]"""
    deck = chip.computer.design.lifetime
    found: list[tuple[str, str, float | None]] = []
    if name == "write" and deck.refresh is not None:
        period = deck.refresh.period
        found.append(
            ("lifetime.refresh", "lifetime.refresh.accuracy_loss" if period is None else "lifetime.refresh.period", period)
        )
    if name == "calibration" and deck.compensation is not None:
        found.append(("lifetime.compensation", "lifetime.compensation.period", deck.compensation.period))
    if deck.fine_tuning is not None:
        found.append(("lifetime.fine_tuning", "lifetime.fine_tuning.period", deck.fine_tuning.period))
    return [*found, *((f"lifetime.policies.{own}", f"lifetime.policies.{own}", None) for own in deck.policies)]


def _said(chip: ComputingChip, name: str) -> str:
    """A part of the heat in words, with the acts that make it."""
    if name not in ("write", "calibration"):
        return name
    by = [key if period is None else f"{key} every {duration(period)}" for key, _, period in _acts(chip, name)]
    return f"{name}s{f' by {" and ".join(by)}' if by else ''}"


def _advice(chip: ComputingChip, large: Mapping[str, float]) -> str:
    """What to do about the parts of the heat."""
    keys = {"power.sources": "power.sources", "inferences": "workload.rate", "leakage": "workload.periphery.leakage"}
    acts = [key for name in large if name not in keys for _, key, _ in _acts(chip, name)]
    ways = {"lower": [keys[name] for name in large if name in keys], "raise": list(dict.fromkeys(acts))}
    first = "lower" if next(iter(large), "leakage") in keys else "raise"
    told = [f"{verb} {' or '.join(ways[verb])}" for verb in sorted(ways, key=lambda verb: verb != first) if ways[verb]]
    return f"{', '.join(told)}, or cool better" if told else "cool better"


def without_field(error: Stack3dError) -> str:
    """The message of an error that no longer offers the field, for want of one or because it is given."""
    return str(error).removesuffix(f"; {FIELD_IS_GIVEN}")


def in_epoch[E: Stack3dError](error: E, begin: float, end: float) -> E:
    """The error of an epoch after the first, whose temperatures `--until thermal` does not give; [s]."""
    when = f"between {duration(begin)} and {duration(end)} of its life: "
    if isinstance(error, DeckError) and any(p.key for p in error.problems):
        return type(error)([replace(p, message=when + p.message) for p in error.problems])
    return type(error)(f"{when}{without_field(error)}")


def located(error: RangeError, chip: ComputingChip, field: Floats, heat: Heat | None) -> RangeError:
    """The error of a law that a temperature leaves, with the hottest tile, the heat and what to do.

    Parameters
    ----------
    error : RangeError
    chip : ComputingChip
    field : ndarray, shape (tiles, ny, nx)
        Temperatures of the tiles. [K]
    heat : Heat or None
        What made them.
    """
    if "temperature" not in str(error):
        return RangeError([replace(p, key=p.key or "lifetime.until") for p in error.problems])
    return RangeError(f"{error}: {explained(chip, field, heat)}; {FIELD_IS_GIVEN}")
