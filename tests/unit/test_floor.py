"""Area of tiles by hand, yield of layers and bonds in closed form, and what is told of them."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

from stack3d import decks, fields
from stack3d.case.floor import AREA_PARTS, areas, put_floor, whole
from stack3d.chip import ComputingChip
from stack3d.errors import ValidityWarning
from stack3d.heat.placing import placed_chip
from stack3d.record import Record
from stack3d.schema import FabricationDeck

UM2 = 1e-12


def chip(**settings: object) -> ComputingChip:
    found = placed_chip(decks.load("quickstart", [(key.replace("__", "."), value) for key, value in settings.items()]).scenario)
    assert isinstance(found, ComputingChip)
    return found


def test_areas_by_hand() -> None:
    """Cells times pitch squared, converters by the columns that share one, a row driver per row; bits double half of it."""
    one = chip(workload__placement="bottom_up", mvm__adc_bits=8)
    found, computer = areas(one), one.computer
    tiles, design = computer.tiles, computer.design
    cells = sum(t.n_rows * t.n_cols for t in tiles) * (40e-9) ** 2
    assert found["cells"] == pytest.approx(cells) and design.mvm.adc_bits == 8 and design.periphery.columns_per_adc == 8
    room = [(t.n_cols - t.reserved_columns) // t.columns_per_weight * computer.matrices[t.layer].readouts for t in tiles]
    assert found["adc"] == pytest.approx(sum(math.ceil(r / 8) for r in room) * 1200 * UM2)
    assert found["digital"] == pytest.approx(len(tiles) * 2220 * UM2)
    crossed = sum(h * (t.n_rows + r) for h, t, r in zip(computer.hops, tiles, room))
    assert crossed > 0 and found["vias"] == pytest.approx(crossed * UM2)
    finer = areas(chip(workload__placement="bottom_up", mvm__adc_bits=10))
    assert finer["adc"] / found["adc"] == pytest.approx(0.5 + 0.5 * 4) and finer["cells"] == found["cells"]
    spare = areas(chip(workload__placement="bottom_up", mvm__adc_bits=8, lifetime__spares={"columns": 4}))
    assert spare["cells"] / found["cells"] == pytest.approx((tiles[0].n_cols + 4) / tiles[0].n_cols)
    larger = areas(chip(workload__placement="bottom_up", device__cell_area="0.01 um^2"))
    assert larger["cells"] / cells == pytest.approx(0.01e-12 / (40e-9) ** 2)


def test_decks_that_say_nothing_give_no_area() -> None:
    found = areas(chip(workload__periphery="neurram", mvm={"dac_bits": 4, "adc_bits": 6}))
    assert found["cells"] > 0 and all(math.isnan(found[part]) for part in AREA_PARTS[1:])


@pytest.mark.parametrize(("alpha", "expected"), [(None, math.exp(-0.5 - 0.25)), (2.0, 1.25**-2 * 1.125**-2)])
def test_yield_in_closed_form(alpha: float | None, expected: float) -> None:
    """Two layers of 100 and 50 mm² at half a defect per cm²; one bond between them."""
    deck = FabricationDeck(defects="0.5 1/cm^2", clustering=alpha, bond="98 %")
    defects, bonds = whole(deck, np.array([100e-6, 50e-6]))
    assert defects == pytest.approx(expected) and bonds == pytest.approx(0.98)
    assert whole(FabricationDeck(), np.array([1.0, 2.0])) == (1.0, 1.0)


def test_chips_below_the_loss_asked_for_are_no_good() -> None:
    """Of four chips one is two points below float, where one point is allowed; without `fabrication` no yield is given."""
    one, record = chip(fabrication={"bond": "99 %"}), Record()
    record.along("time", [1.0, 2.0])
    record.along("sample", range(4))
    record.put("mvm/accuracy", np.array([[0.97, 0.96, 0.97, 0.95], [0.0] * 4]))
    record.put("mvm/accuracy_ideal", 0.97)
    record.along("test_input", range(100))
    record.put("mvm/input_accuracy_ideal", np.arange(100) < 97)
    record.put(
        "mvm/input_accuracy", [np.where(np.arange(100) < 96, 1.0, np.arange(100) == 96) - 0.5 * (np.arange(100) == 0)] * 2
    )
    put_floor(one, record)
    assert record["reliability/fresh_room"].tolist() == pytest.approx([0.01, 0.0, 0.01, -0.01])
    low, high = (record[f"reliability/yield_{end}"][2] for end in ("low", "high"))
    assert (low, high) == (0.0, 1.0)  # a point of accuracy is one of a hundred inputs: no chip is surely good, or bad
    layers = sum(len(one.stack.with_role(role)) for role in ("rram", "periphery", "logic"))
    assert record["reliability/yield"].tolist() == pytest.approx([1.0, 0.99 ** (layers - 1), 0.75, 0.75 * 0.99 ** (layers - 1)])
    other = Record()
    put_floor(chip(), other)
    assert "reliability/yield" not in other and float(other["power/floor_area"]) == pytest.approx(
        sum(layer.extent.area for role in ("rram", "periphery", "logic") for layer in one.stack.with_role(role))
    )
    assert {"power/area", "power/floor_area", "reliability/yield"} <= set(fields.FIELDS)


def test_what_does_not_fit_is_told() -> None:
    large = {"adc": "1 cm^2", "dac": "1 um^2", "digital": "1 um^2", "assumed": "far too large"}
    with pytest.warns(ValidityWarning, match=r"converters and logic take \d+\S* mm\^2 of floor, and there are \S+ mm\^2"):
        put_floor(chip(workload__periphery__area=large), Record())
    with warnings.catch_warnings():
        warnings.simplefilter("error", ValidityWarning)
        put_floor(chip(), Record())
