"""Thermal impedance of a chip: step responses, steady resistances, and networks that answer as sources do."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import replace

import numpy as np

from stack3d.chip import Chip
from stack3d.errors import DeckError, Problem, did_you_mean, repeated
from stack3d.heat import AnyKind, Backends, channel_runs, kind_of, meshed, sources_as_programmed, step_errors
from stack3d.layout import Floats
from stack3d.record import Record
from stack3d.schema import ImpedanceDeck
from stack3d.thermal import Box, Cauer, Foster, Place, Probe, ReducedModel, cauer, foster, reduced, reduced_at, structure

REDUCTION = 1e-3
"""Largest difference of the reduced model from the mesh at any rate, over the largest response there."""
EARLIER = 0.1
"""Shortest time of the reduced model over the first time asked for, which faster modes still show at."""
NETWORK = 0.01
"""Share by which networks may miss an impedance at any of its times, unless that takes more terms than asked for."""
SOLVE = 1e-6
"""Relative residual of the answers that make the reduced model, whose error is of the order of its square."""
SETTLED = 7.0
"""Slowest time constants after which a response is over: one part in a thousand is left."""


def check_impedance(chip: Chip) -> list[Problem]:
    """What stands against an impedance of a chip."""
    deck = chip.scenario.impedance
    if deck is None:
        return []
    names = [source.name for source in chip.sources]
    if not names:
        return [Problem("impedance", "wants power.sources: each is switched on alone")]
    if channel_runs(chip.stack):
        return [Problem("impedance", "does not go with channels: a coolant carries heat one way, so that no network answers")]
    taken = [*names, *(probe.name for probe in chip.scenario.probes)]
    problems = _mistakes_of_groups(chip, deck, {*taken})
    for name in repeated(taken):
        problems.append(Problem("probes", f"{name!r} names two of sources and probes, which impedance tells apart by name"))
    return problems


def _mistakes_of_groups(chip: Chip, deck: ImpedanceDeck, taken: Set[str]) -> list[Problem]:
    """Groups whose name is `taken`, members that are no sources, and groups without a power to share."""
    names = {source.name: source.power for source in chip.sources}
    problems = []
    for group, members in deck.groups.items():
        key = f"impedance.groups.{group}"
        if group in taken:
            problems.append(Problem(key, f"{group!r} is a source or probe already; choose another name"))
        for member in members:
            if member not in names:
                message = f"no source {member!r}{did_you_mean(member, names)}; sources: {', '.join(names)}"
                problems.append(Problem(key, message))
        if not problems and not sum(names[member] for member in {*members}) > 0:
            problems.append(Problem(key, "has no power to be shared by: give its sources powers above zero"))
    return problems


def impedance_of(chip: Chip, deck: ImpedanceDeck) -> Record:
    """Variables of ``/impedance`` at the films and conductivities of the steady state of a chip.

    The error is that of the reduced model, and what other meshes change; of a mesh of the user's own the first alone.

    Raises
    ------
    DeckError
        Where the first time lies after the last response.
    SolverError
        Where the reduced model does not come close enough to the mesh.
    """
    model = _model(chip, deck)
    end = SETTLED / float(model.rates[0]) if deck.end is None else deck.end
    if end <= deck.start:
        raise DeckError(Problem("impedance.from", f"{deck.start:g} s lies after the last response is over, {end:.3g} s"))
    times = np.geomspace(deck.start, end, max(2, int(np.ceil(deck.per_decade * np.log10(end / deck.start))) + 1))
    step = model.step(times)
    error = model.error[:, None, None] * np.broadcast_to(np.abs(step).max(axis=1, keepdims=True), step.shape)
    error = error + _by_mesh(chip, deck, times, model)
    record = Record()
    names = [*(source.name for source in chip.sources), *deck.groups]
    record.along("source", names)
    record.along("place", [*names, *(probe.name for probe in chip.scenario.probes)])
    record.along("heating_time", times)
    record.put("impedance/impedance", step)
    record.put("impedance/impedance_error", error)
    record.put("impedance/resistance", model.steady)
    record.put("impedance/mode_rate", model.rates)
    record.put("impedance/mode_load", model.loads)
    record.put("impedance/mode_shown", model.shown)
    _put_networks(record, model, times, deck.terms)
    _put_structures(record, model)
    return record


def _by_mesh(chip: Chip, deck: ImpedanceDeck, times: Floats, model: ReducedModel) -> Floats:
    """Error of step responses by the mesh; nothing where none can be had. [K/W]"""
    first = model.first or model
    known: dict[int, Floats] = {}

    def steps(one: tuple[Chip, AnyKind]) -> Floats:
        other, body = one
        if id(body) not in known:
            known[id(body)] = (first if other is chip else _model(other, deck, body, first.asked)).step(times)
        return known[id(body)]

    step, pairs = model.step(times), kind_of(chip.scenario).pairs(chip)
    differences = [pair.weight * (steps(pair.one) - steps(pair.other)) for pair in pairs]
    return step_errors(step, differences, times) if pairs else np.zeros_like(step)


def _model(
    chip: Chip, deck: ImpedanceDeck, body: AnyKind | None = None, asked: Sequence[tuple[float, int]] = ()
) -> ReducedModel:
    """Response of sources, groups and probes; rows are sources and groups, places these and then probes."""
    backend = Backends().of(chip.scenario, chip.stack, body or meshed(chip))
    solution = backend.solve(sources_as_programmed(chip))
    places: list[Place] = [Box(source.layer, source.extent) for source in chip.sources]
    places += [Probe(p.layer, p.x, p.y, p.z) for p in chip.scenario.probes]
    means = {name: solution.field.layer_mean(name) for name in chip.stack.slabs}
    system, sources = backend.held_at(means).system(chip.sources, places, rtol=SOLVE), len(chip.sources)
    model = reduced_at(system, sources, asked) if asked else reduced(system, sources, EARLIER * deck.start, REDUCTION)
    return _with_groups(model, _shares(chip, deck))


def _shares(chip: Chip, deck: ImpedanceDeck) -> Floats:
    """Power of each source for 1 W of each source and group, shape (sources + groups, sources)."""
    powers = np.array([source.power for source in chip.sources])
    rows = [powers * [s.name in members for s in chip.sources] for members in deck.groups.values()]
    return np.vstack([np.eye(powers.size), *(row / row.sum() for row in rows)])


def _with_groups(model: ReducedModel, shares: Floats) -> ReducedModel:
    """Groups behind the sources, as loads and as places that see the mean of theirs by the same shares."""
    n = shares.shape[1]
    both = np.zeros((len(shares) + len(model.shown) - n, len(model.shown)))
    both[: len(shares), :n] = shares
    both[len(shares) :, n:] = np.eye(len(model.shown) - n)
    error = [float(model.error[row != 0].max()) for row in shares]
    first = None if model.first is None else _with_groups(model.first, shares)
    return replace(model, loads=shares @ model.loads, shown=both @ model.shown, error=np.array(error), first=first)


def _put_networks(record: Record, model: ReducedModel, times: Floats, most: int) -> None:
    """Foster chain and Cauer ladder of each source, NaN behind the last term."""
    chains: list[Foster] = []
    ladders: list[Cauer] = []
    misses = []
    for i in range(len(model.loads)):
        chain = foster(*model.terms(i, i), times, most, NETWORK)
        wanted = model.step(times)[i, i]
        chains.append(chain)
        ladders.append(cauer(chain))
        misses.append(float(np.abs(chain.step(times) / wanted - 1).max()))
    longest = max(chain.resistances.size for chain in chains)
    record.along("term", range(1, longest + 1))
    for name, parts in (
        ("foster_resistance", [c.resistances for c in chains]),
        ("foster_time_constant", [c.time_constants for c in chains]),
        ("cauer_resistance", [c.resistances for c in ladders]),
        ("cauer_capacitance", [c.capacitances for c in ladders]),
    ):
        record.put(f"impedance/{name}", [np.pad(p, (0, longest - p.size), constant_values=np.nan) for p in parts])
    record.put("impedance/network_error", misses)


def _put_structures(record: Record, model: ReducedModel) -> None:
    """Structure function of each source, NaN behind its end."""
    found = [structure(*model.terms(i, i)) for i in range(len(model.loads))]
    longest = max(resistance.size for resistance, _ in found)
    record.along("stage", range(longest))
    for name, each in zip(("resistance", "capacitance"), zip(*found)):
        padded = [np.pad(one, (0, longest - one.size), constant_values=np.nan) for one in each]
        record.put(f"impedance/structure_{name}", padded)
