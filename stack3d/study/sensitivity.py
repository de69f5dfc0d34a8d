"""Which unknown matters most: Morris screening, then Sobol indices of the strongest, for anything computed from a unit cube."""

from __future__ import annotations

import warnings
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stack3d.chances import for_few
from stack3d.errors import MissingDependencyError, to_install
from stack3d.layout import Floats
from stack3d.study import shapley
from stack3d.study.bands import bands, changes

LEVELS = 4
"""Of the grid that Morris' trajectories go along."""
RESAMPLES = 200
"""Of the bootstrap that intervals come from."""
CONFIDENCE = 0.95
OTHERS = "others"
"""Name of the unknowns that the screening found weak, taken together."""
Evaluations = Generator[Floats, Floats, "Findings"]
"""Yields points, shape (point, unknown), each from 0 to 1; is sent values, shape (point, output), NaN for a failed one."""


@dataclass(frozen=True, eq=False)
class Findings:
    """What a study of unknowns has found.

    Parameters
    ----------
    effect, effect_error : ndarray
        Morris' mean absolute effect over the range of the unknown, and half its 95 % interval, shape (unknown, output); NaN
        where nothing was screened.
    parts : tuple of str
        Unknowns that Sobol indices are of; `OTHERS` for those taken together.
    first, first_error, total, total_error : ndarray
        Share of the variance that a part makes alone, and with all it acts together with, shape (part, output). [-]
    band : ndarray
        Low end, median and high end over independent draws of all unknowns, shape (3, output).
    held : ndarray
        Share of all there could be that lies between the ends, see `range_held`, shape (output,). [-]
    drawn : ndarray
        Draws that the band is of, shape (output,).
    shapley, shapley_error : ndarray
        Share of the variance that a part makes where unknowns are correlated, shape (part, output); else NaN. [-]
    """

    effect: Floats
    effect_error: Floats
    parts: tuple[str, ...]
    first: Floats
    first_error: Floats
    total: Floats
    total_error: Floats
    band: Floats
    held: Floats
    drawn: Floats
    shapley: Floats
    shapley_error: Floats


def load_salib() -> Any:
    """The library; raises MissingDependencyError."""
    try:
        import SALib.analyze.morris
        import SALib.analyze.sobol
        import SALib.sample.morris
        import SALib.sample.sobol
    except ImportError:
        raise MissingDependencyError(f"uncertain wants SALib: {to_install('decide')}") from None
    return SALib


def evaluations(
    names: Sequence[str], *, count: int, seed: int, most: int, trajectories: int, correlation: Floats | None = None
) -> Evaluations:
    """The points that have to be computed, stage by stage.

    Parameters
    ----------
    names : sequence of str
        Of the unknowns.
    count : int
        Base points of the Sobol indices, a power of two.
    seed : int
    most : int
        Unknowns that get indices of their own; where there are more, they are screened first, and the others are one part.
    trajectories : int
        Of the screening.
    correlation : ndarray, optional
        Of the normal scores of the unknowns, shape (unknown, unknown). With it come Shapley effects, not Sobol indices. [-]
    """
    salib, n = load_salib(), len(names)
    problem: dict[str, Any] = {"num_vars": n, "names": list(names), "bounds": [[0.0, 1.0]] * n}
    groups = list(names)
    effect = effect_error = np.full((n, 0), np.nan)
    if n > most:
        points = salib.sample.morris.sample(problem, trajectories, num_levels=LEVELS, seed=seed)
        values = yield points
        effect, effect_error = _effects(salib, problem, points, values, seed)
        order = np.argsort(-_strength(effect), kind="stable")[: most - 1]
        groups = [name if i in order else OTHERS for i, name in enumerate(names)]
    problem["groups"] = groups
    parts = tuple(dict.fromkeys(groups))
    if correlation is not None:
        members = [[i for i, group in enumerate(groups) if group == part] for part in parts]
        drawn, orders = shapley.points(correlation, members, count, seed)
        values = yield drawn.reshape(-1, n)
        return _shared(parts, values.reshape(count, len(parts) + 1, -1), orders, seed, (effect, effect_error))
    values = yield salib.sample.sobol.sample(problem, count, calc_second_order=False, seed=seed)
    return _indices(salib, problem, parts, values, seed, (effect, effect_error))


def _strength(effect: Floats) -> Floats:
    """Of each unknown, its largest share of the strongest effect on an output."""
    largest = np.nanmax(effect, axis=0, initial=0.0)
    return np.nan_to_num(effect / np.where(largest > 0, largest, 1.0)).max(axis=1)


def _effects(salib: Any, problem: dict[str, Any], points: Floats, values: Floats, seed: int) -> tuple[Floats, Floats]:
    """Morris' effects; a trajectory with a failed case is left out."""
    n, step = problem["num_vars"], problem["num_vars"] + 1
    effect = np.full((n, values.shape[1]), np.nan)
    error = effect.copy()
    for k, column in enumerate(values.T):
        whole = np.repeat(np.isfinite(column.reshape(-1, step)).all(axis=1), step)
        if whole.sum() < 2 * step:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = salib.analyze.morris.analyze(
                problem, points[whole], column[whole], RESAMPLES, CONFIDENCE, num_levels=LEVELS, seed=seed
            )
        few = for_few(int(whole.sum()) // step)
        effect[:, k], error[:, k] = np.asarray(found["mu_star"]), few * np.asarray(found["mu_star_conf"])
    return effect, error


def _indices(
    salib: Any, problem: dict[str, Any], parts: tuple[str, ...], values: Floats, seed: int, effects: tuple[Floats, Floats]
) -> Findings:
    """Sobol indices and bands; a base point with a failed case is left out, an output that never changes has none."""
    step, n_outputs = len(parts) + 2, values.shape[1]
    shape = (len(parts), n_outputs)
    found = {key: np.full(shape, np.nan) for key in ("S1", "S1_conf", "ST", "ST_conf")}
    for k, column in enumerate(values.T):
        rows = column.reshape(-1, step)
        rows = rows[np.isfinite(rows).all(axis=1)]
        if len(rows) < 4 or not changes(rows):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            one = salib.analyze.sobol.analyze(
                problem, rows.ravel(), calc_second_order=False, num_resamples=RESAMPLES, conf_level=CONFIDENCE, seed=seed
            )
        for key, array in found.items():
            array[:, k] = np.asarray(one[key]) * (for_few(len(rows)) if key.endswith("_conf") else 1.0)
    effect, error = _screened(effects, n_outputs)
    none, band = np.full(shape, np.nan), bands(values.reshape(-1, step, n_outputs)[:, [0, -1]].reshape(-1, n_outputs))
    return Findings(effect, error, parts, found["S1"], found["S1_conf"], found["ST"], found["ST_conf"], *band, none, none)


def _screened(effects: tuple[Floats, Floats], n_outputs: int) -> tuple[Floats, Floats]:
    """Effects of the screening; NaN where there was none."""
    return tuple(a if a.shape[1] else np.full((len(a), n_outputs), np.nan) for a in effects)  # type: ignore[return-value]


def _shared(
    parts: tuple[str, ...], values: Floats, orders: shapley.Orders, seed: int, effects: tuple[Floats, Floats]
) -> Findings:
    """Shapley effects and bands, of values of shape (base, 1 + part, output); a base point with a failed case is left out."""
    n_outputs = values.shape[-1]
    none = np.full((len(parts), n_outputs), np.nan)
    share, error = none.copy(), none.copy()
    for k in range(n_outputs):
        rows = values[..., k]
        whole = np.isfinite(rows).all(axis=1)
        if whole.sum() >= 4 and changes(rows[whole]):
            share[:, k], error[:, k] = shapley.shares(rows[whole], orders[whole], RESAMPLES, seed)
    band = bands(values[:, :2].reshape(-1, n_outputs))
    return Findings(*_screened(effects, n_outputs), parts, none, none, none, none, *band, share, error)
