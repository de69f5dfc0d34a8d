"""The gallery of the manual shows every shipped scenario, and its numbers are those of a run today."""

import importlib.util
import json
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

import stack3d
from stack3d import decks

DOCS = Path(__file__).parents[2] / "docs"
QUICK = ("microchannels_2tier", "pin_fins_2tier", "resolved_bumps", "silicon_heat_sink_1981")
"""They take seconds each."""


@pytest.fixture(scope="module")
def gallery() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gallery", DOCS / "gallery.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["gallery"] = module
    spec.loader.exec_module(module)
    return module


def test_every_scenario_has_question_picture_and_numbers(gallery: ModuleType) -> None:
    shown = json.loads(gallery.FIGURES.read_text(encoding="utf-8"))
    assert set(gallery.ASKED) == set(decks.available("scenarios")) == set(shown), "run: python docs/generate.py gallery NAME"
    for name, found in shown.items():
        assert found["numbers"] and found["seconds"] > 0, name
        assert (gallery.PICTURES / f"{name}.png").stat().st_size > 1000, name


def test_pages_hold_numbers_and_deck(gallery: ModuleType, tmp_path: Path) -> None:
    gallery.pages(tmp_path)
    index = (tmp_path / "gallery.md").read_text()
    assert all(f"gallery/{name}.md" in index and question in index for name, (question, _) in gallery.ASKED.items())
    page = (tmp_path / "gallery" / "quickstart.md").read_text()
    assert "peak temperature   44.04" in page and "scenarios/quickstart.yaml" in page


@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK)
def test_numbers_are_those_of_today(gallery: ModuleType, name: str) -> None:
    """Stated errors and rounding may change; what they belong to may not."""
    shown = json.loads(gallery.FIGURES.read_text(encoding="utf-8"))[name]["numbers"]
    plain = [
        [re.sub(r" (±|error) [-+.\de]+", "", line) for line in lines]
        for lines in (shown, gallery.numbers(stack3d.load(name).run()))
    ]
    assert plain[0] == plain[1]
