"""Most likely parameters, their covariance and draws of them, and what the data can tell."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from stack3d.devices.fitting.cell_series import Series
from stack3d.devices.fitting.data_sizes import ROOM, scales_of
from stack3d.devices.fitting.kinds import likelihood, mechanism_of
from stack3d.devices.fitting.likelihood import FittedSeries, Likelihood
from stack3d.devices.fitting.measurements import Table
from stack3d.devices.fitting.optima import CallsTold, Cost, FitError, Optimum, again, distinct, lowered, missed, optima
from stack3d.devices.fitting.outliers import Apart, alone, doubted, named
from stack3d.devices.fitting.parameters import Free, Parameters, parameters
from stack3d.devices.fitting.populations import Populations
from stack3d.devices.fitting.posterior import FEWEST, PosteriorDraws, draws
from stack3d.devices.fitting.quality import Quality
from stack3d.devices.fitting.wear import Lives
from stack3d.devices.laws import MECHANISMS
from stack3d.errors import DeckError
from stack3d.layout import Floats
from stack3d.progress import Observer, Silent
from stack3d.schema.device import DeviceDeck

FINDS_RANGE = ("crystallisation",)
"""Mechanisms whose fit may find the range of the device."""
NOT_APART, FIRM = 4.0, 10.0
"""Differences of the criterion below which laws are not told apart, and from which on one is firmly better."""
BELOW = 0.2
"""Cost by which a draw lies below all that the search found, where the search then goes on."""
WEIGHED = 2
"""Times that measurements are weighed anew by draws of the law that was found."""
DRAWN_APART = 10
"""Every so many draws one weighs the measurements."""


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
    device: DeviceDeck
    """With the range that the fit found, where it found one."""
    series: tuple[FittedSeries, ...] = ()
    """Of readings over time, by temperature."""
    others: tuple[tuple[float, Floats], ...] = ()
    """Other values that explain the data about as well, each with what its cost lies higher. [SI]"""
    effective: float = math.inf
    """Independent draws that the draws are worth; below `posterior.FEWEST` they are those of the curvature."""
    quality: Quality | None = None
    """Whether the law follows the data; None where they cannot tell."""
    outside: tuple[str, ...] = ()
    """What is told of readings far outside of what the rest says."""
    missed: str = ""
    """What is told of a search that may have missed likelier values."""
    doubt: str = ""
    """Why it cannot be told whether the law follows the data, where such readings or the noise are why."""

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
        """What the data can and cannot tell, and whether the law follows them, in words."""
        nothing = self.doubt or "nothing tells whether the law follows the data: look at the residuals"
        return [
            *self.outside,
            self.quality.words if self.quality else nothing,
            *self._of_device,
            *self._of_search,
            *self._of_values,
        ]

    @property
    def _of_device(self) -> list[str]:
        """Levels that the device of the deck does not reach."""
        columns = self.source.columns
        levels = columns.get("level", columns.get("target"))
        if levels is None or not levels.size or levels.max() <= 1.01 * self.device.g_max:
            return []
        top, kept = (f"{1e6 * value:.4g} uS" for value in (levels.max(), self.device.g_max))
        return [
            f"warning: the levels reach {top}, and the deck keeps the g_max of {kept} that it began with: runs stay below it"
        ]

    @property
    def _of_search(self) -> list[str]:
        """Doubts about the search."""
        found = [self.missed] if self.missed else []
        for above, values in self.others:
            shares = self._shares(values)
            names = zip((*self.parameters.free, *self.noise), self.best, values, shares)
            apart = [
                f"{f.key} {a:.4g} or {b:.4g} {f.unit}".strip()
                for f, a, b, share in names
                if share > min(0.2, 0.99 * max(shares))
            ]
            least = "as well as" if above < 0.5 else f"{math.exp(above):.2g} times less well than"
            found.append(
                f"other values explain the data {least} those written: {', '.join(apart)}; written are those that are likelier "
                "with what was assumed before the data, the draws hold both"
            )
        if self.effective < FEWEST:
            found.append(
                f"the draws are rough: those found are worth {self.effective:.0f}, so they are normal, with the curvature at "
                "the most likely values; intervals may be off: hold a parameter that the data do not tell, or give a start"
            )
        return found

    def _shares(self, values: Floats) -> list[float]:
        """How far values lie from the most likely ones, over the larger of both."""
        return [abs(a - b) / max(abs(a), abs(b), 1e-300) for a, b in zip(self.best.tolist(), values.tolist())]

    @property
    def _of_values(self) -> list[str]:
        """What the data tell of each value."""
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
        return found + [f"{key} is held at {_flat(value)}: {why}" for key, (value, why) in self.parameters.reasons.items()]


def _flat(value: Any) -> Any:
    """A held number as it is told."""
    value = value["value"] if isinstance(value, Mapping) and "value" in value else value
    return f"1 - 1/e = {value:.4g}" if value == 1 - math.exp(-1) else value


def apart(more: float) -> str:
    """What so much more of Akaike's criterion says of a law, after Burnham and Anderson 2002, p. 70."""
    if more < NOT_APART:
        return ": the data do not tell the two apart, so fit each by itself and run both decks to ten years"
    return "" if more > FIRM else ": the data favour it, not firmly"


def fit_law(
    law: str,
    tables: Sequence[Table],
    device: DeviceDeck,
    *,
    hold: Mapping[str, Any] | None = None,
    seed: int = 1,
    observer: Observer | None = None,
    place: tuple[int, int] = (1, 1),
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
        Of the random draws.
    observer : Observer, optional
        Told how far it is.
    place : tuple of int
        Which of how many laws it is, for the observer.

    Returns
    -------
    Fit
        The most likely values under weak assumptions (normal in the logarithm, of a decade or so, or about the start),
        draws by importance from Student distributions about all optima that were found, or by walkers where too few of
        those count, and their covariance.

    Raises
    ------
    FitError
        Where the data do not fix the law.
    DeckError, UnknownNameError
        For data or names that do not fit together.
    """
    mechanism, name = mechanism_of(law, tables), law.rpartition(".")[2]
    cost, table = _asked(mechanism, name, tables, device, hold or {})
    which = f" ({place[0]} of {place[1]})" if place[1] > 1 else ""
    cost.counted = counted = CallsTold(f"{mechanism}.{name}{which}", len(cost.free), observer or Silent())
    lowest, drawn = _settled(cost, counted, seed)
    counted.ended()
    x, data = lowest[0].x, cost.data
    best, values = np.array(cost.values(x)), np.array([cost.values(row) for row in drawn.x])
    parts, told = cost.parts(best.tolist()), np.minimum(np.std([cost.assumed(row) for row in drawn.x], axis=0), 1.0)
    apart = alone(lambda rows: _beside(cost, x, rows))
    outside, doubt, quality = _judged(table, data, *parts, float(np.sum(1 - told**2)), apart)
    return Fit(
        mechanism, name, cost.found, cost.noise, best, np.atleast_2d(np.cov(values.T)), values,
        cost.prior(x) - lowest[0].cost, data.observations, table,
        tuple(told.tolist()), data.points(*parts), cost.temperatures, data.device_of(parts[1]),
        data.series(*parts), tuple((one.cost - lowest[0].cost, np.array(cost.values(one.x))) for one in lowest[1:]),
        drawn.effective, quality, outside, missed(cost.ends, lowest[0].cost), doubt,
    )  # fmt: skip


def _asked(
    mechanism: str, name: str, tables: Sequence[Table], device: DeviceDeck, hold: Mapping[str, Any]
) -> tuple[Cost, Table]:
    """What a fit of a law makes small, and the table that tells of it; raises FitError and DeckError.

    Parameters
    ----------
    mechanism, name : str
        Of the law.
    tables : sequence of Table
    device : DeviceDeck
    hold : mapping
    """
    kind = MECHANISMS[mechanism][name]
    data, table = likelihood(mechanism, kind, tables, device)
    given = device.mechanisms.get(mechanism)
    begin = dict(given.parameters) if given is not None and given.law == name else {}
    try:
        found = parameters(kind, scales_of(table, device), given=begin, hold=hold, columns=tuple(table.columns))
    except DeckError as error:
        of = f"{mechanism}.{name}"
        raise DeckError([replace(p, key=f"{of}.{p.key}" if p.key else of) for p in error.problems]) from None
    temperatures = tuple(np.unique(table.columns.get("temperature", np.array([ROOM]))).tolist())
    energies = [f.key for f in found.free if f.dimension == "activation_energy" and not f.key.endswith(("_sd", "]"))]
    if energies and len(temperatures) < 2 and isinstance(data, (Series, Lives, Populations)):
        raise FitError(
            f"{table.path}: one temperature cannot tell {', '.join(energies)}; hold it by --hold {energies[0]}=VALUE"
        )
    cost = Cost(data, found, temperatures)
    if data.observations <= len(cost.free):
        few = "1 reading" if data.observations == 1 else f"{data.observations} readings"
        raise FitError(f"{table.path}: {few} cannot fix {len(cost.free)} parameters")
    return cost, table


def _beside(cost: Cost, x: Floats, rows: Collection[int]) -> Apart | None:
    """Readings beside the fit at a point, from which these rows are left out and which is then made again."""
    fewer = Cost(cost.data.without(rows), cost.found, cost.temperatures) if rows else cost
    with np.errstate(all="ignore"):
        return fewer.data.apart(*fewer.parts(fewer.values(again(fewer, x) if rows else x)))


def _judged(
    table: Table, data: Likelihood, law: Any, noise: Sequence[float], values: float, apart: Apart | None
) -> tuple[tuple[str, ...], str, Quality | None]:
    """Readings far outside, why nothing can be told of the law, and whether it follows.

    Parameters
    ----------
    table : Table
    data : Likelihood
    law : Law
    noise : sequence of float
    values : float
        How many were fitted.
    apart : Apart or None
        Readings beside a fit that those far outside do not bend.
    """
    outside, scatter = named(table, apart)
    doubt = doubted(outside, scatter, dict(zip(data.nuisance, noise)).get("read_noise"))
    quality = data.judged(law, noise, values)
    return tuple(outside), doubt, None if doubt and quality is not None and quality.follows else quality


def _settled(cost: Cost, counted: CallsTold, seed: int) -> tuple[list[Optimum], PosteriorDraws]:
    """As `_searched`, and again where draws of the law say how well the measurements are known."""
    lowest, drawn = _searched(cost, counted, seed)
    for _ in range(WEIGHED):
        weighed = cost.data.weighed_by([cost.parts(cost.values(x))[0] for x in drawn.x[::DRAWN_APART]])
        if weighed is cost.data:
            break
        cost.data = weighed
        lowest, drawn = _searched(cost, counted, seed)
    return lowest, drawn


def _searched(cost: Cost, counted: CallsTold, seed: int) -> tuple[list[Optimum], PosteriorDraws]:
    """Lowest points of the cost and draws about them; a draw that lies below them is where the search goes on."""
    lowest = optima(cost, counted, seed)
    drawn = draws(cost, lowest, seed, counted.draws)
    if drawn.lowest.cost > lowest[0].cost - BELOW:
        return lowest, drawn
    lowest = distinct([lowered(cost, one) for one in (drawn.lowest, *lowest)])
    return lowest, draws(cost, lowest, seed, counted.draws)


def one_by_one(
    laws: Sequence[str],
    tables: Sequence[Table],
    device: DeviceDeck,
    *,
    hold: Mapping[str, Any] | None = None,
    seed: int = 1,
    observers: Callable[[], Observer] = Silent,
) -> Iterator[Fit]:
    """Fit laws one after the other, as `fit_law` does; each is given as soon as it is found.

    Parameters
    ----------
    laws : sequence of str
    tables : sequence of Table
    device : DeviceDeck
        A range that one fit finds holds for those after it; laws that find one come first.
    hold : mapping, optional
        Every law holds what is its own; a key that no law has is refused.
    seed : int
    observers : callable, optional
        Makes the observer of each fit.

    Raises
    ------
    FitError, DeckError, UnknownNameError
        As `fit_law`.
    """
    mechanisms = {law: mechanism_of(law, tables) for law in laws}
    fields = {law: MECHANISMS[m][law.rpartition(".")[2]].model_fields for law, m in mechanisms.items()}
    shared = {key for key in hold or {} if any(key.partition(".")[0] in of for of in fields.values())}
    for place, law in enumerate(sorted(mechanisms, key=lambda name: mechanisms[name] not in FINDS_RANGE), 1):
        own = {k: v for k, v in (hold or {}).items() if k not in shared or k.partition(".")[0] in fields[law]}
        observer = observers()
        try:
            found = fit_law(law, tables, device, hold=own, seed=seed, observer=observer, place=(place, len(mechanisms)))
        finally:
            observer.finish()
        device = found.device if mechanisms[law] in FINDS_RANGE else device
        yield found


def ranked(fits: Iterable[Fit]) -> list[Fit]:
    """Fits by mechanism, the one with the least information criterion first."""
    return sorted(fits, key=lambda f: (f.mechanism, f.criterion))


def chosen(fits: Sequence[Fit]) -> list[Fit]:
    """The fit with the least information criterion of every mechanism."""
    return [
        min((f for f in fits if f.mechanism == m), key=lambda f: f.criterion) for m in dict.fromkeys(f.mechanism for f in fits)
    ]
