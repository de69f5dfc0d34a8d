"""Heat over time by a few unknowns: exact steps between changes of the power; SI units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy

from stack3d.layout import Floats


@dataclass(frozen=True, eq=False)
class ModelInTime:
    """Galerkin projection of a solid on its answers at several rates, for any films in their ranges.

    Parameters
    ----------
    lowest : ndarray, shape (films,)
        Of the films that vary. [W m⁻² K⁻¹]
    stiffness : ndarray, shape (modes, modes)
        With the lowest films.
    films : ndarray, shape (films, modes, modes)
        Integral of each two modes over the face of each of these films.
    loads : ndarray, shape (loads, modes)
    shown : ndarray, shape (places, modes)
    still : ndarray, shape (modes,)
        A rise of 1 everywhere.
    estimate : float
        Largest difference from the solid that was found at films and rates between those that it was made from, over the
        largest response of any place there: a tested estimate, no bound. [-]

    Notes
    -----
    Modes are orthonormal in the heat capacity: it is the same matrix 1 at all films.
    """

    lowest: Floats
    stiffness: Floats
    films: Floats
    loads: Floats
    shown: Floats
    still: Floats
    estimate: float

    def at(self, films: Floats) -> Exponentials:
        """The model with some films, as exponentials. [W m⁻² K⁻¹]"""
        matrix = self.stiffness + np.tensordot(films - self.lowest, self.films, axes=1)
        rates, modes = scipy.linalg.eigh(0.5 * (matrix + matrix.T))
        return Exponentials(rates, self.loads @ modes, self.shown @ modes, self.still @ modes, modes)


@dataclass(frozen=True, eq=False)
class Exponentials:
    """Modes that decay each by itself.

    Parameters
    ----------
    rates : ndarray, shape (modes,)
        Ascending. [s⁻¹]
    loads : ndarray, shape (loads, modes)
    shown : ndarray, shape (places, modes)
    still : ndarray, shape (modes,)
        Amplitudes of a rise of 1 everywhere.
    modes : ndarray, shape (states, modes)
        Of the states that the model was projected on.
    """

    rates: Floats
    loads: Floats
    shown: Floats
    still: Floats
    modes: Floats

    def response(self, rate: float) -> Floats:
        """Laplace transform of the response of places to a pulse of each load, shape (loads, places)."""
        return np.asarray((self.loads / (self.rates + rate)) @ self.shown.T)

    def steady(self, loads: Floats) -> Floats:
        """Amplitudes of the steady state of some loads."""
        return np.asarray(loads @ self.loads / self.rates)

    def after(self, amplitudes: Floats, loads: Floats, duration: float) -> Floats:
        """Amplitudes after loads have stayed for a while. [s]"""
        drive = loads @ self.loads
        decay = np.expm1(-self.rates * duration)
        return np.asarray(amplitudes + decay * (amplitudes - drive / self.rates))
