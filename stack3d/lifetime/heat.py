"""Temperature of the chip for its present power, leakage included."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stack3d.errors import RangeError, SolverError, ThermalRunawayError, ValidityWarning
from stack3d.geometry.grid import build_grid
from stack3d.layout import Floats, Grid, HeatSource, Rectangle
from stack3d.lifetime.computer import Chip, energies_of
from stack3d.lifetime.faces import surfaces_of
from stack3d.thermal.problem import ThermalBackend, ThermalSolution
from stack3d.thermal.schedule import PowerSchedule
from stack3d.workload import power
from stack3d.workload.trace import joined

LEAKAGE_TOLERANCE = 1e-3
"""Change of the hottest tile between two leakage iterations at which they end. [K]"""
LEAKAGE_ITERATIONS = 60
TILE_CONTRAST = 0.01
"""Tiles whose power over the root of their area is below this share of the strongest source get no lines of their own."""
RUNAWAY_TEMPERATURE = 1000.0
"""No stack survives this; leakage that gets here runs away. [K]"""


def sources_as_programmed(chip: Chip) -> tuple[HeatSource, ...]:
    """Explicit heat and that of tiles with every cell at its target, at the mean rate, without leakage."""
    if chip.computer is None:
        return chip.sources
    targets = {name: m.target_conductances()[None] for name, m in chip.computer.matrices.items()}
    return heat_sources(chip, dynamic_powers(chip, targets, chip.mean_rate), chip.mean_rate)


def standing_out(chip: Chip) -> list[HeatSource]:
    """Sources that a mesh has to follow: explicit ones, and tiles whose heat stands out beside them."""
    everything = sources_as_programmed(chip)
    strongest = max((_contrast(s) for s in everything), default=0.0)
    return [s for i, s in enumerate(everything) if i < len(chip.sources) or _contrast(s) > TILE_CONTRAST * strongest]


def make_grid(chip: Chip) -> Grid:
    """Grid of a chip, with lines on sources that stand out."""
    points = [(p.x, p.y) for p in chip.scenario.probes]
    patches = [box for surface in surfaces_of(chip.scenario.cooling, chip.stack) for box in surface.extents]
    return build_grid(chip.stack, standing_out(chip), chip.scenario.solver.mesh, points, patches)


def _contrast(source: HeatSource) -> float:
    """Power over the square root of the area, which the local rise of a small source follows. [W/m]"""
    return abs(source.power) / float(np.sqrt(source.extent.area))


def dynamic_powers(chip: Chip, conductances: Mapping[str, Floats], rate: float) -> dict[str, Floats]:
    """Power of each tile by component that goes with the rate [1/s], shape (tiles,). [W]"""
    assert chip.computer is not None
    return {name: rate * energy for name, energy in energies_of(chip.computer, chip.scenario, conductances).items()}


def digital_energy(chip: Chip) -> float:
    """Energy per inference of the layers that stay digital, and of the corrections at read-out. [J]"""
    work = chip.scenario.workload
    if chip.computer is None or work is None:
        return 0.0
    return (chip.computer.digital_macs + correction_macs(chip)) * work.periphery.digital_mac


def correction_macs(chip: Chip) -> float:
    """Multiply-adds per inference of ``lifetime.compensation``.

    One per output of a layer, or of each of its arrays where those have factors of their own; with `input_sums` one more per
    output, and one per input for the sum. The reads that calibrate are those of `calibration_energy`.
    """
    fix = chip.scenario.lifetime.compensation if chip.scenario.lifetime is not None else None
    if fix is None or chip.computer is None:
        return 0.0
    total = 0.0
    for name, matrix in chip.computer.matrices.items():
        of_arrays = fix.drift == "tile" or fix.temperature_gain
        per_output = len(matrix.row_blocks) * of_arrays + (fix.drift == "layer" or fix.columns) + fix.input_sums
        total += chip.computer.products[name] * (per_output * matrix.n_outputs + fix.input_sums * matrix.n_inputs)
    return total


def calibration_energy(chip: Chip, powers: Mapping[str, Floats], rate: float) -> float:
    """Energy of the reads of one calibration for ``lifetime.compensation``; none of a chip that computes nothing. [J]

    Gains of layers read one-hot inputs, those of arrays their reference columns once; columns and converter ranges take the
    calibration inputs through the whole network each. The heat of these reads is left out: they are few.

    Parameters
    ----------
    chip : Chip
    powers : mapping of str to ndarray, shape (tiles,)
        By component. [W]
    rate : float
        Inferences per second of these powers. [1/s]
    """
    fix = chip.scenario.lifetime.compensation if chip.scenario.lifetime is not None else None
    if fix is None or chip.computer is None or not rate:
        return 0.0
    computer = chip.computer
    inference = np.sum([powers[name] for name in power.DYNAMIC], axis=0) / rate
    total = len(computer.data.profile) * (fix.columns + fix.recalibrate) * float(inference.sum())
    for name, matrix in computer.matrices.items():
        product = sum(float(inference[i]) for i, _ in computer.tiles_of(name)) / computer.products[name]
        total += product * {"none": 0, "tile": 1, "layer": matrix.n_inputs}[fix.drift]
    return total


def heat_sources(chip: Chip, powers: Mapping[str, Floats], rate: float) -> tuple[HeatSource, ...]:
    """Explicit sources, then tiles by component [W], then digital layers on the logic die (else the lowest tier)."""
    computer, work = chip.computer, chip.scenario.workload
    assert computer is not None and work is not None
    home = (chip.stack.with_role("logic") or chip.stack.with_role("rram")[:1])[-1]
    digital = rate * digital_energy(chip)
    host = (HeatSource("digital_layers", home.name, home.extent, digital),) if digital else ()
    return (*chip.sources, *power.tile_sources(chip.stack, computer.places, powers, work.periphery), *host)


@dataclass(frozen=True, eq=False)
class Heat:
    """One thermal state of the chip.

    Parameters
    ----------
    solution : ThermalSolution
    field : ndarray, shape (tiles, ny, nx)
        Mean temperature of equal boxes of each tile. [K]
    powers : mapping of str to ndarray, shape (tiles,)
        Mean power by component, leakage and writes included. [W]
    rate : float
        Mean inferences per second, below what was asked for when throttled. [1/s]
    iterations : int
        Of the fixed point of temperature, leakage and conductance.
    change : float
        Of any box in the last iteration. [K]
    """

    solution: ThermalSolution
    field: Floats
    powers: Mapping[str, Floats]
    rate: float
    iterations: int
    change: float

    @property
    def tile_temperature(self) -> Floats:
        """Mean of each tile, shape (tiles,). [K]"""
        return np.asarray(self.field.mean(axis=(1, 2)))

    @property
    def tile_power(self) -> Floats:
        """Power of each tile with its converters and leakage. [W]"""
        return np.asarray(sum(self.powers.values()))


def tile_boxes(chip: Chip, subgrid: tuple[int, int]) -> list[tuple[str, list[Rectangle]]]:
    """Layer and nx by ny equal boxes of every tile, row after row."""
    assert chip.computer is not None
    nx, ny = subgrid
    out = []
    for layer, box in chip.computer.places:
        xs, ys = np.linspace(box.x0, box.x1, nx + 1), np.linspace(box.y0, box.y1, ny + 1)
        out.append((layer, [Rectangle(xs[a], xs[a + 1], ys[b], ys[b + 1]) for b in range(ny) for a in range(nx)]))
    return out


def tile_field(chip: Chip, solution: ThermalSolution, subgrid: tuple[int, int]) -> Floats:
    """Mean temperature of nx by ny equal boxes of every tile, shape (tiles, ny, nx). [K]"""
    parts = tile_boxes(chip, subgrid)
    out = np.empty((len(parts), *subgrid[::-1]))
    for layer in {name for name, _ in parts}:
        mine = [i for i, (name, _) in enumerate(parts) if name == layer]
        boxes = [box for i in mine for box in parts[i][1]]
        out[mine] = solution.field.box_means(layer, boxes).reshape(len(mine), *subgrid[::-1])
    return out


def periphery_means(chip: Chip, solution: ThermalSolution) -> Floats:
    """Mean temperature where each tile leaks, shape (tiles,). [K]"""
    assert chip.computer is not None and chip.scenario.workload is not None
    deck = chip.scenario.workload.periphery
    homes = [power.heated_place(chip.stack, site, "leakage", deck) for site in chip.computer.places]
    out = np.empty(len(homes))
    for layer in {name for name, _ in homes}:
        mine = [i for i, (name, _) in enumerate(homes) if name == layer]
        out[mine] = solution.field.box_means(layer, [homes[i][1] for i in mine])
    return out


@dataclass(frozen=True)
class Limits:
    """What a thermal fixed point has to keep.

    Parameters
    ----------
    tolerance : float
        Change of the last iteration. [K]
    iterations : int
    hottest : float or None
        Throttle the rate so that no box of a tile is hotter. [K]
    idle_leakage : float
        Share of the leakage that stays while a tile is idle; 1 = no power gating. [-]
    """

    tolerance: float = LEAKAGE_TOLERANCE
    iterations: int = LEAKAGE_ITERATIONS
    hottest: float | None = None
    idle_leakage: float = 1.0


def settle(
    chip: Chip,
    backend: ThermalBackend,
    conductances_at: Callable[[Floats], Mapping[str, Floats]],
    start: Floats,
    limits: Limits = Limits(),
    write_power: Floats | float = 0.0,
    above: Callable[[float], Floats | float] = lambda rate: 0.0,
    leaking: Floats | float = 1.0,
) -> Heat:
    """Solve for temperature, leakage and what the cells conduct at that temperature together.

    Parameters
    ----------
    chip : Chip
        With a computer.
    backend : ThermalBackend
    conductances_at : callable
        Field (tiles, ny, nx) [K] → conductances by layer, shape (chips, devices, n_inputs, n_columns). [S]
    start : ndarray, shape (tiles, ny, nx)
        Temperatures to begin with. [K]
    limits : Limits
    write_power : ndarray or float
        Power of writes in each tile. [W]
    above : callable
        Rate [1/s] → how far the hottest instant of a period lies above the mean of each box; throttling looks at it. [K]
    leaking : ndarray or float
        Leakage of each tile's periphery, mean over a period, over that at its mean temperature. [-]

    Raises
    ------
    ThermalRunawayError
        When leakage and temperature drive each other up, with the temperature where it began.
    SolverError
        When they have not settled after the allowed iterations.
    """
    asked = chip.mean_rate
    full = _fixed_point(chip, backend, conductances_at, start, limits, write_power, leaking, asked)

    def peak(state: Heat) -> float:
        return float((state.field + above(state.rate)).max())

    if limits.hottest is None or peak(full) <= limits.hottest:
        return full
    idle = _fixed_point(chip, backend, conductances_at, start, limits, write_power, leaking, 0.0)
    if peak(idle) >= limits.hottest:
        text = f"throttling: the idle chip is at {peak(idle):.1f} K already, above the limit of {limits.hottest:.1f} K"
        warnings.warn(ValidityWarning(text), stacklevel=2)
        return idle
    low, high = idle, full
    for _ in range(LEAKAGE_ITERATIONS):  # regula falsi on a nearly linear curve, bracketed
        share = (limits.hottest - peak(low)) / (peak(high) - peak(low))
        rate = low.rate + 0.999 * share * (high.rate - low.rate)
        state = _fixed_point(chip, backend, conductances_at, low.field, limits, write_power, leaking, rate)
        if limits.hottest - 0.05 <= peak(state) <= limits.hottest:
            return state
        low, high = (state, high) if peak(state) < limits.hottest else (low, state)
    return low


def _fixed_point(
    chip: Chip,
    backend: ThermalBackend,
    conductances_at: Callable[[Floats], Mapping[str, Floats]],
    start: Floats,
    limits: Limits,
    write_power: Floats | float,
    leaking: Floats | float,
    rate: float,
) -> Heat:
    computer, work = chip.computer, chip.scenario.workload
    assert computer is not None and work is not None
    subgrid = (start.shape[2], start.shape[1])
    pulses = [computer.products[t.layer] * computer.devices[t.layer].device.read.pulse for t in computer.tiles]
    awake = limits.idle_leakage + (1.0 - limits.idle_leakage) * np.minimum(rate * np.array(pulses), 1.0)
    field = start
    steps: list[float] = []
    guess = None
    periphery = field.mean(axis=(1, 2))
    runaway = Runaway()
    for iteration in range(1, limits.iterations + 1):
        try:
            powers = dynamic_powers(chip, conductances_at(field), rate)
        except RangeError:  # leakage has left the temperatures of the device laws
            runaway.conclude(field)
            raise
        powers["write"] = np.array(np.broadcast_to(write_power, (len(computer.tiles),)), dtype=float)
        powers["leakage"] = power.leakage(work.periphery, periphery) * awake * leaking
        solution = backend.solve(heat_sources(chip, powers, rate), guess=guess)
        guess = solution.field.values
        new = tile_field(chip, solution, subgrid)
        warmed = periphery_means(chip, solution)
        if iteration == 1 and new.max() > RUNAWAY_TEMPERATURE:
            raise SolverError(
                f"{solution.heat_in:.4g} W heat the chip to {new.max():.0f} K before any leakage grows: lower power.sources or"
                f" workload.rate, {'write less often, ' if powers['write'].any() else ''}or cool better"
            )
        steps.append(float(np.abs(new - field).max()))
        runaway.check(periphery, warmed)
        field, periphery = new, warmed
        if steps[-1] < limits.tolerance:
            return Heat(solution, field, powers, rate, iteration, steps[-1])
    raise SolverError(
        f"temperature, leakage and conductance have not settled after {limits.iterations} iterations"
        f" (last change {steps[-1]:.2g} K, {limits.tolerance:.2g} K asked)"
    )


class Runaway:
    """Watches the iterations of leakage and temperature.

    Leakage is convex in temperature, so that steps which rise towards a stable temperature shrink from the second on. Steps
    that rise and grow twice running have no stable temperature ahead; where they began to grow, an extra watt of heat made a
    watt of leakage.
    """

    def __init__(self) -> None:
        self.steps: list[float] = []
        self.peaks: list[float] = []

    def check(self, before: Floats, after: Floats) -> None:
        """Take the temperatures of one iteration [K]; raises ThermalRunawayError with the temperature where it began."""
        hottest = int(np.argmax(np.abs(after - before)))
        self.steps.append(float(after[hottest] - before[hottest]))
        self.peaks.append(float(before[hottest]))
        grows = len(self.steps) > 2 and self.steps[-1] > self.steps[-2] > self.steps[-3] > 0
        if grows or after.max() > RUNAWAY_TEMPERATURE:
            self.conclude(after)

    def conclude(self, present: Floats) -> None:
        """Report that the temperature [K] has run away, if its steps have grown."""
        steps = self.steps
        rising = [i for i in range(1, len(steps)) if steps[i] > steps[i - 1] > 0]
        if rising or present.max() > RUNAWAY_TEMPERATURE:
            began = self.peaks[rising[0]] if rising else self.peaks[-1]
            raise ThermalRunawayError(
                f"leakage runs away: from about {began:.0f} K on each iteration adds more heat than the cooling removes"
                f" (last steps {', '.join(f'{s:.1f} K' for s in steps[-3:])}); cool better, or lower workload.periphery.leakage"
            )


def total_power(sources: Sequence[HeatSource]) -> float:
    """Sum of powers. [W]"""
    return float(sum(s.power for s in sources))


def power_schedule(chip: Chip, state: Heat | None = None) -> tuple[tuple[HeatSource, ...], PowerSchedule]:
    """All heat sources of a chip and their powers over time, for a transient solve.

    What goes with the rate follows the activity, leakage and writes stay as they are in `state`, explicit sources follow their
    trace. Means over a period are the powers of the steady solve. Raises DeckError when traces repeat after different times.
    """
    sources = chip.sources if state is None else heat_sources(chip, state.powers, state.rate)
    explicit = np.zeros(len(sources))
    explicit[: len(chip.sources)] = [s.power for s in chip.sources]
    moving = np.zeros(len(sources))
    resting = np.zeros(len(sources))
    if state is not None:
        idle = {name: p * (name not in power.DYNAMIC) for name, p in state.powers.items()}
        still = {s.name: s.power for s in heat_sources(chip, idle, 0.0)[len(chip.sources) :]}
        resting[len(chip.sources) :] = [still.get(s.name, 0.0) for s in sources[len(chip.sources) :]]
        moving = np.array([s.power for s in sources]) - resting - explicit
    mean = float(chip.activity.mean[0]) or 1.0
    parts = [(chip.activity, moving[None] / mean, resting)]
    if chip.source_trace is not None:
        names = [s.name for s in chip.sources]
        gain = np.zeros((len(chip.source_trace.blocks), len(sources)))
        for i, block in enumerate(chip.source_trace.blocks):
            gain[i, names.index(block)] = 1.0
        explicit[gain.any(axis=0)] = 0.0
        parts.append((chip.source_trace, gain, np.zeros(len(sources))))
    parts[0] = (*parts[0][:2], resting + explicit)
    times, powers, period = joined(parts)
    return sources, PowerSchedule(times, powers, period)
