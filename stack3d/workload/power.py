"""Energy and power of tiles from conductances and activations; latency and throughput of the pipeline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stack3d.errors import DeckError, Problem
from stack3d.layout import Floats, HeatSource, Stack
from stack3d.schema.workload import ConventionalDeck, ConverterDeck, PeripheryDeck
from stack3d.tiles import Tile
from stack3d.workload.placement import Site

DYNAMIC = ("array", "driver", "dac", "adc", "digital", "link")
"""Components that go with the inference rate."""
DIGITAL = ("digital_layers", "activations")
"""Those of the logic that goes with the rate: layers that stay digital and corrections; products of two activations."""
STANDING = ("calibration", "write", "leakage")
"""Those that are drawn whether or not the chip computes."""
COMPONENTS = (*DYNAMIC, *DIGITAL, *STANDING, "explicit")
"""Every component of the chip's power, in the order of the dataset."""


@dataclass(frozen=True, eq=False)
class TileActivity:
    """What one tile does for one inference.

    Parameters
    ----------
    tile : Tile
    products : float
        Analog products per inference.
    voltage_squared : ndarray, shape (rows used,)
        Mean square of the read voltage of each row, summed over the reads of a product. [V²]
    row_conductance : ndarray, shape (rows used,)
        Sum over the physical columns, mean over chips. [S]
    pulse : float
        Duration of one read. [s]
    conversions : int
        Converted columns per read: the pair is subtracted before conversion, slices are not.
    reads : int
        Reads per product, one per digit of the inputs.
    layer : str
        Layer that the tile computes, without regard to copies; absent = that of the tile.
    hops : int
        Tier boundaries between the tile and the logic that sums and buffers.
    """

    tile: Tile
    products: float
    voltage_squared: Floats
    row_conductance: Floats
    pulse: float
    conversions: int
    reads: int = 1
    layer: str = ""
    hops: int = 0


STEPS: Mapping[str, Callable[[int], float]] = {
    "doubling": lambda bits: 2.0**bits,
    "serial": lambda bits: max(bits - 1, 1),
    "cycles": lambda bits: 2.0 ** max(bits - 1, 1) - 1.0,
    "search": lambda bits: bits,
    "constant": lambda bits: 1.0,
}
"""What the energy of a converter of so many bits, sign included, is proportional to."""
PULSED = ("serial", "cycles")
"""Those that take a step per magnitude bit; of a digit of sliced inputs, every bit is one."""


def converter_energy(converter: ConverterDeck | None, wanted: int) -> float:
    """Energy of a converter at `wanted` bits. [J]

    ``doubling`` is the scaling of successive-approximation and resistor-string converters whose noise is set by matching, as
    MNSIM-2.0 uses it for digital-to-analog converters; pessimistic below about 6 bits. The others count what NeuRRAM does
    [1]_: a word-line pulse per magnitude bit, sampled and integrated as many times as the bit is worth, and a binary search
    over the bits of the output.

    References
    ----------
    .. [1] W. Wan et al., Nature 608 (2022) 504, Fig. 3e and g. doi:10.1038/s41586-022-04992-8
    """
    if converter is None:
        return 0.0
    steps = STEPS[converter.scaling]
    return float(converter.fixed + converter.energy * steps(wanted) / steps(converter.bits))


def phases(bits: int, wanted: int, limit: int | None) -> tuple[tuple[int, int], ...]:
    """Input and output bits, signs included, of each phase of a read with inputs of `bits` and outputs of `wanted` bits.

    Inputs of more than `limit` bits are fed in two phases. What the lower half gives is worth less by its magnitude bits, and
    is converted to so many fewer bits.

    References
    ----------
    W. Wan et al., Nature 608 (2022) 504, Fig. 3f; the bits of the second conversion as in CiMLoop's model of NeuRRAM.
    """
    if limit is None or bits <= limit:
        return ((bits, wanted),)
    lower = bits // 2
    return (bits - lower, wanted), (lower + 1, max(wanted - lower, 1))


def tile_energies(
    activities: Sequence[TileActivity], periphery: PeripheryDeck, *, dac_bits: int, adc_bits: int
) -> dict[str, Floats]:
    """Energy per inference of each tile by component, arrays of shape (tiles,). [J]

    Parameters
    ----------
    activities : sequence of TileActivity
    periphery : PeripheryDeck
    dac_bits, adc_bits : int
        Resolution of the inputs and of one conversion, signs included.
    """
    products = np.array([a.products for a in activities])
    reads = np.array([a.reads for a in activities])
    rows = np.array([a.tile.rows_used for a in activities])
    columns = np.array([a.conversions for a in activities])

    def per_read(converter: ConverterDeck | None, which: int) -> Floats:
        """Energy of a read over its phases, at the bits of their inputs (0) or outputs (1)."""
        pulsed = converter is not None and converter.scaling in PULSED  # a digit of the magnitude and its sign
        digits = [dac_bits if a.reads == 1 else -(-(dac_bits - 1) // a.reads) + pulsed for a in activities]
        fed = [phases(bits, adc_bits, periphery.two_phases_above) for bits in digits]
        return np.array([sum(converter_energy(converter, phase[which]) for phase in read) for read in fed])

    joule = np.array([a.pulse * float(a.voltage_squared @ a.row_conductance) for a in activities])
    per_bit = np.array([periphery.link.bit + a.hops * periphery.link.tier if periphery.link else 0.0 for a in activities])
    return {
        "array": products * joule * (not periphery.array_included),
        "driver": products * reads * rows * per_read(periphery.driver, 0),
        "dac": products * reads * rows * per_read(periphery.dac, 0),
        "adc": products * reads * columns * (per_read(periphery.adc, 1) + per_read(periphery.integrator, 0)),
        "digital": products * reads * columns * periphery.digital,
        "link": products * (rows * dac_bits + reads * columns * adc_bits) * per_bit,
    }


def product_latency(activity: TileActivity, periphery: PeripheryDeck) -> float:
    """Time of one product: per read the pulse, then the columns that share a converter one after the other. [s]"""
    return activity.reads * (activity.pulse + min(activity.conversions, periphery.columns_per_adc) / periphery.adc_rate)


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


def layer_latencies(activities: Sequence[TileActivity], periphery: PeripheryDeck) -> dict[str, float]:
    """Time that each layer works on one inference; its tiles and copies work at the same time. [s]"""
    layers: dict[str, float] = {}
    for a in activities:
        name = a.layer or a.tile.layer
        layers[name] = max(layers.get(name, 0.0), a.products * product_latency(a, periphery))
    return layers


def pipeline(activities: Sequence[TileActivity], periphery: PeripheryDeck, rate: float, digital_macs: float = 0.0) -> Pipeline:
    """Latency and throughput of the layer pipeline; layers that stay digital keep up, products of two activations may not.

    Parameters
    ----------
    activities : sequence of TileActivity
    periphery : PeripheryDeck
    rate : float
        Inferences per second. [1/s]
    digital_macs : float
        Multiply-accumulates per inference of products of two activations. [-]

    Raises
    ------
    DeckError
        When `rate` asks for more than the slowest layer can do, with the achievable rate.
    """
    layers = layer_latencies(activities, periphery)
    if periphery.digital_mac_rate is not None and digital_macs > 0:
        layers["products of activations"] = digital_macs / periphery.digital_mac_rate
    slowest = max(layers, key=lambda name: layers[name])
    highest = 1.0 / layers[slowest]
    if rate > highest * (1 + 1e-12):
        message = (
            f"asks for {rate:.4g} inferences per second; layer {slowest!r} allows at most {highest:.4g} 1/s:"
            " lower the rate, or copy layers with workload.replicate"
        )
        raise DeckError(Problem("workload.rate", message))
    return Pipeline(sum(layers.values()), highest)


def copies_for_rate(activities: Sequence[TileActivity], periphery: PeripheryDeck, rate: float) -> dict[str, int]:
    """Fewest copies of each layer with which the pipeline reaches `rate`; never more than it has products."""
    most = {a.layer or a.tile.layer: max(1, round(a.products)) for a in activities}
    return {
        name: min(most[name], max(1, int(np.ceil(time * rate * (1 - 1e-12)))))
        for name, time in layer_latencies(activities, periphery).items()
    }


def heated_place(stack: Stack, site: Site, component: str, periphery: PeripheryDeck) -> Site:
    """Layer and box that a component of the tile on `site` heats.

    The array heats its own box. Anything else goes where the periphery deck puts it, else into the tier's periphery layer
    where there is one, else into the highest logic layer, that of its own part first, else into the tile's own box. A layer
    that does not reach under the whole tile is heated all over.

    Parameters
    ----------
    stack : Stack
    site : (layer, Rectangle)
    component : str
        As in `COMPONENTS`.
    periphery : PeripheryDeck
    """
    layer, box = site
    own = stack.layer(layer)
    same = [p.name for p in stack.with_role("periphery") if (p.part, p.tier) == (own.part, own.tier)]
    logic = [p.name for p in sorted(stack.with_role("logic"), key=lambda p: (p.part == own.part, p.z0))]
    wanted = "array" if component == "array" else periphery.places.get(component)  # type: ignore[call-overload]
    by_name = {"array": [layer], "periphery": same, "logic": logic, None: same or logic or [layer]}
    if not by_name[wanted]:
        message = f"{component} is to heat the {wanted} layer, and tier layer {layer!r} has none"
        raise DeckError(Problem("workload.periphery.places", message))
    target = by_name[wanted][-1]
    extent = stack.layer(target).extent
    return target, box if extent.contains(box) else extent


def tier_boundaries(stack: Stack, layer: str, other: str) -> int:
    """Boundaries between repeated tiers, and between them and what is not repeated, from one layer to another.

    From part to part the way leads down to what both stand on.
    """
    here, there = stack.layer(layer), stack.layer(other)
    if here.part != there.part:
        return sum(0 if one.tier is None else one.tier + 1 for one in (here, there))
    if here.tier == there.tier:
        return 0
    if here.tier is not None and there.tier is not None:
        return abs(here.tier - there.tier)
    tier, fixed = (here, there) if there.tier is None else (there, here)
    number = tier.tier or 0
    return number + 1 if fixed.z0 < tier.z0 else _tiers_of(stack, tier.part) - number


def _tiers_of(stack: Stack, part: str) -> int:
    return len({layer.tier for layer in stack.named if layer.part == part and layer.tier is not None})


def tile_sources(
    stack: Stack, places: Sequence[Site], powers: Mapping[str, Floats], periphery: PeripheryDeck
) -> tuple[HeatSource, ...]:
    """Heat of the tiles, each component in its place; components of a tile that share a place make one source.

    Parameters
    ----------
    stack : Stack
    places : sequence of (layer, Rectangle)
        Box of each tile.
    powers : mapping of str to ndarray, shape (tiles,)
        By component. [W]
    periphery : PeripheryDeck

    Returns
    -------
    tuple of HeatSource
        Their powers sum to those given. [W]
    """
    sources = []
    for i, site in enumerate(places):
        here: dict[Site, tuple[str, float]] = {}
        for component, values in powers.items():
            place = heated_place(stack, site, "array" if component == "write" else component, periphery)
            name, power = here.get(place, (component, 0.0))
            here[place] = (name, power + float(values[i]))
        sources += [HeatSource(f"tile{i}_{name}", layer, box, power) for (layer, box), (name, power) in here.items()]
    return tuple(sources)


def leakage(periphery: PeripheryDeck, temperature: Floats) -> Floats:
    """Static power of a tile's periphery, P0 2^((T - 300 K) / T2). [W]"""
    return np.asarray(periphery.leakage * 2.0 ** ((np.asarray(temperature) - 300.0) / periphery.leakage_doubling))


@dataclass(frozen=True)
class Machine:
    """One inference on a conventional machine.

    Parameters
    ----------
    energy : float
        Without leakage. [J]
    latency : float
        [s]
    leakage : float
        [W]
    """

    energy: float
    latency: float
    leakage: float


def sram_energy(machine: ConventionalDeck, size: float) -> float:
    """Energy of a bit from a memory of `size` bytes, between and beyond the sizes that are known along powers. [J]"""
    known = sorted(machine.sram, key=lambda memory: memory.size)
    if len(known) == 1:
        return known[0].bit
    x, y = np.log([m.size for m in known]), np.log([m.bit for m in known])
    k = int(np.clip(np.searchsorted(x, np.log(size)) - 1, 0, len(known) - 2))
    return float(np.exp(y[k] + (y[k + 1] - y[k]) * (np.log(size) - x[k]) / (x[k + 1] - x[k])))


def conventional(machine: ConventionalDeck, macs: float, weights: int) -> dict[str, Machine]:
    """One inference on a machine that moves every weight once per inference, its memory as large as the model.

    Parameters
    ----------
    machine : ConventionalDeck
    macs : float
        Multiply-accumulates of one inference.
    weights : int

    Returns
    -------
    dict
        ``dram`` and ``sram``: where the weights come from. Activations are not counted, in favour of the machine; arithmetic
        and memory work at the same time.
    """
    bits = weights * machine.weight_bits
    prices = {"dram": machine.dram_bit, "sram": sram_energy(machine, max(bits / 8, 1.0))}
    speeds = {"dram": machine.dram_bandwidth, "sram": machine.sram_bandwidth}
    leaks = {"dram": machine.dram_leakage, "sram": machine.sram_leakage}
    return {
        name: Machine(
            macs * machine.mac + bits * prices[name],
            max(macs / machine.mac_rate, bits / speeds[name]),
            machine.logic_leakage + bits * leaks[name],
        )
        for name in prices
    }
