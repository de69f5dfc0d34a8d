"""A reduced model of heat over time: a body projected on its answers at a few rates; SI units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy

from stack3d.errors import SolverError
from stack3d.layout import Floats
from stack3d.thermal.time.system import TransientSystem

PER_DECADE = 0.5
"""Rates at first; where the model is not good enough halfway between two, in logarithm, it is looked at in both halves."""
MOST_HALVINGS = 4
LIKE_OTHERS = 2
"""Halvings of the model that those of other meshes are compared with."""
REPEATED = 1e-9
"""What is left of a vector that the basis holds already, over its own length."""


@dataclass(frozen=True, eq=False)
class ReducedModel:
    """Response of places to sources as a sum of exponentials.

    Parameters
    ----------
    rates : ndarray, shape (modes,)
        Of decay, ascending, all above zero. [1/s]
    loads : ndarray, shape (sources, modes)
        Load of 1 W of each source on each mode. [K/s/W, times a common factor of the mode]
    shown : ndarray, shape (places, modes)
        What places see of each mode.
    error : ndarray, shape (sources,)
        Largest difference from the body at a rate that the model was not made from, over the largest response of any place at
        that rate: an estimate of that of the final model. [-]
    asked : tuple of (float, int)
        Rates and sources whose answers by the body it was made from. [1/s]
    first : ReducedModel or None
        An earlier one, from fewer answers, that those of other meshes are compared with; absent = this one.
    """

    rates: Floats
    loads: Floats
    shown: Floats
    error: Floats
    asked: tuple[tuple[float, int], ...]
    first: ReducedModel | None = None

    @property
    def steady(self) -> Floats:
        """Resistance of places to sources, shape (sources, places). [K/W]"""
        return np.asarray((self.loads / self.rates) @ self.shown.T)

    def step(self, times: Floats) -> Floats:
        """Rise of places after each source was switched on with 1 W, shape (sources, places, times). [K/W]"""
        grown = -np.expm1(-np.multiply.outer(times, self.rates)) / self.rates
        return np.asarray(np.einsum("sm,pm,tm->spt", self.loads, self.shown, grown, optimize=True))

    def at(self, rate: float) -> Floats:
        """Laplace transform of the response to 1 W s, shape (sources, places). [K/W]"""
        return np.asarray((self.loads / (self.rates + rate)) @ self.shown.T)

    def terms(self, source: int, place: int) -> tuple[Floats, Floats]:
        """Resistance and time constant of each exponential of a response, positive where the place is the source. [K/W], [s]"""
        return self.loads[source] * self.shown[place] / self.rates, 1 / self.rates


def reduced(system: TransientSystem, n_sources: int, shortest: float, tolerance: float) -> ReducedModel:
    """Reduce a linear body without coolant to its answers at rates from zero to 1 / `shortest`.

    Parameters
    ----------
    system : TransientSystem
        Linear, symmetric: no film that follows its temperature, no channels, conductivities held.
    n_sources : int
        How many powers `system.load` takes.
    shortest : float
        Time from which on the model has to hold. [s]
    tolerance : float
        Largest `ReducedModel.error`. [-]

    Raises
    ------
    SolverError
        Where the tolerance is not met.

    Notes
    -----
    Galerkin projection on (K + s M)⁻¹ f for real rates s, zero included: a rational Krylov space (Ruhe 1984). K and M are
    symmetric and the projection is the same on both sides, so the reduced model is passive, its steady state that of the
    body, and what a source sees of itself a sum of positive exponentials. The error is looked at where it is largest, halfway
    between two rates in logarithm, by solves that then join the basis.
    """
    basis = _Basis(system, n_sources)
    everyone = range(n_sources)
    basis.add(0.0, everyone)
    fastest = max(1 / shortest, 10 * basis.slowest)
    rates = np.geomspace(basis.slowest, fastest, int(np.ceil(PER_DECADE * np.log10(fastest / basis.slowest))) + 1)
    for rate in rates:
        basis.add(rate, everyone)
    gaps: list[tuple[float, float, Sequence[int]]] = [(a, b, everyone) for a, b in zip(rates[:-1], rates[1:])]
    error = np.zeros(n_sources)
    first = None
    for halving in range(MOST_HALVINGS):
        model = basis.model()
        if halving == LIKE_OTHERS:
            first = model
        halves: list[tuple[float, float, Sequence[int]]] = []
        for low, high, sources in gaps:
            middle = float(np.sqrt(low * high))
            seen = basis.add(middle, sources)
            misses = np.abs(seen - model.at(middle)[list(sources)]).max(axis=1) / np.abs(seen).max(axis=1)
            missed = [i for i, miss in zip(sources, misses) if miss > tolerance]
            halves += [(low, middle, missed), (middle, high, missed)] if missed else []
            kept = [i for i in sources if i not in missed]
            error[kept] = np.maximum(error[kept], [miss for i, miss in zip(sources, misses) if i not in missed])
        gaps = halves
        if not gaps:
            return replace(basis.model(), error=error, first=first)
    raise SolverError(f"the reduced model is not within {tolerance:.1e} of the mesh after {len(basis.asked)} solves")


def reduced_at(system: TransientSystem, n_sources: int, asked: Sequence[tuple[float, int]]) -> ReducedModel:
    """Reduce another mesh of a body as a model was, so that both differ by their meshes alone.

    Parameters
    ----------
    system, n_sources
        As `reduced` has them.
    asked : sequence of (float, int)
        `ReducedModel.asked`. [1/s]
    """
    basis = _Basis(system, n_sources)
    for rate, source in asked:
        basis.add(rate, [source])
    return basis.model()


def _product(one: Floats, other: Floats) -> float:
    return float(np.vdot(one, other))


class _Basis:
    """Vectors that are orthonormal in M, with K between them, the loads on them and what places see of them."""

    def __init__(self, system: TransientSystem, n_sources: int) -> None:
        unpowered = system.load(np.zeros(n_sources))
        self.system, self.loads = system, [system.load(power) - unpowered for power in np.eye(n_sources)]
        self.still = system.observe(np.zeros_like(unpowered))
        self.slowest = np.inf
        self.asked: list[tuple[float, int]] = []
        self._vectors: list[Floats] = []
        self._stiffness: list[list[float]] = []
        self._loads: list[list[float]] = []
        self._shown: list[Floats] = []

    def add(self, rate: float, sources: Sequence[int]) -> Floats:
        """Answers of sources at a rate join; returns what places see of them, shape (sources, places). [K/W]"""
        seen = []
        for source, load in ((i, self.loads[i]) for i in sources):
            answer = self.system.solve(rate, load, self._expected(rate, source))
            seen.append(self.system.observe(answer) - self.still)
            self.asked.append((rate, source))
            if not rate:
                self.slowest = min(self.slowest, _product(answer, load) / _product(answer, self.system.mass(answer)))
            self._join(answer)
        return np.array(seen)

    def _expected(self, rate: float, source: int) -> Floats:
        """What the vectors so far say of an answer, to begin its solve with."""
        answer = np.zeros_like(self.loads[source])
        if self._vectors:
            matrix = self._stiffness_of_all() + rate * np.eye(len(self._vectors))
            load = np.array([row[source] for row in self._loads])
            for share, vector in zip(scipy.linalg.solve(matrix, load, lower=True, assume_a="pos"), self._vectors):
                answer += share * vector
        return answer

    def _join(self, vector: Floats) -> None:
        vector = vector / np.sqrt(_product(vector, self.system.mass(vector)))
        for _ in range(2):  # once more against rounding
            stored = self.system.mass(vector)
            for known, share in zip(self._vectors, [_product(known, stored) for known in self._vectors]):
                vector = vector - share * known
            length = float(np.sqrt(max(0.0, _product(vector, self.system.mass(vector)))))
            if length < REPEATED:
                return
            vector = vector / length
        self._vectors.append(vector)
        conducted = self.system.stiffness(vector)
        self._stiffness.append([_product(known, conducted) for known in self._vectors])
        self._loads.append([_product(vector, load) for load in self.loads])
        self._shown.append(self.system.observe(vector) - self.still)

    def model(self) -> ReducedModel:
        """Of the vectors so far."""
        rates, modes = scipy.linalg.eigh(self._stiffness_of_all(), lower=True)
        loads, shown = np.array(self._loads).T @ modes, np.array(self._shown).T @ modes
        return ReducedModel(rates, loads, shown, np.zeros(len(loads)), tuple(self.asked))

    def _stiffness_of_all(self) -> Floats:
        """K between the vectors; of both halves, which are the same, the lower one."""
        lower = np.zeros((len(self._vectors), len(self._vectors)))
        for i, row in enumerate(self._stiffness):
            lower[i, : i + 1] = row
        return lower
