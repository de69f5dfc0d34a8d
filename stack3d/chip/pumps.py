"""Coolant that pumps drive: the flow at which their pressure is what the cavities take; SI units."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from stack3d.errors import Problem, RangeError, did_you_mean
from stack3d.geometry import channel_keys
from stack3d.layout import Channels, Inlet, Layer, Stack
from stack3d.schema import PumpDeck, Scenario
from stack3d.thermal import flow_laws

LEAST_FLOW, MOST_FLOW = 1e-18, 1.0
"""Between which the flow through one inlet is sought. [m³ s⁻¹]"""
NAMED = 20
"""Names that are told where one is not known."""
CLOSE = 1e-13
"""Relative, of flows and pressures that are sought."""


@dataclass(frozen=True)
class Branch:
    """Channels of one inlet, or a cavity with pins, among what pumps may feed."""

    layer: Layer
    inlet: str
    channels: Channels

    @property
    def label(self) -> str:
        """Layer, with its inlet where it has several."""
        return f"{self.layer.name}.{self.inlet}" if self.inlet else self.layer.name

    @property
    def names(self) -> set[str]:
        """That a pump may call it by: its own, its layer's, that of its layer in every tier."""
        layers = {self.layer.name}
        if self.layer.tier is not None:
            layers.add(self.layer.name.partition("_")[2])
        return layers | {f"{name}.{self.inlet}" for name in layers if self.inlet}

    def drop(self, flow: float) -> float:
        """Pressure drop at a flow rate [m³ s⁻¹]; NaN where it is not known. [Pa]"""
        return float(flow_laws[self.channels.law]().pressure_drop(replace(self.channels.ducts, flow_rate=flow)))

    def flow(self, pressure: float) -> float:
        """Flow rate that a pressure [Pa] drives. [m³ s⁻¹]"""
        from scipy.optimize import brentq

        if pressure <= self.drop(LEAST_FLOW):
            return 0.0
        if pressure >= self.drop(MOST_FLOW):
            raise RangeError(f"{pressure:.3g} Pa drive more than {MOST_FLOW:g} m3/s through {self.label!r}")
        ends = np.log(LEAST_FLOW), np.log(MOST_FLOW)
        return float(np.exp(brentq(lambda q: self.drop(np.exp(q)) - pressure, *ends, xtol=CLOSE, rtol=CLOSE)))


def shared(branches: Sequence[Branch], pump: PumpDeck) -> list[float]:
    """Flow rates of branches side by side, which have one pressure, driven by a pump; raises RangeError. [m³ s⁻¹]"""
    if pump.curve is not None:
        flows, pressures = np.array(pump.curve.flow_rate), np.array(pump.curve.pressure)
        low, high = float(pressures[-1]), float(pressures[0])

        def given(pressure: float) -> float:
            return float(np.interp(pressure, pressures[::-1], flows[::-1]))
    else:
        whole = float(pump.flow_rate or 0.0)
        low, high = 0.0, max(branch.drop(whole) for branch in branches)

        def given(pressure: float) -> float:
            return whole

    pressure = _meeting(branches, given, low, high)
    found = [branch.flow(pressure) for branch in branches]
    if pump.flow_rate is not None:
        return [flow * pump.flow_rate / sum(found) for flow in found]
    return found


def _told(flow: float) -> str:
    """A flow rate in words."""
    return f"{6e7 * flow:.4g} ml/min"


def _meeting(branches: Sequence[Branch], given: Callable[[float], float], low: float, high: float) -> float:
    """Pressure between two at which branches take what is given; raises RangeError where there is none. [Pa]"""
    from scipy.optimize import brentq

    def excess(pressure: float) -> float:
        return sum(branch.flow(pressure) for branch in branches) - given(pressure)

    if (more := excess(low)) > 0:
        ends, takes = f"{_told(given(low))} and {low:.4g} Pa", _told(given(low) + more)
        raise RangeError(f"its curve ends at {ends}, where what it feeds takes {takes}; go on with the curve")
    if excess(high) < 0:
        begins = f"{_told(given(high))} and {high:.4g} Pa"
        raise RangeError(f"its curve begins at {begins}, which drives less through what it feeds; begin the curve at less flow")
    if excess(high) == 0:
        return high
    return float(brentq(excess, low, high, xtol=CLOSE * high, rtol=CLOSE))


def with_pumps(stack: Stack, scenario: Scenario, problems: list[Problem]) -> Stack:
    """The stack with the flow rates of its coolant known; what is wrong with pumps is added to the `problems`."""
    branches = [Branch(la, name, c) for la in stack.layers if la.channels is not None for name, c in la.channels.fed]
    fed: dict[str, str] = {}
    found: dict[str, float] = {}
    for i, pump in enumerate(scenario.cooling.pumps):
        found |= _pumped(pump, f"cooling.pumps[{i}]", branches, fed, problems)
    keys = channel_keys(scenario.geometry)
    dry = [branch for branch in branches if np.isnan(branch.channels.flow_rate) and branch.label not in fed]
    for key, inlet in {f"{keys[branch.layer.name]}.flow_rate": branch.inlet for branch in dry}.items():
        text = "is missing" + (f" for inlet {inlet!r}" if inlet else "")
        problems.append(Problem(key, f"{text}: give it, or a pump that feeds this layer (cooling.pumps)"))
    return replace(stack, layers=tuple(_driven(layer, found) for layer in stack.layers)) if found else stack


def _pumped(
    pump: PumpDeck, key: str, branches: Sequence[Branch], fed: dict[str, str], problems: list[Problem]
) -> dict[str, float]:
    """Flow rate of each branch that a pump feeds. [m³ s⁻¹]

    Parameters
    ----------
    pump : PumpDeck
    key : str
        Of the pump, for messages.
    branches : sequence of Branch
        All there are.
    fed : dict of str to str
        Pump of each branch that has one; grows.
    problems : list of Problem
        Takes the mistakes.
    """
    known = sorted(set[str]().union(*(branch.names for branch in branches)))
    for name in sorted(set(pump.feeds) - set(known)):
        text = f"no channels or pins {name!r}{did_you_mean(name, known)}; there are {', '.join(known[:NAMED]) or 'none'}"
        problems.append(Problem(f"{key}.feeds", text))
    mine = [branch for branch in branches if branch.names & set(pump.feeds)]
    wrong = [why for branch in mine if (why := _not_fed(branch, fed))]
    problems += [Problem(f"{key}.feeds", why) for why in wrong]
    fed |= {branch.label: pump.name for branch in mine}
    if wrong or not mine:
        return {}
    try:
        return dict(zip((branch.label for branch in mine), shared(mine, pump)))
    except RangeError as error:
        problems.append(Problem(f"{key}.curve" if pump.curve else f"{key}.flow_rate", f"pump {pump.name!r}: {error}"))
        return {}


def _not_fed(branch: Branch, fed: dict[str, str]) -> str | None:
    """Why one more pump cannot feed a branch, None where it can; `fed` names the pump of each that has one."""
    if branch.label in fed:
        return f"{branch.label!r} is fed by pump {fed[branch.label]!r} already"
    if not np.isnan(branch.channels.flow_rate):
        return f"{branch.label!r} has a flow_rate of its own; leave it out where a pump feeds it"
    if branch.channels.law in flow_laws and np.isnan(branch.drop(1e-9)):
        return (
            f"the pressure drop of {branch.label!r} is not known: its coolant wants viscosity and density, its law a pressure"
        )
    return None if branch.channels.law in flow_laws else f"{branch.label!r} has no known law"


def _driven(layer: Layer, flows: dict[str, float]) -> Layer:
    """A layer with the flow rates of its inlets."""
    c = layer.channels
    if c is None:
        return layer
    if not c.inlets:
        return replace(layer, channels=replace(c, flow_rate=flows.get(layer.name, c.flow_rate)))

    def driven(inlet: Inlet) -> Inlet:
        return replace(inlet, flow_rate=flows.get(f"{layer.name}.{inlet.name}", inlet.flow_rate))

    return replace(layer, channels=replace(c, inlets=tuple(map(driven, c.inlets))))
