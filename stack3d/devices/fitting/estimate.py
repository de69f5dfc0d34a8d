"""Most likely parameters, their covariance and draws of them, and what the data can tell."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.devices.fitting.kinds import likelihood
from stack3d.devices.fitting.likelihood import FittedSeries, Likelihood, Series
from stack3d.devices.fitting.measurements import Table
from stack3d.devices.fitting.parameters import Free, Parameters, Scales, parameters
from stack3d.devices.fitting.populations import Populations
from stack3d.devices.fitting.wear import Lives
from stack3d.devices.laws import MECHANISMS, Law
from stack3d.errors import AnswerError, DeckError, Stack3dError, UnknownNameError, unknown_name
from stack3d.layout import Floats
from stack3d.schema.device import DeviceDeck

DRAWS = 200
PROPOSALS = 600
SCAN = 128
"""Starts looked at before the search, spread evenly over what is assumed."""
STARTS = 2
"""Starts that are followed."""
WEIGHTS = (0.003, 0.03, 0.3, 1.0)
"""Of the data, one search after the other: a narrow valley is wide where the data weigh little."""
ROUNDS = 2
"""Searches of one weight at most, in coordinates made round by the curvature."""
ROWS = 4
"""Most levels, and most times, of a table that a fit makes."""
NOTHING = 1e12
"""Cost where the data have no likelihood."""
Cost = Callable[..., float]


class FitError(Stack3dError):
    """A fit that cannot be made from these data."""

    exit_code = 2


@dataclass(frozen=True, eq=False)
class Fit:
    """A law fitted to measurements."""

    mechanism: str
    law: str
    parameters: Parameters
    noise: tuple[Free, ...]
    best: Floats
    """Most likely values, law first, noise after. [SI]"""
    covariance: Floats
    """Of the values. [SI]"""
    draws: Floats
    """Shape (DRAWS, values); equally likely. [SI]"""
    log_likelihood: float
    observations: int
    source: Table
    told: tuple[float, ...]
    """Share of what was assumed of each value that the data left: near 1, they say nothing of it."""
    points: tuple[Floats, Floats, str, str]
    temperatures: tuple[float, ...]
    """Of the data. [K]"""
    series: tuple[FittedSeries, ...] = ()
    """Of readings over time, by temperature."""

    @property
    def names(self) -> list[str]:
        """Dotted keys of the values, law first, noise after."""
        return [f.key for f in (*self.parameters.free, *self.noise)]

    @property
    def criterion(self) -> float:
        """Akaike's information criterion: 2 k - 2 ln L; less is better."""
        return 2 * len(self.best) - 2 * self.log_likelihood

    def interval(self, name: str, share: float = 0.95) -> tuple[float, float]:
        """Interval that holds a value with probability `share`. [SI]"""
        low, high = np.quantile(self.draws[:, self.names.index(name)], (0.5 - share / 2, 0.5 + share / 2))
        return float(low), float(high)

    @property
    def remarks(self) -> list[str]:
        """What the data can and cannot tell, in words."""
        found = []
        for f, told in zip((*self.parameters.free, *self.noise), self.told):
            low, high = self.interval(f.key)
            if told > 0.5:
                found.append(
                    f"the data say little of {f.key}: {low:.3g} to {high:.3g} {f.unit} is mostly what was assumed".strip()
                )
            elif f.dimension == "activation_energy" and not f.key.endswith("_sd") and len(self.temperatures) > 1:
                span = self.temperatures[-1] - self.temperatures[0]
                found.append(
                    f"{len(self.temperatures)} temperatures within {span:.0f} K fix {f.key} to ± {(high - low) / 2:.2g} eV"
                )
        return found


def mechanisms_with(law: str) -> list[str]:
    """Mechanisms that have a law of this name, or ``mechanism.law``; raises UnknownNameError with the nearest names."""
    mechanism, _, name = law.rpartition(".")
    found = [m for m, registry in MECHANISMS.items() if name in registry and mechanism in ("", m)]
    if not found:
        raise unknown_name("law", law, sorted({n for r in MECHANISMS.values() for n in r}))
    return found


def laws_for(tables: Sequence[Table]) -> dict[str, list[str]]:
    """Laws that can be fitted to the columns of tables, by mechanism."""
    found: dict[str, list[str]] = {}
    for mechanism, registry in MECHANISMS.items():
        for name in registry:
            try:
                likelihood(mechanism, registry[name], tables, _blank())
            except DeckError:
                continue
            found.setdefault(mechanism, []).append(name)
    return found


def mechanism_of(law: str, tables: Sequence[Table]) -> str:
    """Mechanism of a law by its name, or ``mechanism.law`` where several have one of that name.

    Raises
    ------
    UnknownNameError
        With the nearest names.
    """
    found = mechanisms_with(law)
    for one in found:
        try:
            likelihood(one, MECHANISMS[one][law.rpartition(".")[2]], tables, _blank())
            return one
        except DeckError:
            continue
    return found[0]


def _blank() -> DeviceDeck:
    return DeviceDeck.model_validate({"g_max": "1 uS", "g_min": "0 uS", "read": {"voltage": "0.2 V", "pulse": "1 us"}})


def fit_law(
    law: str,
    tables: Sequence[Table],
    device: DeviceDeck,
    *,
    hold: Mapping[str, Any] | None = None,
    seed: int = 1,
) -> Fit:
    """Fit one law to the measurements that its mechanism needs.

    Parameters
    ----------
    law : str
        Name of a registered law, or ``mechanism.law``.
    tables : sequence of Table
    device : DeviceDeck
        Its range, and where it has the same law the values to begin with.
    hold : mapping, optional
        Dotted parameter → value as a deck writes it; not fitted.
    seed : int

    Returns
    -------
    Fit
        The most likely values under weak assumptions (normal in the logarithm, of a decade or so, or about the start),
        their covariance from the curvature there, and draws by importance from a Student distribution of that covariance.

    Raises
    ------
    FitError
        Where the data do not fix the law.
    DeckError, UnknownNameError
        For data or names that do not fit together.
    """
    mechanism = mechanism_of(law, tables)
    name = law.rpartition(".")[2]
    kind = MECHANISMS[mechanism][name]
    data, table = likelihood(mechanism, kind, tables, device)
    given = device.mechanisms.get(mechanism)
    begin = dict(given.parameters) if given is not None and given.law == name else {}
    found = parameters(kind, _scales(table, device), given=begin, hold=hold or {}, columns=tuple(table.columns))
    temperatures = tuple(np.unique(table.columns.get("temperature", np.array([298.15]))).tolist())
    energies = [f.key for f in found.free if f.dimension == "activation_energy" and not f.key.endswith(("_sd", "]"))]
    if energies and len(temperatures) < 2 and isinstance(data, (Series, Lives, Populations)):
        raise FitError(
            f"{table.path}: one temperature cannot tell {', '.join(energies)}; hold it by --hold {energies[0]}=VALUE"
        )
    cost = _Cost(data, found)
    if data.observations <= len(cost.free):
        raise FitError(f"{table.path}: {data.observations} readings cannot fix {len(cost.free)} parameters")
    x, axes = _lowest(cost, np.array([f.key.endswith("_sd") for f in cost.free]))
    draws = _draws(cost, x, axes, seed)
    best, values = np.array(cost.values(x)), np.array([cost.values(row) for row in draws])
    return Fit(
        mechanism, name, found, cost.noise, best, np.atleast_2d(np.cov(values.T)), values,
        -cost(x) + 0.5 * float(x @ x), data.observations, table,
        tuple(np.minimum(draws.std(0), 1.0).tolist()), data.points(*cost.parts(best.tolist())), temperatures,
        data.series(*cost.parts(best.tolist())),
    )  # fmt: skip


class _Cost:
    """Negative logarithm of the posterior of a law's free parameters and, after them, of the noise."""

    def __init__(self, data: Likelihood, found: Parameters) -> None:
        self.data, self.found = data, found
        self.noise = tuple(Free(n, "factor", start, 0.7 if n == "sampling" else 1.5) for n, start in data.nuisance.items())
        self.free = (*found.free, *self.noise)

    def values(self, x: Floats) -> list[float]:
        """Values [SI] at a point of the search."""
        return [f.value(float(c)) for f, c in zip(self.free, x)]

    def parts(self, values: list[float]) -> tuple[Law, list[float]]:
        """Law and noise of values [SI]; raises ValueError outside what the law allows."""
        n = len(self.found.free)
        return self.found.build(values[:n]), values[n:]

    def __call__(self, x: Floats, weight: float = 1.0) -> float:
        """The cost at a point, the data counted `weight` times; a large number where there is none."""
        try:
            with np.errstate(all="ignore"):
                log = self.data.log(*self.parts(self.values(x)))
        except (ValueError, AnswerError):
            log = -math.inf
        return 0.5 * float(x @ x) - weight * log if math.isfinite(log) else NOTHING


def _scales(table: Table, device: DeviceDeck) -> Scales:
    c = table.columns
    time = c.get("time", np.ones(1))
    return Scales(
        float(np.max(c.get("temperature", np.array([300.0])))),
        float(np.max(time)) or 1.0,
        device.g_max,
        float(np.median(c.get("cycles", c.get("reads", np.array([1e6]))))),
        _rows(c, "level" if "level" in c else "target"),
        _rows(c, "time"),
    )


def _rows(columns: Mapping[str, Floats], name: str) -> tuple[float, ...]:
    """At most `ROWS` values that a column holds, in order and evenly chosen."""
    values = np.unique(columns.get(name, np.zeros(0)))
    if not values.size:
        return ()
    return tuple(values[np.unique(np.linspace(0, values.size - 1, ROWS).round().astype(int))].tolist())


def _lowest(cost: Cost, spreads: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Lowest point and axes of the cost there: the best of evenly spread starts, each followed while the data gain weight.

    `spreads` tells which values are standard deviations: one that a search has lost on its way is looked for again.
    """
    from scipy.special import ndtri
    from scipy.stats import qmc

    starts = [np.zeros(spreads.size), *ndtri(np.clip(qmc.Sobol(spreads.size, seed=1).random(SCAN), 0.02, 0.98))]
    ranked = sorted(((cost(x, WEIGHTS[0]), i) for i, x in enumerate(starts)))
    if ranked[0][0] >= NOTHING:
        raise FitError("no start gives the data any likelihood: give one by --start DECK")
    found = [_followed(cost, starts[i]) for value, i in ranked[:STARTS] if value < NOTHING]
    x, axes = min(found, key=lambda f: cost(f[0]))
    if cost(x) >= NOTHING:
        raise FitError("the search ended where the data have no likelihood: give a start by --start DECK")
    if not spreads.any():
        return x, axes
    return min((x, axes), _followed(cost, np.where(spreads, 0.0, x), WEIGHTS[2:]), key=lambda f: cost(f[0]))


def _followed(cost: Cost, x: Floats, weights: Sequence[float] = ()) -> tuple[Floats, Floats]:
    """Lowest point near a start, and axes of the cost there."""
    from scipy.optimize import minimize

    axes = np.eye(x.size)
    for weight in weights or WEIGHTS:
        for _ in range(ROUNDS):
            axes = _round_axes(lambda y, w=weight: cost(y, w), x, axes, times=1)

            def lowered(u: Floats, x: Floats = x, axes: Floats = axes, weight: float = weight) -> float:
                return cost(x + axes @ u, weight)

            def slope(u: Floats, f: Any = lowered) -> Floats:
                h = 0.02
                return np.array([(f(u + h * e) - f(u - h * e)) / (2 * h) for e in np.eye(u.size)])

            better = minimize(lowered, np.zeros(x.size), jac=slope, method="BFGS", options={"maxiter": 30, "gtol": 0.02})
            gained, x = lowered(np.zeros(x.size)) - float(better.fun), x + axes @ better.x
            if gained < 0.02:
                break
    return x, _round_axes(cost, x, axes)


def _round_axes(cost: Any, x: Floats, axes: Floats, *, times: int = 3) -> Floats:
    """Axes, as columns, along which the cost rises by a half per unit: a root of the inverse of its second derivatives.

    Central differences, a few times: each along the axes of the one before.
    """
    for _ in range(times):
        second = _differences(cost, x, axes)
        values, vectors = np.linalg.eigh(second)
        # what was assumed alone gives a curvature of 1: the sum cannot curve less by much
        lengths = np.linalg.norm(axes @ vectors, axis=0)
        axes = axes @ vectors / np.sqrt(np.maximum(values, 0.5 * lengths**2))
    return np.asarray(axes)


def _differences(cost: Any, x: Floats, axes: Floats) -> Floats:
    """Second derivatives along columns of `axes`, with steps as long as the cost needs to rise by about a half."""
    n = x.size
    here = cost(x)
    ahead, behind = np.empty(n), np.empty(n)
    length = np.ones(n)
    for i in range(n):
        for _ in range(20):
            unit = axes[:, i] * length[i]
            ahead[i], behind[i] = cost(x + unit), cost(x - unit)
            rise = 0.5 * (ahead[i] + behind[i]) - here
            if rise > 2:
                length[i] *= 0.5 if rise < 50 else 0.1
            elif rise < 0.1 and length[i] * np.linalg.norm(axes[:, i]) < 1:
                length[i] *= 1.7
            else:
                break
    second = np.empty((n, n))
    for i in range(n):
        second[i, i] = (ahead[i] - 2 * here + behind[i]) / length[i] ** 2
        for j in range(i):
            a, b = axes[:, i] * length[i], axes[:, j] * length[j]
            mixed = cost(x + a + b) - ahead[i] - ahead[j] + 2 * here - behind[i] - behind[j] + cost(x - a - b)
            second[i, j] = second[j, i] = mixed / (2 * length[i] * length[j])
    return second


def _draws(cost: Any, x: Floats, axes: Floats, seed: int) -> Floats:
    """Draws of the posterior: proposals of a Student distribution, chosen by their weight."""
    rng = np.random.default_rng(seed)
    freedom = 6.0
    normal = rng.standard_normal((PROPOSALS, x.size))
    stretch = np.sqrt(freedom / rng.chisquare(freedom, PROPOSALS))
    away = normal * stretch[:, None]
    proposed = x + away @ axes.T
    log_proposal = -0.5 * (freedom + x.size) * np.log1p((away**2).sum(1) / freedom)
    weight = -np.array([cost(p) for p in proposed]) - log_proposal
    weight = np.exp(weight - np.max(weight))
    weight = weight / weight.sum()
    if (
        1 / np.sum(weight**2) < DRAWS / 4
    ):  # too few proposals count: the draws of the curvature alone, where the law allows them
        near = x + normal @ axes.T
        allowed = near[[cost(p) < NOTHING for p in near]]
        return np.asarray(allowed[np.arange(DRAWS) % len(allowed)] if len(allowed) else np.tile(x, (DRAWS, 1)))
    return np.asarray(proposed[rng.choice(PROPOSALS, DRAWS, p=weight)])


__all__ = ["Fit", "FitError", "UnknownNameError", "fit_law", "mechanism_of"]
