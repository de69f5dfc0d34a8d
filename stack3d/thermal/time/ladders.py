"""Networks of resistors and capacitors that answer as a source does: Foster chains and Cauer ladders; SI units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy

from stack3d.layout import Floats

PER_DECADE = 8
"""Time constants that a Foster chain is chosen from."""
SEEN = 1e-9
"""Share of all resistance from which a term counts in a structure function."""
KEPT = 1e3
"""Weight of the total resistance beside that of a time."""


@dataclass(frozen=True, eq=False)
class Foster:
    """Resistors with a capacitor each, in a row.

    Parameters
    ----------
    resistances : ndarray, shape (terms,)
        [K/W]
    time_constants : ndarray, shape (terms,)
        Ascending. [s]
    """

    resistances: Floats
    time_constants: Floats

    def step(self, times: Floats) -> Floats:
        """Rise after 1 W was switched on, shape (times,). [K/W]"""
        return np.asarray(-np.expm1(-np.divide.outer(times, self.time_constants)) @ self.resistances)

    @property
    def capacitances(self) -> Floats:
        """[J/K]"""
        return np.asarray(self.time_constants / self.resistances)


@dataclass(frozen=True, eq=False)
class Cauer:
    """A ladder from the source to ambient: a capacitor to ambient at every node, a resistor to the next.

    Parameters
    ----------
    resistances, capacitances : ndarray, shape (stages,)
        The first capacitor is that of the source. [K/W], [J/K]
    """

    resistances: Floats
    capacitances: Floats

    def step(self, times: Floats) -> Floats:
        """Rise of the source after 1 W was switched on, shape (times,). [K/W]"""
        across, scale = 1 / self.resistances, 1 / np.sqrt(self.capacitances)
        diagonal = (across + np.append(0.0, across[:-1])) * scale**2
        rates, modes = scipy.linalg.eigh_tridiagonal(diagonal, -across[:-1] * scale[:-1] * scale[1:])
        return np.asarray((-np.expm1(-np.multiply.outer(times, rates)) / rates) @ (modes[0] * scale[0]) ** 2)


def foster(resistances: Floats, time_constants: Floats, times: Floats, most: int, miss: float) -> Foster:
    """The shortest chain, all terms positive, that answers as a sum of many does.

    The total resistance is kept.

    Parameters
    ----------
    resistances, time_constants : ndarray, shape (many,)
        Of the sum, none negative. [K/W], [s]
    times : ndarray, shape (times,)
        At which the chain has to follow. [s]
    most : int
        Terms.
    miss : float
        Largest share by which the chain may miss the answer at any of the times, unless that takes more terms. [-]

    Notes
    -----
    Least squares over positive resistances on fixed time constants (Lawson and Hanson 1974), eight a decade; then neighbours
    are joined one after the other, those first whose joining moves the least resistance over the least ratio of time
    constants, and resistances are fitted anew.
    """
    total = float(resistances.sum())
    wanted = -np.expm1(-np.divide.outer(times, time_constants)) @ resistances
    weight = 1 / np.maximum(wanted, 1e-9 * total)

    def fitted(constants: Floats) -> Foster:
        basis = -np.expm1(-np.divide.outer(times, constants)) * weight[:, None]
        rows, answer = np.vstack([basis, np.full(constants.size, KEPT / total)]), np.append(wanted * weight, KEPT)
        found, _ = scipy.optimize.nnls(rows, answer, maxiter=100 * constants.size)
        kept = found > 1e-9 * total
        return Foster(found[kept] * total / found[kept].sum(), constants[kept])

    low, high = max(0.1 * times[0], float(time_constants.min())), float(time_constants.max())
    count = int(np.ceil(PER_DECADE * np.log10(max(high / low, 10.0)))) + 1
    chain = fitted(np.geomspace(low, max(high, 10 * low), count))
    while chain.resistances.size > 1:
        r, tau = chain.resistances, np.log(chain.time_constants)
        i = int(np.argmin(r[1:] * r[:-1] / (r[1:] + r[:-1]) * np.diff(tau) ** 2))
        mean = np.exp(np.average(tau[i : i + 2], weights=r[i : i + 2]))
        shorter = fitted(np.concatenate([chain.time_constants[:i], [mean], chain.time_constants[i + 2 :]]))
        if r.size <= most and np.abs(shorter.step(times) / wanted - 1).max() > miss:
            break
        chain = shorter
    return chain


def cauer(chain: Foster) -> Cauer:
    """The ladder that answers as a Foster chain does.

    Notes
    -----
    The chain is diag(1/τ) seen through the vector 1/√C; Lanczos steps with full orthogonalisation bring it to a tridiagonal
    matrix whose entries are those of the ladder.
    """
    rates, start = 1 / chain.time_constants, 1 / np.sqrt(chain.capacitances)
    vectors = [start / np.linalg.norm(start)]
    resistances, capacitances = [], [1 / float(start @ start)]
    before = 0.0
    for n in range(rates.size):
        applied = rates * vectors[-1]
        across = float(vectors[-1] @ applied) * capacitances[-1] - before
        resistances.append(1 / across)
        for _ in range(2):
            for known in vectors:
                applied = applied - (known @ applied) * known
        off = float(np.linalg.norm(applied))
        if n + 1 == rates.size or off == 0.0:
            break
        vectors.append(applied / off)
        capacitances.append(across**2 / (off**2 * capacitances[-1]))
        before = across
    return Cauer(np.array(resistances), np.array(capacitances))


def structure(resistances: Floats, time_constants: Floats) -> tuple[Floats, Floats]:
    """Heat capacity met along the resistance from a source to ambient, each of shape (stages + 1,). [K/W], [J/K]

    The ladder of all terms: at each of its nodes half of the node's own capacity is met, at ambient all of it.

    Parameters
    ----------
    resistances, time_constants : ndarray, shape (many,)
        Of the response of the source to itself, none negative. [K/W], [s]

    Notes
    -----
    A rod that is heated at its end has its own cumulative capacity over its cumulative resistance, smeared more and more with
    the distance from the source: the structure function (Székely 1991, JEDEC JESD51-14).
    """
    kept = resistances > SEEN * resistances.sum()
    order = np.argsort(time_constants[kept])
    ladder = cauer(Foster(resistances[kept][order], time_constants[kept][order]))
    met = np.cumsum(ladder.capacitances)
    return np.append(0.0, np.cumsum(ladder.resistances)), np.append(met - 0.5 * ladder.capacitances, met[-1])
