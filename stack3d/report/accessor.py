"""``tree.stack3d`` on every DataTree: figures, page and field of a result where the result is at hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray as xr

from stack3d.report.cases import chart, possible, report_page
from stack3d.report.facts import Facts

if TYPE_CHECKING:
    from matplotlib.figure import Figure as MplFigure

    from stack3d.layout import Stack


@xr.register_datatree_accessor("stack3d")  # type: ignore[no-untyped-call]
class ResultAccessor:
    """What can be asked of a result.

    Examples
    --------
    >>> import stack3d
    >>> tree = stack3d.load("quickstart").run(until="thermal")
    >>> tree.stack3d.figures
    ['stack', 'profile', 'maps', 'power', 'power_density']
    >>> figure = tree.stack3d.plot("maps")
    >>> tree.stack3d.stack.n_tiers
    8
    """

    def __init__(self, tree: xr.DataTree) -> None:
        self._tree = tree

    @property
    def figures(self) -> list[str]:
        """Names of the figures that the dataset has the variables for."""
        return possible(self._tree)

    @property
    def stack(self) -> Stack:
        """Layers of the stack the result was computed for."""
        return Facts(self._tree).stack

    def plot(self, name: str, **options: Any) -> MplFigure:
        """Draw one figure by matplotlib; `options` as in `stack3d.report.chart`."""
        from stack3d.report import pen

        return pen.draw(chart(self._tree, name, **options))

    def report(self, path: str | Path, **options: Any) -> Path:
        """Write the self-contained page of the result and return its path; `options` as in `stack3d.report.report_page`."""
        Path(path).write_text(report_page([self._tree], **options), encoding="utf-8")
        return Path(path)

    def _repr_html_(self) -> str:
        from stack3d.report.notebook import result_html

        return result_html(self._tree)
