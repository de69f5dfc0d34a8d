"""One case from scenario to outcome: heat, ageing and accuracy, epoch after epoch."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from stack3d.devices.build import build_device
from stack3d.errors import DeckError, SolverError, ValidityWarning
from stack3d.layout import Floats
from stack3d.lifetime import ageing, answers, checkpoint, heat
from stack3d.lifetime import policies as _registered  # noqa: F401  (importing it fills the registry)
from stack3d.lifetime.ageing import Climate, Population, epoch_times, errors_by_tier, histogram, histogram_edges, mean_field
from stack3d.lifetime.backends import Backends, discretisation_error
from stack3d.lifetime.bodies import check_body, make_body
from stack3d.lifetime.chip import Chip, build_chip
from stack3d.lifetime.computer import Computer
from stack3d.lifetime.faces import check_limits, thermal_problem, warn_of_limits
from stack3d.lifetime.heat import Heat, Limits
from stack3d.lifetime.life import Bill, Life, Policy, Reading, chosen_policies, elapse, read_out
from stack3d.lifetime.outputs import power_values, thermal_values, workload_coordinates
from stack3d.lifetime.summary import summarise
from stack3d.lifetime.transient import over_time
from stack3d.mvm import SinhCell
from stack3d.progress import Observer
from stack3d.schema.life import Lifetime
from stack3d.schema.scenario import Scenario
from stack3d.thermal.problem import ThermalBackend, ThermalProblem, ThermalSolution

HOTTEST = 700.0
"""Peak above which results carry a warning: solder, interfaces and every device law end well below. [K]"""
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
        Five lines for a person, then one per warning.
    warnings : tuple of str
        Laws used outside what they were fitted to, limits exceeded.
    """

    values: Mapping[str, Any]
    coordinates: Mapping[str, Any]
    statistics: Mapping[str, Any]
    summary: tuple[str, ...]
    warnings: tuple[str, ...] = ()


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
    chip = build_chip(scenario)
    if problems := check_limits(chip):
        raise DeckError(problems)
    chosen_policies(chip)
    check_body(chip)
    return chip


def run_case(
    scenario: Scenario,
    observer: Observer,
    *,
    until: str | None = None,
    backends: Backends | None = None,
    resume: Path | None = None,
    key: str = "",
) -> Outcome:
    """Run one case.

    Parameters
    ----------
    scenario : Scenario
    observer : Observer
    until : {"thermal"}, optional
        Stop after the temperatures of the first epoch.
    backends : Backends, optional
        Solvers kept from the cases before.
    resume : Path, optional
        Checkpoint file: written after every epoch, and read first when it carries the same `key`.
    key : str
        What the checkpoint belongs to, the content hash of the case.

    Raises
    ------
    DeckError, SolverError, ThermalRunawayError, MissingDependencyError
    """
    if until not in (None, "thermal"):
        raise DeckError(f"--until knows 'thermal', got {until!r}")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ValidityWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        outcome = _run(scenario, observer, until, backends or Backends(), resume, key)
    texts = tuple(dict.fromkeys(str(w.message) for w in caught if issubclass(w.category, ValidityWarning)))
    lines = tuple(f"warning            {text}" for text in texts)
    return replace(outcome, warnings=texts, summary=outcome.summary + lines)


def _check_temperatures(values: Mapping[str, Any]) -> None:
    """Refuse temperatures that nothing has, warn of those that no law here was made for."""
    means, peaks = values["thermal/layer_temperature_mean"], values["thermal/layer_temperature_max"]
    if means.min() <= 0:
        raise SolverError(f"the mean temperature of a layer is {means.min():.1f} K: is a power negative, or in the wrong unit?")
    if peaks.max() > HOTTEST:
        text = f"peak temperature {peaks.max():.0f} K: material and device data are made for less than {HOTTEST:.0f} K"
        warnings.warn(ValidityWarning(text), stacklevel=2)


def _run(
    scenario: Scenario, observer: Observer, until: str | None, backends: Backends, resume: Path | None, key: str
) -> Outcome:
    clock = Stopwatch()
    observer.stage("build", scenario=scenario.scenario)
    with clock("build"):
        chip = build_chip(scenario)
        if problems := check_limits(chip):
            raise DeckError(problems)
        plan = chosen_policies(chip)
        check_body(chip)
        body = make_body(chip)
    observer.stage("mesh", layers=len(chip.stack.layers), unknowns=body.n_nodes)
    with clock("mesh"):
        problem = thermal_problem(chip.stack, body, scenario.cooling)
        if scenario.transient is None or chip.computer is not None:
            backend = backends.of(scenario, problem)
    if scenario.transient is not None:
        assert isinstance(problem, ThermalProblem)
        observer.stage("heat")
        with clock("heat"):
            settled = None if chip.computer is None else first_heat(chip, chip.computer, backend, plan)
            values, coordinates, solution = over_time(chip, problem, settled)
    elif chip.computer is None:
        observer.stage("heat")
        with clock("heat"):
            solution = backend.solve(chip.sources)
            values, coordinates = thermal_values(chip, solution)
            values["thermal/discretisation_error"] = discretisation_error(chip, solution, backends.coarse)
    elif until == "thermal":
        observer.stage("heat")
        with clock("heat"):
            state = first_heat(chip, chip.computer, backend, plan)
            values, coordinates, solution = _present(chip, chip.computer, state, np.array([ageing.TODAY]))
            values["thermal/tile_temperature"] = state.tile_temperature[None]
    else:
        loop = _Loop(chip, chip.computer, backend, plan, observer, clock, resume, key)
        values, coordinates, solution = loop.run()
    _check_temperatures(values)
    warn_of_limits(chip, problem if scenario.transient is not None else backend.problem, solution)
    statistics = {"thermal": dict(solution.statistics), "seconds": clock.seconds}
    shown = values if scenario.transient is None else {name: value[-1] for name, value in values.items()}
    return Outcome(values, coordinates, statistics, summarise(chip, shown, coordinates))


def _fresh(chip: Chip, computer: Computer) -> Life:
    """Chips just programmed."""
    lifetime, samples = chip.scenario.lifetime, chip.scenario.monte_carlo
    temperature = lifetime.programming_temperature if lifetime else ANCHOR
    population = Population.programmed(computer, samples.samples, samples.seed, temperature)
    return Life(chip, computer, population, 0.0, Bill(0.0, 0.0, 0.0, np.zeros(len(computer.tiles))))


def _ambient(chip: Chip, computer: Computer) -> Floats:
    nx, ny = (chip.scenario.lifetime or Lifetime()).subgrid
    return np.full((len(computer.tiles), ny, nx), chip.scenario.cooling.ambient)


def _limits(chip: Chip, plan: Sequence[Policy]) -> Limits:
    coupling = (chip.scenario.lifetime or Lifetime()).coupling
    limits = Limits(coupling.tolerance, coupling.iterations)
    for policy in plan:
        limits = policy.limit(limits)
    return limits


def first_heat(chip: Chip, computer: Computer, backend: ThermalBackend, plan: Sequence[Policy]) -> Heat:
    """Heat of chips just programmed."""
    life = _fresh(chip, computer)
    start = _ambient(chip, computer)
    return heat.settle(chip, backend, lambda field: life.conductances([(1.0, field)]), start, _limits(chip, plan))


def _present(
    chip: Chip, computer: Computer, state: Heat, times: Floats
) -> tuple[dict[str, Any], dict[str, Any], ThermalSolution]:
    """Variables of ``/thermal`` and ``/power`` for one thermal state, and the coordinates of a life."""
    values, coordinates = thermal_values(chip, state.solution)
    values |= power_values(chip, computer, state)
    coordinates |= {
        "time": times,
        "sample": np.arange(chip.scenario.monte_carlo.samples),
        **workload_coordinates(chip, computer),
    }
    return values, coordinates, state.solution


def _ohmic_error(computer: Computer, layer: str) -> float:
    """Share of a full-scale current that treating the layer's cells as ohmic would lose."""
    read = computer.devices[layer].device.read
    scale = read.nonlinearity_voltage
    return SinhCell(scale).ohmic_error(read.voltage) if scale else 0.0


class _Loop:
    """The epochs of one life."""

    def __init__(
        self,
        chip: Chip,
        computer: Computer,
        backend: ThermalBackend,
        plan: Sequence[Policy],
        observer: Observer,
        clock: Stopwatch,
        resume: Path | None,
        key: str,
    ) -> None:
        self.chip, self.computer, self.backend, self.plan = chip, computer, backend, plan
        self.observer, self.clock, self.resume, self.key = observer, clock, resume, key
        self.lifetime = chip.scenario.lifetime or Lifetime(epochs=1, until=ageing.TODAY)
        self.times = epoch_times(chip.scenario.lifetime)
        self.limits = _limits(chip, plan)
        self.tiers = [layer.name for layer in chip.stack.with_role("rram")]
        self.tier_of_tile = np.array([self.tiers.index(layer) for layer, _ in computer.places])

    def run(self) -> tuple[dict[str, Any], dict[str, Any], ThermalSolution]:
        """Follow the chips through all epochs, then answer."""
        with self.clock("program"):
            start = _fresh(self.chip, self.computer)
        cells = sum(int(np.prod(m.state_shape)) for m in self.computer.matrices.values())
        self.observer.stage("program", chips=start.samples, cells=cells)
        with self.clock("heat"):
            first = first_heat(self.chip, self.computer, self.backend, self.plan)
        life, rows, fields = self._begin(start, first)
        for epoch in range(len(fields), len(self.times)):
            earlier = rows["reliability/equivalent_time"][-1] if rows else np.zeros(len(self.tiers))
            life, row, state = self._epoch(life, epoch, first, fields[-1] if fields else first.field, earlier)
            fields.append(state.field)
            for name, value in row.items():
                rows.setdefault(name, []).append(value)
            if self.resume is not None:
                progress = checkpoint.Progress(
                    epoch + 1, life.population, life.bill, life.reference, life.fresh_accuracy, rows, np.array(fields)
                )
                with self.clock("checkpoint"):
                    checkpoint.save(self.resume, self.key, progress)
        values, coordinates, solution = _present(self.chip, self.computer, first, self.times)
        values |= {name: np.array(row) for name, row in rows.items()}
        climates: list[Climate] = [[(1.0, f)] for f in fields]
        self._answer(start, life, climates, values, coordinates)
        return values, coordinates, solution

    def _begin(self, start: Life, first: Heat) -> tuple[Life, dict[str, list[Any]], list[Floats]]:
        """The checkpoint, or freshly programmed chips."""
        stored = checkpoint.load(self.resume, self.key) if self.resume is not None else None
        if stored is not None:
            self.observer.stage("resume", epochs=f"{stored.epochs}/{len(self.times)}")
            life = replace(
                start,
                population=stored.population,
                bill=stored.bill,
                reference=stored.reference,
                fresh_accuracy=stored.fresh_accuracy,
                time=float(self.times[stored.epochs - 1]),
            )
            return life, {name: list(row) for name, row in stored.rows.items()}, list(stored.fields)
        life = start
        for policy in self.plan:
            life = policy.programmed(life, [(1.0, first.field)])
        return life, {}, []

    def _epoch(self, life: Life, epoch: int, first: Heat, field: Floats, earlier: Floats) -> tuple[Life, dict[str, Any], Heat]:
        """Temperature of the epoch and the chips at its end, found together; one way, the first heat stays."""
        end = float(self.times[epoch])
        ended: list[Life] = []

        def conductances(trial: Floats) -> dict[str, Any]:
            climate: Climate = [(1.0, trial)]
            with self.clock("age"):
                ended[:] = [elapse(life, end, climate, self.plan, epoch)]
                before, after = life.conductances(climate), ended[0].conductances(climate)
            return {name: 0.5 * (before[name] + after[name]) for name in before}

        with self.clock("heat"):
            state = first
            if self.lifetime.coupling.enabled:
                written = elapse(life, end, [(1.0, field)], self.plan, epoch).bill.tile_energy - life.bill.tile_energy
                power = written / (end - life.time)
                state = heat.settle(self.chip, self.backend, conductances, field, self.limits, power)
        with self.clock("age"):
            climate: Climate = [(1.0, state.field)]
            after = elapse(life, end, climate, self.plan, epoch)
        with self.clock("read"):
            reading = read_out(after, climate, self.plan, epoch)
        if after.fresh_accuracy is None:
            after = replace(after, fresh_accuracy=float(reading.accuracy.mean()))
        row = self._row(life, after, state, reading, earlier)
        self.observer.step(
            "epoch",
            epoch + 1,
            len(self.times),
            accuracy=f"{reading.accuracy.mean():.4f}",
            peak=f"{state.field.max():.1f} K",
            iterations=state.iterations,
        )
        return after, row, state

    def _row(self, before: Life, after: Life, state: Heat, reading: Reading, earlier: Floats) -> dict[str, Any]:
        """Output variables of one epoch."""
        seen = after.conductances([(1.0, state.field)])
        mean, spread = errors_by_tier(self.computer, after.population, seen, self.tier_of_tile, len(self.tiers))
        tier_mean = np.array([state.solution.field.layer_mean(name) for name in self.tiers])
        ages = np.array([self._device_of_tier(i).acceleration(t, reference=ANCHOR) for i, t in enumerate(tier_mean)])
        return {
            "mvm/accuracy": reading.accuracy,
            "mvm/logit_error": reading.logit_error,
            "mvm/signal_to_noise": reading.signal_to_noise,
            "mvm/confusion": reading.confusion,
            "mvm/wire_error": reading.wire_error,
            "thermal/tile_temperature": state.tile_temperature,
            "reliability/conductance_error_mean": mean,
            "reliability/conductance_error_std": spread,
            "reliability/equivalent_time": earlier + (after.time - before.time) * ages,
            "reliability/conductance_histogram": histogram(seen, histogram_edges(self.computer)),
            "reliability/stuck_fraction": after.population.stuck_fraction(),
            "reliability/writes": after.population.mean_of("writes"),
            "reliability/endurance_used": after.population.mean_of("damage"),
            "reliability/refreshes": after.bill.refreshes,
            "reliability/write_energy": after.bill.energy,
            "reliability/coupling_iterations": state.iterations,
            "reliability/coupling_change": state.change,
            "power/total_power": state.solution.heat_in,
            "power/array_power": float(state.powers["array"].sum()),
            "power/rate": state.rate,
        }

    def _device_of_tier(self, tier: int) -> Any:
        """Device of the tiles on a tier; that of the first layer where it has none."""
        mine = np.flatnonzero(self.tier_of_tile == tier)
        layer = self.computer.tiles[mine[0] if mine.size else 0].layer
        return self.computer.devices[layer]

    def _answer(
        self, start: Life, life: Life, climates: Sequence[Climate], values: dict[str, Any], coordinates: dict[str, Any]
    ) -> None:
        """Times, endurance, bands and attribution."""
        ideal, loss = self.computer.float_accuracy, self.lifetime.accuracy_loss
        values["mvm/accuracy_ideal"] = ideal
        values["mvm/ohmic_error"] = np.array([_ohmic_error(self.computer, name) for name in self.computer.matrices])
        coordinates["network_layer"] = np.array(list(self.computer.matrices))
        edges = histogram_edges(self.computer)
        coordinates["conductance"] = 0.5 * (edges[1:] + edges[:-1])
        times_to_loss = answers.time_to_loss(self.times, values["mvm/accuracy"], ideal, loss)
        values["mvm/time_to_accuracy_loss"] = times_to_loss
        fresh = values["mvm/accuracy"][0].mean()
        [interval] = answers.time_to_loss(self.times, values["mvm/accuracy"].mean(axis=1)[:, None], float(fresh), loss)
        hottest = np.stack([mean_field(climate).max(axis=(1, 2)) for climate in climates]).max(axis=0)
        values["reliability/hold_interval"] = interval
        values["reliability/hold_endurance"] = answers.endurance_at_hold(self.computer, hottest, float(interval))
        if self.lifetime.band:
            self.observer.stage("band")
            with self.clock("band"):
                self._band(start, climates, values, coordinates)
        if self.lifetime.attribution and self.chip.scenario.lifetime is not None:
            self.observer.stage("attribute")
            with self.clock("attribute"):
                self._attribute(start, life, climates, values, coordinates)

    def _band(self, start: Life, climates: Sequence[Climate], values: dict[str, Any], coordinates: dict[str, Any]) -> None:
        """The same temperatures for devices at both ends of their bands."""
        curves = []
        for band in ("low", "default", "high"):
            decks = {name: device.device for name, device in self.computer.devices.items()}
            computer = replace(self.computer, devices={name: build_device(deck, band) for name, deck in decks.items()})
            life = _fresh(self.chip, computer)
            for policy in self.plan:
                life = policy.programmed(life, climates[0])
            curve = []
            for epoch, (now, climate) in enumerate(zip(self.times, climates)):
                life = elapse(life, float(now), climate, self.plan, epoch)
                curve.append(read_out(life, climate, self.plan, epoch).accuracy)
                if life.fresh_accuracy is None:
                    life = replace(life, fresh_accuracy=float(curve[0].mean()))
            curves.append(curve)
        stacked = np.array(curves)
        values["mvm/accuracy_band"] = stacked
        values["mvm/time_to_accuracy_loss_band"] = np.array(
            [answers.time_to_loss(self.times, c, self.computer.float_accuracy, self.lifetime.accuracy_loss) for c in stacked]
        )
        coordinates["band"] = np.array(["low", "default", "high"])

    def _attribute(
        self, start: Life, life: Life, climates: Sequence[Climate], values: dict[str, Any], coordinates: dict[str, Any]
    ) -> None:
        """Accuracy at the end with one mechanism, tier or layer switched off at a time."""
        names = [*self.computer.mechanisms, "converters"]
        start = replace(start, fresh_accuracy=life.fresh_accuracy)
        values["mvm/accuracy_without"] = np.array(
            [answers.without_mechanism(start, self.times, climates, self.plan, name) for name in names]
        )
        coordinates["mechanism"] = np.array(names)
        last = len(self.times) - 1

        def restored(tiles: Sequence[int]) -> float:
            return answers.with_ideal_tiles(life, climates[-1], self.plan, last, tiles)

        values["mvm/accuracy_without_tier"] = np.array(
            [restored(np.flatnonzero(self.tier_of_tile == i).tolist()) for i in range(len(self.tiers))]
        )
        layers = list(self.computer.matrices)
        values["mvm/accuracy_without_layer"] = np.array(
            [restored([i for i, _ in self.computer.tiles_of(name)]) for name in layers]
        )
