"""Solids: conductivity and heat capacity, and how they follow the temperature; SI units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
REFERENCE = 300.0
"""Temperature at which materials state their conductivity and heat capacity. [K]"""


class TemperatureLaw(Protocol):
    """How a property follows the temperature; for arrays, and for UFL expressions."""

    @property
    def limits(self) -> tuple[float, float]:
        """Where it holds. [K]"""

    def factor(self, temperature: Any) -> Any:
        """Property over its value at 300 K. [-]"""

    def integral(self, temperature: Any) -> Any:
        """Integral of the factor from 300 K. [K]"""


class NoLaw:
    """A property that stays as it is at 300 K."""

    limits = (0.0, np.inf)

    def factor(self, temperature: Any) -> Any:
        """1."""
        return 1.0

    def integral(self, temperature: Any) -> Any:
        """T - 300 K. [K]"""
        return temperature - REFERENCE


NO_LAW = NoLaw()


@dataclass(frozen=True)
class Material:
    """Thermal properties of a solid.

    Parameters
    ----------
    name : str
    conductivity : tuple of three floats
        Diagonal (kx, ky, kz) at 300 K. [W m⁻¹ K⁻¹]
    heat_capacity : float
        Volumetric, at constant pressure and 300 K. [J m⁻³ K⁻¹]
    conducts, stores : TemperatureLaw, optional
        How conductivity and heat capacity follow the temperature; None means that they do not.
    """

    name: str
    conductivity: tuple[float, float, float]
    heat_capacity: float
    conducts: TemperatureLaw | None = None
    stores: TemperatureLaw | None = None

    @property
    def laws(self) -> dict[str, TemperatureLaw]:
        """Laws by what they are of."""
        both = {"conductivity": self.conducts, "heat capacity": self.stores}
        return {what: law for what, law in both.items() if law is not None}

    def held_at(self, temperature: float) -> Material:
        """The same with both properties held at their value at a temperature [K]."""
        k = 1.0 if self.conducts is None else float(self.conducts.factor(np.asarray(temperature)))
        c = 1.0 if self.stores is None else float(self.stores.factor(np.asarray(temperature)))
        kx, ky, kz = (k * each for each in self.conductivity)
        return Material(self.name, (kx, ky, kz), c * self.heat_capacity)


@dataclass(frozen=True, eq=False)
class LawMap:
    """Which law holds in which cells of a plane, or of a whole mesh.

    Parameters
    ----------
    laws : tuple of TemperatureLaw
        Different ones.
    which : ndarray of int
        Index of the law of each cell, -1 where the property does not follow the temperature.
    """

    laws: tuple[TemperatureLaw, ...]
    which: NDArray[np.intp]

    @classmethod
    def of(cls, laws: Sequence[TemperatureLaw | None], owner: NDArray[np.intp]) -> LawMap:
        """From the law of each owner, and the owner of each cell, -1 for none."""
        mine = [None if o < 0 else laws[o] for o in np.unique(owner)]
        kinds = tuple(dict.fromkeys(law for law in mine if law is not None))
        index = np.array([-1 if law is None else kinds.index(law) if law in kinds else -1 for law in (*laws, None)])
        return cls(kinds, index[owner])

    def __bool__(self) -> bool:
        return bool(self.laws)

    def _by_law(self, temperature: Floats, what: str, out: Floats) -> Floats:
        for i, law in enumerate(self.laws):
            answer = getattr(law, what)
            if self.which.size == 1:
                return np.asarray(answer(temperature))
            out[..., self.which == i] = answer(temperature[..., self.which == i])
        return out

    def factor(self, temperature: Floats) -> Floats:
        """Property over its value at 300 K, shape of `temperature` [K], whose last axes are those of the cells. [-]"""
        return self._by_law(temperature, "factor", np.ones_like(temperature))

    def integral(self, temperature: Floats) -> Floats:
        """Integral of the factor from 300 K. [K]"""
        return self._by_law(temperature, "integral", temperature - REFERENCE)
