"""Chips between two instants: ageing in a climate, interrupted by what policies do to them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from stack3d.errors import ValidityWarning
from stack3d.heat import Climate
from stack3d.life.chips.policy import Policy
from stack3d.life.chips.population import Life

CROSSINGS = 4
"""Acts of a triggered policy within one epoch that are followed one by one; further ones repeat the last interval."""


def programmed(life: Life, climate: Climate, plan: Sequence[Policy]) -> Life:
    """Chips after what policies do to those just programmed; what only measures comes last."""
    for policy in sorted(plan, key=lambda policy: policy.measures):
        life = policy.programmed(life, climate)
    return life


def elapse(life: Life, end: float, climate: Climate, plan: Sequence[Policy], epoch: int) -> Life:
    """Age the chips to `end` in a climate, acting where policies ask for it; an act that falls on `end` is not among them.

    Parameters
    ----------
    life : Life
    end : float
        Since programming. [s]
    climate : Climate
    plan : sequence of Policy
    epoch : int
        Seeds what acts draw.
    """
    events = sorted(
        ((when, before, i) for i, p in enumerate(plan) for when, before in p.events(life.time, end)), key=lambda e: e[0]
    )
    number = 0
    for when, before, i in events:
        life = life.aged(when, climate)
        if before:
            life = plan[i].wear(life, climate, before)
        life = _acted(life, climate, plan, plan[i], _event(epoch, number), before)
        number += not plan[i].measures
    return _triggered(life, end, climate, plan, epoch, number)


def _acted(life: Life, climate: Climate, plan: Sequence[Policy], policy: Policy, event: int, before: float = 0.0) -> Life:
    """The chips after an act, and after what follows a write; `before` acts were counted just before it."""
    done = policy.act(life, climate, event)
    if done.bill.refreshes > life.bill.refreshes:
        for other in plan:
            done = other.written(done, climate, 1.0 + before)
    return done


def _event(epoch: int, number: int) -> int:
    return epoch * 1000 + number


def _triggered(life: Life, end: float, climate: Climate, plan: Sequence[Policy], epoch: int, number: int) -> Life:
    """Age to `end`, with acts whenever a policy finds them due; one that is due at `end` only acts in the next epoch."""
    interval = 0.0
    for count in range(CROSSINGS + 1):
        later = life.aged(end, climate)
        due = next((p for p in plan if p.is_due(later, climate)), None)
        if due is None:
            return later
        event = _event(epoch, number + count)
        if count == CROSSINGS and interval > 0:
            times = int(np.ceil((end - life.time) / interval * (1 - 1e-9))) - 1  # acts before the end
            if times < 1:
                return later
            life = due.wear(life, climate, times - 1).aged(life.time + times * interval, climate)
            return _acted(life, climate, plan, due, event, times - 1).aged(end, climate)
        when = _crossing(life, end, climate, due)
        if when >= end:
            return later
        interval = when - life.time
        life = _acted(life.aged(when, climate), climate, plan, due, event)
        if interval <= 0 and due.is_due(life, climate):
            return _in_vain(life, end, climate, plan, due, _event(epoch, number + count + 1))
    return life.aged(end, climate)


def _in_vain(life: Life, end: float, climate: Climate, plan: Sequence[Policy], policy: Policy, event: int) -> Life:
    """Age to `end` with a policy that is due again as soon as it has acted: it acts a few times, evenly."""
    text = f"a write does not bring the accuracy back within what triggers it: {CROSSINGS} writes in such an epoch"
    warnings.warn(ValidityWarning(text), stacklevel=2)
    step = (end - life.time) / CROSSINGS
    middles = [life.time + (k + 0.5) * step for k in range(CROSSINGS)]
    for k, when in enumerate(middles):
        life = _acted(life.aged(when, climate), climate, plan, policy, event + k)
    return life.aged(end, climate)


def _crossing(life: Life, end: float, climate: Climate, policy: Policy) -> float:
    """Time in (now, end] at which the policy first finds itself due, to 5 % of the interval. [s]"""
    if policy.is_due(life, climate):
        return life.time
    low, high = 0.0, end - life.time
    for _ in range(12):
        if high - low <= 0.05 * high:
            break
        middle = np.sqrt(low * high) if low > 0 else high / 8
        if policy.is_due(life.aged(life.time + middle, climate), climate):
            high = middle
        else:
            low = middle
    return life.time + high
