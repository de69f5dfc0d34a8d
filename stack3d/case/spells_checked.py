"""What stands against surroundings that change along a transient."""

from __future__ import annotations

from stack3d.chip import Chip
from stack3d.errors import Problem, did_you_mean
from stack3d.heat.loads import channel_runs

KEY = "transient.surroundings"


def check_surroundings(chip: Chip) -> list[Problem]:
    """What stands against surroundings that change: faces that are not there or held, coolant."""
    transient = chip.scenario.transient
    if transient is None or transient.surroundings is None:
        return []
    problems, conditions = [], chip.scenario.cooling.conditions
    for name in transient.surroundings.films:
        if name not in conditions:
            text = f"no face {name!r}{did_you_mean(name, conditions)}; faces: {', '.join(conditions)}"
            problems.append(Problem(f"{KEY}.films.{name}", text))
        elif conditions[name].temperature is not None or conditions[name].thermoelectric is not None:
            problems.append(Problem(f"{KEY}.films.{name}", "is held at a temperature or by a cooler: it has no film to change"))
    if channel_runs(chip.stack):
        problems.append(Problem(KEY, "does not go with channels"))
    return problems
