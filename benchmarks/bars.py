"""Stated errors against true ones, deck by deck: ``python benchmarks/bars.py [profile ...] [--only WORD] [--json FILE]``."""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from error_decks import DECKS

from stack3d import decks, yamlfile
from stack3d.case import check
from stack3d.chip.chip import Chip
from stack3d.fields import is_temperature
from stack3d.grids import Grid
from stack3d.heat import estimate
from stack3d.heat.meshing import Bricks
from stack3d.heat.solvers import Backends
from stack3d.heat.transient import over_time

PROFILES = ("ci", "draft", "standard")
COUNTS = 1e-5
"""Errors below this share of the rise do not count."""


def chip_of(tree: dict[str, Any], profile: str, **changes: Any) -> Chip:
    overrides = [("solver.backend", "tensor"), *changes.items()]
    return check(
        decks.resolve(yamlfile.parse_text(json.dumps({**tree, "solver": profile}), "bars.yaml"), None, overrides).scenario
    )


def cut(lines: Any, parts: int) -> Any:
    """Every interval cut in `parts`; a contact stays one element of no thickness."""
    inner = lines[:-1, None] + np.diff(lines)[:, None] * np.arange(parts) / parts
    keep = (np.arange(parts) == 0) | (np.diff(lines)[:, None] > 0)
    return np.append(inner[keep], lines[-1])


def finer(grid: Grid, parts: int, upright: int) -> Grid:
    owner = np.repeat(grid.layer, np.where(np.diff(grid.z) > 0, upright, 1))
    return Grid(cut(grid.x, parts), cut(grid.y, parts), cut(grid.z, upright), owner)


def answers(chip: Chip, grid: Grid, backends: Backends) -> dict[str, Any]:
    bricks = Bricks(grid)
    if (deck := chip.scenario.transient) is not None:
        return over_time(chip, deck, backends.solid(chip.scenario, chip.stack, bricks))[0]
    return estimate.answers(chip, backends.of(chip.scenario, chip.stack, bricks).solve(chip.sources))


def truth(tree: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Answers of the mesh of `standard` with every element cut in two along each axis, extrapolated, and how well known."""
    steps = {"transient.tolerance": "0.2 mK"} if "transient" in tree else {}
    chip = chip_of(tree, "standard", **steps)
    grid = Bricks.of(chip).grid
    one, two = (answers(chip, finer(grid, n, n), Backends()) for n in (1, 2))
    out = {}
    for name, value in two.items():
        if is_temperature(name):
            step = np.asarray(value) - np.asarray(one[name])
            out[name] = (np.asarray(value) + 0.6 * step, 0.4 * np.abs(step))
    return out


def judged(tree: dict[str, Any], profile: str) -> tuple[dict[str, Any], dict[str, Any], tuple[float, float], int]:
    """Values, errors, CPU seconds of solve and estimate, unknowns."""
    chip = chip_of(tree, profile)
    started = time.process_time()
    bricks = Bricks.of(chip)
    backends = Backends()
    if (deck := chip.scenario.transient) is not None:
        values = over_time(chip, deck, backends.solid(chip.scenario, chip.stack, bricks))[0]
        middle = time.process_time()
        found = estimate.of_march(chip, deck, values, backends.coarse)
    else:
        solution = backends.of(chip.scenario, chip.stack, bricks).solve(chip.sources)
        values = estimate.answers(chip, solution)
        middle = time.process_time()
        found = estimate.of_mesh(chip, solution, backends.coarse)
    ended = time.process_time()
    return values, {n: e.value for n, e in found.items()}, (middle - started, ended - middle), bricks.grid.n_nodes


def rows(names: list[str], profiles: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    for name in names:
        exact = truth(DECKS[name])
        for profile in profiles:
            values, errors, seconds, unknowns = judged(DECKS[name], profile)
            rise = max(float(np.max(v)) for v, _ in exact.values()) - 300.0
            for variable, (right, known) in exact.items():
                true = np.abs(np.asarray(values[variable]) - right)
                stated = np.asarray(errors[f"{variable}_error"])
                yield {
                    "deck": name, "profile": profile, "variable": variable.removeprefix("thermal/"), "rise": rise,
                    "true": float(np.nanmax(true)), "stated": float(np.nanmax(stated)), "known": float(np.nanmax(known)),
                    "pointwise": float(np.nanmean(stated >= true - known)), "seconds": seconds, "unknowns": unknowns,
                }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("profiles", nargs="*", default=PROFILES)
    parser.add_argument("--only", default="")
    parser.add_argument("--json", type=Path)
    wanted = parser.parse_args()
    warnings.simplefilter("ignore")
    found = []
    for row in rows([n for n in DECKS if wanted.only in n], tuple(wanted.profiles)):
        ratio = row["stated"] / max(row["true"], 1e-300)
        row["counts"] = row["true"] > COUNTS * row["rise"]
        flag = "" if ratio >= 1 or not row["counts"] else "  LOW"
        print(
            f"{row['deck']:<24}{row['profile']:<10}{row['variable']:<28}{100 * row['true'] / row['rise']:>9.4f} %"
            f"{100 * row['stated'] / row['rise']:>9.4f} %{ratio:>8.2f}{100 * row['known'] / row['rise']:>9.4f}"
            f"{row['seconds'][0]:>7.1f}{row['seconds'][1]:>7.1f}{flag}",
            flush=True,
        )
        found.append(row)
    if wanted.json:
        wanted.json.write_text(json.dumps(found, indent=1))
    counted = [r["stated"] / r["true"] for r in found if r["counts"]]
    print(f"{len(counted)} counted, {sum(r < 1 for r in counted)} too small, median {np.median(counted):.2f}")


if __name__ == "__main__":
    main()
