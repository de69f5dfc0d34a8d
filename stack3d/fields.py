"""The catalogue of output variables: group, name, dimensions, unit, meaning. A new output is entered here first."""

from __future__ import annotations

from dataclasses import dataclass

from stack3d.errors import unknown_name


@dataclass(frozen=True)
class Field:
    """One output variable."""

    group: str
    name: str
    dims: tuple[str, ...]
    units: str
    long_name: str


def _f(path: str, dims: str, units: str, long_name: str) -> Field:
    group, name = path.split("/")
    return Field(group, name, tuple(dims.split()), units, long_name)


_ALL = (
    _f("thermal/temperature", "tier y x", "K", "mean temperature of each box of the tier's crossbar layer"),
    _f("thermal/temperature_max", "tier", "K", "largest temperature of the tier's crossbar layer"),
    _f("thermal/temperature_mean", "tier", "K", "volume mean temperature of the tier's crossbar layer"),
    _f("thermal/layer_temperature_max", "layer", "K", "largest temperature of the layer"),
    _f("thermal/layer_temperature_mean", "layer", "K", "volume mean temperature of the layer"),
    _f("thermal/map_temperature", "map_layer map_y map_x", "K", "volume mean temperature of each box of a requested map"),
    _f("thermal/probe_temperature", "probe", "K", "temperature at the probe"),
    _f("thermal/tile_temperature", "time tile", "K", "volume mean temperature of the tile's box in each epoch"),
    _f("thermal/hot_spot", "axis", "m", "position of the largest temperature of the stack"),
    _f("thermal/heat_in", "", "W", "power of all heat sources and fluxes into faces"),
    _f("thermal/heat_out", "", "W", "net heat leaving through all faces"),
    _f("thermal/face_heat", "face", "W", "net heat leaving through the face"),
    _f("thermal/heat_balance_error", "", "1", "difference of heat in and heat out over heat in"),
    _f("thermal/thermal_resistance", "", "K W-1", "largest rise over ambient per watt of total power"),
    _f("power/tile_power", "tile", "W", "power of the tile with its converters at the first epoch, leakage included"),
    _f("power/component_power", "component", "W", "power by component at the first epoch"),
    _f("power/power_density", "tier y x", "W m-2", "array power per area in each box of the tier at the first epoch"),
    _f("power/energy_per_inference", "component", "J", "energy of one inference by component, leakage not included"),
    _f("power/latency", "", "s", "time of one inference through all layers"),
    _f("power/highest_rate", "", "s-1", "inferences per second that the slowest layer allows"),
    _f("power/utilisation", "tile", "1", "used cells over all cells of the tile"),
    _f("reliability/conductance_error_mean", "time tier", "S", "mean over cells and chips of conductance minus its target"),
    _f(
        "reliability/conductance_error_std",
        "time tier",
        "S",
        "standard deviation over cells and chips of conductance minus its target",
    ),
    _f(
        "reliability/equivalent_time", "time tier", "s", "time at the anchor temperature of the retention law that ages as much"
    ),
    _f("reliability/conductance_histogram", "time conductance", "1", "share of all cells of all chips in each bin"),
    _f("reliability/stuck_fraction", "time", "1", "fraction of cells that are stuck"),
    _f("reliability/writes", "time", "1", "mean writes per cell"),
    _f("reliability/endurance_used", "time", "1", "mean over cells of Miner's damage sum"),
    _f("mvm/accuracy", "time sample", "1", "fraction of test inputs classified correctly"),
    _f("mvm/accuracy_ideal", "", "1", "fraction of test inputs classified correctly in float arithmetic"),
    _f("mvm/logit_error", "time sample", "1", "rms of logits minus float logits over rms of float logits"),
    _f("mvm/accuracy_without", "mechanism", "1", "mean accuracy at the end of the run with the mechanism switched off"),
    _f(
        "mvm/time_to_accuracy_loss",
        "sample",
        "s",
        "time at which accuracy first lies 1 % below its float value; NaN = not within the run",
    ),
)

FIELDS: dict[str, Field] = {f"{f.group}/{f.name}": f for f in _ALL}
"""Field by ``group/name``."""

COORDINATES: dict[str, tuple[str, str]] = {
    "time": ("s", "time since programming"),
    "sample": ("1", "independently programmed chip"),
    "tier": ("1", "tier from the bottom"),
    "conductance": ("S", "centre of the bin; what lies beyond the last bin counts in it"),
    "x": ("m", "centre of the box from the lower left corner"),
    "y": ("m", "centre of the box from the lower left corner"),
    "map_x": ("m", "centre of the box from the lower left corner"),
    "map_y": ("m", "centre of the box from the lower left corner"),
}
"""Numeric coordinate → (units, long_name)."""


def field(path: str) -> Field:
    """The catalogued field ``group/name``; raises UnknownNameError."""
    if path not in FIELDS:
        raise unknown_name("output variable", path, FIELDS)
    return FIELDS[path]
