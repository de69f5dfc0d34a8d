"""One case from scenario to outcome: heat, ageing and accuracy, epoch after epoch."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from stack3d import mvm
from stack3d.devices.model import DeviceModel
from stack3d.errors import DeckError
from stack3d.layout import Floats
from stack3d.lifetime import ageing, heat
from stack3d.lifetime.ageing import READ, Population, epoch_times, errors_by_tier, histogram, histogram_edges
from stack3d.lifetime.chip import Chip, Computer, build_chip
from stack3d.lifetime.outputs import COMPONENTS, power_values, thermal_values
from stack3d.lifetime.summary import summarise
from stack3d.progress import Observer
from stack3d.schema.scenario import Scenario
from stack3d.thermal.problem import ThermalBackend, ThermalSolution

ANCHOR = 298.15
"""Temperature of the equivalent time in the dataset. [K]"""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a case has to tell.

    Parameters
    ----------
    values : mapping of str to array
        Output variables by ``group/name`` as `fields` catalogues them.
    coordinates : mapping of str to array
    statistics : mapping
        For ``run.json``: sizes, iterations, seconds.
    summary : tuple of str
        Five lines for a person.
    """

    values: Mapping[str, Any]
    coordinates: Mapping[str, Any]
    statistics: Mapping[str, Any]
    summary: tuple[str, ...]


class Stopwatch:
    """Adds up wall time by name: ``with clock("heat"): …``."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Time what happens inside."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started


def check(scenario: Scenario) -> Chip:
    """Everything that can be checked without meshing; raises DeckError with all mistakes."""
    return build_chip(scenario)


def run_case(scenario: Scenario, observer: Observer, *, until: str | None = None) -> Outcome:
    """Run one case.

    Parameters
    ----------
    scenario : Scenario
    observer : Observer
    until : {"thermal"}, optional
        Stop after the temperatures of the first epoch.

    Raises
    ------
    DeckError, SolverError, ThermalRunawayError, MissingDependencyError
    """
    if until not in (None, "thermal"):
        raise DeckError(f"--until knows 'thermal', got {until!r}")
    clock = Stopwatch()
    observer.stage("build", scenario=scenario.scenario)
    with clock("build"):
        chip = build_chip(scenario)
        grid = heat.make_grid(chip)
    observer.stage("mesh", layers=len(chip.stack.layers), unknowns=grid.n_nodes)
    with clock("mesh"):
        backend = heat.make_backend(scenario, heat.thermal_problem(chip.stack, grid, scenario.cooling))
    if chip.computer is None or until == "thermal":
        observer.stage("heat")
        with clock("heat"):
            values, coordinates, solution = _thermal_only(chip, backend)
    else:
        values, coordinates, solution = _life(chip, chip.computer, backend, observer, clock)
    statistics = {"thermal": dict(solution.statistics), "seconds": clock.seconds}
    return Outcome(values, coordinates, statistics, summarise(chip, values, coordinates))


def _thermal_only(chip: Chip, backend: ThermalBackend) -> tuple[dict[str, Any], dict[str, Any], ThermalSolution]:
    if chip.computer is None:
        solution = backend.solve(chip.sources)
        return *thermal_values(chip, solution), solution
    device = chip.computer.device
    population = _programmed(chip, chip.computer, device)
    ambient = np.full(len(chip.computer.tiles), chip.scenario.cooling.ambient)
    state = heat.settle(chip, backend, population.conductances(chip.computer, device, ambient))
    values, coordinates = thermal_values(chip, state.solution)
    values |= power_values(chip, chip.computer, state)
    values["thermal/tile_temperature"] = state.tile_temperature[None]
    return values, coordinates | _life_coordinates(chip, np.array([ageing.TODAY])), state.solution


def _programmed(chip: Chip, computer: Computer, device: DeviceModel) -> Population:
    lifetime = chip.scenario.lifetime
    temperature = lifetime.programming_temperature if lifetime else ANCHOR
    samples = chip.scenario.monte_carlo
    return Population.programmed(computer, device, samples.samples, samples.seed, temperature)


def _life(
    chip: Chip, computer: Computer, backend: ThermalBackend, observer: Observer, clock: Stopwatch
) -> tuple[dict[str, Any], dict[str, Any], ThermalSolution]:
    """Program, then heat → age → read, once per epoch; power follows the conductances."""
    scenario, device = chip.scenario, computer.device
    assert scenario.workload is not None
    times = epoch_times(scenario.lifetime)
    n_tiers = len(chip.stack.with_role("rram"))
    tier_of_tile = np.array([[s.name for s in chip.stack.with_role("rram")].index(layer) for layer, _ in computer.places])
    observer.stage(
        "program", chips=scenario.monte_carlo.samples, cells=sum(m.weights.size for m in computer.matrices.values()) * 2
    )
    with clock("program"):
        population = _programmed(chip, computer, device)
    present = np.full(len(computer.tiles), scenario.cooling.ambient)
    rows: dict[str, list[Any]] = {}
    first = None
    equivalent = np.zeros(n_tiers)
    edges = histogram_edges(device)
    history = []
    previous = 0.0
    for epoch, now in enumerate(times):
        with clock("heat"):
            seen = population.conductances(computer, device, present)
            state = heat.settle(chip, backend, seen, present if epoch else None)
            present = state.tile_temperature
        first = first or state
        with clock("age"):
            population = population.aged(computer, device, now - previous, present)
        history.append((now - previous, present))
        tier_mean = np.array([state.solution.field.layer_mean(layer.name) for layer in chip.stack.with_role("rram")])
        equivalent = equivalent + (now - previous) * device.acceleration(tier_mean, reference=ANCHOR)
        previous = float(now)
        with clock("read"):
            accuracy, error = read_out(computer, device, population, present, scenario, epoch)
        seen = population.conductances(computer, device, present)
        mean, spread = errors_by_tier(computer, population, seen, tier_of_tile, n_tiers)
        for name, value in (
            ("mvm/accuracy", accuracy),
            ("mvm/logit_error", error),
            ("thermal/tile_temperature", present),
            ("reliability/conductance_error_mean", mean),
            ("reliability/conductance_error_std", spread),
            ("reliability/equivalent_time", equivalent),
            ("reliability/conductance_histogram", histogram(seen, edges)),
            ("reliability/stuck_fraction", population.stuck_fraction()),
            ("reliability/writes", population.mean_of("writes")),
            ("reliability/endurance_used", population.mean_of("damage")),
        ):
            rows.setdefault(name, []).append(value)
        observer.step("epoch", epoch + 1, len(times), accuracy=f"{accuracy.mean():.4f}", peak=f"{present.max():.1f} K")
    assert first is not None
    values, coordinates = thermal_values(chip, first.solution)
    values |= power_values(chip, computer, first)
    values |= {name: np.array(row) for name, row in rows.items()}
    values["mvm/accuracy_ideal"] = computer.float_accuracy
    values["mvm/time_to_accuracy_loss"] = time_to_loss(times, values["mvm/accuracy"], computer.float_accuracy, 0.01)
    observer.stage("attribute")
    with clock("attribute"):
        values["mvm/accuracy_without"] = attribution(chip, computer, history)
    coordinates |= _life_coordinates(chip, times)
    coordinates["mechanism"] = np.array(computer.mechanisms)
    coordinates["conductance"] = 0.5 * (edges[1:] + edges[:-1])
    return values, coordinates, first.solution


def read_out(
    computer: Computer, device: DeviceModel, population: Population, tile_temperature: Floats, scenario: Scenario, epoch: int
) -> tuple[Floats, Floats]:
    """Accuracy and relative logit error of every chip, shape (chips,)."""
    seen = population.conductances(computer, device, tile_temperature)
    noise = population.read_noise(computer, device, tile_temperature, seen) if scenario.mvm.read_noise else {}
    rng = np.random.default_rng([scenario.monte_carlo.seed, READ, epoch])
    logits = computer.logits(seen, noise, rng)
    return (
        np.asarray(mvm.accuracy(logits, computer.data.labels), dtype=np.float64),
        np.asarray(mvm.logit_error(logits, computer.float_logits), dtype=np.float64),
    )


def attribution(chip: Chip, computer: Computer, history: list[tuple[float, Floats]]) -> Floats:
    """Mean accuracy at the end of the same temperature history with one mechanism switched off at a time.

    Shape (mechanisms,), in the order of the device's mechanisms.
    """
    out = []
    for name in computer.mechanisms:
        device = computer.device.without(name)
        population = _programmed(chip, computer, device)
        for duration, temperature in history:
            population = population.aged(computer, device, duration, temperature)
        accuracy, _ = read_out(computer, device, population, history[-1][1], chip.scenario, len(history) - 1)
        out.append(accuracy.mean())
    return np.array(out)


def time_to_loss(times: Floats, accuracy: Floats, ideal: float, loss: float) -> Floats:
    """Time at which each chip first lies `loss` below `ideal`, between epochs by ln t; NaN when it never does. [s].

    Parameters
    ----------
    times : ndarray, shape (times,)
    accuracy : ndarray, shape (times, chips)
    """
    limit = ideal - loss
    out = np.full(accuracy.shape[1], np.nan)
    for chip, curve in enumerate(accuracy.T):
        below = np.flatnonzero(curve < limit)
        if below.size == 0:
            continue
        k = below[0]
        if k == 0:
            out[chip] = times[0]
        else:
            share = (curve[k - 1] - limit) / (curve[k - 1] - curve[k])
            out[chip] = np.exp(np.log(times[k - 1]) + share * np.log(times[k] / times[k - 1]))
    return out


def _life_coordinates(chip: Chip, times: Floats) -> dict[str, Any]:
    assert chip.computer is not None
    return {
        "time": times,
        "sample": np.arange(chip.scenario.monte_carlo.samples),
        "component": np.array(COMPONENTS),
        "tile": np.array([f"{t.layer}[{t.index}]" for t in chip.computer.tiles]),
        "tile_site": ("tile", np.array([layer for layer, _ in chip.computer.places])),
        "tile_x": ("tile", np.array([box.centre[0] for _, box in chip.computer.places])),
        "tile_y": ("tile", np.array([box.centre[1] for _, box in chip.computer.places])),
    }
