"""What a case will take, estimated from its decks before anything of that size is made."""

from __future__ import annotations

import math
from typing import Any

from stack3d import memory
from stack3d.case.judged_placings import CHIPS, is_by_accuracy
from stack3d.chip import Chip, ComputingChip
from stack3d.heat import sources_as_programmed
from stack3d.heat.meshing import kind_of
from stack3d.workload.network import Inputs

CELL_MEMORY = 85.0
"""Of a cell of a chip while its state is aged. Measured as growth of the process over cells, on lives of three epochs: 81 to 98
of filamentary, phase-change and hybrid chips, with what the largest layer takes. [byte]"""
LAYER_MEMORY = 40.0
"""Of a cell of the largest layer while it is aged and read, beyond that. Measured: 117 in all where it holds two thirds of all
cells, 84 where a tenth. [byte]"""
ATTRIBUTED = 25.0
"""Of a cell while lives without one mechanism are followed, beyond that: 110 in all. [byte]"""
LEARNING = 20e6
"""Of chips that are trained in the field: readings of a batch, its gradients and pulses. Measured: 8 to 15 MB for
`on_device_learning`. [byte]"""
NUMBER = 8.0
BINS = 128
"""Numbers of an instant that no key makes more: histogram, sums, bands."""
STEPS = 10
"""Steps of a transient between two switches, at least: each begins short."""
MARCHES = 1.8
"""Memory of a march and of those that tell its error, over that of the solvers that the largest of them keeps."""
RESPONSES = 1.6
"""Memory of what the reduced models of a mesh, and of one twice as coarse, are made with, over that of the solvers kept."""
ANSWERS = 1.0
"""Memory of what the reduced model of a source keeps, some thirty fields on the largest mesh that judges it, over that of the
solvers of a steady case."""
STATES = 8.0
"""Fields that a compact model keeps while it is made, of each source and place at each film that joins: states and residuals
with their images, steady and over time."""
SETTLING = 2.2
"""Memory of solvers where films follow the surface, made anew from pass to pass, over that of one."""
READ_LATER = 0.8
"""Of what reading takes, what finds room where temperatures were solved, at most: what is free there is in pieces. [-]"""
CONFUSIONS = 2.0
"""Of the counts of true and found classes of a chip: as they are counted, and as they are added up. [-]"""
COPIES = 1.25
"""Of a map: as computed, which the dataset takes over, and what is on its way to the file."""


def terms_of(chip: Chip) -> dict[str, float]:
    """Memory by what asks for it, named by the key of the scenario to make smaller. [byte]"""
    scenario = chip.scenario
    found = {memory.ANY: memory.BESIDE}
    if wanted := kind_of(scenario).least_memory(chip):
        found["solver.mesh"] = wanted * _passes(chip)
        if scenario.impedance is not None:
            kept = kind_of(scenario).least_memory_in_time(chip)
            found["impedance"] = RESPONSES * kept + ANSWERS * len(chip.sources) * wanted
    if scenario.transient is not None:
        found["transient"] = MARCHES * kind_of(scenario).least_memory_in_time(chip)
    found["compact"] = _of_models(chip)
    times = instants_of(chip)
    n_tiers = scenario.geometry.n_tiers or 1
    found["tier_map"] = COPIES * NUMBER * times * n_tiers * math.prod(scenario.tier_map)
    if scenario.maps is not None:
        found["maps.grid"] = COPIES * NUMBER * times * scenario.maps.boxes
    if isinstance(chip, ComputingChip):
        data = chip.computer.data
        found["workload.network"] = chip.computer.network.stored + chip.computer.memory_while_read
        found["workload.data"] = sum(_bytes_of(part) for part in (data.profile, data.inputs, data.labels))
        kinds = chip.computer.task.classes() ** 2
        found["workload.task"] = NUMBER * kinds * (CONFUSIONS * scenario.monte_carlo.samples + COPIES * times)
        numbers = times * (8 * len(chip.computer.tiles) + 2 * scenario.monte_carlo.samples + BINS)
        found["lifetime.epochs"] = COPIES * NUMBER * numbers
    if isinstance(chip, ComputingChip) and scenario.lifetime is not None:
        a_chip = memory_of_a_chip(chip, attributed=scenario.lifetime.attribution)
        found["monte_carlo.samples"] = a_chip * scenario.monte_carlo.samples
        if scenario.lifetime.fine_tuning is not None:
            found["lifetime.fine_tuning"] = LEARNING
        if is_by_accuracy(scenario):  # chips of its own, which are gone before those of the case are made
            found["workload.placement"] = a_chip * max(0, CHIPS - scenario.monte_carlo.samples)
    if isinstance(chip, ComputingChip):
        read = READ_LATER * chip.computer.memory_while_read  # chips are read when meshes that judge have gone
        found["workload.network"] -= min(read, kind_of(scenario).passing_memory(chip) if wanted else 0.0)
        # and what calibration takes has gone when the rest comes
        stays = chip.computer.network.stored + found["workload.data"] + memory.BESIDE
        found["workload.network"] += max(0.0, stays + chip.computer.memory_before - sum(found.values()))
    return found


def memory_of_a_chip(chip: ComputingChip, *, attributed: bool = False) -> float:
    """Of its cells while they are aged and read, and of those of its largest layer. [byte]"""
    cells = [math.prod(m.state_shape) for m in chip.computer.matrices.values()]
    return (CELL_MEMORY + attributed * ATTRIBUTED) * sum(cells) + LAYER_MEMORY * max(cells)


def _passes(chip: Chip) -> float:
    """Memory of the solvers of a mesh over that of one."""
    return SETTLING if any(face.follows_surface for face in chip.scenario.cooling.conditions.values()) else 1.0


def _of_models(chip: Chip) -> float:
    """Memory of a compact model while it is made, nothing where none is asked for."""
    if chip.scenario.solver.backend != "compact":
        return 0.0
    answers = len(sources_as_programmed(chip)) + 2 * len(chip.stack.named) + len(chip.scenario.probes)
    nodes = kind_of(chip.scenario).of(chip).unknowns(chip.stack, 1)
    return NUMBER * nodes * answers * STATES * (1 + len(chip.scenario.compact.films))


def _bytes_of(part: Any) -> float:
    """Of an array, or of the arrays of several inputs."""
    arrays = part.arrays.values() if isinstance(part, Inputs) else (part,)
    return float(sum(array.nbytes for array in arrays))


def solves_of(chip: Chip) -> int:
    """Solves of the mesh that a case takes at least: one per epoch, or step of a transient; the error takes as many again."""
    transient = chip.scenario.transient
    if transient is None:
        return instants_of(chip)
    if transient.step is not None:
        return math.ceil(transient.until / transient.step)
    switches = (
        1 if transient.duty is None else 2 * math.ceil(1 if transient.periodic else transient.until / transient.duty.period)
    )
    return 2 * STEPS * max(switches, len(transient.times))


def told(chip: Chip) -> str:
    """What a case will take, in a line."""
    found = terms_of(chip)
    total = sum(found.values())
    parts = ", ".join(f"{key} {memory.size(n)}" for key, n in sorted(found.items(), key=lambda f: -f[1]) if n > 0.02 * total)
    solves = solves_of(chip)
    least = f"at least {solves} solve{'' if solves == 1 else 's'}"
    return f"about {memory.size(total)} of memory beyond the program ({parts}), {least}"


def instants_of(chip: Chip) -> int:
    """Instants that maps are kept of."""
    scenario = chip.scenario
    if scenario.transient is not None:
        return len(scenario.transient.times)
    if scenario.lifetime is not None:
        refine = scenario.lifetime.refine
        return 2 + (refine.most if refine is not None else scenario.lifetime.epochs)
    return 1


def check_size(chip: Chip) -> None:
    """Refuse a case that wants more memory than there is; raises DeckError with every term that matters."""
    memory.check_terms(terms_of(chip))
