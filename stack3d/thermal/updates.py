"""When corrections with the matrix of an older conductivity end."""

from __future__ import annotations

UPDATE_GAIN = 0.02
"""Reduction of the residual asked of the linear solver between two updates of k(T); an update gains about a factor 10."""
