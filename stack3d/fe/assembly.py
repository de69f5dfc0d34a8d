"""The matrix of a weak form, with terms on faces that may change and unknowns that are fixed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np

from stack3d.fe.library import import_petsc
from stack3d.fe.space import Space
from stack3d.layout import Floats
from stack3d.meshes import Ints

ROUNDING = 16.0
"""Multiple of machine epsilon times diag(A) x that a residual may keep."""
_NOTHING: Mapping[str, Any] = MappingProxyType({})


def diffusion(space: Space, coefficient: Any) -> Any:
    """Weak form of -div(k grad u) with the diagonal of k by axis: heat, charge or matter that spreads."""
    ufl = space.ufl
    flux = ufl.as_vector([coefficient[i] * ufl.grad(space.u)[i] for i in range(3)])
    return ufl.inner(flux, ufl.grad(space.v)) * space.dx


class Assembly:
    """Matrix A of a bilinear form on a space.

    Parameters
    ----------
    space : Space
    volume : UFL form
        Of ``space.u`` and ``space.v`` in the volume. When its coefficients have changed, call `refill`.
    surface : mapping of str to UFL form
        The same on faces by name, as of films. When only these have changed, `refill_surface` does with less.
    fixed : mapping of str to float
        Faces whose unknowns have a given value; give another by `fix`.
    counts : Counter, optional
        Where ``assemblies`` counts how often the volume was filled.
    """

    def __init__(
        self,
        space: Space,
        volume: Any,
        surface: Mapping[str, Any] = _NOTHING,
        *,
        fixed: Mapping[str, float] = _NOTHING,
        counts: Counter[str] | None = None,
    ) -> None:
        petsc, fem = import_petsc(), space.dolfinx.fem
        self.space, self.counts = space, Counter() if counts is None else counts
        self._conditions = {
            name: fem.dirichletbc(float(value), space.unknowns(name), space.functions) for name, value in fixed.items()
        }
        rows = np.zeros(space.own, dtype=bool)
        for name in surface:
            unknowns = space.unknowns(name)
            rows[unknowns[unknowns < space.own]] = True
        self.whole = sum(surface.values(), volume)
        """The form, without fixed values."""
        self._volume = space.form(volume)
        self._surface = space.form(sum(surface.values())) if surface else None
        first = space.functions.dofmap.index_map.local_range[0]
        self._surface_rows = petsc.IS().createGeneral((first + np.flatnonzero(rows)).astype(petsc.IntType), space.domain.comm)
        self.matrix = fem.petsc.create_matrix(self._volume)
        self.free_matrix = fem.petsc.create_matrix(self._volume) if self._conditions else self.matrix
        """Without the fixed values: its residual at fixed unknowns is what they have to give."""
        self.refill()

    @property
    def is_fixed(self) -> bool:
        """Whether any face has given values."""
        return bool(self._conditions)

    @property
    def _matrices(self) -> list[Any]:
        return [self.matrix, self.free_matrix] if self._conditions else [self.matrix]

    def refill(self) -> None:
        """Fill the matrices anew, with the coefficients as they are."""
        for matrix in self._matrices:
            matrix.zeroEntries()
        self._add(self._volume)
        self._bare = [matrix.createSubMatrix(self._surface_rows).getValuesCSR() for matrix in self._matrices]
        self._add(self._surface)
        self.counts["assemblies"] += 1

    def refill_surface(self) -> None:
        """Change the matrices where only terms of faces have: their rows go back to what the volume alone has left there.

        So the outcome is that of `refill` to the last bit, whatever terms were there before.
        """
        rows = self._surface_rows.getIndices()
        for matrix, (start, columns, values) in zip(self._matrices, self._bare):
            matrix.setValuesIJV(start, columns, values, rowmap=rows)
            matrix.assemble()
        self._add(self._surface)

    def _add(self, bilinear: Any) -> None:
        for matrix, fixed in zip(self._matrices, (list(self._conditions.values()), [])):
            if bilinear is not None:
                self.space.dolfinx.fem.petsc.assemble_matrix(matrix, bilinear, bcs=fixed)
            matrix.assemble()
        self._diagonal = self.matrix.getDiagonal().array

    def other(self, bilinear: Any) -> Any:
        """Matrix of another form of this space, as of stored heat; zero in rows and columns of fixed unknowns."""
        petsc = self.space.dolfinx.fem.petsc
        matrix = petsc.assemble_matrix(self.space.form(bilinear), bcs=list(self._conditions.values()), diag=0.0)
        matrix.assemble()
        return matrix

    def plus(self, rate: float, other: Any, into: Any) -> None:
        """Fill `into`, a copy of the matrix, with the matrix as it is plus a rate times one of `other`."""
        structure = import_petsc().Mat.Structure.SAME_NONZERO_PATTERN
        self.matrix.copy(into, structure)
        into.axpy(rate, other, structure)

    def fix(self, face: str, value: float) -> None:
        """Give the unknowns of a fixed face another value."""
        self._conditions[face].g.value[...] = value

    def fixed_values(self) -> dict[str, tuple[Ints, float]]:
        """Own unknowns of each fixed face, and their value."""
        out = {}
        for name, condition in self._conditions.items():
            rows, own = condition.dof_indices()
            out[name] = rows[:own], float(condition.g.value)
        return out

    @cached_property
    def _state(self) -> Any:
        return self.space.function()

    @cached_property
    def _action(self) -> Any:
        return self.space.form(self.space.ufl.action(self.whole, self._state))

    def applied(self, values: Floats) -> Floats:
        """A times values with the coefficients as they are, whatever the matrices hold; fixed values are not worked in."""
        self._state.x.array[: self.space.own] = values
        self._state.x.scatter_forward()
        return self.space.vector(self._action)

    def right_side(self, load: Floats) -> Floats:
        """Load with the fixed values worked in, shape (own,)."""
        if not self._conditions:
            return load
        space, conditions = self.space, list(self._conditions.values())
        right = self.vector(load)
        lifted = space.dolfinx.la.vector(space.functions.dofmap.index_map)
        for form in (self._volume, self._surface):
            if form is not None:
                space.dolfinx.fem.apply_lifting(lifted.array, [form], [conditions])
        lifted.scatter_reverse(space.dolfinx.la.InsertMode.add)
        right.array[:] += lifted.array[: space.own]
        space.dolfinx.fem.petsc.set_bc(right, conditions)
        return np.array(right.array)

    def rounding(self, values: Floats) -> float:
        """Norm of a residual that rounding alone explains: thin layers make entries of A x cancel."""
        return ROUNDING * float(np.finfo(float).eps) * float(np.sqrt(self.space.sum((self._diagonal * values) ** 2)))

    def reactions(self, residual: Floats) -> dict[str, float]:
        """What each fixed face takes, from the load less A (without fixed values) times the solution, shape (own,)."""
        left, out = residual.copy(), {}
        for name, (rows, _) in reversed(self.fixed_values().items()):  # where two meet, the later one has set the value
            out[name] = self.space.sum(left[rows])
            left[rows] = 0.0
        return out

    def vector(self, values: Floats | float = 0.0) -> Any:
        """A vector of PETSc with these values at the unknowns of this process."""
        out = self.matrix.createVecRight()
        out.array[:] = values
        return out

    def norm(self, values: Floats) -> float:
        """Euclidean norm over the unknowns of all processes."""
        return float(self.vector(values).norm())

    def times(self, matrix: Any, values: Floats) -> Floats:
        """A matrix of this space times values, shape (own,)."""
        out = matrix.createVecRight()
        matrix.mult(self.vector(values), out)
        return np.array(out.array_r)
