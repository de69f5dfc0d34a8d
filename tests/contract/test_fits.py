"""Every registered law, one from outside too, is fitted to measurements that it made itself."""

from pathlib import Path
from typing import Any, override

import numpy as np
import pytest
from made_measurements import TRUTH, made

from stack3d import yamlfile
from stack3d.devices import MECHANISMS
from stack3d.devices.build import build_device, drawn, posterior_draws
from stack3d.devices.fitting import deck_text, fit_law, parsed
from stack3d.devices.fitting.kinds import KINDS, likelihood
from stack3d.devices.laws import READ_DISTURB, Law, ReadDisturbLaw, Reals
from stack3d.devices.levels import LevelFunction
from stack3d.schema.base import Fraction
from stack3d.schema.device import DeviceDeck


class Outside(ReadDisturbLaw):
    """A law of another package: a share is lost once 1e6 reads are over."""

    share: Fraction

    @override
    def remaining(self, reads: Reals, device: DeviceDeck) -> Reals:
        return np.asarray(1 - self.share * -np.expm1(-reads / 1e6))


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(READ_DISTURB, "_entries", {**READ_DISTURB._entries, "outside": Outside})


def test_every_registered_law_is_walked(outside: None) -> None:
    """A law that is added without measurements of its own here fails."""
    ours = {(m, n) for m, laws in MECHANISMS.items() for n in laws if laws[n].__module__.startswith("stack3d.")}
    assert ours | {("read_disturb", "outside")} == set(TRUTH)
    assert set(KINDS) == set(MECHANISMS)


def fitted(mechanism: str, name: str, folder: Path) -> tuple[Any, Law, DeviceDeck]:
    """A fit of a law to measurements that it made, and the law that made them."""
    table, law, device = made(mechanism, name, folder)
    return fit_law(f"{mechanism}.{name}", [table], device), law, device


QUICK = ("programming", "read_noise", "endurance", "window_closure", "faults", "self_heating", "truncation", "read_disturb")
"""Mechanisms whose laws are fitted within a second or two."""
LONGER = (
    ("spread", "power_law"), ("crystallisation", "avrami"), ("retention", "abrupt"), ("relaxation", "logarithmic"),
    ("retention", "level_barriers"), ("retention", "both_directions"), ("relaxation", "own_equilibrium"),
)  # fmt: skip
"""Laws whose fits take from seconds to two minutes; the others of their mechanisms weigh their measurements in the next test."""


FITTED = [key for key in TRUTH if key[0] in QUICK] + [pytest.param(*key, marks=pytest.mark.slow) for key in LONGER]


@pytest.mark.parametrize(("mechanism", "name"), FITTED)
def test_a_law_is_fitted_to_what_it_made(mechanism: str, name: str, outside: None, tmp_path: Path) -> None:
    """The fit is finite, explains its rows as well as the truth does, and lives on in a deck with draws."""
    fit, truth, device = fitted(mechanism, name, tmp_path)
    assert np.isfinite(fit.best).all() and np.isfinite(fit.draws).all() and np.isfinite(fit.covariance).all()
    data, _ = likelihood(mechanism, type(truth), [fit.source], device)
    true = data.log(truth, fit.best[len(fit.parameters.free) :].tolist())
    assert fit.log_likelihood > true - 0.5 * len(fit.best) - 1, (fit.names, fit.best, fit.log_likelihood, true)
    deck = parsed(yamlfile.parse_text(deck_text([fit], device), "fitted.yaml"))
    assert posterior_draws(deck) == 200
    build_device(drawn(deck, 3))


def test_laws_with_slow_fits_weigh_their_own_measurements(outside: None, tmp_path: Path) -> None:
    """One likelihood each: finite at the truth, and lower where one of its numbers is off by a factor."""
    for mechanism, name in TRUTH:
        if mechanism in QUICK:
            continue
        table, law, device = made(mechanism, name, tmp_path)
        data, _ = likelihood(mechanism, type(law), [table], device)
        true = data.log(law, [0.005])
        assert np.isfinite(true), name
        key, off = WRONG.get(f"{mechanism}.{name}", WRONG[mechanism])
        assert true > data.log(law.model_copy(update={key: off}), [0.005]) + 2, (name, true)


WRONG: dict[str, tuple[str, Any]] = {
    "relaxation": ("activation_energy", 2.0),
    "relaxation.own_equilibrium": ("barrier_sd", 0.5),
    "spread": ("exponent", 0.9),
    "retention": ("activation_energy", 0.8),
    "retention.power_law": ("exponent_mean", LevelFunction(offset=0.15, slope=0, low=0.0, high=0.2)),
    "retention.level_barriers": ("shape", 0.3),
    "retention.gap_growth": ("separation_energy", 1.7),
    "retention.kaul2021_mapping": ("separation_energy", 1.7),
    "crystallisation": ("exponent", 1.0),
    "temperature_dependence": ("activation_energy", 0.2),
}
"""Law or mechanism → a number that its measurements speak against."""
