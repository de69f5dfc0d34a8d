"""What the mesh of a compact model errs by along a trace: estimates of step responses, summed up; SI units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stack3d.layout import Floats

ROUNDING = 1e-6
"""Of a place among films."""


@dataclass(frozen=True, eq=False)
class MeshOverTime:
    r"""Estimated errors of responses by the mesh.

    Parameters
    ----------
    still : ndarray, shape (films, loads, places)
        Largest at any time after a load was switched on: 1 W of each source, then 1 W/m² into each face; from the lowest films
        to the highest, all of them together and evenly in logarithm. [K W⁻¹], [K m² W⁻¹]
    moving : ndarray, shape (films, loads, places)
        All that it ever changes by, first one way, then the other. [K W⁻¹], [K m² W⁻¹]

    Notes
    -----
    A response to p(t) is the integral of p(t - s) z'(s). While p stays within a half range r of its middle m, whatever it does
    there, the error e of the step response z adds no more than :math:`|m|\,\max|e| + r \int |e'|`.
    """

    still: Floats
    moving: Floats

    def along(self, loads: Floats, begun: Floats, even: Floats, shares: tuple[float, float]) -> Floats:
        """Estimated error of places at any time of a trace, shape (places,). [K]

        Parameters
        ----------
        loads : ndarray, shape (rows, loads)
            [W], [W m⁻²]
        begun : ndarray, shape (loads,)
            Those of the steady state that it begins in; none of a solid that is as warm as its ambient. [W], [W m⁻²]
        even : ndarray, shape (loads,)
            Those that hold the solid at the temperature it begins with beyond that state. [W], [W m⁻²]
        shares : (float, float)
            Where films lie in their ranges, 0 to 1 in logarithm, at least and at most: the worst about there counts.
        """
        intervals = len(self.still) - 1
        near = slice(int(np.floor(shares[0] * intervals + ROUNDING)), int(np.ceil(shares[1] * intervals - ROUNDING)) + 1)
        still, moving = self.still[near].max(axis=0), self.moving[near].max(axis=0)
        low, high = loads.min(axis=0), loads.max(axis=0)
        stays = np.abs(begun) + np.abs(0.5 * (low + high) - begun) + np.abs(even)
        return np.asarray(stays @ still + 0.5 * (high - low) @ moving)


def shares_of(films: Floats, lowest: Floats, highest: Floats) -> tuple[float, float]:
    """Where films, shape (rows, films), lie in their ranges, 0 to 1 in logarithm, at least and at most. [W m⁻² K⁻¹]"""
    width = np.log(highest / lowest)
    found = np.clip(np.log(films / lowest) / np.where(width > 0, width, 1.0), 0.0, 1.0)
    return float(found.min(initial=1.0)), float(found.max(initial=0.0))
