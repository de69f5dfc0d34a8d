"""What a solver answers so that a temperature can be differentiated: a steady state, its adjoint, and residuals beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from stack3d.layout import Floats, HeatSource
from stack3d.thermal.places import Place

if TYPE_CHECKING:
    from stack3d.thermal.problem import ThermalProblem

RATES_TOLERANCE = 1e-13
"""Relative residual of the solves. [-]"""


class SteadyRates(Protocol):
    """A stack with its sources on elements; nodal values have a shape that is that of all stacks on moved elements."""

    @property
    def base(self) -> float:
        """Temperature that rises count from. [K]"""

    def solved(self) -> Floats:
        """Nodal temperatures of the steady state. [K]"""

    def solid(self, values: Floats) -> Floats:
        """The same, -inf at nodes of nothing solid."""

    def weights(self, place: Place, values: Floats) -> Floats:
        """Change of the temperature of a place with each nodal temperature. [-]"""

    def adjoint(self, values: Floats, weights: Floats) -> Floats:
        """Change of a weighted sum of nodal temperatures per watt that a node lacks, one more solve. [K W⁻¹]"""

    def held(self, values: Floats) -> Floats:
        """Nodal temperatures of another stack, those of fixed faces its own. [K]"""

    def at(self, place: Place, values: Floats) -> float:
        """Temperature of a place where nodes have these temperatures. [K]"""

    def lacking(self, found: Floats, values: Floats) -> float:
        """An adjoint times what nodes lack at these temperatures. [K]"""


def rates_of_grid(problem: ThermalProblem, sources: Sequence[HeatSource], by_fem: Callable[[], Any] | None) -> SteadyRates:
    """On the lines of a grid: by DOLFINx where it is asked for and no conductivity follows the temperature, else by the tensor.

    Parameters
    ----------
    problem : ThermalProblem
    sources : sequence of HeatSource
    by_fem : callable, optional
        Makes the solver of DOLFINx. With k(T) its equations are those of the tensor.
    """
    from stack3d.thermal.grid.grid_rates import GridRates

    by_tensor = GridRates(problem, sources, RATES_TOLERANCE)
    return rates_of_elements(by_fem(), sources) if by_fem is not None and by_tensor.solver.is_linear else by_tensor


def rates_of_elements(solver: Any, sources: Sequence[HeatSource]) -> SteadyRates:
    """By a solver of DOLFINx."""
    from stack3d.thermal.fem.element_rates import ElementRates

    return ElementRates(solver, sources)
