"""What a search has decided, as its list of cases keeps it and its dataset and page are made from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stack3d.study.designing import Change, DesignOutcome, DesignSpace, Mattering, ScreenOutcome
from stack3d.study.goals import Goal, Limit


def asked(goals: Sequence[Goal], limits: Sequence[Limit]) -> dict[str, Any]:
    """Goals and conditions."""
    return {
        "goals": [{"text": g.text, "unit": g.unit, "minimise": g.is_minimised, "output": g.output} for g in goals],
        "limits": [{"text": x.text, "unit": x.unit or "", "line": list(x.line), "side": list(x.side)} for x in limits],
    }


def screened(space: DesignSpace, names: Sequence[str], outcomes: Sequence[ScreenOutcome]) -> dict[str, Any]:
    """Designs that came to a screen."""
    rows = [
        {
            "screen": one.level,
            "design": space.told(one.judged.design),
            "values": list(one.values),
            "missed": list(one.missed),
            "ruled_out": one.ruled_out,
        }
        for one in outcomes
    ]
    return {"screens": list(names), "screened": rows}


def cases(
    space: DesignSpace,
    outcomes: Sequence[DesignOutcome | None],
    front: Sequence[int],
    chosen: int | None,
    changes: Sequence[Change],
) -> list[dict[str, Any]]:
    """A row for each case.

    Parameters
    ----------
    space : DesignSpace
    outcomes : sequence of DesignOutcome or None
        None of a case that has not ended.
    front : sequence of int
    chosen : int or None
    changes : sequence of Change
        Designs one change away from the chosen one, the next-best first.
    """
    ranks = {change.case: (rank, change.told) for rank, change in enumerate(changes, 1)}
    return [
        {
            "design": space.told(o.judged.design) if o else "",
            "values": list(o.values) if o else [],
            "missed": list(o.missed) if o else [],
            "is_at_least": list(map(int, o.is_at_least)) if o else [],
            "held": list(o.held) if o else [],
            "doubt": [doubt.size for doubt in o.doubts] if o else [],
            "feasible": bool(o and o.judged.is_feasible),
            "front": i in front,
            "chosen": i == chosen,
            "change": ranks.get(i, (0, ""))[1],
            "change_rank": ranks.get(i, (0, ""))[0],
        }
        for i, o in enumerate(outcomes)
    ]


def matters(space: DesignSpace, goals: Sequence[Mattering], limits: Sequence[Mattering]) -> dict[str, Any]:
    """Shares of the variance of goals and conditions, by choice."""
    return {
        "choices": [choice.name for choice in space.choices],
        **{
            name: {
                "shares": [one.shares.tolist() for one in found],
                "low": [one.low.tolist() for one in found],
                "high": [one.high.tolist() for one in found],
                "explained": [one.explained for one in found],
            }
            for name, found in (("goal", goals), ("condition", limits))
        },
    }
