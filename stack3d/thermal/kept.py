"""Solvers of steps kept by rate of change, the least used let go first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

MOST = 1e9
"""What is kept takes at most, beyond the `FEWEST`. [byte]"""
FEWEST = 4
"""So many stay, however large: the steps between two switches take turns with them."""
RATES = 12
"""Lengths of steps that a march between two switches climbs through."""
PER_UNKNOWN = 50.0
"""Of a preconditioner by layers or multigrid, which has some six arrays of the nodes. [byte]"""
PER_ENTRY = 12.0
"""Of a sparse factor. [byte]"""


def alike(rate: float) -> float:
    """A rate to six digits: steps whose lengths differ by rounding share a preconditioner. [s⁻¹]"""
    return float(f"{rate:.6g}")


def memory_in_time(each: float) -> float:
    """Of what a march keeps, where each of its solvers takes so much. [byte]"""
    return max(FEWEST * each, min(RATES * each, MOST))


class KeptByRate[T]:
    """What was made for a rate of change.

    Parameters
    ----------
    size : callable
        Memory of one of them; holds nothing that holds this, or the memory is not given back at once. [byte]
    """

    def __init__(self, size: Callable[[T], float]) -> None:
        self._size, self._kept = size, OrderedDict[float, T]()
        self._bytes: dict[float, float] = {}
        self.made = 0

    def at(self, rate: float, make: Callable[[], T]) -> T:
        """That of a rate [s⁻¹], made if it is not there."""
        if rate not in self._kept:
            self._kept[rate] = made = make()
            self._bytes[rate] = self._size(made)
            self.made += 1
            while len(self._kept) > FEWEST and sum(self._bytes.values()) > MOST:
                oldest, _ = self._kept.popitem(last=False)
                del self._bytes[oldest]
        self._kept.move_to_end(rate)
        return self._kept[rate]
