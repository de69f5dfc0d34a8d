"""Laws of materials in forms of DOLFINx, and the heat that elements store; SI units."""

from __future__ import annotations

from typing import Any

import numpy as np

from stack3d.fe.space import Space
from stack3d.layout import Floats
from stack3d.materials import NO_LAW, REFERENCE, LawMap, TemperatureLaw
from stack3d.thermal.fem.conduction import Conduction


def by_law(space: Space, laws: LawMap, temperature: Any, base: float | None = None) -> Any:
    """UFL expression of the factors of laws at a temperature, each in its own cells.

    Parameters
    ----------
    space : Space
    laws : LawMap
        Over the cells of its mesh.
    temperature : UFL expression
        [K]
    base : float, optional
        With it, the integrals of the factors from this temperature on. [K]
    """

    def answer(law: TemperatureLaw) -> Any:
        return law.factor(temperature) if base is None else law.integral(temperature) - float(law.integral(np.array(base)))

    parts = []
    for index in range(-1 if (laws.which < 0).any() else 0, len(laws.laws)):
        here = space.by_cell(np.asarray(laws.which == index, dtype=float))
        parts.append(here * answer(NO_LAW if index < 0 else laws.laws[index]))
    return sum(parts[1:], parts[0])


class HeatStore:
    """Heat capacity of cells and of faces, which may follow the temperature at each point of quadrature.

    Parameters
    ----------
    heat : Conduction
    """

    def __init__(self, heat: Conduction) -> None:
        self._heat, space = heat, heat.space
        laws = LawMap.of([m.stores for m in space.mesh.materials], space.mesh.region)
        self.is_linear = not laws
        self._temperature = space.function(REFERENCE)
        at_reference = space.by_cell(heat.at.heat_capacity)
        capacity = at_reference if self.is_linear else at_reference * by_law(space, laws, self._temperature)
        form = capacity * space.u * space.v * space.dx
        if not self.is_linear:
            over = by_law(space, laws, self._temperature, heat.reference)
            energy = at_reference * over * space.v * space.dx
        for name, face in heat.problem.faces.items():
            if face.capacity > 0 and not face.is_fixed:
                fins = space.constant(face.capacity)
                form += fins * space.u * space.v * space.ds(name)
                if not self.is_linear:
                    energy += fins * (self._temperature - space.constant(heat.reference)) * space.v * space.ds(name)
        self._form = space.form(form)
        self._energy = None if self.is_linear else space.form(energy)
        self.matrix = heat.assembly.other(self._form)
        """Zero on fixed unknowns, whose temperature does not move. [J K⁻¹]"""

    def update(self, own: Floats) -> None:
        """Fill the matrix with the capacity at these temperatures at the unknowns of this process. [K]"""
        self._set(own)
        self.matrix = self._heat.assembly.other(self._form)

    def stored(self, own: Floats) -> Floats:
        """Heat over that at the reference, of temperatures at the unknowns of this process. [J]"""
        self._set(own)
        return self._heat.space.vector(self._energy)

    def _set(self, own: Floats) -> None:
        self._temperature.x.array[: own.size] = own
        self._temperature.x.scatter_forward()
