"""The catalogue of output variables: group, name, dimensions, unit, meaning. A new output is entered here first."""

from __future__ import annotations

from dataclasses import dataclass


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
    _f("thermal/map_extent", "map_layer edge", "m", "where the boxes of a map begin and end along x and y"),
    _f("thermal/block_temperature", "time block", "K", "volume mean temperature of the box of a heat source"),
    _f("thermal/block_extent", "block edge", "m", "where the box of a heat source begins and ends along x and y"),
    _f("thermal/block_layer", "block", "1", "index of the layer of a heat source"),
    _f("thermal/probe_temperature", "time probe", "K", "temperature at the probe"),
    _f("thermal/tile_temperature", "time tile", "K", "volume mean temperature of the tile's box in each epoch"),
    _f("thermal/tile_temperature_low", "time tile", "K", "lowest temperature within the tile and a period of the power"),
    _f("thermal/tile_temperature_high", "time tile", "K", "highest temperature within the tile and a period of the power"),
    _f("thermal/tile_temperature_working", "time tile", "K", "mean of the tile weighted by the activity: that of its reads"),
    _f("thermal/tile_temperature_history", "phase tile", "K", "mean of the tile over one period of the power, first epoch"),
    *(
        entry
        for name, what in (
            ("theta_ja", "junction over ambient by the power (JESD51-2A)"),
            ("theta_jc_top", "junction over a cold plate on the top, the only way out, by the power"),
            ("psi_jt", "junction over the middle of the package top by the power"),
            ("psi_jb", "junction over the board beside the package by the power"),
        )
        for entry in (_f(f"thermal/{name}", "", "K/W", what), _f(f"thermal/{name}_error", "", "K/W", f"error of {name}"))
    ),
    _f("thermal/phase_share", "mission_phase", "1", "share of the time"),
    _f("thermal/phase_power", "mission_phase", "W", "heat put in"),
    _f("thermal/phase_layer_temperature_max", "mission_phase layer", "K", "largest temperature of the layer, first epoch"),
    _f("thermal/phase_layer_temperature_mean", "mission_phase layer", "K", "volume mean temperature of the layer, first epoch"),
    _f("thermal/phase_temperature_mean", "time mission_phase tier", "K", "volume mean of the tier's crossbar layer in a phase"),
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
        "thermal/layer_between_nodes",
        "time layer",
        "K",
        "height of the layer's peak over its hottest node, across the plane",
    ),
    _f(
        "thermal/layer_between_levels",
        "time layer",
        "K",
        "height of the layer's peak over its hottest node, through the layer's height",
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
    _f("thermal/layer_peak_between_nodes", "layer", "K", "height of the layer's peak then over its hottest node"),
    _f("thermal/layer_peak_between_levels", "layer", "K", "the same through the layer's height"),
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
    _f(
        "thermal/compact_bound",
        "",
        "K",
        "largest difference of steady means of layers, tiles and sources and of probes from full solves: a bound",
    ),
    _f("thermal/compact_estimate", "", "K", "the same of all other temperatures, with k(T) and over time: a tested estimate"),
    _f("thermal/coolant_outlet_temperature", "time cavity", "K", "mean temperature of the coolant where it leaves the layer"),
    _f("thermal/coolant_flow_rate", "cavity", "m3 s-1", "flow rate of the coolant, as given or as its pump drives it"),
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
    _f("power/area", "area_part", "m2", "floor that all tiles take by part, unused cells and spare columns included"),
    _f("power/cost", "", "1", "sum of the costs that cooling, stack and device decks state, in their currency"),
    _f("power/floor_area", "", "m2", "floor of all tier, periphery and logic layers"),
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
    _f("reliability/yield", "yield_part", "1", "share of chips that are good: layers, bonds, fresh cells, and all together"),
    _f(
        "reliability/yield_low",
        "yield_part",
        "1",
        "least of that share of all chips there could be, with a confidence of 95 %: few chips and test inputs stand for them",
    ),
    _f("reliability/yield_high", "yield_part", "1", "the largest, with the same confidence"),
    _f("reliability/fresh_room", "sample", "1", "accuracy of each fresh chip above the least that a good one has"),
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
        "time until one in a thousand of the hottest cells is worn out at that interval; NaN = none",
    ),
    _f(
        "reliability/endurance_left",
        "",
        "s",
        "the same for the layer worn most, counted from the end of the run; NaN = none",
    ),
    _f("reliability/phase_ageing", "time mission_phase tier", "1", "share of the epoch's ageing of retention in the phase"),
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
    _f(
        "mvm/input_accuracy",
        "time test_input",
        "1",
        "what each test input adds to accuracy, mean over chips: the share that gets it right; NaN where a task does not tell",
    ),
    _f("mvm/input_accuracy_worst", "test_input", "1", "the same at the worst instant of the last period, see accuracy_worst"),
    _f("mvm/input_accuracy_ideal", "test_input", "1", "the same in float arithmetic"),
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
    _f("mvm/first_accuracy_without_error", "mechanism", "1", "standard error of the gain then, over chips and inputs"),
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
    _f("mvm/accuracy_without_error", "mechanism", "1", "standard error of the gain, over chips and inputs"),
    _f("mvm/accuracy_without_tier_error", "tier", "1", "standard error of the gain, over chips and inputs"),
    _f("mvm/accuracy_without_layer_error", "network_layer", "1", "standard error of the gain, over chips and inputs"),
    _f(
        "mvm/accuracy_band",
        "band time sample",
        "1",
        "accuracy_mean at the ends and the middle of the device's bands; of draws the least and the most at each time",
    ),
    _f("mvm/placement_accuracy", "placement", "1", "accuracy predicted at the end on a few other chips, calibration inputs"),
    _f("mvm/placement_gain_error", "placement", "1", "standard error of its gain over the first, over chips and inputs"),
    _f("mvm/placement_taken", "placement", "1", "1 for the placement that the tiles lie in"),
    _f("mvm/placement_sensitivity", "tile", "K-1", "accuracy at the end that a kelvin more on the tile costs"),
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
    _f("impedance/structure_resistance", "source stage", "K/W", "from the source to a stage of its structure function"),
    _f("impedance/structure_capacitance", "source stage", "J/K", "heat capacity met up to that stage; NaN behind the last"),
    _f("impedance/mode_rate", "mode", "s-1", "rate of decay of a mode of the reduced model"),
    _f("impedance/mode_load", "source mode", "W-1 s-1", "growth of the mode's amplitude per 1 W in the source"),
    _f("impedance/mode_shown", "place mode", "K", "rise of the place per amplitude of the mode"),
    _f("impedance/network_error", "source", "1", "largest share by which the networks miss the source's own impedance"),
)

_NO_TEMPERATURE = (
    *("discretisation_error", "time_error", "compact_bound", "compact_estimate"),
    *("layer_overshoot", "layer_between_nodes", "layer_between_levels"),
    *("layer_peak_overshoot", "layer_peak_between_nodes", "layer_peak_between_levels"),
)
"""Kelvins that are errors and differences, which have no error of their own."""
_ESTIMATED = tuple(
    Variable(f.group, f"{f.name}_error", f.dims, "K", f"estimated error of {f.name}, by the mesh and over time by the steps")
    for f in _ALL
    if f.group == "thermal" and f.units == "K" and f.name not in _NO_TEMPERATURE
)

OWN = {f.path: f for f in (*_ALL, *_ESTIMATED)}
"""The package's own variables by ``group/name``."""
GROUPS = tuple(dict.fromkeys(f.group for f in OWN.values()))
DIMENSIONS = tuple(dict.fromkeys(dim for f in OWN.values() for dim in f.dims))

COORDINATES: dict[str, tuple[str, str]] = {
    "area_part": ("1", "cells, converters, logic and vias of the tiles"),
    "yield_part": ("1", "layers without a fatal defect, bonds that hold, cells good enough; all together"),
    "time": ("s", "time since programming, or since the start of a transient"),
    "phase": ("s", "time since the start of a period"),
    "heating_time": ("s", "time since the power was switched on"),
    "term": ("1", "resistance and capacitance of a network, from the source on"),
    "stage": ("1", "point of a structure function, from the source to ambient"),
    "sample": ("1", "independently programmed chip"),
    "tier": ("1", "tier from the bottom"),
    "conductance": ("S", "centre of the bin; what lies beyond the last bin counts in it"),
    "x": ("m", "centre of the box from the lower left corner of the footprint, in the first tier"),
    "y": ("m", "centre of the box from the lower left corner of the footprint, in the first tier"),
    "map_x": ("m", "centre of the box from the lower left corner of the footprint, in the first layer; see map_extent"),
    "map_y": ("m", "centre of the box from the lower left corner of the footprint, in the first layer; see map_extent"),
}
"""Numeric coordinate → (units, long_name)."""

STUDY: dict[str, tuple[str, str]] = {
    "status": ("1", "done, failed, dropped by a condition, cut_off, or not_run"),
    "message": ("1", "error of a failed case, or the condition that dropped it"),
    "case_hash": ("1", "content hash of the case; its folder is named by the first twelve digits"),
    "wall_time": ("s", "time the case took"),
    "summary": ("1", "lines that a person reads first, with warnings; empty for a case that is not done"),
}
"""Variables of a study over its swept dimensions alone → (units, long_name)."""

DECIDED: dict[str, tuple[str, str]] = {
    "value": ("1", "of each goal, the worst over times and places, in goal_unit; NaN for a case without one"),
    "missed": ("1", "by how much each condition is missed, in condition_unit; zero and below where it is met"),
    "is_at_least": (
        "1",
        "1 for a goal whose value counts a time that does not come within the run as the run's end, so that it may be more",
    ),
    "doubt": (
        "1",
        "how far each condition may be off for few chips and test inputs, with a confidence of 95 %, in condition_unit; 0 where"
        " it asks for a confidence itself",
    ),
    "held": ("1", "share of the draws of what is not known that meet each condition; NaN where none was drawn"),
    "feasible": ("1", "1 for a case that meets every condition"),
    "front": ("1", "1 for a case that meets every condition and that no other one betters in every goal"),
    "chosen": ("1", "1 for the best case, of several goals the nearest to the best of all; without a front for the nearest"),
    "change_rank": ("1", "1 for the next-best of the designs one change away from the chosen one; 0 for the others"),
    "goal_share": (
        "1",
        "of the variance of the ranks of all designs in each goal, that the choice takes part in: the median of what it may be;"
        " NaN where not known",
    ),
    "goal_share_low": ("1", "low end of the 90 % interval of that share"),
    "goal_share_high": ("1", "high end of the 90 % interval of that share"),
    "goal_explained": (
        "1",
        "share of the variance of ranks among designs left out, that the model of the others explains",
    ),
    "condition_share": ("1", "as goal_share, of what each condition is missed by"),
    "condition_share_low": ("1", "as goal_share_low, of what each condition is missed by"),
    "condition_share_high": ("1", "as goal_share_high, of what each condition is missed by"),
    "condition_explained": ("1", "as goal_explained, of what each condition is missed by"),
    "screen_value": ("1", "of each goal, as a screen has it for a design; NaN where it has none"),
    "screen_missed": ("1", "by how much a design misses each condition in a screen, in condition_unit; NaN where it has none"),
    "screen_rules_out": ("1", "1 for a design that a screen rules out"),
}
"""Variables of the group ``optimise`` of a search → (units, long_name)."""

UNKNOWN: dict[str, tuple[str, str]] = {
    "value": ("1", "of each output, the largest of times and places, in output_unit; NaN for a case without one"),
    "stage": ("1", "of the study that asked for the case, from 0"),
    "independent": ("1", "1 for a case that is an independent draw of all unknowns, which bands are of"),
    "band": ("1", "low end, median and high end of each output over independent draws of all unknowns, in output_unit"),
    "held": (
        "1",
        "share of what the unknowns allow between the ends, with a confidence of 95 %; 0.9 from 46 draws on",
    ),
    "drawn": ("1", "draws that the band is of"),
    "effect": ("1", "mean absolute effect of the unknown over its range (Morris), in output_unit; NaN where none was screened"),
    "effect_error": ("1", "half the 95 % interval of the effect, by bootstrap"),
    "first": ("1", "share of the variance that the part makes by itself (Sobol)"),
    "first_error": ("1", "half the 95 % interval of that share, by bootstrap"),
    "total": ("1", "share of the variance that the part makes, with all that it acts together with (Sobol)"),
    "total_error": ("1", "half the 95 % interval of that share, by bootstrap"),
    "over_chips": (
        "1",
        "half the range that holds 90 % of the chips of the case with a confidence of 95 %, of fewer than 46 half that of"
        " all; in output_unit, NaN where chips do not differ",
    ),
    "by_mesh": ("1", "how far the stated errors by mesh and steps move the output, in output_unit; NaN where none is stated"),
    "by_inputs": (
        "1",
        "twice the standard error of an accuracy over its test inputs, how far few chips put a yield off; else NaN",
    ),
    "is_at_least": (
        "1",
        "1 where the value counts a time that does not come within the run as the run's end, so that it may be more",
    ),
    "shapley": ("1", "share of the variance that the part makes where unknowns are correlated (Shapley); else NaN"),
    "shapley_error": ("1", "half the 95 % interval of that share, by bootstrap"),
}
"""Variables of the group ``uncertain`` of a study of unknowns → (units, long_name)."""

WIDEST_SHARE = 0.25
"""Half a 95 % interval up to which a share of the variance is told; a wider one says nothing. [-]"""

LEVERED: dict[str, tuple[str, str]] = {
    "gain": ("1", "mean change of the accuracy at the end, before the next periodic act, over the same chips"),
    "chance": (
        "1",
        "half the interval of the gain over chips and test inputs, 95 % for all levers together (Student's t, Bonferroni)",
    ),
    "cost": ("J", "more energy per inference at the end; fans and pumps are no part of it"),
    "gain_per_energy": ("J-1", "gain over cost; NaN where the lever costs nothing"),
    "is_lever": ("1", "1 where the gain is more than chance"),
    "rank": ("1", "1 for the first to pull: what costs nothing by its gain, then by gain per energy, chance last; 0 for none"),
}
"""Variables of the group ``levers`` of a run with levers → (units, long_name)."""

GONE = {"power/inference_energy": "power/energy_per_inference says it, summed over component"}
"""Variables of version 0.1 that are no more, and what says the same now."""
