"""A policy of another package: registered by decorator or entry point, named in a scenario, at work in the run."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from stack3d import decks
from stack3d.case import check, run_case
from stack3d.errors import DeckError, PackageError
from stack3d.life.chips import Life, Passive, policies
from stack3d.progress import Silent
from stack3d.registry import Registry

QUICK = [
    ("monte_carlo.samples", 2), ("lifetime.epochs", 2), ("lifetime.attribution", False), ("solver.backend", "tensor"),
    ("solver.mesh", {"lateral": 6, "per_layer": 1, "aspect": 4}), ("workload.test_samples", 50), ("geometry.tiers.repeat", 2),
]  # fmt: skip
MODULE = '''
from stack3d.lifetime.life import Passive


class Nap(Passive):
    """Writes all cells once, at an age that the deck gives in seconds."""

    def __init__(self, deck):
        self.age = float(deck["age"])

    def events(self, start, end):
        return [(self.age, 0.0)] if start <= self.age < end else []

    def act(self, life, climate, event):
        return life.rewritten(climate, event)
'''


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The registry as it is, put back afterwards."""
    monkeypatch.setattr(policies, "_entries", dict(policies._entries))
    monkeypatch.setattr(policies, "_outside_loaded", False)
    yield


def test_a_decorated_policy_is_picked_up(outside: None) -> None:
    seen: list[float] = []

    @policies.register("diary")
    class Diary(Passive):
        def __init__(self, deck: dict[str, float]) -> None:
            self.times = deck["times"]

        def programmed(self, life: Life, climate: object) -> Life:
            seen.append(self.times)
            return life

    run_case(decks.load("quickstart", [*QUICK, ("lifetime.policies", {"diary": {"times": 3}})]).scenario, Silent())
    assert seen == [3]


def test_a_policy_of_an_installed_package_is_picked_up(outside: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution on the path that announces an entry point in the group ``stack3d.policy``; nothing imports it before."""
    (tmp_path / "naps.py").write_text(MODULE)
    info = tmp_path / "naps-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: naps\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[stack3d.policy]\nnap = naps:Nap\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    chosen = decks.load("quickstart", [*QUICK, ("lifetime.policies", {"nap": {"age": 1e6}})])
    check(chosen.scenario)
    values = run_case(chosen.scenario, Silent()).values
    np.testing.assert_array_equal(values["reliability/refreshes"], [0, 0, 1])
    assert values["reliability/write_energy"][-1] > 0
    sys.modules.pop("naps", None)


def test_a_policy_that_nobody_registered_is_refused(outside: None) -> None:
    chosen = decks.load("quickstart", [*QUICK, ("lifetime.policies", {"nap": {}})])
    with pytest.raises(DeckError, match=r"lifetime\.policies\.nap: no policy 'nap'; known: .*compensation.*fine_tuning"):
        check(chosen.scenario)


def test_a_policy_that_has_a_key_of_its_own_is_refused_elsewhere() -> None:
    chosen = decks.load("quickstart", [*QUICK, ("lifetime.policies", {"refresh": {"period": "30 day"}})])
    with pytest.raises(DeckError, match=r"lifetime\.policies\.refresh: is a key of lifetime itself: lifetime: \{refresh: …\}"):
        check(chosen.scenario)


def test_a_name_is_registered_once() -> None:
    registry: Registry[int] = Registry("thing")
    registry.register("one")(1)
    with pytest.raises(PackageError, match="thing 'one' is registered twice"):
        registry.register("one")(2)


def test_a_package_that_cannot_be_loaded_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The entry point of a broken package is told as such, not as a mistake of what asked for the registry."""
    from importlib.metadata import EntryPoint

    broken = EntryPoint("lost", "no_such_module:Lost", "stack3d.thing")
    monkeypatch.setattr("stack3d.registry.announced", lambda path: (broken,))
    with pytest.raises(PackageError, match=r"thing 'lost' of a package \(no_such_module:Lost\) cannot be loaded"):
        list(Registry[int]("thing"))
