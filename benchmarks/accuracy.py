"""What an accuracy asked for costs beside named profiles: ``python benchmarks/accuracy.py [--only START] [--into FILE]``.

Cost is CPU time of a whole case with its estimates; errors are the estimated ones of peak and probes, in per cent of the rise.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
import neutral
from error_decks import DECKS, box, film

from stack3d import decks, yamlfile
from stack3d.case import check, run_case
from stack3d.errors import Stack3dError
from stack3d.heat.meshing import meshed
from stack3d.progress import Silent

REFERENCE = Path(__file__).resolve().parents[1] / "tests" / "reference" / "thermal"
MOST = 3_000_000
"""Unknowns of a profile that is tried beside it."""
HEATED = {
    "bulk_rram_8tier": ("logic", 0, 8), "bulk_rram_channels": ("logic", 0, 8), "compute_on_memory_2tier": ("compute", 0, 10),
    "flip_chip_package": ("active", 5, 10), "monolithic_3d_rram": ("t0_transistors", 0, 9.69), "tsv_stack_4tier": ("logic", 0, 8.22),
}  # fmt: skip
"""By shipped stack: the layer that is heated, where its die begins along x and y, and the side of the die [mm]."""


def shipped(name: str) -> dict[str, Any]:
    """A shipped stack, the active layer of its die heated all over and more in a quarter of its width."""
    where, low, side = HEATED[name]
    span, part = (low, low + side), (low + 0.3 * side, low + 0.55 * side)
    sources = [box("all", span, span, layer=where, power="2 W"), box("spot", part, part, layer=where, power="1 W")]
    middle = f"{low + 0.425 * side:g} mm"
    cooling = {"ambient": "300 K", **film(5e3)}
    probes = [{"name": "p", "layer": where, "x": middle, "y": middle}]
    return {"scenario": name, "geometry": name, "power": {"sources": sources}, "cooling": cooling, "probes": probes}


def cases() -> dict[str, tuple[Any, list[tuple[str, Any]]]]:
    """By name: a scenario and overrides."""
    found: dict[str, tuple[Any, list[tuple[str, Any]]]] = {name: (shipped(name), []) for name in HEATED}
    found["hbm_like_12high"] = DECKS["hbm_like_12high"], []
    for name in neutral.CASES:
        found[name] = json.loads(neutral.scenario_text(REFERENCE, name)), []
    for name in ("step_1ms_cap_spot", "pulse_20ms", "channels_5_200"):
        found[name] = DECKS[name], []
    found["spot_1.5 (fem)"] = DECKS["spot_1.5"], [("solver.backend", "fem")]
    found["spot_1.5 (tetrahedra)"] = DECKS["spot_1.5"], [("solver.backend", "fem"), ("solver.mesh.cells", "tet")]
    return found


def run(given: Any, overrides: list[tuple[str, Any]], solver: Any) -> tuple[float, float, int]:
    """Estimated error of peak and probes over the rise [%], CPU time [s], unknowns."""
    text = json.dumps({**given, "solver": solver})
    case = decks.resolve(yamlfile.parse_text(text, "accuracy.yaml"), None, overrides)
    chip = check(case.scenario)
    if isinstance(solver, str) and (n := meshed(chip).unknowns(chip.stack, chip.scenario.solver.order)) > MOST:
        return np.nan, np.nan, n
    started = time.process_time()
    outcome = run_case(case.scenario, Silent())
    seconds = time.process_time() - started
    values = outcome.values
    peaks = np.atleast_2d(values["thermal/layer_temperature_max"])
    rise = peaks.max(axis=-1) - chip.scenario.cooling.ambient
    hottest = peaks >= peaks.max(axis=-1, keepdims=True)
    errors = np.where(hottest, np.atleast_2d(values["thermal/layer_temperature_max_error"]), np.inf).min(axis=-1)
    if "thermal/probe_temperature_error" in values:
        errors = np.maximum(errors, np.atleast_2d(values["thermal/probe_temperature_error"]).max(axis=-1))
    return 100 * float((errors / rise).max()), seconds, int(outcome.statistics["thermal"]["unknowns"])


Cell = tuple[float, float, int] | str
"""What a run gave, or the error that it ended with."""


def tried(given: Any, overrides: list[tuple[str, Any]], solver: Any) -> Cell:
    """A run, or what it was refused with."""
    try:
        return run(given, overrides, solver)
    except Stack3dError as failure:
        return f"{type(failure).__name__}: {failure}"


def row(name: str, found: dict[str, Cell], asked: str, profiles: list[str]) -> str:
    """A line of the table: what was asked for beside profiles, and its cost over that of the cheapest that meets it."""
    limit, met, cells = float(asked.removesuffix("%")), list[float](), list[str]()
    for what in (asked, *profiles):
        one = found.get(what)
        if one is None or isinstance(one, str):
            cells.append(one or "")
            continue
        error, seconds, unknowns = one
        if not np.isfinite(error):
            cells.append(f"{unknowns / 1e6:.1f} M, not run")
            continue
        cells.append(f"{error:.2g} %, {seconds:.1f} s, {unknowns / 1e6:.2g} M")
        if what != asked and error <= limit:
            met.append(seconds)
    mine = found.get(asked)
    over = f"{mine[1] / min(met):.2f}" if met and mine is not None and not isinstance(mine, str) else "none meets it"
    return f"| {name} | {' | '.join(cells)} | {over} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="")
    parser.add_argument("--asked", default="0.1 %")
    parser.add_argument("--profiles", nargs="*", default=["ci", "draft", "standard", "reference"])
    parser.add_argument("--into", type=Path, help="JSON file that runs are kept in; those that it holds are not run again")
    wanted = parser.parse_args()
    warnings.simplefilter("ignore")
    kept: dict[str, dict[str, Cell]] = {}
    if wanted.into and wanted.into.exists():
        kept = json.loads(wanted.into.read_text())
    limit = float(wanted.asked.removesuffix("%"))
    print(
        f"| case | {wanted.asked} asked | {' | '.join(f'`{p}`' for p in wanted.profiles)} | over the cheapest that meets it |"
    )
    print("|---|---|" + "---|" * (len(wanted.profiles) + 1))
    for name, (given, overrides) in cases().items():
        if not name.startswith(wanted.only):
            continue
        mine = kept.setdefault(name, {})
        for what in (*wanted.profiles, wanted.asked):  # all is loaded by the time of the last
            solver = {"profile": "study", "accuracy": what} if what == wanted.asked else what
            met = [one for key, one in mine.items() if key in wanted.profiles and not isinstance(one, str) and one[0] <= limit]
            if what in mine or (met and what != wanted.asked):
                continue
            mine[what] = tried(given, overrides, solver)
            if wanted.into:
                wanted.into.write_text(json.dumps(kept, indent=1))
        print(row(name, mine, wanted.asked, wanted.profiles), flush=True)


if __name__ == "__main__":
    main()
