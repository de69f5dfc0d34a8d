"""How old cells get in a life, against the times that their laws know."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

from stack3d.chip import TODAY, Computer
from stack3d.errors import Problem, RangeError, ValidityWarning
from stack3d.life.chips import Policy
from stack3d.unit_text import duration


def least_age(until: float, plan: Sequence[Policy]) -> float:
    """Age [s] that cells reach at least: the whole life, or up to the first act of a policy that writes them again.

    Parameters
    ----------
    until : float
        Length of the life. [s]
    plan : sequence of Policy
    """
    first = [policy.around(TODAY)[1] for policy in plan if policy.renews]
    return max(TODAY, min([until, *(time if math.isfinite(time) else TODAY for time in first)]))


def check_ages(computer: Computer, plan: Sequence[Policy]) -> list[Problem]:
    """Mistakes of a life in which cells get older, or are read younger, than a device or a law of it allows.

    Parameters
    ----------
    computer : Computer
    plan : sequence of Policy
    """
    until = computer.design.lifetime.until
    age = least_age(until, plan)
    found: dict[str, Problem] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ValidityWarning)  # the run says it
        for device in computer.devices.values():
            for reached in (TODAY, age):
                try:
                    device.check_ages(reached)
                except RangeError as error:
                    text = f"{error}; cells get {duration(age)} old"
                    found.setdefault(str(error), Problem("lifetime.until", text))
    return list(found.values())
