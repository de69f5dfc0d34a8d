"""The notebooks of the manual: reduced, cell by cell in this process, and in full by a kernel of their own. What they claim they assert."""

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stack3d.cli import main
from stack3d.devices.laws import RETENTION
from stack3d.life.chips import policies
from stack3d.schema.cooling import cooling_laws
from stack3d.study import lever_study

FOLDER = Path(__file__).parents[2] / "docs" / "tutorials"
SMALL = {"monte_carlo.samples": 4, "lifetime.epochs": 2, "workload.test_samples": 100, "solver": "study"}
ALONE = {**SMALL, "lifetime.attribution": False}
REDUCED: dict[str, dict[str, Any]] = {
    "heat": {"asked": "0.2 %"},
    "network": {"chips": 4, "images": 200, "passes": 20},
    "device": {"cells": 4, "chips": 2, "images": 100},
    "tiers_and_cooling": {"chips": 3, "images": 150, "epochs": 2, "tiers": [1, 2]},
    "wearable": {"chips": 2, "images": 60, "epochs": 2},
    "limits": {"options": " ".join(f"--set {k}={v}" for k, v in ALONE.items()), "overrides": SMALL},
    "extend": {"quick": ALONE},
}
"""Parameters of the quick run, in place of those of the notebook's first cell."""
LEVERS = """\
levers:
  output_bit: {title: one bit more, change: {mvm.adc_bits: {add: 1}}}
  refresh: {title: refreshed every 90 days, change: {lifetime.refresh: {to: {period: "90 day"}}}}
"""
"""What the quick run tries of the twenty changes."""


def cells(page: Path) -> Iterator[tuple[str, str]]:
    """Tags and source of every code cell of a notebook in MyST Markdown."""
    for text in re.findall(r"^```\{code-cell\}[^\n]*\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
        tagged = re.match(r":tags: \[(.*?)\]\n+", text)
        yield (tagged[1], text[tagged.end() :]) if tagged else ("", text)


def test_every_notebook_has_a_reduced_run() -> None:
    assert {page.stem for page in FOLDER.glob("*.md")} == set(REDUCED)


@pytest.mark.parametrize("name", REDUCED)
def test_reduced(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one namespace, with the smaller parameters; magics that only a notebook understands are left out."""
    monkeypatch.chdir(tmp_path)
    for registry in (RETENTION, policies, cooling_laws):  # what a notebook registers ends with it
        monkeypatch.setattr(registry, "_entries", dict(registry._entries))
    short = tmp_path / "levers.yaml"
    short.write_text(LEVERS)
    monkeypatch.setattr(lever_study, "PACKAGED", short)
    names: dict[str, Any] = {"__name__": "tutorial"}
    claims = 0
    for tags, text in cells(FOLDER / f"{name}.md"):
        if text.startswith("%%writefile "):
            first, _, rest = text.partition("\n")
            Path(first.split()[1]).write_text(rest, encoding="utf-8")
            continue
        for line in (line[1:] for line in text.splitlines() if line.startswith("!")):
            monkeypatch.setattr("sys.argv", shlex.split(line.format(**names)))
            with pytest.raises(SystemExit) as leave:
                main()
            assert not leave.value.code, line
        source = "\n".join("" if line.startswith(("!", "%")) else line for line in text.splitlines())
        exec(compile(source, f"{name}.md", "exec"), names)
        claims += source.count("assert ")
        names |= REDUCED[name] if "parameters" in tags else {}
    assert claims, "a notebook says nothing that could be wrong"


@pytest.mark.slow
@pytest.mark.parametrize("name", REDUCED)
def test_in_full(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the manual runs it: by a kernel, with figures; a cell that fails ends it."""
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for _, text in cells(FOLDER / f"{name}.md")])
    nbclient.NotebookClient(book, timeout=900, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    pictures = [o for c in book.cells for o in c.outputs if "image/png" in o.get("data", {})]
    assert pictures or name == "extend"
