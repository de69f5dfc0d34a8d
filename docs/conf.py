"""Sphinx: the manual, with its reference pages made from the program before each build."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import generate

from stack3d import __version__

generate.write_reference(Path(__file__).parent / "reference")

project = "stack3d"
release = __version__
copyright = "the stack3d developers"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax"]
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 4
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"stack3d {__version__}"
html_static_path: list[str] = []
autodoc_typehints = "none"
napoleon_google_docstring = False
linkcheck_ignore = [r"https?://.*"]  # addresses outside are not asked for; links inside are
suppress_warnings = ["myst.xref_missing"] if "--lenient" in sys.argv else []
