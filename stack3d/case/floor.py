"""What a chip takes of the floor, and what share of chips is good."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping

import numpy as np

from stack3d.chances import SURE, share_of_chips
from stack3d.chip import Chip, ComputingChip
from stack3d.errors import ValidityWarning
from stack3d.layout import Floats
from stack3d.record import Record
from stack3d.schema import FabricationDeck
from stack3d.schema.base import CostDeck
from stack3d.schema.scenario import Scenario

AREA_PARTS = ("cells", "dac", "adc", "digital", "vias")
"""Of a tile with its periphery, in the order of the dataset."""
YIELD_PARTS = ("defects", "bonds", "cells", "all")
MADE = ("rram", "periphery", "logic")
"""Roles of layers that are made, and can be defective."""
DOUBLING = 0.5
"""Share of a converter's area that doubles with every bit, its array of capacitors; assumed. The rest stays."""


def areas(chip: ComputingChip) -> dict[str, float]:
    """Floor that all tiles take, by part; NaN where no deck says. [m²]

    Arrays are counted whole, with the cells that hold no weight and spare columns. A converter that is stated at other bits
    than those of `mvm` grows and shrinks by the half that doubles with every bit; that is within 20 % of the area of
    converters of 6 to 10 bits by successive approximation, as CiMLoop tabulates them from ISAAC. Vias are those of rows and
    converted columns, at every tier boundary that they cross.
    """
    computer = chip.computer
    design, deck = computer.design, computer.design.periphery.area
    spares = 0 if design.lifetime.spares is None else design.lifetime.spares.columns
    total = dict.fromkeys(AREA_PARTS, 0.0)
    for i, tile in enumerate(computer.tiles):
        device, matrix = computer.devices[tile.layer].device, computer.matrices[tile.layer]
        cell = device.cell_area or (device.cell_size or math.nan) ** 2
        room = (tile.n_cols - tile.reserved_columns) // tile.columns_per_weight * matrix.readouts
        total["cells"] += tile.n_rows * (tile.n_cols + spares) * cell
        if deck is None:
            continue
        bits = design.priced_bits
        fed = bits["dac_bits"] if matrix.reads == 1 else -(-(bits["dac_bits"] - 1) // matrix.reads)
        converters = -(-room // design.periphery.columns_per_adc)
        total["dac"] += tile.n_rows * _converter(deck.dac, design.periphery.dac.bits, fed)
        total["adc"] += converters * _converter(deck.adc, design.periphery.adc.bits, bits["adc_bits"])
        total["digital"] += deck.digital
        if computer.hops and computer.hops[i]:
            total["vias"] += computer.hops[i] * (tile.n_rows + room) * (deck.via_pitch or math.nan) ** 2
    return total if deck is not None else {"cells": total["cells"]} | dict.fromkeys(AREA_PARTS[1:], math.nan)


def _converter(area: float, given: int, wanted: int) -> float:
    return area * (1.0 - DOUBLING + DOUBLING * 2.0 ** (wanted - given))


def floors(chip: ComputingChip) -> Mapping[str, float]:
    """Floor of the layers of each role that is made. [m²]"""
    return {role: sum(layer.extent.area for layer in chip.stack.with_role(role)) for role in MADE}


def whole(fabrication: FabricationDeck, layers: Floats) -> tuple[float, float]:
    """Share of stacks without a defect, and of those whose bonds all hold.

    Parameters
    ----------
    fabrication : FabricationDeck
    layers : ndarray
        Area of each layer that is made. [m²]

    Notes
    -----
    A layer of area A has no defect of density D with a chance of (1 + A D / α)^-α, exp(-A D) where defects fall independently
    [1]_. No layer is tested before it is bonded.

    References
    ----------
    .. [1] C. H. Stapper, F. M. Armstrong, K. Saji, Integrated circuit yield statistics, Proc. IEEE 71, 453, 1983.
    """
    fatal, alpha = layers * fabrication.defects, fabrication.clustering
    log = -fatal.sum() if alpha is None else -alpha * np.log1p(fatal / alpha).sum()
    return float(np.exp(log)), float(fabrication.bond ** max(len(layers) - 1, 0))


def costs(scenario: Scenario) -> Mapping[str, CostDeck | None]:
    """Cost of each part, by its key; None where its deck states none."""
    cooling, device = scenario.cooling, scenario.device
    found = {cooling.keys[name]: condition.cost for name, condition in cooling.conditions.items()}
    found |= {f"hybrid[{i}].device": part.device.cost for i, part in enumerate(scenario.hybrid)}
    return found | {"geometry": scenario.geometry.cost, "device": None if device is None else device.cost}


def put_floor(chip: Chip, record: Record) -> None:
    """Put the cost that decks state, areas of a chip that computes, and where chips were read the share of good ones."""
    stated = [cost for cost in costs(chip.scenario).values() if cost is not None]
    if stated:
        record.put("power/cost", sum(cost.value for cost in stated))
    if not isinstance(chip, ComputingChip):
        return
    found, given = areas(chip), floors(chip)
    record.along("area_part", AREA_PARTS)
    record.put("power/area", [found[name] for name in AREA_PARTS])
    record.put("power/floor_area", sum(given.values()))
    _warn_of_room(found, given)
    fabrication = chip.scenario.fabrication
    if fabrication is None or "mvm/accuracy" not in record:
        return
    layers = np.array([layer.extent.area for role in MADE for layer in chip.stack.with_role(role)])
    defects, bonds = whole(fabrication, layers)
    fresh, ideal = np.atleast_2d(record["mvm/accuracy"])[0], float(record["mvm/accuracy_ideal"])
    room = fresh - (ideal - chip.computer.design.lifetime.accuracy_loss)
    changes = record["mvm/input_accuracy_ideal"] - np.atleast_2d(record["mvm/input_accuracy"])[0]
    ends = share_of_chips(room, changes, ideal - float(fresh.mean()), SURE)
    record.along("yield_part", YIELD_PARTS)
    record.put("reliability/fresh_room", room)
    for name, cells in (("", float(np.mean(room >= -1e-12))), ("_low", ends[0]), ("_high", ends[1])):
        record.put(f"reliability/yield{name}", [defects, bonds, cells, defects * bonds * cells])


def _warn_of_room(found: Mapping[str, float], given: Mapping[str, float]) -> None:
    """Warn where tiles or their periphery take more floor than there is."""
    around = given["periphery"] + given["logic"]
    kinds = {"arrays and vias": (("cells", "vias"), given["rram"]), "converters and logic": (("dac", "adc", "digital"), around)}
    for what, (parts, floor) in kinds.items():
        needed = sum(found[part] for part in parts if not math.isnan(found[part]))
        if 0 < floor < needed:
            text = f"{what} take {1e6 * needed:.3g} mm^2 of floor, and there are {1e6 * floor:.3g} mm^2"
            warnings.warn(ValidityWarning(f"{text}: the chip cannot be built so"), stacklevel=3)


def told(values: Mapping[str, object], parts: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Lines of the summary on area and yield, where the making of the chip is described."""
    if "reliability/yield" not in values:
        return []
    area = np.asarray(values["power/area"], float)
    total, floor = float(np.nansum(area)), float(np.asarray(values["power/floor_area"]))
    shares = ", ".join(f"{n} {100 * a / total:.0f} %" for n, a in zip(parts["area_part"], area) if a > 0.005 * total)
    *each, all_in_all = zip(parts["yield_part"], np.asarray(values["reliability/yield"], float).tolist())
    named = ", ".join(f"{name} {100 * share:.3g} %" for name, share in each)
    low, high = (100 * float(np.asarray(values[f"reliability/yield_{end}"], float)[-1]) for end in ("low", "high"))
    n, inputs = (np.asarray(values[name]).size for name in ("reliability/fresh_room", "mvm/input_accuracy_ideal"))
    chance = f"; {n} chip{'s' * (n > 1)} and {inputs} test inputs leave it between {low:.3g} and {high:.3g} %"
    return [
        f"area               {1e6 * total:.3g} mm^2 ({shares}) of {1e6 * floor:.3g} mm^2 of layers that are made",
        f"yield              {100 * all_in_all[1]:.3g} % ({named}{chance})",
    ]
