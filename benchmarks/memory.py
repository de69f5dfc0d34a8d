"""Estimated memory of cases beside the memory that they take: growth of the process at its highest, each case in a process of its own.

Run ``python benchmarks/memory.py [--only WORD …]``; all rows take half an hour. The program itself, with every library loaded and one
small solve of each kind done, is what the growth is counted from.
"""

from __future__ import annotations

import os

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import made_networks

from stack3d import decks, memory, results, yamlfile
from stack3d.case import check, run_case
from stack3d.case.size import terms_of
from stack3d.decks import find
from stack3d.progress import Silent
from stack3d.study.plan import StudyDraft

HEAT = """\
scenario: heat
geometry: {geometry}
power: {{sources: [{{name: hot, layer: {layer}, x: ["1 mm", "2 mm"], y: ["1 mm", "3 mm"], power: "1 W"}}]}}
cooling: {{top: cold_plate, bottom: board, ambient: "300 K"}}
"""
LAYERS = {
    "bulk_rram_8tier": "logic",
    "compute_on_memory_2tier": "memory",
    "hbm_like_12high": "base",
    "monolithic_3d_rram": "logic",
    "tsv_stack_4tier": "logic",
    "flip_chip_package": "active",
}
CELLS = {
    "tensor": {"backend": "tensor"},
    "bricks": {"backend": "fem"},
    "tet": {"backend": "fem", "order": 1, "mesh": {"cells": "tet"}},
    "tet2": {"backend": "fem", "order": 2, "mesh": {"cells": "tet"}},
}
SMALL = """\
scenario: small
geometry: {footprint: ["1 mm", "1 mm"], layers: [{name: die, thickness: "0.1 mm", material: silicon}]}
power: {sources: [{name: hot, layer: die, power: "1 W"}]}
cooling: {top: {film_coefficient: "1e4 W/m^2/K"}, ambient: "300 K"}
solver: {backend: fem, mesh: {lateral: 4, per_layer: 1}, error_promise: 0.5}
"""


CHIP = """\
scenario: chip
geometry: bulk_rram_8tier
cooling: {top: forced_air, bottom: board, ambient: "60 degC"}
workload: {network: digits_mlp, rate: "2e5 1/s", tile: [32, 32], placement: spread, periphery: cmos_adc_8bit, test_samples: 40}
power: {sources: [{name: host, layer: logic, power: "150 mW"}]}
device: bulk_rram_ucsd
mvm: {dac_bits: 8, adc_bits: 8}
lifetime: {until: "10 year", epochs: 8, attribution: false}
monte_carlo: {samples: 4, seed: 1}
solver: {backend: tensor, mesh: {lateral: 8, per_layer: 1}, error_promise: 0.5}
"""
MARCH = 'transient: {until: "1 s", outputs: ["0.1 s", "1 s"], tolerance: "0.5 K"}\n'
BUMPS = "resolved_bumps"
OWN = """\
scenario: own
geometry: {mesh: own.msh, mesh_unit: "1 m", materials: {die: silicon}}
power: {sources: [{name: hot, layer: die, power: "1 W"}]}
cooling: {faces: {top: {film_coefficient: "1e4 W/m^2/K"}}, ambient: "300 K"}
solver: {backend: fem, order: ORDER, mesh: {lateral: 4}, error_promise: 0.5}
"""
"""A box of 1 x 1 x 0.1 mm that Gmsh meshes."""


def _heat(geometry: str, profile: str, solver: dict[str, Any]) -> str:
    """A geometry heated in one layer, on elements of a kind and profile."""
    found = find("solvers", profile)
    kept = {key: value for key, value in yamlfile.read(found).items() if key != "title"}
    chosen = {**kept, **solver, "mesh": {**kept["mesh"], **solver.get("mesh", {})}}
    return HEAT.format(geometry=geometry, layer=LAYERS[geometry]) + f"solver: {json.dumps(chosen)}\n"


def rows() -> Iterator[tuple[str, str, list[tuple[str, Any]]]]:
    """Name, deck or scenario, and what is set of it."""
    for name in sorted(decks.available("scenarios")):
        yield name, name, []
    for geometry in LAYERS:
        yield f"{geometry}, tensor, standard", _heat(geometry, "standard", {"backend": "tensor"}), []
        for kind, solver in CELLS.items():
            if kind != "tensor":
                yield f"{geometry}, {kind}, ci", _heat(geometry, "ci", solver), []
    for kind, solver in CELLS.items():
        yield f"transient, {kind}", _heat("flip_chip_package", "ci", solver) + MARCH, []
    for kind in ("tensor", "bricks"):
        deck = _heat("flip_chip_package", "ci", CELLS[kind])
        yield f"step response, {kind}", deck + "impedance: {}\n", []
    for lateral in (8, 32, 48):
        yield f"{BUMPS}, lateral {lateral}", BUMPS, [("solver.mesh.lateral", lateral)]
    yield f"{BUMPS}, order 2", BUMPS, [("solver.order", 2)]
    yield f"{BUMPS}, 24 sides", BUMPS, [("solver.mesh.sides", 24)]
    for name, order in (("tetrahedra", 1), ("tetrahedra", 2)):
        yield f"own mesh of {name}, order {order}", OWN.replace("ORDER", str(order)), []
    yield "channels, lateral 48", "microchannels_2tier", [("solver.mesh.lateral", 48)]
    yield "chip, tier_map 400 x 400", CHIP, [("tier_map", [400, 400])]
    yield "chip, maps 300 x 300", CHIP, [("maps", {"layers": ["logic", "logic_bulk"], "grid": [300, 300]})]
    yield "chip, 200 samples", CHIP, [("monte_carlo.samples", 200)]
    yield "chip, 400 epochs", CHIP, [("lifetime.epochs", 400)]
    yield "chip, attribution", CHIP, [("lifetime.attribution", True), ("monte_carlo.samples", 50)]
    for name in made_networks.MADE:
        yield f"network {name}", name, []
    yield "chip, all images", CHIP, [("workload.test_samples", 540), ("monte_carlo.samples", 20)]


def _write_box(path: Path) -> None:
    """A mesh as a user makes one: 30,000 points."""
    from stack3d.geometry.gmsh_model import gmsh_model

    with gmsh_model("box") as gmsh:
        box = gmsh.model.occ.addBox(0, 0, 0, 1e-3, 1e-3, 1e-4)
        gmsh.model.occ.synchronize()
        gmsh.model.addPhysicalGroup(3, [box], name="die")
        gmsh.model.addPhysicalGroup(2, [6], name="top")
        gmsh.option.setNumber("Mesh.MeshSizeMax", 1.6e-5)
        gmsh.model.mesh.generate(3)
        gmsh.write(str(path))


def measure(deck: str, overrides: list[tuple[str, Any]]) -> tuple[dict[str, float], float]:
    """Terms of the first case of a deck, and by how much this process grows at most while the case is made and run. [byte]"""
    import stack3d.study.preload  # noqa: F401

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "deck.yaml"
        for more in ({"cells": "hex"}, {"cells": "tet"}):
            path.write_text(SMALL)
            run_case(decks.load(path, [("solver.mesh", {"lateral": 4, "per_layer": 1, **more})]).scenario, Silent())
        if deck in made_networks.MADE:  # in a process of its own, which takes its memory with it
            subprocess.run([sys.executable, made_networks.__file__, folder, deck], check=True)
            deck = path.read_text()
        path.write_text(deck)
        if "own.msh" in deck:
            _write_box(path.with_name("own.msh"))
        draft = StudyDraft(deck if "\n" not in deck else path, overrides)
        Path("/proc/self/clear_refs").write_text("5")
        before = _resident("VmRSS")
        case = draft.case(next(point for point in draft if point.dropped is None))
        terms = terms_of(check(case.scenario))
        outcome = run_case(case.scenario, Silent())
        results.write_tree(path.with_name("result.nc"), results.to_tree(case, outcome))
    return terms, _resident("VmHWM") - before


def _resident(key: str) -> float:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(key))
    return 1024.0 * int(line.split()[1])


def main() -> None:
    """Print a row for each case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=[""])
    parser.add_argument("--row")
    chosen = parser.parse_args()
    if chosen.row is not None:
        terms, taken = next(measure(deck, more) for name, deck, more in rows() if name == chosen.row)
        total = sum(terms.values())
        told = ", ".join(f"{k} {memory.size(n)}" for k, n in sorted(terms.items(), key=lambda t: -t[1]) if n > 0.02 * total)
        print(f"{chosen.row:<44}{total / 1e6:>10.0f}{taken / 1e6:>8.0f}{total / taken:>7.2f}  {told}", flush=True)
        return
    print(f"{'case':<44}{'estimated':>10}{'taken':>8}{'ratio':>7}  terms; MB", flush=True)
    for name, _, _ in rows():
        if any(word in name for word in chosen.only):
            subprocess.run([sys.executable, __file__, "--row", name], check=False)


if __name__ == "__main__":
    main()
