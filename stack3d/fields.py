"""The catalogue of output variables: group, name, dimensions, unit, meaning. A new output is entered here first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from stack3d import units
from stack3d.errors import PackageError, UnknownNameError, brief, did_you_mean, unknown_name
from stack3d.registry import Registry, numbers


@dataclass(frozen=True)
class Variable:
    """One output variable."""

    group: str
    name: str
    dims: tuple[str, ...]
    units: str
    long_name: str
    undefined: str = ""
    """What a NaN or an infinite value means; empty where there is none, and values of other packages that are not finite are
    refused."""

    @property
    def path(self) -> str:
        """``group/name``."""
        return f"{self.group}/{self.name}"


class Output:
    """Something that another package adds to the dataset: declares its variables, and makes them.

    What a subclass is asked for, and when, say `heat.outputs.HeatOutput` and `life.epoch_record.LifeOutput`.
    """

    fields: ClassVar[tuple[Variable, ...]] = ()
    """The variables, as the catalogue has its own."""
    own: ClassVar[Mapping[str, str]] = {}
    """Groups and dimensions that the catalogue does not know, and what each is."""


outputs: Registry[type[Output]] = Registry("output", Output)
"""By name; other packages announce theirs in the entry-point group ``stack3d.output``."""
physics: Registry[type[Output]] = Registry("physics", Output)
"""Second fields by the key under `physics` of a scenario, see `SecondField`; the group is ``stack3d.physics``."""


def registered[T: Output](kind: type[T]) -> list[tuple[str, T]]:
    """One of each registered output of a `kind`, and how it is told; raises PackageError for one that cannot be made."""
    return [(outputs.told(name), entry()) for name, entry in ((n, outputs[n]) for n in outputs) if issubclass(entry, kind)]


def nothing(given: tuple[Any, ...], found: Any) -> str | None:
    """What is wrong with the answer of a method that puts variables into a record."""
    return None if found is None else f"{brief(found)}; wanted None: variables are put into the record"


def sums(given: tuple[Any, ...], found: Any) -> str | None:
    """What is wrong with what an output adds up from epoch to epoch."""
    if not isinstance(found, Mapping) or not all(isinstance(name, str) and name.isidentifier() for name in found):
        return f"{brief(found)}; wanted a mapping of words to arrays"
    wrong = {name: numbers(value) for name, value in found.items()}
    return next((f"{name} = {text}" for name, text in wrong.items() if text is not None), None)


def together(parts: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, NDArray[np.float64]]:
    """What several outputs add up, each told with its name; raises PackageError for a word that two of them use."""
    found: dict[str, NDArray[np.float64]] = {}
    for who, mine in parts:
        if twice := sorted(set(mine) & set(found)):
            raise PackageError(f"{who} carries {twice[0]!r}, as another output does; choose another name")
        found |= {name: np.asarray(value, dtype=np.float64) for name, value in mine.items()}
    return found


def _f(path: str, dims: str, units: str, long_name: str) -> Variable:
    group, name = path.split("/")
    return Variable(group, name, tuple(dims.split()), units, long_name)


_ALL = (
    _f("thermal/temperature", "time tier y x", "K", "mean temperature of each box of the tier's crossbar layer"),
    _f(
        "thermal/temperature_max",
        "time tier",
        "K",
        "largest temperature of the tier's crossbar layer; over time at the outputs",
    ),
    _f("thermal/temperature_mean", "time tier", "K", "volume mean temperature of the tier's crossbar layer"),
    _f("thermal/layer_temperature_max", "time layer", "K", "largest temperature of the layer; over time at the outputs"),
    _f("thermal/layer_hot_spot", "time layer axis", "m", "position of the largest temperature of the layer"),
    _f("thermal/layer_temperature_mean", "time layer", "K", "volume mean temperature of the layer"),
    _f("thermal/map_temperature", "time map_layer map_y map_x", "K", "volume mean temperature of each box of a requested map"),
    _f("thermal/probe_temperature", "time probe", "K", "temperature at the probe"),
    _f("thermal/tile_temperature", "time tile", "K", "volume mean temperature of the tile's box in each epoch"),
    _f("thermal/tile_temperature_low", "time tile", "K", "lowest temperature within the tile and a period of the power"),
    _f("thermal/tile_temperature_high", "time tile", "K", "highest temperature within the tile and a period of the power"),
    _f("thermal/tile_temperature_working", "time tile", "K", "mean of the tile weighted by the activity: that of its reads"),
    _f("thermal/tile_temperature_history", "phase tile", "K", "mean of the tile over one period of the power, first epoch"),
    _f("thermal/placement_tile_peak", "placement", "K", "largest tile mean with the placement, chip as programmed"),
    _f("thermal/placement_tile_mean", "placement", "K", "mean over tiles with the placement, chip as programmed"),
    _f("thermal/placement_stack_peak", "placement", "K", "largest temperature of the stack with the placement"),
    _f(
        "thermal/layer_overshoot",
        "time layer",
        "K",
        "height of the hottest node over neighbours where values zigzag",
    ),
    _f(
        "thermal/peak_temperature",
        "",
        "K",
        "largest temperature of the stack at any instant: of all steps of a transient, of all epochs and periods of a life",
    ),
    _f("thermal/peak_time", "", "s", "time of that in a transient, since its start or that of the period"),
    _f("thermal/peak_spot", "axis", "m", "place of that in a transient"),
    _f("thermal/layer_temperature_peak", "layer", "K", "largest temperature of the layer at any instant of a transient"),
    _f("thermal/layer_peak_time", "layer", "s", "time of that, since the start or that of the period"),
    _f("thermal/layer_peak_spot", "layer axis", "m", "place of that"),
    _f("thermal/layer_peak_overshoot", "layer", "K", "height of the hottest node then over neighbours where values zigzag"),
    _f(
        "thermal/temperature_peak",
        "tier",
        "K",
        "largest temperature of the tier's crossbar layer at any instant of a transient",
    ),
    _f("thermal/hot_spot", "time axis", "m", "position of the largest temperature of the stack"),
    _f("thermal/heat_in", "time", "W", "power of all heat sources and fluxes into faces; of a life in its first epoch"),
    _f("thermal/heat_out", "time", "W", "net heat leaving through all faces"),
    _f("thermal/face_heat", "time face", "W", "net heat leaving through the face"),
    _f("thermal/heat_balance_error", "", "1", "difference of heat in and heat out over heat in"),
    _f(
        "thermal/discretisation_error",
        "",
        "K",
        "estimated error of layer and tile means, maps and probes by the mesh; first epoch, or largest of all outputs",
    ),
    _f(
        "thermal/time_error",
        "",
        "K",
        "estimated error of layer means, maps and probes by the steps, largest of all outputs",
    ),
    _f("thermal/coolant_outlet_temperature", "time cavity", "K", "mean temperature of the coolant where it leaves the layer"),
    _f("thermal/pressure_drop", "cavity", "Pa", "friction along the channels of the layer, manifolds not included"),
    _f("thermal/pumping_power", "cavity", "W", "pressure drop times flow rate"),
    _f("thermal/reynolds_number", "cavity", "1", "Reynolds number of the flow in each channel of the layer"),
    _f("thermal/entrance_length", "cavity", "m", "length after which the flow is thermally developed, 0.05 Re Pr D"),
    _f(
        "thermal/thermal_resistance",
        "time",
        "K W-1",
        "largest rise over ambient per watt; NaN over time and where a face or coolant has its own temperature or heat",
    ),
    _f("power/tile_power", "tile", "W", "power of the tile with its converters, leakage and writes, first epoch"),
    _f("power/component_power", "time component", "W", "power by component in the epoch, as it enters conduction"),
    _f("power/power_density", "tier y x", "W m-2", "array power per area in each box of the tier at the first epoch"),
    _f(
        "power/energy_per_inference",
        "time component",
        "J",
        "energy of one inference with its share of leakage, writes and calibrations; explicit sources are no part of it",
    ),
    _f(
        "power/conventional_energy",
        "machine",
        "J",
        "energy of one inference on a machine that fetches every weight from memory, leakage not included",
    ),
    _f("power/conventional_latency", "machine", "s", "time of one inference on that machine"),
    _f("power/conventional_leakage", "machine", "W", "static power of that machine"),
    _f("power/conventional_memory", "", "byte", "memory of that machine: the weights of the model"),
    _f("power/conventional_technology", "", "m", "technology node that the figures of that machine are of"),
    _f(
        "power/break_even_rate",
        "time machine",
        "s-1",
        "rate above which the chip draws less than that machine; 0 = at any, infinite = at none, negative = below its size",
    ),
    _f("power/macs", "", "1", "multiply-accumulates of one inference"),
    _f("power/matrix_rows", "matrix", "1", "inputs of the layer's matrix"),
    _f("power/matrix_columns", "matrix", "1", "outputs of the layer's matrix"),
    _f("power/matrix_copies", "matrix", "1", "copies of the layer that share its products"),
    _f("power/matrix_tiles", "matrix", "1", "tiles of the layer, copies included"),
    _f("power/matrix_products", "matrix", "1", "matrix-vector products of the layer per inference"),
    _f("power/matrix_utilisation", "matrix", "1", "used cells over all cells, mean over the layer's tiles"),
    _f("power/matrix_latency", "matrix", "s", "time that the layer works on one inference"),
    _f("power/latency", "", "s", "time of one inference through all layers"),
    _f("power/highest_rate", "", "s-1", "inferences per second that the slowest layer allows"),
    _f("power/total_power", "time", "W", "heat of the chip in the epoch, explicit sources, leakage and writes included"),
    _f("power/array_power", "time", "W", "power of the crossbar cells in the epoch"),
    _f(
        "power/relative_efficiency",
        "time",
        "1",
        "inferences per joule, all that the chip draws included, over those of the first epoch",
    ),
    _f("power/rate", "time", "s-1", "inferences per second in the epoch, below what was asked for when throttled"),
    _f("power/utilisation", "tile", "1", "used cells over all cells of the tile"),
    _f("reliability/conductance_error_mean", "time tier", "S", "mean over cells and chips of conductance minus its target"),
    _f(
        "reliability/conductance_error_std",
        "time tier",
        "S",
        "standard deviation over cells and chips of conductance minus its target",
    ),
    _f(
        "thermal/layer_temperature_high",
        "time layer",
        "K",
        "hottest place of each layer at the hottest instant of a period of the power, in every epoch",
    ),
    _f("reliability/equivalent_time", "time tier", "s", "time at 298.15 K that ages the retention of a nominal cell as much"),
    _f("reliability/conductance_histogram", "time conductance", "1", "share of all cells of all chips in each bin"),
    _f("reliability/stuck_fraction", "time", "1", "fraction of cells that are stuck"),
    _f("reliability/writes", "time", "1", "mean writes per cell"),
    _f("reliability/endurance_used", "time", "1", "mean over cells of Miner's damage sum"),
    _f("reliability/refreshes", "time", "1", "times the policies wrote cells of a chip so far"),
    _f("reliability/write_energy", "time", "J", "energy of all rewrites of a chip so far, verifying reads included"),
    _f(
        "reliability/calibration_energy",
        "time",
        "J",
        "energy of the reads that calibrated or trained a chip so far, those of the programmed chip included",
    ),
    _f("reliability/coupling_iterations", "time", "1", "iterations of temperature, leakage and conductance in the epoch"),
    _f("reliability/coupling_change", "time", "K", "largest change of temperature in the last of these iterations"),
    _f(
        "reliability/hold_interval",
        "",
        "s",
        "refresh interval that holds mean accuracy within the stated loss of fresh chips; NaN = none needed",
    ),
    _f(
        "reliability/hold_endurance",
        "",
        "s",
        "time until Miner's sum of the hottest cells reaches 1 at that interval; NaN = none",
    ),
    _f(
        "reliability/endurance_left",
        "",
        "s",
        "time that the layer worn most endures after the run at that interval; NaN = none",
    ),
    _f("reliability/temperature_levels", "time", "1", "temperatures that stand for a period of the power in the ageing laws"),
    _f(
        "mvm/accuracy",
        "time sample",
        "1",
        "fraction of test inputs right, or what workload.task counts; read before what is written or calibrated then",
    ),
    _f(
        "mvm/accuracy_mean",
        "time sample",
        "1",
        "mean accuracy over the period of periodic writes or calibrations that holds the read-out; accuracy itself without any",
    ),
    _f(
        "mvm/accuracy_worst",
        "time sample",
        "1",
        "accuracy at the worst instant of that period, mostly just before the next act",
    ),
    _f("mvm/accuracy_ideal", "", "1", "fraction of test inputs classified correctly in float arithmetic"),
    _f("mvm/logit_error", "time sample", "1", "rms of logits minus float logits over rms of float logits"),
    _f("mvm/signal_to_noise", "time network_layer", "1", "power of the layer's wanted outputs over that of their errors"),
    _f("mvm/confusion", "time true_class found_class", "1", "test inputs of a class that were found in a class, all chips"),
    _f("mvm/wire_error", "time", "1", "relative error of shared line losses; 0 where lines are solved exactly or have none"),
    _f("mvm/ohmic_error", "network_layer", "1", "share of a full-scale current that treating cells as ohmic would lose"),
    _f(
        "mvm/accuracy_without",
        "mechanism",
        "1",
        "mean accuracy at the worst of the last period without the mechanism",
    ),
    _f("mvm/first_accuracy_without", "mechanism", "1", "mean accuracy at the first read-out with the mechanism switched off"),
    _f("mvm/first_accuracy_without_error", "mechanism", "1", "standard error over chips of what comes back without it then"),
    _f(
        "mvm/accuracy_without_tier",
        "tier",
        "1",
        "the same with the cells of a tier as asked for",
    ),
    _f(
        "mvm/accuracy_without_layer",
        "network_layer",
        "1",
        "the same with the cells of a layer as asked for",
    ),
    _f("mvm/accuracy_without_error", "mechanism", "1", "standard error over chips of what comes back without the mechanism"),
    _f("mvm/accuracy_without_tier_error", "tier", "1", "standard error over chips of what the tier gives back"),
    _f("mvm/accuracy_without_layer_error", "network_layer", "1", "standard error over chips of what the layer gives back"),
    _f("mvm/accuracy_band", "band time sample", "1", "accuracy_mean at the ends and the middle of the device's bands"),
    _f("mvm/accuracy_draws", "posterior_draw time", "1", "accuracy_mean of draws of the device's posterior, mean over chips"),
    _f(
        "reliability/hold_interval_band",
        "band",
        "s",
        "hold interval at the ends and the middle of the bands, or of the draws; NaN = none",
    ),
    _f("mvm/time_to_accuracy_loss_band", "band sample", "s", "time to the stated loss at the ends and the middle of the bands"),
    _f(
        "mvm/time_to_accuracy_loss",
        "sample",
        "s",
        "time at which accuracy first lies the stated loss below float; NaN = not within the run",
    ),
    _f("impedance/impedance", "source place heating_time", "K/W", "rise of the place after 1 W was switched on in the source"),
    _f("impedance/impedance_error", "source place heating_time", "K/W", "estimated error of the impedance"),
    _f("impedance/resistance", "source place", "K/W", "steady rise of the place for 1 W in the source"),
    _f("impedance/foster_resistance", "source term", "K/W", "of the source's Foster chain; NaN behind its last term"),
    _f("impedance/foster_time_constant", "source term", "s", "of the source's Foster chain; NaN behind its last term"),
    _f("impedance/cauer_resistance", "source term", "K/W", "towards ambient, of the Cauer ladder; NaN behind its last term"),
    _f("impedance/cauer_capacitance", "source term", "J/K", "before the resistance, of the Cauer ladder; NaN behind its last"),
    _f("impedance/mode_rate", "mode", "s-1", "rate of decay of a mode of the reduced model"),
    _f("impedance/mode_load", "source mode", "W-1 s-1", "growth of the mode's amplitude per 1 W in the source"),
    _f("impedance/mode_shown", "place mode", "K", "rise of the place per amplitude of the mode"),
    _f("impedance/network_error", "source", "1", "largest share by which the networks miss the source's own impedance"),
)

_OWN_ERROR = ("thermal/discretisation_error", "thermal/time_error", "thermal/layer_overshoot", "thermal/layer_peak_overshoot")
_ESTIMATED = tuple(
    Variable(f.group, f"{f.name}_error", f.dims, "K", f"estimated error of {f.name}, by the mesh and over time by the steps")
    for f in _ALL
    if f.group == "thermal" and f.units == "K" and not f.name.startswith("placement_") and f"thermal/{f.name}" not in _OWN_ERROR
)

_OWN = {f.path: f for f in (*_ALL, *_ESTIMATED)}
_WORD = re.compile(r"[a-z][a-z0-9_]*")
GROUPS = tuple(dict.fromkeys(f.group for f in _OWN.values()))
DIMENSIONS = tuple(dict.fromkeys(dim for f in _OWN.values() for dim in f.dims))


def _undeclarable(kind: type[Output], entry: Any, before: Mapping[str, Variable]) -> str | None:
    """What keeps a variable of another package out of the catalogue, beside those before."""
    if not isinstance(entry, Variable) or not isinstance(entry.dims, tuple):
        return f"{brief(entry)}; wanted a Variable(group, name, dimensions as a tuple, units, meaning)"
    if shadowed := [word for word in kind.own if word in (*DIMENSIONS, *GROUPS)]:
        return f"{shadowed[0]!r} as its own, which there is already; choose another word"
    words = (entry.group, entry.name, *entry.dims)
    if not all(isinstance(word, str) and _WORD.fullmatch(word) for word in words):
        return f"{entry.path!r}: names are of a-z, 0-9 and _, as in 'thermal/rise'"
    if entry.path in _OWN or entry.path in before:
        return f"{entry.path!r}, which there is already; choose another name"
    if entry.name in (*DIMENSIONS, *kind.own):
        return f"{entry.path!r}: {entry.name} is a dimension; choose another name"
    return _unlabelled(kind, entry)


def _unlabelled(kind: type[Output], entry: Variable) -> str | None:
    """What keeps a variable of another package from being stored with its group, dimensions, unit and meaning."""
    for what, asked, known in (("group", (entry.group,), GROUPS), ("dimension", entry.dims, DIMENSIONS)):
        if strange := [word for word in asked if word not in (*known, *kind.own)]:
            near = did_you_mean(strange[0], (*known, *kind.own))
            text = f"{entry.path!r} with the {what} {strange[0]!r}, which is not known{near}; known: {', '.join(known)}"
            return f"{text}; one of its own it names in `own`: {{{strange[0]!r}: 'what it is'}}"
    if len(set(entry.dims)) < len(entry.dims) or "time" in entry.dims[1:]:
        return f"{entry.path!r} with dimensions ({', '.join(entry.dims)}); wanted different ones, time first"
    if (why := units.why_no_unit(entry.units) if isinstance(entry.units, str) else "is no text") is not None:
        return f"{entry.path!r} in {entry.units!r}, which is no unit ({why}); wanted one as 'K', 'W m-2', or '1' for a number"
    return None if isinstance(entry.long_name, str) and entry.long_name else f"{entry.path!r} without its meaning"


class _Catalogue(Mapping[str, Variable]):
    """The package's own fields, then those that registered outputs and second fields declare."""

    def _outside(self) -> dict[str, Variable]:
        found: dict[str, Variable] = {}
        for registry, name in [(of, name) for of in (outputs, physics) for name in of]:
            kind = registry[name]
            if not isinstance(kind.fields, tuple) or not isinstance(kind.own, Mapping):
                raise PackageError(f"{registry.told(name)}: fields wants a tuple of Variable, own a mapping of words to texts")
            for entry in kind.fields:
                if (wrong := _undeclarable(kind, entry, found)) is not None:
                    raise PackageError(f"{registry.told(name)} declares {wrong}")
                found[entry.path] = entry
        return found

    def __getitem__(self, path: str) -> Variable:
        return _OWN[path] if path in _OWN else self._outside()[path]

    def __iter__(self) -> Iterator[str]:
        return iter((*_OWN, *self._outside()))

    def __len__(self) -> int:
        return len(_OWN) + len(self._outside())


FIELDS: Mapping[str, Variable] = _Catalogue()
"""Field by ``group/name``."""

COORDINATES: dict[str, tuple[str, str]] = {
    "time": ("s", "time since programming, or since the start of a transient"),
    "phase": ("s", "time since the start of a period"),
    "heating_time": ("s", "time since the power was switched on"),
    "term": ("1", "resistance and capacitance of a network, from the source on"),
    "sample": ("1", "independently programmed chip"),
    "tier": ("1", "tier from the bottom"),
    "conductance": ("S", "centre of the bin; what lies beyond the last bin counts in it"),
    "x": ("m", "centre of the box from the lower left corner"),
    "y": ("m", "centre of the box from the lower left corner"),
    "map_x": ("m", "centre of the box from the lower left corner"),
    "map_y": ("m", "centre of the box from the lower left corner"),
}
"""Numeric coordinate → (units, long_name)."""

STUDY: dict[str, tuple[str, str]] = {
    "status": ("1", "done, failed, dropped by a condition, cut_off, or not_run"),
    "message": ("1", "error of a failed case, or the condition that dropped it"),
    "case_hash": ("1", "content hash of the case; its folder is named by the first twelve digits"),
    "wall_time": ("s", "time the case took"),
}
"""Variables of a study over its swept dimensions alone → (units, long_name)."""

DECIDED: dict[str, tuple[str, str]] = {
    "value": ("1", "of each goal, the worst over times and places, in goal_unit; NaN for a case without one"),
    "missed": ("1", "by how much each condition is missed, in condition_unit; zero and below where it is met"),
    "feasible": ("1", "1 for a case that meets every condition"),
    "front": ("1", "1 for a case that meets every condition and that no other one betters in every goal"),
    "chosen": ("1", "1 for the best case, of several goals the nearest to the best of all; without a front for the nearest"),
    "screen_value": ("1", "of each goal, as a screen has it for a design; NaN where it has none"),
    "screen_missed": ("1", "by how much a design misses each condition in a screen, in condition_unit; NaN where it has none"),
    "screen_rules_out": ("1", "1 for a design that a screen rules out"),
}
"""Variables of the group ``optimise`` of a search → (units, long_name)."""


def declared() -> tuple[Variable, ...]:
    """What other packages add; raises PackageError for what cannot be declared, and for an output that is never asked."""
    for name in outputs:
        if not any(hasattr(outputs[name], method) for method in outputs.answers):
            raise PackageError(f"{outputs.told(name)} is never asked: an output is a HeatOutput or a LifeOutput")
    return tuple(FIELDS[path] for path in FIELDS if path not in _OWN)


def told(path: str) -> str:
    """Who declares a variable of another package, in words."""
    makers = ((of, name) for of in (outputs, physics) for name in of if any(f.path == path for f in of[name].fields))
    return next((registry.told(name) for registry, name in makers), "")


def is_outside(path: str) -> bool:
    """Whether a variable is one of another package."""
    return path not in _OWN


UNKNOWN: dict[str, tuple[str, str]] = {
    "value": ("1", "of each output, the largest of times and places, in output_unit; NaN for a case without one"),
    "stage": ("1", "of the study that asked for the case, from 0"),
    "band": ("1", "quantiles of each output over independent draws of all unknowns, in output_unit"),
    "effect": ("1", "mean absolute effect of the unknown over its range (Morris), in output_unit; NaN where none was screened"),
    "effect_error": ("1", "half the 95 % interval of the effect, by bootstrap"),
    "first": ("1", "share of the variance that the part makes by itself (Sobol)"),
    "first_error": ("1", "half the 95 % interval of that share, by bootstrap"),
    "total": ("1", "share of the variance that the part makes, with all that it acts together with (Sobol)"),
    "total_error": ("1", "half the 95 % interval of that share, by bootstrap"),
}
"""Variables of the group ``uncertain`` of a study of unknowns → (units, long_name)."""


def is_temperature(path: str) -> bool:
    """Whether a variable is a temperature of the solid or its coolant that an error is stated of."""
    return f"{path}_error" in FIELDS and path.startswith("thermal/")


GONE = {"power/inference_energy": "power/energy_per_inference says it, summed over component"}
"""Variables of version 0.1 that are no more, and what says the same now."""


def instead_of(name: str) -> str:
    """The new word for a variable that is gone, ``group/name`` or its name alone; else nothing."""
    found = [new for old, new in GONE.items() if name in (old, old.rpartition("/")[2])]
    return f"; since 0.2 {found[0]}" if found else ""


def field(path: str) -> Variable:
    """The catalogued field ``group/name``; raises UnknownNameError."""
    if path not in FIELDS:
        if new := instead_of(path):
            raise UnknownNameError(f"unknown output variable {path!r}{new}")
        raise unknown_name("output variable", path, FIELDS)
    return FIELDS[path]


def told_rate(rate: float, unit: str, highest: float = float("inf")) -> str:
    """Where the chip draws less than a machine, in words.

    Parameters
    ----------
    rate : float
        Of break-even, as the dataset has it.
    unit : str
    highest : float
        That the chip reaches, in the same unit.
    """
    words = {0.0: "at any rate", float("inf"): "at no rate"}
    if rate not in words and abs(rate) > highest:
        return f"at {'any' if rate < 0 else 'no'} rate that it can reach, {highest:.3g} {unit} at most"
    return words.get(rate, f"{'below' if rate < 0 else 'above'} {abs(rate):.3g} {unit}")
