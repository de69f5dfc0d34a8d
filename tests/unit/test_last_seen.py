"""What a read saw last is asked for once, and only where cells, chips and temperatures are the same."""

import gc
import weakref
from typing import Any

import numpy as np
import pytest

from stack3d.life.chips.population import LastSeen

FIELD = np.full((3, 1, 1), 300.0)


class Cells:
    """Stands for a population: conducts what the mean temperature says, and counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def conductances(self, computer: object, field: np.ndarray) -> dict[str, Any]:
        self.asked += 1
        return {"layer": np.full(4, field.mean())}


class Chips:
    """Stands for a computer."""


def test_the_same_cells_at_the_same_temperatures_are_asked_once() -> None:
    seen, cells, chips = LastSeen(), Cells(), Chips()
    first = seen.of(cells, chips, FIELD)
    first["layer of a reader"] = np.ones(1)  # a reader may change its own mapping
    again = seen.of(cells, chips, FIELD.copy())
    assert cells.asked == 1
    assert set(again) == {"layer"}
    np.testing.assert_array_equal(again["layer"], 300.0)


def test_another_temperature_computer_or_population_is_asked_anew() -> None:
    seen, cells, chips = LastSeen(), Cells(), Chips()
    field = FIELD.copy()
    seen.of(cells, chips, field)
    field += 10.0  # in place: what was kept is of the old values
    np.testing.assert_array_equal(seen.of(cells, chips, field)["layer"], 310.0)
    seen.of(cells, Chips(), field)
    assert cells.asked == 3
    others = Cells()
    seen.of(others, chips, field)
    assert others.asked == 1


def test_nobody_writes_into_what_others_read() -> None:
    seen, cells = LastSeen(), Cells()
    with pytest.raises(ValueError, match="read-only"):
        seen.of(cells, Chips(), FIELD)["layer"] += 1.0


def test_cells_that_nobody_holds_are_not_held_either() -> None:
    seen, cells = LastSeen(), Cells()
    seen.of(cells, Chips(), FIELD)
    watched = weakref.ref(cells)
    del cells
    gc.collect()
    assert watched() is None
