"""Chips between two instants: ageing in a climate, interrupted by what policies do to them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from stack3d.errors import ValidityWarning
from stack3d.heat.climate import Climate
from stack3d.life.life import Life
from stack3d.life.policy import Policy

CROSSINGS = 4
"""Acts of a triggered policy within one epoch that are followed one by one; further ones repeat the last interval."""


def elapse(life: Life, end: float, climate: Climate, plan: Sequence[Policy], epoch: int) -> Life:
    """Age the chips to `end` in a climate, acting where policies ask for it; a periodic act at `end` is not among them.

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
    for number, (when, before, i) in enumerate(events):
        life = life.aged(when, climate)
        if before:
            life = plan[i].wear(life, climate, before)
        life = plan[i].act(life, climate, _event(epoch, number))
    return _triggered(life, end, climate, plan, epoch, len(events))


def _event(epoch: int, number: int) -> int:
    return epoch * 1000 + number


def _triggered(life: Life, end: float, climate: Climate, plan: Sequence[Policy], epoch: int, number: int) -> Life:
    """Age to `end`, with acts whenever a policy finds them due."""
    interval = 0.0
    for count in range(CROSSINGS + 1):
        later = life.aged(end, climate)
        due = next((p for p in plan if p.is_due(later, climate)), None)
        if due is None:
            return later
        if count == CROSSINGS and interval > 0:
            times = (end - life.time) // interval
            life = due.wear(life, climate, max(times - 1, 0)).aged(max(life.time, end - (end - life.time) % interval), climate)
            return due.act(life, climate, _event(epoch, number + count)).aged(end, climate)
        when = _crossing(life, end, climate, due)
        interval = when - life.time
        life = due.act(life.aged(when, climate), climate, _event(epoch, number + count))
        if when >= end:
            return life
        if interval <= 0:
            return _in_vain(life, end, climate, due, _event(epoch, number + count + 1))
    return life.aged(end, climate)


def _in_vain(life: Life, end: float, climate: Climate, policy: Policy, event: int) -> Life:
    """Age to `end` with a policy that is due again as soon as it has acted: it acts a few times, evenly."""
    text = f"a write does not bring the accuracy back within what triggers it: {CROSSINGS} writes in such an epoch"
    warnings.warn(ValidityWarning(text), stacklevel=2)
    step = (end - life.time) / CROSSINGS
    middles = [life.time + (k + 0.5) * step for k in range(CROSSINGS)]
    for k, when in enumerate(middles):
        life = policy.act(life.aged(when, climate), climate, event + k)
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
