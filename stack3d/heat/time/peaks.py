"""The hottest instants of a run over time: each layer's largest temperature over all instants solved, not outputs alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from stack3d.layout import Floats
from stack3d.record import Record
from stack3d.thermal import Exact, Field, PowerSchedule

SAMPLED, CLOSER = 256, 16
"""Instants of a period that is solved without steps, over all of its intervals; and more about each inner maximum."""
NEARLY = 0.25
"""Share of what a layer's maximum moves by over time within which one of its maxima is nearly as high as the peak."""
BESIDE = 2
"""Instants before and after a maximum: those of the parabola through it, and one more."""
SAME = 1e-9
"""Share of a time within which it is that of a change of power."""


class HighestSeen:
    """Watches a march: the largest temperature of every layer at the instants it is shown, and between three of them.

    Between instants a maximum goes by the parabola through three, but for one where the power changes, which is an edge.

    Parameters
    ----------
    layers : sequence of str
    field_of : callable
        State of the system → temperature.
    changes : ndarray
        Instants, ascending, at which the power changes. [s]
    within : sequence of (float, float), optional
        Spells of time outside of which nothing is looked at; all of it by default. [s]
    """

    def __init__(
        self,
        layers: Sequence[str],
        field_of: Callable[[Floats], Field],
        changes: Floats,
        within: Sequence[tuple[float, float]] = (),
    ) -> None:
        self.layers, self._field_of, self._changes = tuple(layers), field_of, changes
        self._within = [(begin * (1 - SAME), end * (1 + SAME)) for begin, end in within]
        self._seen: list[tuple[float, Floats]] = []
        self.values = np.full(len(self.layers), -np.inf)
        self.times = np.full(len(self.layers), np.nan)
        self.spans: list[tuple[float, float]] = [(0.0, 0.0)] * len(self.layers)
        """Instants beside the inner maximum of each layer, equal where it has none. [s]"""
        self._fields: list[Field | None] = [None] * len(self.layers)
        self._last: list[tuple[float, Floats, Field, Floats]] = []
        self.hottest: tuple[float, Floats] = (0.0, np.empty(0))
        """Time [s] and state at which the stack was hottest, of those that were shown."""
        self._most, self.until = -np.inf, 0.0

    def see(self, time: float, state: Floats) -> None:
        """Take the state at an instant [s]; instants ascend."""
        if self._last and time <= self._last[-1][0] * (1 + SAME):
            return
        self.until = max(self.until, time)
        if self._within and not any(begin <= time <= end for begin, end in self._within):
            self.restart()
            return
        field = self._field_of(state)
        now = np.array([field.layer_max(name) for name in self.layers])
        self._seen.append((time, now))
        if now.max() > self._most:
            self._most, self.hottest = float(now.max()), (time, state)
        for i in (now > self.values).nonzero()[0]:
            self.values[i], self.times[i], self._fields[i], self.spans[i] = now[i], time, field, (time, time)
        self._last = [*self._last[-2:], (time, now, field, state)]
        if len(self._last) == 3 and not self._is_change(self._last[1][0]):
            self._between()

    def _is_change(self, time: float) -> bool:
        at = int(np.searchsorted(self._changes, time * (1 - SAME)))
        return at < self._changes.size and bool(self._changes[at] <= time * (1 + SAME))

    def _between(self) -> None:
        """Maxima inside the last three instants."""
        (t0, a, _, _), (t1, b, field, _), (t2, c, _, _) = self._last
        for i in ((b >= a) & (b > c) & (b >= self.values)).nonzero()[0]:
            rise, fall = (b[i] - a[i]) / (t1 - t0), (c[i] - b[i]) / (t2 - t1)
            bend = (fall - rise) / (t2 - t0)
            slope = rise + bend * (t1 - t0)  # at the middle one
            shift = -slope / (2 * bend)
            self.values[i], self.times[i] = b[i] + 0.5 * slope * shift, t1 + shift
            self._fields[i], self.spans[i] = field, (t0, t2)

    def around(self) -> tuple[tuple[float, float], ...]:
        """Spells of time about the peaks of every layer, and about its other maxima that are `NEARLY` as high. [s]

        Another mesh may be hottest at another one of them.
        """
        times, tops = np.array([time for time, _ in self._seen]), np.array([now for _, now in self._seen])
        beyond = np.full_like(tops[:1], -np.inf)
        is_top = (tops > np.concatenate([beyond, tops[:-1]])) & (tops >= np.concatenate([tops[1:], beyond]))
        is_top &= tops >= tops.max(axis=0) - NEARLY * np.ptp(tops, axis=0)
        at = np.flatnonzero(is_top.any(axis=1))
        before, after = times[np.maximum(at - BESIDE, 0)], times[np.minimum(at + BESIDE, times.size - 1)]
        return tuple(zip(before.tolist(), after.tolist()))

    def restart(self) -> None:
        """Forget the instants seen last: those to come lie elsewhere."""
        self._last = []

    def put(self, tiers: Sequence[str], record: Record) -> None:
        """Put the peaks of layers, of the layers of `tiers` and of the stack, with their times and places, in the `record`."""
        found = [(name, field) for name, field in zip(self.layers, self._fields) if field is not None]
        spots = np.array([field.layer_peak(name)[1] for name, field in found])
        hottest = int(np.argmax(self.values))
        record.put("thermal/layer_temperature_peak", self.values)
        record.put("thermal/layer_peak_time", self.times)
        record.put("thermal/layer_peak_spot", spots)
        record.put("thermal/layer_peak_overshoot", [field.overshoot(name) for name, field in found])
        record.put("thermal/layer_peak_between_nodes", [field.between_nodes(name) for name, field in found])
        record.put("thermal/layer_peak_between_levels", [field.between_levels(name) for name, field in found])
        if tiers:
            record.put("thermal/temperature_peak", [self.values[self.layers.index(name)] for name in tiers])
        record.put("thermal/peak_temperature", self.values[hottest])
        record.put("thermal/peak_time", self.times[hottest])
        record.put("thermal/peak_spot", spots[hottest])


def see_period(peaks: HighestSeen, exact: Exact, schedule: PowerSchedule) -> None:
    """Show `peaks` a whole period that is solved without steps, then more instants about each maximum inside an interval."""
    lengths = np.diff([*schedule.times, schedule.repeat])
    count = int(np.clip(SAMPLED // lengths.size, 1, CLOSER))
    spaced = schedule.times[:, None] + lengths[:, None] * np.linspace(0.0, 1.0, count + 1)[:-1] ** 2
    exact.periodic(schedule, [*spaced.ravel().tolist(), schedule.repeat], peaks.see)
    for begin, end in dict.fromkeys(span for span in peaks.spans if span[0] < span[1]):
        peaks.restart()
        exact.periodic(schedule, np.linspace(begin, end, CLOSER + 1).tolist(), peaks.see)
