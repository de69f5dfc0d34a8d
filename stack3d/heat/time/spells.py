"""Spells of a transient: stretches with the same ambient and films, each with a system of its own; SI units."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from stack3d.chip import Chip
from stack3d.heat import film_laws
from stack3d.layout import Floats
from stack3d.schema import CoolingDeck, SurroundingsDeck
from stack3d.thermal import FilmLaw, HeatProblem, SolidBackend, TransientSystem

ON_TIME = 1e-9
"""Share of a time within which it is that of a change."""
MakeSystem = Callable[[SolidBackend, Mapping[str, FilmLaw]], TransientSystem]
"""A solver with the films of a spell, and laws of films that follow their face → what steps in time see of it."""


def coolings_of(chip: Chip) -> list[CoolingDeck]:
    """Those of all spells, with the ambient of each."""
    transient, cooling = chip.scenario.transient, chip.scenario.cooling
    table = None if transient is None else transient.surroundings
    if table is None or table.ambient is None:
        return [cooling]
    return [cooling.model_copy(update={"ambient": kelvin}) for kelvin in table.ambient]


@dataclass(frozen=True, eq=False)
class Spell:
    """A stretch with the same surroundings.

    Parameters
    ----------
    end : float
        [s]
    problem : HeatProblem
    system : TransientSystem
    """

    end: float
    problem: HeatProblem
    system: TransientSystem


class Spells:
    """All stretches of a transient; the systems of one before the other, so that memory stays flat.

    Parameters
    ----------
    chip : Chip
    table : SurroundingsDeck or None
    solid : SolidBackend
        With the surroundings of the scenario.
    make : callable
    """

    def __init__(self, chip: Chip, table: SurroundingsDeck | None, solid: SolidBackend, make: MakeSystem) -> None:
        self._cooling, self._table, self._solid, self._make = chip.scenario.cooling, table, solid, make
        self.begins = np.zeros(1) if table is None else np.array(table.times)
        self._made: tuple[int, Spell] | None = None

    @cached_property
    def _ends(self) -> Floats:
        return np.append(self.begins[1:], np.inf)

    def after(self, time: float) -> Spell:
        """The one that an instant begins or lies within. [s]"""
        return self._number(int(np.searchsorted(self.begins, time * (1 + ON_TIME), side="right")) - 1)

    def before(self, time: float) -> Spell:
        """The one that an instant ends or lies within. [s]"""
        return self._number(int(np.searchsorted(self._ends, time * (1 - ON_TIME))))

    @property
    def present(self) -> Spell:
        """The one that was asked for last."""
        return self._number(0 if self._made is None else self._made[0])

    def _number(self, i: int) -> Spell:
        if self._made is None or self._made[0] != i:
            self._made = None
            self._made = i, self._spell(i)
        return self._made[1]

    def _spell(self, i: int) -> Spell:
        cooling, solid, films = self._cooling, self._solid, dict[str, float]()
        if self._table is not None:
            films = {name: column[i] for name, column in self._table.films.items()}
            ambient = cooling.ambient if self._table.ambient is None else self._table.ambient[i]
            cooling = cooling.model_copy(update={"ambient": ambient})
            open_ = [n for n, deck in cooling.conditions.items() if deck.temperature is None and deck.thermoelectric is None]
            solid = solid.recooled(solid.problem.with_films(films, dict.fromkeys(open_, ambient)))
        laws = {name: law for name, law in film_laws(cooling, solid.problem).items() if name not in films}
        return Spell(float(self._ends[i]), solid.problem, self._make(solid, laws))


@dataclass
class MarchAt:
    """A state, and the system that it belongs to.

    Parameters
    ----------
    system : TransientSystem
    state, first : ndarray, shape of a state
        Where a march stands, and where it began.
    """

    system: TransientSystem
    state: Floats
    first: Floats

    def in_system(self, system: TransientSystem) -> MarchAt:
        """The same temperatures in the system of another spell."""
        if system is self.system:
            return self
        state, first = (system.start(self.system.field(one)) for one in (self.state, self.first))
        return replace(self, system=system, state=state, first=first)
