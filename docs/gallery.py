"""The gallery: every shipped scenario with its question, picture, numbers, time taken and deck.

``python docs/generate.py gallery`` runs all of them, which takes about half an hour of one core, and renews pictures and figures in
``docs/pictures/gallery``; with names behind it only those. The pages are made from these files each time the manual is built.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import stack3d
from stack3d import decks, yamlfile

if TYPE_CHECKING:
    import xarray as xr

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "docs" / "pictures" / "gallery"
FIGURES = PICTURES / "gallery.json"
WIDTH = 860
"""Of pictures, at most. [pixels]"""

ASKED: dict[str, tuple[str, str]] = {
    "quickstart": ("How accurate are eight tiers of resistive memory at the edge after ten years?", "accuracy"),
    "edge_wearable_8tier": (
        "What does a wearer's day do to the chip, and what is left of its network after ten years?",
        "period",
    ),
    "server_isaac_like": (
        "How hot do RRAM tiers get on a server die of 25 W/cm² with a hot unit, and what must be throttled?",
        "view",
    ),
    "rram_beside_logic": ("Does a memory chiplet beside a logic die of 12 W keep its network?", "view"),
    "automotive_85c": ("Can filamentary cells live in a car at 85 °C?", "accuracy"),
    "hybrid_pcm_rram": ("Does it pay to put the last layer into another memory?", "accuracy"),
    "on_device_learning": ("What does it bring, and cost, to train the last layer on the device every quarter?", "accuracy"),
    "refresh_vs_endurance": ("How long may cells be refreshed daily before the writes wear them out?", "accuracy"),
    "neurram_digits": ("Does the model predict a published chip with nothing fitted?", "accuracy"),
    "pcm_digits_month": ("What does recalibration give phase-change cells within a month?", "map_worst"),
    "pcm_efficiency": ("Does an inference get cheaper as phase-change cells drift?", "efficiency"),
    "layers_vs_cooling": ("How many tiers does each way of cooling carry for ten years?", "map_accuracy"),
    "ambient_vs_device": ("Which device keeps its accuracy in which surroundings?", "map_accuracy"),
    "refresh_policy": ("How often should one refresh, at which ambient?", "map_worst"),
    "write_stress": ("Which cells may a refresh spare, and what do the writes saved cost in accuracy?", "pareto"),
    "ir_drop_vs_temperature": ("Do line losses and warmth add up or cancel?", "map_accuracy"),
    "reversible_gt_85c": (
        "What does the reversible change of conductance at 85 °C cost, and which correction gives it back?",
        "map_accuracy",
    ),
    "architect_choice": (
        "Which cooling, how many tiers, which refresh and how many bits lose less than one point in ten years?",
        "front",
    ),
    "duty_cycled_package": ("How does a package warm up whose die works one second in four?", "history"),
    "chiplets_on_interposer": ("Who heats whom among four dies and a memory stack side by side?", "view"),
    "jedec_still_air": ("What does the data sheet of a ball grid array say on the two standard test boards?", "map_peak"),
    "microchannels_2tier": ("Does water between two dies of 50 W hold them?", "view"),
    "pin_fins_2tier": ("What do pins in place of channels do?", "view"),
    "silicon_heat_sink_1981": ("Is a measured water-cooled chip predicted with nothing fitted?", "profile"),
    "resolved_bumps": ("What does heat do at single bumps, which mixing rules average away?", "view"),
}
"""Scenario → its question, and the figure that answers it; ``view`` is the stack in three dimensions."""
SET: dict[str, tuple[str, ...]] = {"duty_cycled_package": ("transient.outputs={from: 0.25 s, to: 20 s, count: 80}",)}
"""What is set beside the deck, for a finer picture; the page says it."""


def renew(names: list[str]) -> None:
    """Run scenarios, all of them without names, and write pictures and figures; a run that fails ends it."""
    for name in names or list(ASKED):
        with tempfile.TemporaryDirectory() as folder:
            begin = resource.getrusage(resource.RUSAGE_CHILDREN)
            _command("run", name, *_set(name), "-o", folder, "--workers", "1", "--progress", "none")
            end = resource.getrusage(resource.RUSAGE_CHILDREN)
            record(name, Path(folder), (end.ru_utime + end.ru_stime) - (begin.ru_utime + begin.ru_stime))
        print(name, flush=True)


def record(name: str, folder: Path, seconds: float) -> None:
    """Write picture and figures of a scenario whose results lie in `folder`, and which took so many CPU seconds."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    results = folder / name
    tree = stack3d.open_result(results) if (results / "result.nc").is_file() else stack3d.open_results(results)
    picture = PICTURES / f"{name}.png"
    if ASKED[name][1] == "view":
        _command("view", name, "-o", str(picture))
    else:
        tree.stack3d.plot(ASKED[name][1]).savefig(picture, dpi=100, bbox_inches="tight")
    _small(picture)
    kept = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.is_file() else {}
    kept[name] = {
        "date": datetime.now(UTC).date().isoformat(),
        "version": stack3d.__version__,
        "seconds": round(seconds, 1),
        "numbers": numbers(tree),
    }
    FIGURES.write_text(json.dumps(dict(sorted(kept.items())), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def numbers(tree: xr.DataTree) -> list[str]:
    """What a run says: its summary, the verdict of a search, or a line for each case of a study."""
    for group in ("optimise", "levers", "uncertain"):
        if group in tree.children:
            return str(tree[group].attrs["verdict"]).splitlines()
    if "summary" in tree.attrs:
        return str(tree.attrs["summary"]).splitlines()
    axes = [str(axis) for axis in tree["status"].dims]
    answers: dict[str, Any] = {}
    if "thermal" in tree.children and "layer_temperature_max" in tree["thermal"]:
        hottest = tree["thermal/layer_temperature_max"]
        answers["peak"] = hottest.max([d for d in hottest.dims if d not in axes]) - 273.15, "{:.2f} degC"
    for figure in ("theta_ja", "theta_jc_top", "psi_jt", "psi_jb"):
        if "thermal" in tree.children and figure in tree["thermal"]:
            answers[figure] = tree[f"thermal/{figure}"], "{:.2f} K/W"
    if "mvm" in tree.children:
        name = "accuracy_worst" if "accuracy_worst" in tree["mvm"] else "accuracy"
        accuracy = tree[f"mvm/{name}"].isel(time=-1)
        answers["accuracy at the end"] = 100 * accuracy.mean([d for d in accuracy.dims if d not in axes]), "{:.2f} %"
    lines = []
    for case in tree["status"].to_series().index:
        place = dict(zip(axes, case if isinstance(case, tuple) else (case,)))
        if state := str(tree["status"].sel(place).item()):
            done = [f"{what} {form.format(float(found.sel(place)))}" for what, (found, form) in answers.items()]
            said = done if state == "done" else [state]
            lines.append(f"{', '.join(f'{k} {v}' for k, v in place.items()):<50}  {'   '.join(said)}")
    return lines


def pages(folder: Path) -> None:
    """Write the index of the gallery and a page for each scenario into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    known = json.loads(FIGURES.read_text(encoding="utf-8"))
    rows = []
    for name, (question, _) in ((n, ASKED[n]) for n in ASKED if n in known):
        found = known[name]
        rows.append(
            f"| [![{name}](../pictures/gallery/{name}.png)](gallery/{name}.md) | **{question}**<br>[`{name}`](gallery/{name}.md), {_time(found['seconds'])} |"
        )
        _write(folder / "gallery" / f"{name}.md", page(name, found))
    hidden = "\n".join(f"gallery/{name}" for name in known)
    _write(
        folder / "gallery.md",
        "# Gallery\n\nWith this page you find the shipped scenario that is nearest to your own question, copy its deck, and know what it will take.\n\n"
        "Times are CPU seconds of one core, start and files included.\n\n| | |\n|---|---|\n" + "\n".join(rows)
        + f"\n\n```{{toctree}}\n:hidden:\n\n{hidden}\n```\n",
    )  # fmt: skip


def page(name: str, found: dict[str, Any]) -> str:
    """One scenario: question, picture, numbers, time and deck."""
    path = decks.available("scenarios")[name]
    title = yamlfile.read(path).get("title") or name
    said = "\n".join(found["numbers"])
    said_set = "".join(f' --set "{one}"' for one in SET.get(name, ()))
    return (
        f"# {name}\n\n**{ASKED[name][0]}**\n\n{title}.\n\n![{title}](../../pictures/gallery/{name}.png)\n\n"
        f"## What it says\n\n```text\n{said}\n```\n\n"
        f"Computed on {found['date']} with version {found['version']}, {_time(found['seconds'])} of one core.\n\n"
        f"## Run it, change it\n\n```text\nstack3d run {name}{said_set}\nstack3d report results/{name} -o {name}.html\n```\n\n"
        f"```{{literalinclude}} ../../../scenarios/{path.name}\n:language: yaml\n```\n"
    )


def _set(name: str) -> list[str]:
    return [word for one in SET.get(name, ()) for word in ("--set", one)]


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def _command(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "stack3d", *words], check=True, stdout=subprocess.DEVNULL)


def _small(path: Path) -> None:
    """Keep a picture narrow and its colours few: the repository carries it."""
    from PIL import Image

    with Image.open(path) as image:
        shown = image.convert("RGB")
    if shown.width > WIDTH:
        shown = shown.resize((WIDTH, round(shown.height * WIDTH / shown.width)), Image.Resampling.LANCZOS)
    shown.quantize(128).save(path, optimize=True)
