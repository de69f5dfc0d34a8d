"""What a policy is, those that are registered, and those that a scenario chose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from stack3d import mvm
from stack3d.chip import Computer
from stack3d.errors import DeckError, Problem
from stack3d.heat.climate import Climate
from stack3d.heat.state import Limits
from stack3d.life.life import Life
from stack3d.registry import Registry


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


policies: Registry[Any] = Registry("policy")
"""Name of a key of ``lifetime`` (or of ``lifetime.policies``) → class made from that key's value."""


def chosen_policies(computer: Computer) -> tuple[Policy, ...]:
    """Policies of a computer's life, in the order of the registry."""
    lifetime = computer.design.lifetime
    found: dict[str, Any] = {name: getattr(lifetime, name, None) for name in policies}
    found |= lifetime.policies
    problems = [
        Problem(f"lifetime.policies.{n}", f"no policy {n!r}; known: {', '.join(policies)}") for n in found if n not in policies
    ]
    if problems:
        raise DeckError(problems)
    plan = tuple(policies[name](value) for name, value in found.items() if value is not None)
    problems = [problem for policy in plan for problem in policy.check(computer)]
    if problems:
        raise DeckError(problems)
    return plan
