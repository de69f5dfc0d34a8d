"""Commands that hold answers against each other: ``verify`` and ``compare-placements``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stack3d.cli.arguments import One, Overrides, app, free, parsed
from stack3d.constants import ZERO_CELSIUS


@app.command()
def verify(scenario: One, overrides: Overrides = []) -> None:  # noqa: B006
    """Compare the solver with an exact series.

    Prints the error of each place, or says why where a scenario has no exact series.
    """
    from stack3d import decks
    from stack3d.case.placing import placed
    from stack3d.heat.trust import verify as compare

    case = decks.load(scenario, parsed(overrides))
    with case.located():
        result = compare(placed(case.scenario)[0])
    note = "; k(T) frozen at 26.85 degC" if result.is_frozen else ""
    typer.echo(f"{result.solver}; series truncated to {result.truncation:.1e} K{note}")
    typer.echo(f"{'place':<28}{'computed [degC]':>16}{'exact [degC]':>16}{'error [K]':>14}{'of rise':>12}")
    for row in result.rows:
        off, (computed, exact) = row.computed - row.exact, (t - ZERO_CELSIUS for t in (row.computed, row.exact))
        typer.echo(f"{row.name:<28}{computed:>16.6f}{exact:>16.6f}{off:>14.2e}{off / result.rise:>12.1e}")
    typer.echo(f"largest error {100 * result.worst:.4f} % of the rise of {result.rise:.4g} K")


@app.command("compare-placements")
def compare_placements(
    scenario: One,
    output: Annotated[Path | None, typer.Option("-o", "--output", callback=free, help="Also write a netCDF file.")] = None,
    overrides: Overrides = [],  # noqa: B006
) -> None:
    """Compare all placements of a network.

    Prints how hot each one gets, and how many kelvin it gains over `spread`.
    """
    from stack3d.api import compare_placements as compared

    found = compared(scenario, dict(parsed(overrides)))
    gained = "under spread"
    typer.echo(f"{'placement':<16}{'hottest tile':>14}{gained:>16}{'stack peak':>14}{gained:>16}{'mean of tiles':>16}")
    for name in found["placement"].values:
        row = f"{name:<16}"
        for key in ("tile_peak", "stack_peak"):
            peaks = found[f"placement_{key}"]
            peak = float(peaks.sel(placement=name))
            less = float(peaks.sel(placement="spread")) - peak
            row += f"{peak - ZERO_CELSIUS:>9.4f} degC" + (f"{1e3 * less:>13.3f} mK" if abs(less) < 1 else f"{less:>14.3f} K")
        typer.echo(f"{row}{float(found['placement_tile_mean'].sel(placement=name)) - ZERO_CELSIUS:>11.4f} degC")
    typer.echo(found.attrs["left_out"])
    if output is not None:
        import xarray as xr

        from stack3d import results

        results.write_tree(output, xr.DataTree(found))
