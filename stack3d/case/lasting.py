"""How long chips last, in words: quantiles of times that a life may not reach, and how sure their median is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from stack3d.chances import median_held
from stack3d.chip import Chip
from stack3d.layout import Floats
from stack3d.unit_text import duration


def span(times: Floats, end: float, *shares: float, first: float = 0.0) -> str:
    """Text of quantiles of times that a life of length `end` may not reach, NaN; [s], [s], [-].

    Parameters
    ----------
    times : ndarray
        [s]
    end : float
        [s]
    *shares : float
        Of the quantiles.
    first : float
        When chips are first read: what is below then has not lasted at all. [s]
    """
    found = np.quantile(np.where(np.isnan(times), np.inf, times), shares, method="inverted_cdf")
    told = (duration(float(t)) if t > first else "when first read" for t in found)
    return " to ".join(text if np.isfinite(t) else f"beyond {duration(end)}" for t, text in zip(found, told))


def median_span(times: Floats, end: float, *, first: float = 0.0) -> str:
    """What is said of how sure the median of times is, see `span`; nothing of a single chip. [s]

    Parameters
    ----------
    times : ndarray, shape (chips,)
        [s]
    end, first : float
        [s]
    """
    if times.size < 2:
        return "median"
    if (places := median_held(times.size)) is None:
        return f"median of {times.size} chips, too few to say how sure"
    ordered = np.sort(np.where(np.isnan(times), np.inf, times))[list(places)]
    low, high = (span(np.full(1, t), end, 0.5, first=first) for t in ordered)
    return f"median of {times.size} chips, 95 % sure: {low if low == high else f'{low} to {high}'}"


def lasts(chip: Chip, values: Mapping[str, Any], coordinates: Mapping[str, Any]) -> list[str]:
    """Time to the loss that the scenario states."""
    if chip.scenario.lifetime is None or "mvm/time_to_accuracy_loss" not in values:
        return []
    chips, end = values["mvm/time_to_accuracy_loss"], float(coordinates["time"][-1])
    first = float(coordinates["time"][0])
    spread = f"; 5 to 95 % of the chips: {span(chips, end, 0.05, 0.95, first=first)}" if chips.size > 1 else ""
    if (bands := values.get("mvm/time_to_accuracy_loss_band")) is not None:
        medians = np.quantile(np.where(np.isnan(bands), np.inf, bands), 0.5, axis=-1, method="inverted_cdf")
        spread += f"; medians over the device's band {span(medians, end, 0.0, 1.0)}"
    points = 100 * chip.scenario.lifetime.accuracy_loss
    loss = f"{points:g} point{'' if points == 1 else 's'} below float"
    sure = median_span(chips, end, first=first)
    if np.mean(chips <= first) >= 0.5:
        return [f"lasts              not at all: more than {loss} when first read, after {duration(first)} ({sure}{spread})"]
    return [f"lasts              {span(chips, end, 0.5)} to {loss} ({sure}{spread})"]
