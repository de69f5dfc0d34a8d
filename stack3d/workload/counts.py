"""What a chip does for one inference, counted, and what it costs by the prices of the periphery deck."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stack3d.schema.workload import ConverterDeck, PeripheryDeck
from stack3d.workload.power import PULSED, TileActivity, converter_energy, phases


@dataclass(frozen=True)
class Counts:
    """What all tiles together do for one inference.

    Parameters
    ----------
    charge : float
        Energy of the current through the cells, over all reads. [J]
    driven : dict of int to float
        Driven rows by the bits of their inputs.
    converted : dict of (int, int) to float
        Converted columns by the bits of inputs and outputs.
    sums : float
        Columns that are shifted, added and buffered.
    bits : float
        Moved between tiles and logic.
    crossings : float
        Bits times tier boundaries.
    """

    charge: float
    driven: dict[int, float]
    converted: dict[tuple[int, int], float]
    sums: float
    bits: float
    crossings: float


def counted(
    activities: Sequence[TileActivity], periphery: PeripheryDeck, *, dac_bits: int, adc_bits: int, pulsed: bool
) -> Counts:
    """Count the work of the tiles for one inference.

    Parameters
    ----------
    activities : sequence of TileActivity
    periphery : PeripheryDeck
    dac_bits, adc_bits : int
    pulsed : bool
        Whether rows or columns of sliced inputs have a sign of their own.
    """
    charge = sums = bits = crossings = 0.0
    driven: dict[int, float] = {}
    converted: dict[tuple[int, int], float] = {}
    for a in activities:
        digit = dac_bits if a.reads == 1 else -(-(dac_bits - 1) // a.reads) + pulsed
        reads = a.products * a.reads
        for inputs, outputs in phases(digit, adc_bits, periphery.two_phases_above):
            driven[inputs] = driven.get(inputs, 0.0) + reads * a.tile.rows_used
            converted[inputs, outputs] = converted.get((inputs, outputs), 0.0) + reads * a.conversions
        charge += a.products * a.pulse * float(np.sum(a.voltage_squared * a.row_conductance))
        sums += reads * a.conversions
        moved = a.products * a.tile.rows_used * dac_bits + reads * a.conversions * adc_bits
        bits, crossings = bits + moved, crossings + moved * a.hops
    return Counts(charge, driven, converted, sums, bits, crossings)


def verify_energy(charge: float, periphery: PeripheryDeck, *, dac_bits: int, adc_bits: int) -> float:
    """Energy of the read of one cell: its current, a driven row and a converted column. [J]

    Parameters
    ----------
    charge : float
        Energy of the current through the cell. [J]
    periphery : PeripheryDeck
    dac_bits, adc_bits : int
        Resolution of the input and of the conversion, signs included.
    """
    cell = 0.0 if periphery.array_included else charge
    driven = converter_energy(periphery.driver, dac_bits) + converter_energy(periphery.dac, dac_bits)
    return cell + driven + converter_energy(periphery.adc, adc_bits) + converter_energy(periphery.integrator, dac_bits)


def priced(activities: Sequence[TileActivity], periphery: PeripheryDeck, *, dac_bits: int, adc_bits: int) -> dict[str, float]:
    """Energy of one inference by component: counts times prices, apart from the powers that heat the tiles. [J]

    Parameters
    ----------
    activities : sequence of TileActivity
    periphery : PeripheryDeck
    dac_bits, adc_bits : int
        Resolution of the inputs and of one conversion, signs included.
    """

    def of(converter: ConverterDeck | None) -> Counts:
        pulsed = converter is not None and converter.scaling in PULSED
        return counted(activities, periphery, dac_bits=dac_bits, adc_bits=adc_bits, pulsed=pulsed)

    def rows(converter: ConverterDeck | None) -> float:
        return sum(n * converter_energy(converter, bits) for bits, n in of(converter).driven.items())

    def columns(converter: ConverterDeck | None, which: int) -> float:
        return sum(n * converter_energy(converter, bits[which]) for bits, n in of(converter).converted.items())

    work = of(None)
    link = periphery.link
    return {
        "array": 0.0 if periphery.array_included else work.charge,
        "driver": rows(periphery.driver),
        "dac": rows(periphery.dac),
        "adc": columns(periphery.adc, 1) + columns(periphery.integrator, 0),
        "digital": work.sums * periphery.digital,
        "link": work.bits * link.bit + work.crossings * link.tier if link else 0.0,
    }
