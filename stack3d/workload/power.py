"""Energy and power of tiles from conductances and activations; latency and throughput of the pipeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stack3d.errors import DeckError, Problem
from stack3d.layout import Floats, HeatSource, Rectangle, Stack
from stack3d.schema.workload import Periphery
from stack3d.tiles import Tile
from stack3d.workload.placement import Site

LEAKAGE_DOUBLING = 12.0
"""Temperature step that doubles leakage; assumed, typical of 28 to 65 nm CMOS. [K]"""


@dataclass(frozen=True, eq=False)
class TileActivity:
    """What one tile does for one inference.

    Parameters
    ----------
    tile : Tile
    products : float
        Analog products per inference.
    voltage_squared : ndarray, shape (rows used,)
        Mean square of the read voltage of each row. [V²]
    row_conductance : ndarray, shape (rows used,)
        Sum over the physical columns, mean over chips. [S]
    pulse : float
        Duration of one product. [s]
    conversions : int
        Converted columns per product: one per weight column, the pair is subtracted before conversion.
    """

    tile: Tile
    products: float
    voltage_squared: Floats
    row_conductance: Floats
    pulse: float
    conversions: int


def scaled_energy(energy: float, bits: int, wanted: int) -> float:
    """Energy of a converter at another resolution, doubling with each bit. [J].

    The scaling of successive-approximation and resistor-string converters whose noise is set by matching, as MNSIM-2.0
    uses it for digital-to-analog converters; pessimistic below about 6 bits.
    """
    return energy * 2.0 ** (wanted - bits)


def tile_energies(
    activities: Sequence[TileActivity], periphery: Periphery, *, dac_bits: int, adc_bits: int
) -> dict[str, Floats]:
    """Energy per inference of each tile by component, arrays of shape (tiles,). [J]."""
    array = [a.products * a.pulse * float(a.voltage_squared @ a.row_conductance) for a in activities]
    e_dac = scaled_energy(periphery.dac.energy, periphery.dac.bits, dac_bits)
    e_adc = scaled_energy(periphery.adc.energy, periphery.adc.bits, adc_bits)
    return {
        "array": np.array(array),
        "dac": np.array([a.products * a.tile.rows_used * e_dac for a in activities]),
        "adc": np.array([a.products * a.conversions * e_adc for a in activities]),
        "digital": np.array([a.products * a.conversions * periphery.digital for a in activities]),
    }


def product_latency(activity: TileActivity, periphery: Periphery) -> float:
    """Time of one product: the pulse, then the columns that share a converter one after the other. [s]."""
    return activity.pulse + min(activity.conversions, periphery.columns_per_adc) / periphery.adc_rate


@dataclass(frozen=True)
class Pipeline:
    """Timing of one inference.

    Parameters
    ----------
    latency : float
        Sum over layers. [s]
    highest_rate : float
        One over the slowest layer. [1/s]
    """

    latency: float
    highest_rate: float


def pipeline(activities: Sequence[TileActivity], periphery: Periphery, rate: float) -> Pipeline:
    """Latency and throughput of the layer pipeline; tiles of one layer work at the same time.

    Raises
    ------
    DeckError
        When `rate` asks for more than the slowest layer can do, with the achievable rate.
    """
    layers: dict[str, float] = {}
    for a in activities:
        layers[a.tile.layer] = max(layers.get(a.tile.layer, 0.0), a.products * product_latency(a, periphery))
    slowest = max(layers, key=lambda name: layers[name])
    highest = 1.0 / layers[slowest]
    if rate > highest * (1 + 1e-12):
        message = f"asks for {rate:.4g} inferences per second; layer {slowest!r} allows at most {highest:.4g} 1/s"
        raise DeckError(Problem("workload.rate", message))
    return Pipeline(sum(layers.values()), highest)


def periphery_layer(stack: Stack, tile_layer: str) -> str:
    """Where a tile's converters heat: the periphery of its tier, else the highest logic layer, else its own layer."""
    tier = stack.layer(tile_layer).tier
    same = [layer.name for layer in stack.with_role("periphery") if layer.tier == tier]
    logic = [layer.name for layer in stack.with_role("logic")]
    return (same or logic or [tile_layer])[-1]


def tile_sources(
    stack: Stack, places: Sequence[Site], energies: Mapping[str, Floats], rate: float, static: Floats | float = 0.0
) -> tuple[HeatSource, ...]:
    """Heat of the tiles: array power in the tile's own box, the rest below or beside it in the periphery.

    Parameters
    ----------
    stack : Stack
    places : sequence of (layer, Rectangle)
        Box of each tile.
    energies : mapping of str to ndarray, shape (tiles,)
        Energy per inference by component. [J]
    rate : float
        Inferences per second. [1/s]
    static : ndarray or float
        Leakage of each tile's periphery. [W]

    Returns
    -------
    tuple of HeatSource
        Their powers sum to ``rate * (sum of energies) + sum of static``. [W]
    """
    array = rate * energies["array"]
    rest = rate * np.sum([e for name, e in energies.items() if name != "array"], axis=0) + static
    sources = []
    for i, (layer, box) in enumerate(places):
        sources.append(HeatSource(f"tile{i}_array", layer, box, float(array[i])))
        sources.append(
            HeatSource(f"tile{i}_periphery", periphery_layer(stack, layer), _within(stack, layer, box), float(rest[i]))
        )
    return tuple(sources)


def _within(stack: Stack, layer: str, box: Rectangle) -> Rectangle:
    """The box cut to the extent of the periphery layer."""
    extent = stack.layer(periphery_layer(stack, layer)).extent
    return Rectangle(max(box.x0, extent.x0), min(box.x1, extent.x1), max(box.y0, extent.y0), min(box.y1, extent.y1))


def leakage(power: float, temperature: Floats) -> Floats:
    """Static power P0 2^((T - 300 K) / 12 K). [W]."""
    return np.asarray(power * 2.0 ** ((np.asarray(temperature) - 300.0) / LEAKAGE_DOUBLING))
