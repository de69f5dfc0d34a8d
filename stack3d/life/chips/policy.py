"""What a policy is, acts that recur, and the policies that are registered or that a scenario chose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from stack3d import mvm
from stack3d.chip import Computer
from stack3d.errors import DeckError, PackageError, Problem, Stack3dError, brief
from stack3d.heat import Climate, Limits, Upkeep, least_time
from stack3d.life.chips.policy_answers import ANSWERS
from stack3d.life.chips.population import Life
from stack3d.registry import Registry, is_outside
from stack3d.schema.life import LifetimeDeck

MOST_EVENTS = 4
"""Periodic acts within one epoch that are followed one by one; of more, all but the last only wear the cells, for
programming again resets all else."""


class Policy(Protocol):
    """Something that is done to keep the chips accurate, or cool."""

    renews: bool
    """Whether it writes again what has aged."""
    measures: bool
    """Whether its acts only read."""

    def check(self, computer: Computer) -> list[Problem]:
        """What this computer cannot do."""

    def programmed(self, life: Life, climate: Climate) -> Life:
        """After the first programming."""

    def events(self, start: float, end: float) -> Sequence[tuple[float, float]]:
        """Instants in [start, end) at which to act, each with the number of acts just before it that only wear."""

    def act(self, life: Life, climate: Climate, event: int) -> Life:
        """Do it."""

    def wear(self, life: Life, climate: Climate, times: float) -> Life:
        """Count `times` acts whose outcome is overwritten by a later one."""

    def around(self, time: float) -> tuple[float, float]:
        """Last periodic act before `time` and the first at or after it; 0 and infinity where it has none. [s]"""

    def written(self, life: Life, climate: Climate, times: float) -> Life:
        """After `times` writes by another policy, the last of them just now."""

    def is_due(self, life: Life, climate: Climate) -> bool:
        """Whether the state of the chips asks for an act now."""

    def limit(self, limits: Limits) -> Limits:
        """What the chip's temperature and leakage have to keep."""

    def correct(
        self, life: Life, matrices: dict[str, mvm.AnalogMatrix], seen: Mapping[str, Any], climate: Climate
    ) -> tuple[dict[str, mvm.AnalogMatrix], dict[str, mvm.Compensation]]:
        """Matrices with new converter ranges, and digital corrections by layer.

        Parameters
        ----------
        life : Life
        matrices : dict of str to AnalogMatrix
            As the policies before left them.
        seen : mapping of str to ndarray
            Conductances by matrix, shape (chips, devices, n_inputs, n_columns). [S]
        climate : Climate
        """


class Passive:
    """Policy that does nothing; others override what they do."""

    renews: bool = False
    measures: bool = False

    def check(self, computer: Computer) -> list[Problem]:
        """Return no problems."""
        return []

    def programmed(self, life: Life, climate: Climate) -> Life:
        """Leave the chips as they are."""
        return life

    def events(self, start: float, end: float) -> Sequence[tuple[float, float]]:
        """Return no instants."""
        return ()

    def act(self, life: Life, climate: Climate, event: int) -> Life:
        """Do nothing."""
        return life

    def wear(self, life: Life, climate: Climate, times: float) -> Life:
        """Wear nothing."""
        return life

    def around(self, time: float) -> tuple[float, float]:
        """Return no acts."""
        return 0.0, float("inf")

    def written(self, life: Life, climate: Climate, times: float) -> Life:
        """Do nothing."""
        return life

    def is_due(self, life: Life, climate: Climate) -> bool:
        """Return False."""
        return False

    def limit(self, limits: Limits) -> Limits:
        """Ask for nothing."""
        return limits

    def correct(
        self, life: Life, matrices: dict[str, mvm.AnalogMatrix], seen: Mapping[str, Any], climate: Climate
    ) -> tuple[dict[str, mvm.AnalogMatrix], dict[str, mvm.Compensation]]:
        """Correct nothing."""
        return matrices, {}


policies: Registry[Any] = Registry("policy", answers=ANSWERS, reserved=LifetimeDeck.model_fields)
"""Name of a key of ``lifetime`` (or of ``lifetime.policies``) → class made from that key's value."""


def chosen_policies(computer: Computer) -> tuple[Policy, ...]:
    """Policies of a computer's life, in the order of the registry."""
    lifetime = computer.design.lifetime
    found: dict[str, Any] = {name: getattr(lifetime, name, None) for name in policies}
    found |= lifetime.policies
    problems = [
        Problem(f"lifetime.policies.{n}", f"is a key of lifetime itself: lifetime: {{{n}: …}}")
        for n in lifetime.policies
        if n in LifetimeDeck.model_fields
    ]
    problems += [
        Problem(f"lifetime.policies.{n}", f"no policy {n!r}; known: {', '.join(policies)}") for n in found if n not in policies
    ]
    if problems:
        raise DeckError(problems)
    plan = tuple(_made(name, value) for name, value in found.items() if value is not None)
    problems = [problem for policy in plan for problem in policy.check(computer)]
    if problems:
        raise DeckError(problems)
    return plan


def _made(name: str, value: Any) -> Policy:
    """A policy of what a deck gives; raises DeckError, PackageError for one of another package that cannot be made."""
    try:
        policy: Policy = policies[name](value)
    except (Stack3dError, MemoryError):
        raise
    except Exception as error:
        if not is_outside(policies[name]):
            raise
        what = f"{type(error).__name__}: {' '.join(str(error).split())}"
        text = f"{policies.told(name)} cannot be made of {brief(value)}: {what}"
        raise DeckError(Problem(f"lifetime.policies.{name}", text)) from error
    for word in ("renews", "measures"):
        if not isinstance(getattr(policy, word, None), bool):
            raise PackageError(f"{policies.told(name)}: {word} is {brief(getattr(policy, word, None))}; wanted True or False")
    return policy


def periodic(period: float, start: float, end: float, most: int = MOST_EVENTS) -> list[tuple[float, float]]:
    """Multiples of a period in [start, end), and how many acts before each only wear: none up to `most` acts.

    Programming is no act, and the act that falls on `end` belongs to the next epoch: the read-out at `end` comes before it.

    Parameters
    ----------
    period, start, end : float
        [s]
    most : int
        Acts that are followed one by one.
    """
    slack = 1 - 1e-9  # a quotient that rounding has put above a whole number is that number
    first, last = max(1, int(np.ceil(start / period * slack))), int(np.ceil(end / period * slack)) - 1
    count = last - first + 1
    if count <= most:
        return [(k * period, 0.0) for k in range(first, last + 1)]
    return [(last * period, float(count - 1))]


def too_often(key: str, period: float, reads: Upkeep, computer: Computer) -> list[Problem]:
    """Problem of an act whose reads take longer than the period in which it recurs.

    Parameters
    ----------
    key : str
        Of the period.
    period : float
        [s]
    reads : Upkeep
        Of one act.
    computer : Computer
    """
    takes = least_time(computer, reads)
    return [] if period > takes else [Problem(key, f"is {period:g} s; its reads take {takes:.3g} s")]


def around(period: float, time: float) -> tuple[float, float]:
    """Multiples of a period before, and at or after, a time; [s]."""
    slack = 1 - 1e-9
    after = max(1, int(np.ceil(time / period * slack)))
    return (after - 1) * period, after * period
