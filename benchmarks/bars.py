"""Stated errors against true ones, deck by deck: ``python benchmarks/bars.py [profile ...] [--only START] [--into FOLDER]``."""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from error_decks import DECKS, OWN, TETRAHEDRA, of_mesh, own_mesh

from stack3d import decks, yamlfile
from stack3d.case import check, run_case
from stack3d.chip import Chip
from stack3d.fields import is_temperature
from stack3d.grids import Grid
from stack3d.heat import thermal_values
from stack3d.heat.loads import face_of
from stack3d.heat.meshing import Bricks, meshed
from stack3d.heat.solvers import Backends
from stack3d.heat.time import over_time
from stack3d.heat.time.transient import with_smaller_steps
from stack3d.heat.trust import error_bars
from stack3d.layout import Rectangle
from stack3d.progress import Silent
from stack3d.schema import TransientDeck
from stack3d.thermal.analytic.series import CosineSeries, refusals
from stack3d.thermal.places import Box, Place, Probe
from stack3d.thermal.problem import Face
from stack3d.thermal.time.march import TakenSteps

PROFILES = ("ci", "draft", "standard")
ASKED = "0.1 %"
"""An accuracy, which stands where a profile does; `ci` is refined until the estimate is below it."""
REFINED = (
    *("strip_0.4", "ring_0.15_390.0", "gaps_0.3", "blocks_0.05", "patch_5000.0_0.3", "thin_layers_100", "channels_4_100"),
    *("spot_0.4", "die_2.5_2", "die_1.2_20", "step_10us_metal", "step_1ms_cap_spot", "pulse_1ms", "tet_spot_1.5"),
    *("bow", "sheet", "overlap", "bow_step", "sheet_step", "switched"),
)
"""Decks that it is asked of."""
COUNTS, KNOWN = 1e-5, 0.2
"""Errors below this share of the rise do not count, nor those whose truth is not known to that share of them."""
TRUNCATED = 3e-4
"""A series whose rest is more than this share of the rise has too few terms: layers are too thin beside their sources."""
SMALLER = 300.0
"""Times the allowed error of a step is smaller on the meshes that right values are extrapolated from."""
ORDERS = (0.7, 2.2)
"""Orders that three meshes are believed to show."""
HEAVY = ("hbm_like_12high", *TETRAHEDRA)
"""Decks of millions of unknowns at `standard`, which they are not judged at."""
OF_TIERS = ("thermal/temperature_mean", "thermal/temperature_max", "thermal/temperature_peak")
"""Variables that are those of a tier's layer, and have their errors."""
SIZES = {"ci": 0.3, "draft": 0.2, "standard": 0.1}
"""Of the elements of a mesh of one's own. [mm]"""


def chip_of(tree: dict[str, Any], profile: str, backend: str = "tensor", folder: Path = Path(), **mesh: Any) -> Chip:
    tree = dict(tree)
    overrides: list[tuple[str, Any]] = [("solver.backend", backend), *((f"solver.mesh.{k}", v) for k, v in mesh.items())]
    if "order" in tree:
        overrides = [("solver.order", tree.pop("order"))]
    if profile not in PROFILES:
        overrides, profile = [*overrides, ("solver.accuracy", profile)], "ci"
    text, path = json.dumps({**tree, "solver": profile}), folder / "bars.yaml"
    return check(decks.resolve(yamlfile.parse_text(text, str(path)), path, overrides).scenario)


def judged_chip(name: str, profile: str, folder: Path) -> Chip:
    """The chip whose errors are judged: bricks, tetrahedra, or a mesh of one's own, which is written into a folder."""
    if name in TETRAHEDRA:
        return chip_of(DECKS[TETRAHEDRA[name]], profile, "fem", cells="tet")
    if name in OWN:
        kind, order = OWN[name]
        path = folder / f"{name}_{profile}.msh"
        own_mesh(kind, SIZES[profile], path)
        return chip_of(of_mesh(path, order), profile, folder=folder)
    return chip_of(DECKS[name], profile)


COARSE = {"hbm_like_12high": {"lateral": 12, "per_source": 4, "per_layer": 1, "aspect": 2.0}}
"""By geometry deck: mesh that right values begin on, where that of `draft` is too large to be cut in four."""


def twin(name: str) -> dict[str, Any]:
    """The deck on bricks whose right values are those of a name."""
    return DECKS["cold_end" if name in OWN else TETRAHEDRA.get(name, name)]


def cut(lines: Any, parts: int) -> Any:
    """Every interval cut in `parts`; a contact stays one element of no thickness."""
    inner = lines[:-1, None] + np.diff(lines)[:, None] * np.arange(parts) / parts
    keep = (np.arange(parts) == 0) | (np.diff(lines)[:, None] > 0)
    return np.append(inner[keep], lines[-1])


def finer(grid: Grid, parts: int, upright: int) -> Grid:
    owner = np.repeat(grid.layer, np.where(np.diff(grid.z) > 0, upright, 1))
    return Grid(cut(grid.x, parts), cut(grid.y, parts), cut(grid.z, upright), owner)


def answers(chip: Chip, grid: Grid, backends: Backends) -> dict[str, Any]:
    """Temperatures on a grid, maxima as they lie between nodes."""
    bricks = Bricks(grid)
    if (deck := chip.scenario.transient) is not None:
        return error_bars.with_peaks(chip, over_time(chip, deck, backends.solid(chip.scenario, chip.stack, bricks))[0])
    solution = backends.of(chip.scenario, chip.stack, bricks).solve(chip.sources)
    return error_bars.with_peaks(chip, error_bars.values_of(chip, solution))


Truth = dict[str, tuple[Any, Any]]
"""By variable: right values, and how well they are known. [K], [K]"""


def truth(tree: dict[str, Any]) -> Truth:
    """Exact where layers are uniform and power is steady or repeats, else extrapolated."""
    chip = chip_of(tree, "standard")
    if (
        "initial" in tree.get("transient", {})
        or refusals(chip.stack, chip.sources, Face())
        or any(layer.channels for layer in chip.stack.layers)
        or chip.scenario.cooling.patches
    ):
        return extrapolated(tree)
    found = exact(chip)
    rise = max(float(np.max(value)) for value, _ in found.values()) - 300.0
    return found if max(float(np.max(known)) for _, known in found.values()) < TRUNCATED * rise else extrapolated(tree)


def extrapolated(tree: dict[str, Any]) -> Truth:
    """From the mesh of `draft`, or of keys of its own, with every element cut in one, two and four along each axis."""
    chip = chip_of(tree, "draft", **COARSE.get(str(tree["geometry"]), {}))
    if (deck := chip.scenario.transient) is not None:
        small = with_smaller_steps(deck, chip.scenario.solver.error_promise, SMALLER)
        chip = replace(chip, scenario=chip.scenario.model_copy(update={"transient": small}))
    grid = Bricks.of(chip).grid
    found = [answers(chip, finer(grid, n, n), Backends()) for n in (1, 2, 4)]
    names = [name for name in found[0] if is_temperature(name) and name not in OF_TIERS]
    return {name: limit(*(np.asarray(each[name]) for each in found)) for name in names}


def limit(one: Any, two: Any, four: Any) -> tuple[Any, Any]:
    """What answers on elements cut in one, two and four tend to, and how well that is known."""
    before, last = two - one, four - two
    with np.errstate(divide="ignore", invalid="ignore"):
        order = np.log2(before / last)
    is_regular = np.isfinite(order) & (order > 0.3)
    left = last / (2.0 ** np.clip(np.where(is_regular, order, 1.0), *ORDERS) - 1.0)
    return four + left, np.where(is_regular, 0.3, 1.0) * np.abs(left)


def exact(chip: Chip) -> Truth:
    """By the cosine series; maxima are sought from the hottest node of `standard` on."""
    scenario, stack = chip.scenario, chip.stack
    faces = {
        name: face_of(deck, stack.footprint.area, scenario.cooling.ambient)
        for name, deck in scenario.cooling.conditions.items()
    }
    flat = all(source.extent.contains(stack.footprint) for source in chip.sources)
    widest = max(stack.footprint.x1 - stack.footprint.x0, stack.footprint.y1 - stack.footprint.y0)
    narrow = min(min(s.extent.x1 - s.extent.x0, s.extent.y1 - s.extent.y0) for s in chip.sources)
    modes = 2 if flat else int(np.clip(100 * widest / narrow, 2048, 16384)) if scenario.transient is None else 512
    series = CosineSeries(stack, chip.sources, faces.get("top", Face()), faces.get("bottom", Face()), modes=modes)

    def at(places: list[Place]) -> tuple[Any, float]:
        if scenario.transient is None:
            found = series.steady(places)
            return found.temperature, found.truncation
        return over_steps(chip, series, places)

    names = [layer.name for layer in stack.layers]
    found, known = at([Box(name, stack.layer(name).extent) for name in names])
    out: Truth = {"thermal/layer_temperature_mean": (found, known)}
    if scenario.probes:
        out["thermal/probe_temperature"] = at([Probe(p.layer, p.x, p.y, p.z) for p in scenario.probes])
    if scenario.maps is not None and scenario.maps.grid is not None:
        (nx, ny), box, name = scenario.maps.grid, stack.footprint, scenario.maps.layers[0]
        xs, ys = np.linspace(box.x0, box.x1, nx + 1), np.linspace(box.y0, box.y1, ny + 1)
        boxes = [Box(name, Rectangle(x0, x1, y0, y1)) for y0, y1 in zip(ys, ys[1:]) for x0, x1 in zip(xs, xs[1:])]
        found, known = at(boxes)
        out["thermal/map_temperature"] = (found.reshape(1, ny, nx), known)
    if chip.places:
        out["thermal/tile_temperature"] = at([Box(name, box) for name, box in chip.places])
    if (deck := scenario.transient) is None:
        highest = maxima(chip, at)
        out["thermal/layer_temperature_max"] = (highest, known)
        out["thermal/peak_temperature"] = (highest.max(), known)
        return out
    times = instants(deck)

    def seen(when: Any) -> tuple[Any, float]:
        return maxima_over_time(chip, lambda places: over_steps(chip, series, places, when))

    every, known = seen(times)
    ever = every.max(axis=0)
    for _ in range(CLOSER):  # a layer far from the heat is hottest some time after a switch
        is_higher = (every[1:-1] > every[:-2]) & (every[1:-1] > every[2:]) & (every[1:-1] > NEARLY * (ever - 300.0) + 300.0)
        inside = 1 + np.flatnonzero(is_higher.any(axis=1) & ~np.isin(times[1:-1], ends_of(deck)))
        more = np.unique([np.linspace(times[k - 1], times[k + 1], 9) for k in inside])
        if (more := np.setdiff1d(more, times)).size == 0:
            break
        times, order = np.unique(np.concatenate([times, more]), return_index=True)
        every = np.concatenate([every, seen(more)[0]])[order]
        ever = every.max(axis=0)
    out["thermal/layer_temperature_max"] = (every[np.abs(times - np.array(deck.times)[:, None]).argmin(axis=1)], known)
    return out | {"thermal/layer_temperature_peak": (ever, known), "thermal/peak_temperature": (ever.max(), known)}


def maxima(chip: Chip, at: Callable[[list[Place]], tuple[Any, float]]) -> Any:
    """Largest temperature of every layer, over nets that close in on the hottest of sources' middles and hottest nodes."""
    field = Backends().of(chip.scenario, chip.stack, meshed(chip)).solve(chip.sources).field
    centres = [source.extent.centre for source in chip.sources]
    width = min(min(s.extent.x1 - s.extent.x0, s.extent.y1 - s.extent.y0) for s in chip.sources)
    heated = {source.layer for source in chip.sources}
    best: Any = -np.inf
    spots = {la.name: [*centres, field.layer_peak(la.name)[1][:2]] for la in chip.stack.layers}
    levels = {la.name: 0.5 * (la.z0 + la.z1) for la in chip.stack.layers}
    for k in range(6):
        step = 0.25 * width * 0.5**k
        places, owner = list[Place](), list[int]()
        for i, layer in enumerate(chip.stack.layers):
            box, half = layer.extent, 0.5 * (layer.z1 - layer.z0) * 0.6 ** (k if layer.name in heated else 0)
            heights = levels[layer.name] + half * np.linspace(-1.0, 1.0, 5 if layer.name in heated else 2)
            for x, y in spots[layer.name]:
                for u in (-step, 0.0, step):
                    for v in (-step, 0.0, step):
                        where = float(np.clip(x + u, box.x0, box.x1)), float(np.clip(y + v, box.y0, box.y1))
                        places += [Probe(layer.name, *where, float(z)) for z in np.clip(heights, layer.z0, layer.z1)]
                        owner += [i] * heights.size
        found = at(places)[0]
        of = np.array(owner)
        best = np.maximum(best, np.stack([found[..., of == i].max(axis=-1) for i in range(len(chip.stack.layers))], axis=-1))
        for i, layer in enumerate(chip.stack.layers):
            mine = np.flatnonzero(of == i)
            probe = places[mine[np.argmax(found[mine])]]
            assert isinstance(probe, Probe) and probe.z is not None
            spots[layer.name] = [(probe.x, probe.y)]
            if layer.name in heated:
                levels[layer.name] = probe.z
    return best


AFTER_ENDS = (0.03, 0.1, 0.25, 0.5)
"""Shares of the time between two outputs or changes of power at which maxima are sought."""
CLOSER, NEARLY = 3, 0.9
"""Times that instants close in, by a fourth, on those at which a layer is hottest, or nearly so."""
HEIGHTS = 7
"""In a heated layer, over whose highest three a parabola goes; heat that comes from outside is highest at a face."""


def maxima_over_time(chip: Chip, at: Callable[[list[Place]], tuple[Any, float]]) -> tuple[Any, float]:
    """Largest temperature of every layer at the middles of sources, by instant, and how well it is known. [K], [K]"""
    heated = {source.layer for source in chip.sources}
    heights = [np.linspace(la.z0, la.z1, HEIGHTS if la.name in heated else 2) for la in chip.stack.layers]
    middles = list(dict.fromkeys(source.extent.centre for source in chip.sources))
    places: list[Place] = []
    for x, y in middles:
        places += [Probe(la.name, x, y, float(z)) for la, own in zip(chip.stack.layers, heights) for z in own]
    found, known = at(places)
    per = found.reshape(len(found), len(middles), -1)
    ends = np.cumsum([0, *(own.size for own in heights)])
    return np.stack([top(per[:, :, a:b]).max(axis=-1) for a, b in zip(ends, ends[1:])], axis=-1), known


def top(values: Any) -> Any:
    """Of values at even distances along the last axis the largest, of the parabola about it where it lies inside."""
    n = values.shape[-1]
    if n < 3:
        return values.max(axis=-1)
    i = np.clip(values.argmax(axis=-1), 1, n - 2)[..., None]
    a, b, c = (np.take_along_axis(values, i + k, axis=-1)[..., 0] for k in (-1, 0, 1))
    bend, slope = a - 2 * b + c, 0.5 * (c - a)
    is_inside = (bend < 0) & (np.abs(slope) < -bend)
    return np.where(is_inside, b - 0.5 * slope**2 / np.where(bend < 0, bend, -1.0), values.max(axis=-1))


def changes_of(deck: TransientDeck) -> list[tuple[float, float]]:
    """Instants at which the power comes (1) and goes (-1). [s]"""
    if deck.duty is None:
        return [(0.0, 1.0)]
    periods = np.arange(int(np.ceil(deck.until / deck.duty.period)))
    return [(k * deck.duty.period + shift, sign) for k in periods for shift, sign in ((0.0, 1.0), (deck.duty.on, -1.0))]


def ends_of(deck: TransientDeck) -> Any:
    """Outputs and changes of power, at which maxima are edges. [s]"""
    return np.unique([*deck.times, deck.until, *(t for t, _ in changes_of(deck) if t < deck.until)])


def instants(deck: TransientDeck) -> Any:
    """Instants among which the highest temperatures are sought: outputs, changes of power, more between them. [s]"""
    ends = ends_of(deck)
    return np.unique(np.concatenate([ends[1:], *(ends[:-1] + share * np.diff(ends) for share in AFTER_ENDS)]))


def over_steps(chip: Chip, series: CosineSeries, places: list[Place], times: Any = None) -> tuple[Any, float]:
    """Temperature at times, or at the outputs of a transient: every change of power is a step from then on."""
    deck = chip.scenario.transient
    assert deck is not None
    times, changes = deck.times if times is None else times, changes_of(deck)
    since = [[(now - begun, sign) for begun, sign in changes if now > begun * (1 + 1e-9)] for now in times]
    steps = sorted({float(f"{t:.9e}") for each in since for t, _ in each})
    found = series.step(places, steps, 300.0)
    out = np.full((len(times), len(places)), 300.0)
    for row, each in zip(out, since):
        row += sum(sign * (found.temperature[np.argmin(np.abs(np.array(steps) - t))] - 300.0) for t, sign in each)
    known = found.truncation * max(len(each) for each in since)
    return out, known


def judged(chip: Chip) -> tuple[dict[str, Any], dict[str, Any], tuple[float, float], int]:
    """Values, errors, CPU seconds of solve and estimate, unknowns."""
    started = time.process_time()
    if chip.scenario.solver.accuracy is not None:
        outcome = run_case(chip.scenario, Silent())
        errors = {name: value for name, value in outcome.values.items() if name.endswith("_error")}
        return dict(outcome.values), errors, (0.0, time.process_time() - started), outcome.statistics["thermal"]["unknowns"]
    body = meshed(chip)
    backends = Backends()
    if (deck := chip.scenario.transient) is not None:
        steps = TakenSteps()
        values, hottest = over_time(chip, deck, backends.solid(chip.scenario, chip.stack, body), steps=steps)
        hottest()
        middle = time.process_time()
        found = error_bars.of_march(chip, deck, values, backends.coarse, None, steps)
    else:
        solution = backends.of(chip.scenario, chip.stack, body).solve(chip.sources)
        values = error_bars.with_tiles(chip, solution, thermal_values(chip, solution, outside=False))
        middle = time.process_time()
        found = error_bars.of_mesh(chip, solution, backends.coarse, values=values)
    seconds = middle - started, time.process_time() - middle
    return dict(values), {n: e.value for n, e in found.items()}, seconds, body.unknowns(chip.stack, chip.scenario.solver.order)


def rows(names: Iterable[str], profiles: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    for name in names:
        right_values = truth(twin(name))
        for profile in profiles:
            with TemporaryDirectory() as folder:
                values, errors, seconds, unknowns = judged(judged_chip(name, profile, Path(folder)))
            rise = max(float(np.max(v)) for v, _ in right_values.values()) - 300.0
            for variable, (right, known) in right_values.items():
                true = np.abs(np.asarray(values[variable]) - right)
                stated = np.asarray(errors[f"{variable}_error"])
                yield {
                    "deck": name, "profile": profile, "variable": variable.removeprefix("thermal/"), "rise": rise,
                    "true": float(np.nanmax(true)), "stated": float(np.nanmax(stated)), "known": float(np.nanmax(known)),
                    "pointwise": float(np.nanmean(stated >= true - known)), "seconds": seconds, "unknowns": unknowns,
                }  # fmt: skip


def table(found: list[dict[str, Any]]) -> str:
    """Stated over true errors in Markdown: least, median, largest by profile and variable, then the largest errors deck by deck."""
    counted = [row for row in found if row["counts"]]
    every = (*PROFILES, ASKED)
    kinds = sorted({(every.index(row["profile"]), row["variable"]) for row in counted})
    lines = ["| profile | variable | errors | least ratio | median | largest |", "|---|---|---|---|---|---|"]
    for profile, variable in kinds:
        ratios = [r["stated"] / r["true"] for r in counted if (r["profile"], r["variable"]) == (every[profile], variable)]
        cells = (f"{pick(ratios):.2f}" for pick in (np.min, np.median, np.max))
        lines.append(f"| `{every[profile]}` | `{variable}` | {len(ratios)} | {' | '.join(cells)} |")
    profiles = [p for p in every if any(row["profile"] == p for row in found)]
    lines += ["", f"| deck | variable | {' | '.join(f'`{p}`' for p in profiles)} |", "|---|---|" + "---|" * len(profiles)]
    for deck, variable in dict.fromkeys((row["deck"], row["variable"]) for row in counted):
        mine = {row["profile"]: row for row in counted if (row["deck"], row["variable"]) == (deck, variable)}
        cells = (
            f"{100 * mine[p]['true'] / mine[p]['rise']:.2g} / {100 * mine[p]['stated'] / mine[p]['rise']:.2g}"
            if p in mine
            else ""
            for p in profiles
        )
        lines.append(f"| {deck} | `{variable}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("profiles", nargs="*", default=PROFILES)
    parser.add_argument("--only", default="")
    parser.add_argument("--into", type=Path, help="folder of one JSON file per deck; decks that lie there are not run again")
    parser.add_argument("--table", type=Path, help="print the table of such a folder instead")
    wanted = parser.parse_args()
    if wanted.table:
        print(table([row for file in sorted(wanted.table.glob("*.json")) for row in json.loads(file.read_text())]))
        return
    warnings.simplefilter("ignore")
    found = []
    for name in [n for n in (*DECKS, *TETRAHEDRA, *OWN) if n.startswith(wanted.only)]:
        file = wanted.into and wanted.into / f"{name}.json"
        if file and file.exists():
            found += json.loads(file.read_text())
            continue
        profiles = tuple(p for p in wanted.profiles if p != "standard" or name not in HEAVY)
        mine = [told(row) for row in rows([name], profiles)]
        if file:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(mine, indent=1))
        found += mine
    counted = [r["stated"] / r["true"] for r in found if r["counts"]]
    print(f"{len(counted)} counted, {sum(r < 1 for r in counted)} too small, median {np.median(counted):.2f}")


def told(row: dict[str, Any]) -> dict[str, Any]:
    """A row with whether it counts, printed."""
    ratio = row["stated"] / max(row["true"], 1e-300)
    row["counts"] = row["true"] > COUNTS * row["rise"] and row["known"] < KNOWN * row["true"]
    flag = "" if ratio >= 1 or not row["counts"] else "  LOW"
    print(
        f"{row['deck']:<24}{row['profile']:<10}{row['variable']:<28}{100 * row['true'] / row['rise']:>9.4f} %"
        f"{100 * row['stated'] / row['rise']:>9.4f} %{ratio:>8.2f}{100 * row['known'] / row['rise']:>9.4f}"
        f"{row['seconds'][0]:>7.1f}{row['seconds'][1]:>7.1f}{flag}",
        flush=True,
    )
    return row


if __name__ == "__main__":
    main()
