"""A Gaussian process of one output over all designs, whose own parameters are drawn: what designs that never ran may give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stack3d.layout import Floats
from stack3d.study.designing.designs import Choice

LEVELS = 8
"""Places of an interval that designs are asked for at."""
WEIGHT, WEIGHT_SPREAD = 0.5, 1.5
"""Median of the weight of a choice, and the standard deviation of its logarithm. [-]"""
REACH_SPREAD = 1.0
"""Standard deviation of the logarithm of the reach along a list in order, or an interval, whose median is all of it. [-]"""
NOISE, NOISE_SPREAD = 1e-2, 2.0
"""Median of the variance of what no choice explains, over that of what designs give, and the spread of its logarithm. [-]"""
FLOOR = 1e-6
"""Least such variance. [-]"""
SEEN = 10 * FLOOR
"""Least such variance that is drawn: below it an output is what its choices make it. [-]"""
BEND_SPREAD = 2.0
"""Standard deviation of the logarithm of how far from its centre an output goes over into its logarithm. [-]"""
CONSTANT = 10.0
"""Variance of the mean, over that of what designs give. [-]"""
TRUST = 0.5
"""Power of the likelihood: no process is the true one, and designs are believed half as much as if it were. [-]"""
SWEEPS, MOST_STEPS = 150, 3000
"""Rounds of the chain over all parameters, and steps of all."""
FEATURES = 300
"""Random functions that a draw of the process is made of."""

LevelRows = NDArray[np.intp]
"""Designs by the number of each level, shape (designs, choice)."""


@dataclass(frozen=True)
class Setting:
    """Parameters of a process.

    Parameters
    ----------
    kept : ndarray of bool, shape (choice,)
        Choices that it knows.
    weight, reach : ndarray, shape (choice,)
        Of each choice, and over which share of its list or interval it is alike. [-]
    noise : float
        Variance of what no choice explains. [-]
    centre : int
        Of the least, the median and the largest value the one about which the output bends into its logarithm.
    bend : float
        How far from there it does, in standard deviations of the output. [-]
    """

    kept: NDArray[np.bool_]
    weight: Floats
    reach: Floats
    noise: float = NOISE
    centre: int = 1
    bend: float = 1.0

    @property
    def variance(self) -> float:
        """Of what designs give, over that of the process. [-]"""
        return float(max(np.prod(1.0 + self.weight[self.kept]) - 1.0, 1e-9))


class OutputProcess:
    """A Gaussian process of one output, after a change of scale that bends it into its logarithm.

    Parameters
    ----------
    choices : sequence of Choice
    designs : ndarray, shape (designs, choice)
        Positions of those that ran.
    values : ndarray, shape (designs,)
        What they gave.
    rng : Generator

    Notes
    -----
    The covariance is the product over choices of one and a weighted correlation: of entries of a list without order none, along
    lists in order and intervals that of Matérn with 3/2. So choices act by themselves and together. Weights, reaches, noise,
    the change of scale and which choices act at all are drawn by Metropolis steps, scale and mean are integrated out; the
    likelihood counts with the power `TRUST`. Which designs ran does not matter for it, as long as what chose them saw nothing
    but what came of others: so designs near the best speak for all, as far as they go.

    References
    ----------
    .. [1] C. E. Rasmussen and C. K. I. Williams, Gaussian Processes for Machine Learning, 2006, chapters 2 and 5.
    """

    def __init__(self, choices: Sequence[Choice], designs: Floats, values: Floats, rng: np.random.Generator) -> None:
        self._choices, self._designs, self._rng = choices, designs, rng
        self._values = values / values.std()
        self._centres = [self._values.min(), float(np.median(self._values)), self._values.max()]
        evenly = (np.arange(LEVELS) + 0.5) / LEVELS
        self.levels = [np.unique(designs[:, i]) if choice.count else evenly for i, choice in enumerate(choices)]
        self._apart = [self._distance(i, designs[:, i], designs[:, i]) for i in range(len(choices))]

    def _distance(self, i: int, some: Floats, others: Floats) -> Floats:
        """Between positions of a choice, as a share of the list or interval; in a list without order 1 to all others."""
        choice, apart = self._choices[i], np.abs(some[:, None] - others)
        return np.sign(apart) if choice.count and not choice.is_ordered else apart / max(choice.count - 1, 1)

    def _factor(self, i: int, setting: Setting, apart: Floats) -> Floats | float:
        """What a choice multiplies the covariance by."""
        if not setting.kept[i]:
            return 1.0
        if self._choices[i].count and not self._choices[i].is_ordered:
            return np.asarray(1.0 + setting.weight[i] * (apart == 0))
        z = np.sqrt(3.0) * apart / setting.reach[i]
        return np.asarray(1.0 + setting.weight[i] * (1.0 + z) * np.exp(-z))

    def _product(self, setting: Setting) -> Floats:
        product = np.ones((len(self._designs),) * 2)
        for i, apart in enumerate(self._apart):
            product *= self._factor(i, setting, apart)
        return product

    def _bent(self, setting: Setting) -> Floats:
        """Values on the scale of the process."""
        bent = np.arcsinh((self._values - self._centres[setting.centre]) / setting.bend)
        return np.asarray(bent - bent.mean())

    def _covariance(self, setting: Setting, product: Floats) -> Floats:
        """Of the designs that ran, the wide mean and the noise included."""
        covariance = product - 1.0 + CONSTANT * setting.variance
        covariance[np.diag_indices(len(product))] += (setting.noise + FLOOR) * setting.variance if setting.kept.any() else 1.0
        return covariance

    def _score(self, setting: Setting, product: Floats) -> float:
        """Logarithm of the posterior, but for a constant."""
        from scipy.linalg import solve_triangular

        try:
            factor = np.linalg.cholesky(self._covariance(setting, product))
        except np.linalg.LinAlgError:
            return -np.inf
        white = solve_triangular(factor, self._bent(setting), lower=True, check_finite=False)
        away = self._values - self._centres[setting.centre]
        likelihood = -np.log(np.diag(factor)).sum() - 0.5 * len(white) * np.log(white @ white)
        likelihood -= 0.5 * np.log(setting.bend**2 + away**2).sum()
        prior = (np.log(setting.noise / NOISE) / NOISE_SPREAD) ** 2 + (np.log(setting.bend) / BEND_SPREAD) ** 2
        return float(TRUST * likelihood - 0.5 * prior - 0.5 * self._own_prior(setting).sum())

    @staticmethod
    def _own_prior(setting: Setting) -> Floats:
        """Of each choice, minus twice its logarithm."""
        weights = np.log(setting.weight / WEIGHT) / WEIGHT_SPREAD
        return np.asarray(weights**2 + (np.log(setting.reach) / REACH_SPREAD) ** 2)

    def settings(self, count: int) -> list[Setting]:
        """So many draws of the parameters, from a chain whose first third is left out."""
        n = len(self._choices)
        useful = np.array([len(level) > 1 for level in self.levels])
        chain = _Chain(self, Setting(useful, np.full(n, WEIGHT), np.ones(n)), self._rng)
        found = []
        for _ in range(min(SWEEPS, max(MOST_STEPS // (3 * n + 4), 15))):
            for i in np.flatnonzero(useful):
                chain.change_choice(int(i))
            chain.change_all()
            found.append(chain.setting)
        found = found[len(found) // 3 :]
        return [found[i] for i in np.linspace(0, len(found) - 1, count).astype(int)]

    def explained(self, setting: Setting) -> float:
        """Share of the variance of the ranks of designs left out one by one that the others explain. [-]"""
        from scipy.stats import rankdata

        if not setting.kept.any():
            return 0.0
        values, inverse = self._bent(setting), np.linalg.inv(self._covariance(setting, self._product(setting)))
        told = values - (inverse @ values) / np.diag(inverse)
        ranks, ordered = rankdata(values), np.sort(values)
        off = ranks - np.interp(told, ordered, np.sort(ranks))
        return 1.0 - float((off**2).sum() / ((ranks - ranks.mean()) ** 2).sum())

    def drawn(self, setting: Setting, rows: LevelRows) -> Floats:
        """What some designs may give, on the scale of the process; designs that ran give what they gave, but for noise.

        Parameters
        ----------
        setting : Setting
        rows : ndarray, shape (designs, choice)
            Numbers of their levels; none twice.

        Notes
        -----
        A draw before the designs ran, of random features, and what it is off there added by the process: J. T. Wilson et al.,
        Pathwise conditioning of Gaussian processes, Journal of Machine Learning Research 22, 1, 2021.
        """
        from scipy.linalg import cho_solve

        rng, variance = self._rng, setting.variance
        if not setting.kept.any():
            return rng.standard_normal(len(rows))
        own, asked = np.ones((len(self._designs), FEATURES)), np.ones((len(rows), FEATURES))
        across = np.ones((len(rows), len(self._designs)))
        for i in np.flatnonzero(setting.kept):
            feature = self._features(int(i), setting)
            levels, at = self.levels[i], self._designs[:, i]
            own *= feature(at)
            asked *= feature(levels)[rows[:, i]]
            across *= np.asarray(self._factor(int(i), setting, self._distance(int(i), levels, at)))[rows[:, i]]
        weights = rng.standard_normal(FEATURES) * np.sqrt((variance + 1.0) / FEATURES)
        mean = rng.standard_normal() * np.sqrt(CONSTANT * variance)
        values = self._bent(setting)
        factor = np.linalg.cholesky(self._covariance(setting, self._product(setting))), True
        scale = np.sqrt(values @ cho_solve(factor, values) / rng.chisquare(len(values)))
        noise = rng.standard_normal(len(values)) * np.sqrt((setting.noise + FLOOR) * variance)
        off = cho_solve(factor, values - scale * (own @ weights + mean + noise))
        found = scale * (asked @ weights + mean) + (across - 1.0 + CONSTANT * variance) @ off
        if setting.noise > SEEN:
            found += scale * np.sqrt(setting.noise * variance) * rng.standard_normal(len(rows))
        return np.asarray(found)

    def _features(self, i: int, setting: Setting) -> _Features:
        choice, rng = self._choices[i], self._rng
        acts = rng.random(FEATURES) < setting.weight[i] / (1.0 + setting.weight[i])
        if choice.count and not choice.is_ordered:
            return _Features(acts, signs=np.sign(rng.random((choice.count, FEATURES)) - 0.5))
        waves = rng.standard_t(3, FEATURES) / (setting.reach[i] * max(choice.count - 1, 1))  # spectrum of Matérn, 3/2
        return _Features(acts, waves=waves, phases=2 * np.pi * rng.random(FEATURES))


@dataclass(frozen=True)
class _Features:
    """Random functions of one choice, 1 where the choice does not act in them."""

    acts: NDArray[np.bool_]
    signs: Floats | None = None
    waves: Floats | float = 0.0
    phases: Floats | float = 0.0

    def __call__(self, positions: Floats) -> Floats:
        """At positions, shape (positions, feature)."""
        if self.signs is not None:
            return np.where(self.acts, self.signs[positions.astype(int)], 1.0)
        return np.where(self.acts, np.sqrt(2.0) * np.cos(positions[:, None] * self.waves + self.phases), 1.0)


class _Chain:
    """Metropolis steps from setting to setting."""

    def __init__(self, process: OutputProcess, setting: Setting, rng: np.random.Generator) -> None:
        self._process, self.setting, self._rng = process, setting, rng
        self._product = process._product(setting)
        self._score = process._score(setting, self._product)

    def _step(self, setting: Setting, product: Floats, more: float = 0.0) -> None:
        """Take a setting, or stay; `more` is the logarithm of how much likelier the way back is."""
        score = self._process._score(setting, product)
        if np.log(self._rng.random()) < score - self._score + more:
            self.setting, self._product, self._score = setting, product, score

    def change_choice(self, i: int) -> None:
        """Know a choice or not, with parameters of their own; then walk along these."""
        fresh = np.exp(self._rng.standard_normal(2) * (WEIGHT_SPREAD, REACH_SPREAD)) * (WEIGHT, 1.0)
        kept = self.setting.kept.copy()
        kept[i] = not kept[i]
        setting = self._with(i, fresh, kept)
        own = self._process._own_prior
        self._step(setting, self._changed(i, setting), 0.5 * (own(setting)[i] - own(self.setting)[i]))
        for _ in range(2 * int(self.setting.kept[i])):
            factors = np.exp(self._rng.choice([0.2, 1.0]) * self._rng.standard_normal(2))
            setting = self._with(i, factors * (self.setting.weight[i], self.setting.reach[i]), self.setting.kept)
            self._step(setting, self._changed(i, setting))

    def _with(self, i: int, pair: Floats, kept: NDArray[np.bool_]) -> Setting:
        weight, reach = self.setting.weight.copy(), self.setting.reach.copy()
        weight[i], reach[i] = pair
        return replace(self.setting, kept=kept, weight=weight, reach=reach)

    def _changed(self, i: int, setting: Setting) -> Floats:
        process = self._process
        apart = process._apart[i]
        return np.asarray(self._product * (process._factor(i, setting, apart) / process._factor(i, self.setting, apart)))

    def change_all(self) -> None:
        """All weights together, the noise, and the change of scale."""
        rng, now = self._rng, self.setting
        setting = replace(now, weight=now.weight * np.exp(0.7 * rng.standard_normal()))
        self._step(setting, self._process._product(setting))
        self._step(replace(self.setting, noise=self.setting.noise * np.exp(rng.standard_normal())), self._product)
        for centre, widths in ((int(rng.integers(3)), (0.5, 2.0)), (self.setting.centre, (0.3, 1.0))):
            bend = self.setting.bend * np.exp(rng.choice(widths) * rng.standard_normal())
            self._step(replace(self.setting, centre=centre, bend=bend), self._product)
