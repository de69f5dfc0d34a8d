"""What a policy of another package may answer, method by method."""

from __future__ import annotations

from typing import Any

import numpy as np

from stack3d.errors import Problem, brief
from stack3d.heat import Limits
from stack3d.life.chips.population import Life
from stack3d.registry import Check, numbers


def _is(kind: type, words: str) -> Check:
    """A check that an answer is of a kind."""
    return lambda given, found: None if isinstance(found, kind) else f"{brief(found)}; wanted {words}"


def _problems(given: tuple[Any, ...], found: Any) -> str | None:
    good = isinstance(found, list | tuple) and all(isinstance(one, Problem) for one in found)
    return None if good else f"{brief(found)}; wanted a list of Problem"


def _instants(given: tuple[Any, ...], found: Any) -> str | None:
    """What keeps events from being pairs of an instant within the epoch and a number of acts before it."""
    start, end = given
    wanted = f"pairs of an instant from {start:g} to before {end:g} s and a number of acts before it"
    try:
        pairs = [(float(when), float(before)) for when, before in found]
    except (TypeError, ValueError):
        return f"{brief(found)}; wanted {wanted}"
    wrong = [pair for pair in pairs if not (start <= pair[0] < end and 0 <= pair[1] < np.inf)]
    return f"{wrong[0]}; wanted {wanted}" if wrong else None


def _between(given: tuple[Any, ...], found: Any) -> str | None:
    """What keeps an answer from being the acts before and after a time."""
    good = isinstance(found, tuple) and len(found) == 2 and numbers(np.minimum(found, 1e300)) is None and found[0] <= found[1]
    return None if good else f"{brief(found)}; wanted the time of the act before and of the one after [s]"


def _corrections(given: tuple[Any, ...], found: Any) -> str | None:
    """What keeps an answer from being matrices of all layers, and corrections of some."""
    if not (isinstance(found, tuple) and len(found) == 2 and all(isinstance(part, dict) for part in found)):
        return f"{brief(found)}; wanted a tuple of matrices and corrections, each by layer"
    layers = set(given[1])
    if set(found[0]) != layers or set(found[1]) - layers:
        return f"those of {', '.join(sorted(map(str, {*found[0], *found[1]})))}; wanted layers {', '.join(sorted(layers))}"
    for part, has, words in ((found[0], "matvec", "an AnalogMatrix"), (found[1], "column_gain", "a Compensation")):
        if wrong := [(name, one) for name, one in part.items() if not hasattr(one, has)]:
            return f"{brief(wrong[0][1])} for layer {wrong[0][0]}; wanted {words}"
    return None


def _life(given: tuple[Any, ...], found: Any) -> str | None:
    """What keeps an answer from being the chips at the same time, with a bill of finite numbers."""
    if not isinstance(found, Life):
        return f"{brief(found)}; wanted the Life as it is now"
    if found.time != given[0].time:
        return f"a Life at {found.time:g} s; wanted it at {given[0].time:g} s"
    wrong = {name: numbers(getattr(found.bill, name)) for name in ("refreshes", "pulses", "energy", "tile_energy")}
    return next((f"{text} as {name} of the bill" for name, text in wrong.items() if text is not None), None)


ANSWERS: dict[str, Check] = {
    "check": _problems,
    "programmed": _life,
    "events": _instants,
    "act": _life,
    "wear": _life,
    "around": _between,
    "written": _life,
    "is_due": _is(bool | np.bool_, "True or False"),  # type: ignore[arg-type]
    "limit": _is(Limits, "Limits"),
    "correct": _corrections,
}
