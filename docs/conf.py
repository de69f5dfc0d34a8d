"""Sphinx: the manual, with its reference pages made from the program before each build."""

import os
import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # notebooks call `stack3d`

import generate

from stack3d import __version__

generate.write_reference(Path(__file__).parent / "reference", api=not tags.has("quick"))  # type: ignore[name-defined]  # noqa: F821

project = "stack3d"
release = __version__
copyright = "the stack3d developers"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 4
nb_execution_mode = "off" if tags.has("quick") else "force"  # type: ignore[name-defined]  # noqa: F821
nb_execution_in_temp = True
nb_execution_timeout = 900
nb_execution_raise_on_error = True
nb_merge_streams = True
exclude_patterns = ["_build", "reference/rooms.md"]  # the table of rooms is part of the architecture page
html_theme = "furo"
html_title = f"stack3d {__version__}"
html_static_path = ["static"]
html_css_files = ["manual.css"]
html_math_renderer = "mathml"  # formulas stand in the page itself: a manual opened from disk asks for nothing outside
autodoc_typehints = "none"
napoleon_google_docstring = False
linkcheck_ignore = [r"https?://.*"]  # addresses outside are not asked for; links inside are
suppress_warnings = ["myst.xref_missing"] if "--lenient" in sys.argv else []


def _readable(app: Any, what: str, name: str, item: Any, options: Any, lines: list[str]) -> None:
    """Sources of a docstring as a numbered list, so that two of one page may both have a first; stars of shapes as they are."""
    for i, line in enumerate(lines):
        line = re.sub(r"^(\s*)\.\. \[(\d+)\]", r"\1\2.", line)
        line = re.sub(r"\[(\d+)\]_", r"[\1]", line)
        lines[i] = re.sub(r"(?<=[ (])\*(?=[a-z]+[,)])", r"\*", line)


def _formula(display: str) -> Any:
    """What writes a formula as MathML, which browsers draw by themselves."""
    from docutils.nodes import SkipNode
    from latex2mathml.converter import convert

    def visit(translator: Any, node: Any) -> None:
        text = node.astext()
        lines = rf"\begin{{aligned}}{text}\end{{aligned}}" if "&" in text and "\\begin" not in text else text
        translator.body.append(convert(lines, display=display))
        raise SkipNode

    return visit


def setup(app: Any) -> None:
    """Hook into the docstrings and the formulas."""
    app.add_html_math_renderer("mathml", inline_renderers=(_formula("inline"), None), block_renderers=(_formula("block"), None))
    app.connect("autodoc-process-docstring", _readable, priority=400)
