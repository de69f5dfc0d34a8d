"""Temperature over time without time steps: eigenmodes of a separable stack, and its periodic steady state; SI units."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from stack3d.errors import ArrayError, DeckError
from stack3d.layout import Floats
from stack3d.thermal.fields.on_grid import GridField
from stack3d.thermal.grid.modal_system import ModalSystem
from stack3d.thermal.grid.modes import modal_stiffness
from stack3d.thermal.time.schedule import PowerSchedule
from stack3d.thermal.time.system import StepWatch, TransientResult, ascending

MOST_ENTRIES = 250_000_000
"""Eigenvector entries allowed: 2 GB."""
CHUNK = 4096
"""Lateral modes whose small matrices are held at once."""


class ExactTransient:
    """All eigenmodes of a separable stack; powers that are constant between changes are integrated exactly.

    Parameters
    ----------
    system : ModalSystem

    Raises
    ------
    DeckError
        Where the eigenvectors would not fit: unknowns times planes in z above `MOST_ENTRIES`.
    """

    def __init__(self, system: ModalSystem) -> None:
        from scipy.linalg import cholesky, solve_triangular

        started = time.perf_counter()
        self.system = system
        n, my, mx = system.shape
        if n * n * my * mx > MOST_ENTRIES:
            raise DeckError(
                f"exact transient: {n * my * mx} unknowns with {n} planes along z need {n * n * my * mx} eigenvector entries,"
                f" at most {MOST_ENTRIES}; use time steps, or a coarser grid"
            )
        diagonal, off = (a.reshape(a.shape[0], my * mx).T for a in modal_stiffness(system.layers, system.inverse))
        mass = system.mass(np.eye(n)[:, :, None])[:, :, 0]
        inverse = solve_triangular(cholesky(mass, lower=True), np.eye(n), lower=True)
        self.rates = np.empty((my * mx, n))
        self._vectors = np.empty((my * mx, n, n))
        i = np.arange(n - 1)
        for start in range(0, my * mx, CHUNK):
            part = slice(start, start + CHUNK)
            matrix = diagonal[part, :, None] * inverse.T
            matrix[:, :-1] += off[part, :, None] * inverse.T[1:]
            matrix[:, 1:] += off[part, :, None] * inverse.T[i]
            self.rates[part], vectors = np.linalg.eigh(inverse @ matrix)
            self._vectors[part] = inverse.T @ vectors
        self._seen = [np.einsum("k,mkq->mq", g.z, self._vectors[:, g.nodes]) for g in system.observed]
        self.seconds_setup = time.perf_counter() - started

    def _amplitudes(self, weighted: Floats) -> Floats:
        """Amplitudes of a load, or of M u, shape (n, my, mx) to (my mx, n)."""
        flat = weighted.reshape(weighted.shape[0], -1).T
        return np.asarray(np.matmul(flat[:, None, :], self._vectors)[:, 0])

    def _observe(self, amplitudes: Floats) -> Floats:
        system = self.system
        out = np.empty(sum(g.members.size for g in system.observed))
        for group, seen in zip(system.observed, self._seen, strict=True):
            plane = np.einsum("mq,mq->m", seen, amplitudes).reshape(system.shape[1:])
            out[group.members] = np.einsum("pi,pi->p", group.y @ plane, group.x)
        return system.unpowered_places + out

    def _after(self, amplitudes: Floats, drive: Floats, duration: float) -> Floats:
        decay = np.expm1(-self.rates * duration)
        return np.asarray(amplitudes + decay * (amplitudes - drive / self.rates))

    def integrate(self, schedule: PowerSchedule, times: Sequence[float], *, initial: float | GridField) -> TransientResult:
        """Temperature of the places at ascending `times`, from a temperature at 0. [s], [K]"""
        state = self.system.start(initial)
        return self._march(schedule, times, self._amplitudes(self.system.mass(state)))

    def periodic(self, schedule: PowerSchedule, times: Sequence[float], watch: StepWatch | None = None) -> TransientResult:
        """Temperature within one period, after infinitely many.

        Parameters
        ----------
        schedule : PowerSchedule
            With a period.
        times : sequence of float
            Ascending, within the period. [s]
        watch : callable, optional
            Told of each of them, and of the state there.
        """
        if schedule.period is None or times[-1] > schedule.period:
            raise ArrayError("times: a periodic steady state wants a schedule with a period, and times within it")
        first = np.zeros_like(self.rates)
        for begin, end, powers in schedule.intervals(schedule.period):
            first = self._after(first, self._amplitudes(self.system.load(powers)), end - begin)
        # What one period adds, summed over all earlier ones.
        first /= -np.expm1(-self.rates * schedule.period)
        return self._march(schedule, times, first, watch)

    def _state(self, amplitudes: Floats) -> Floats:
        n, my, mx = self.system.shape
        return np.ascontiguousarray(np.matmul(self._vectors, amplitudes[:, :, None])[:, :, 0].T.reshape(n, my, mx))

    def _march(
        self, schedule: PowerSchedule, times: Sequence[float], amplitudes: Floats, watch: StepWatch | None = None
    ) -> TransientResult:
        started = time.perf_counter()
        asked = ascending(times)
        values = [self._observe(amplitudes)] if asked[0] == 0 else []
        if asked[0] == 0 and watch is not None:
            watch(0.0, self._state(amplitudes))
        for begin, end, powers in schedule.intervals(float(asked[-1])):
            drive = self._amplitudes(self.system.load(powers))
            for at in asked[(asked > begin) & (asked <= end)]:
                now = self._after(amplitudes, drive, at - begin)
                values.append(self._observe(now))
                if watch is not None:
                    watch(float(at), self._state(now))
            amplitudes = self._after(amplitudes, drive, end - begin)
        state = self._state(amplitudes)
        statistics = {
            **self.system.statistics,
            "scheme": "exact in time",
            "seconds": {"setup": self.seconds_setup, "march": time.perf_counter() - started},
        }
        return TransientResult(asked, np.array(values), state, self.system.field(state), statistics)
