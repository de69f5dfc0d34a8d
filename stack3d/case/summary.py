"""The lines that a person reads first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from stack3d import fields
from stack3d.case import floor
from stack3d.case.lasting import lasts
from stack3d.chances import standard_error
from stack3d.chip import Chip, ComputingChip
from stack3d.constants import YEAR, ZERO_CELSIUS
from stack3d.layout import Floats, hottest_layer
from stack3d.unit_text import duration, short
from stack3d.workload.power import STANDING

HIGHER = 0.05
"""A later peak, or one within a period, that is told before that of the first epoch. [K]"""
UNTHROTTLED = 0.9995
"""Share of the rate asked for above which nothing is said of throttling."""
WORTH_TELLING = 0.01
"""Loss below which nothing is said to limit. [-]"""
PLURAL = ("converters", "faults")
"""Mechanisms that are several."""
FEW_INPUTS = 100
"""Test inputs below which a summary says how few they are: one of them counts more than a point."""
FLAT = 1e-3
"""Peak over layer mean, as a share of the rise, below which a place of the peak says nothing."""


def summarise(
    chip: Chip,
    values: Mapping[str, Any],
    coordinates: Mapping[str, Any],
    warmest: Mapping[str, Any] | None = None,
) -> tuple[str, ...]:
    """Peak and place, spread between tiers, accuracy, energy, what limits.

    Parameters
    ----------
    chip : Chip
    values, coordinates : mapping
        Output variables; of a transient at its last time.
    warmest : mapping, optional
        Of a transient: variables at its hottest instant.
    """
    lines = [_peak(chip, values, coordinates, warmest), *_phases(chip, values, coordinates)]
    if "thermal/temperature_mean" in values:
        means = values["thermal/temperature_mean"]
        low, high = int(np.argmin(means)), int(np.argmax(means))
        spread = short(float(means[high] - means[low]), "K")
        lines.append(f"between tiers      {spread} from tier {low} (coolest) to tier {high} (hottest) of {len(means)}")
    if "thermal/tile_temperature_high" in values:
        tile = int(np.argmax(values["thermal/tile_temperature_high"][-1]))
        ends = (values[f"thermal/tile_temperature{n}"][-1][tile] for n in ("_low", "_high", "", "_working"))
        cold, hot, mean, busy = (f"{float(v) - ZERO_CELSIUS:.2f}" for v in ends)
        hot += _error(values, "tile_temperature_high", (-1, tile))
        lines.append(
            f"within a period    {cold} to {hot} degC in {coordinates['tile'][tile]}, mean {mean}, {busy} while it computes"
        )
    lines += [*_figures(values), *_impedance(values, coordinates)]
    if chip.scenario.transient is not None:
        times = coordinates["time"]
        last = f", the last of {len(times)} times" if len(times) > 1 else ""
        lines.append(f"other lines        after {float(times[-1]):g} s{last}")
    elif "mvm/accuracy" not in values:
        balance = f"error {float(values['thermal/heat_balance_error']):.1e} of the heat put in"
        resistance = float(values["thermal/thermal_resistance"])
        to_ambient = f", peak over ambient {resistance:.4g} K/W" if np.isfinite(resistance) else ""
        lines.append(f"heat balance       {balance}{to_ambient}")
    lines += _probes_and_coolant(values, coordinates)
    if "mvm/accuracy" in values:
        lines += [
            _accuracy(chip, values, coordinates),
            *lasts(chip, values, coordinates),
            _energy(values, coordinates) + _apart(chip),
            _conventional(chip, values, coordinates),
            _mapped(chip, values),
            *floor.told(values, coordinates),
            *_throttled(chip, values),
            *_limits(chip, values, coordinates),
        ]
    return tuple(lines)


def _phases(chip: Chip, values: Mapping[str, Any], coordinates: Mapping[str, Any]) -> list[str]:
    """Time, hottest place and share of the ageing of each phase of a mission."""
    lines, ageing = [], values.get("reliability/phase_ageing")
    for i, name in enumerate(coordinates.get("mission_phase", ())):
        maxima = values["thermal/phase_layer_temperature_max"][i]
        hottest = hottest_layer(maxima, chip.heated)
        error = _error(values, "phase_layer_temperature_max", (i, hottest))
        at_most = f"{maxima[hottest] - ZERO_CELSIUS:.2f}{error} degC in {coordinates['layer'][hottest]}"
        aged = ""
        if ageing is not None:
            tier = int(np.argmax(values["reliability/equivalent_time"][-1]))
            of_tier = f" in tier {tier}" if ageing.shape[-1] > 1 else ""
            aged = f", {100 * ageing[-1, i, tier]:.3g} % of the ageing of retention{of_tier}"
        share = 100 * float(values["thermal/phase_share"][i])
        lines.append(f"in phase           {name}, {share:.3g} % of the time: at most {at_most}{aged}")
    return [*lines, "other lines        at the mean ambient and power of the phases"] if lines else []


def _probes_and_coolant(values: Mapping[str, Any], coordinates: Mapping[str, Any]) -> list[str]:
    """Temperature of each probe, and of the warmest coolant that leaves; of a life in its last epoch."""
    lines, at_end = [], " at the end" if "mvm/accuracy" in values and len(coordinates["time"]) > 1 else ""
    for i, name in enumerate(coordinates.get("probe", ())):
        kelvin = float(np.atleast_2d(values["thermal/probe_temperature"])[-1, i])
        lines.append(
            f"probe              {name}: {kelvin - ZERO_CELSIUS:.3f}{_error(values, 'probe_temperature', i)} degC{at_end}"
        )
    if (outlets := values.get("thermal/coolant_outlet_temperature")) is not None:
        last = np.atleast_2d(outlets)[-1]
        warmest = int(np.argmax(last))
        error, cavity = _error(values, "coolant_outlet_temperature", warmest), coordinates["cavity"][warmest]
        lines.append(
            f"coolant            leaves {cavity} at {last[warmest] - ZERO_CELSIUS:.2f}{error} degC{at_end}, the warmest"
        )
    return lines


FIGURES = {"theta_ja": "θJA", "theta_jc_top": "θJC(top)", "psi_jt": "ΨJT", "psi_jb": "ΨJB"}
"""Output variable → sign of a figure of a package."""


def _figures(values: Mapping[str, Any]) -> list[str]:
    """Figures of a package."""
    told = [
        f"{sign} {float(values[f'thermal/{name}']):#.4g} ± {float(values[f'thermal/{name}_error']):.2g}"
        for name, sign in FIGURES.items()
        if f"thermal/{name}" in values
    ]
    return [f"package            {', '.join(told)} K/W"] if told else []


def _impedance(values: Mapping[str, Any], coordinates: Mapping[str, Any]) -> list[str]:
    """Steady resistance of each source to ambient, and when half and nine tenths of it have come."""
    lines = []
    for i, name in enumerate(coordinates.get("source", ()) if "impedance/impedance" in values else ()):
        step, steady = values["impedance/impedance"][i, i], float(values["impedance/resistance"][i, i])
        when = [float(np.interp(share * steady, step, coordinates["heating_time"])) for share in (0.5, 0.9)]
        error = float(values["impedance/impedance_error"][i, i, -1])
        reached = " and ".join(f"{percent} % after {duration(t)}" for percent, t in zip((50, 90), when))
        lines.append(f"impedance          {name}: Zth {steady:.4g} ± {error:.1g} K/W of its own mean, {reached}")
    return lines


def _peak(chip: Chip, values: Mapping[str, Any], coordinates: Mapping[str, Any], warmest: Mapping[str, Any] | None) -> str:
    """The hottest point with its error and place, and of a transient its time."""
    there, of_layers, spot = (values, "max", "hot_spot") if warmest is None else (warmest, "peak", "peak_spot")
    maxima = values[f"thermal/layer_temperature_{of_layers}"]
    hottest = hottest_layer(maxima, chip.heated)
    peak = float(maxima[hottest])
    layer = coordinates["layer"][hottest]
    rise = peak - chip.scenario.cooling.ambient
    x, y, z = (1e3 * v for v in values[f"thermal/{spot}"])
    flat = peak - float(there["thermal/layer_temperature_mean"][hottest]) < FLAT * abs(rise)
    place = "the same all over the layer" if flat else f"at x {x:.2f}, y {y:.2f}, z {z:.3f} mm"
    error = _error(values, f"layer_temperature_{of_layers}", hottest)
    when = "" if warmest is None else _at_its_time(chip, float(values["thermal/peak_time"]))
    watts = short(float(there["thermal/heat_in"]), "W")
    numerical = "; ± of the mesh alone" if error else ""
    told = f"{peak - ZERO_CELSIUS:.2f}{error} degC in {layer}, {place} ({rise:.2f} K over ambient, {watts}{numerical}){when}"
    higher = _higher(chip, values, coordinates)
    return f"peak temperature   {f'{higher}; {told}, mean of the first epoch' if higher else told}"


def _at_its_time(chip: Chip, instant: float) -> str:
    """When a transient is hottest: at its end, or before."""
    deck = chip.scenario.transient
    is_end = deck is not None and not deck.periodic and instant >= deck.until * (1 - 1e-9)
    return f", after {short(instant, 's')}, {'the end' if is_end else 'the hottest of all instants'}"


def _error(values: Mapping[str, Any], name: str, index: int | tuple[int, int]) -> str:
    """The stated error of a temperature, nothing where there is none."""
    errors = values.get(f"thermal/{name}_error")
    at = index if isinstance(index, tuple) else (..., index)
    error = float("nan") if errors is None else float(np.asarray(errors)[at].max())
    return f" ± {error:.2g}" if np.isfinite(error) else ""


def _higher(chip: Chip, values: Mapping[str, Any], coordinates: Mapping[str, Any]) -> str:
    """Peak of the life or of a period, where it is above that of the first epoch's mean."""
    if "thermal/layer_temperature_high" not in values:
        return ""
    highest = values["thermal/layer_temperature_high"].max(axis=0)
    hottest = hottest_layer(highest, chip.heated)
    if highest[hottest] - values["thermal/layer_temperature_max"].max() < HIGHER:
        return ""
    error, rise = _error(values, "layer_temperature_high", hottest), highest[hottest] - chip.scenario.cooling.ambient
    where = f"degC in {coordinates['layer'][hottest]} at the hottest instant of the life ({rise:.2f} K over ambient)"
    return f"{highest[hottest] - ZERO_CELSIUS:.2f}{error} {where}"


def _act(chip: Chip, end: float) -> str:
    """The periodic act that a life ending at `end` [s] is read between: of those within it, the rarest."""
    deck = chip.scenario.lifetime
    if deck is None:
        return "act"
    acts = {"write": deck.refresh, "training": deck.fine_tuning, "calibration": deck.compensation}
    within = {name: act.period for name, act in acts.items() if act is not None and act.period and act.period < end}
    return max(within, key=lambda name: within[name], default="act")


def _accuracy(chip: Chip, values: Mapping[str, Any], coordinates: Mapping[str, Any]) -> str:
    """Accuracy today, after a year and at the end; with periodic acts mean and worst of the period that holds the instant."""
    times, accuracy, worst = coordinates["time"], values["mvm/accuracy_mean"], values["mvm/accuracy_worst"]
    acts = bool(np.any(accuracy != values["mvm/accuracy"]))

    draws, band = values.get("mvm/accuracy_draws"), values.get("mvm/accuracy_band")
    doubt = "the device's band" if draws is None else f"{len(draws)} draws of the device's fit and its bands"

    def at(row: Floats) -> str:
        spread = f" ± {100 * row.std(ddof=1):.2f}" if row.size > 1 else ""
        return f"{100 * row.mean():.2f}{spread} %"

    def later(index: int) -> str:
        return f"{at(accuracy[index])}{f' (worst {100 * worst[index].mean():.2f} %)' if acts else ''}"

    def known(index: int) -> str:
        """The least and the largest mean accuracy at an instant by what is not known of the device."""
        if band is None or (acts and index == 0):  # bands of policies are over periods, as later readings are
            return ""
        means = 100 * band[:, index].mean(axis=-1)
        return f", {means.min():.2f} to {means.max():.2f} % over {doubt}"

    parts = [f"{at(values['mvm/accuracy'][0])} today{known(0)}"]
    year = np.flatnonzero(np.isclose(times, YEAR))
    if year.size and year[0] != len(times) - 1:
        parts.append(f"{later(int(year[0]))} after 1 year{known(int(year[0]))}")
    if len(times) > 1:
        parts.append(f"{later(-1)} after {duration(float(times[-1]))}{known(-1)}")
    chips, inputs = (
        accuracy.shape[-1],
        f" on {len(chip.computer.data.inputs)} inputs" if isinstance(chip, ComputingChip) else "",
    )
    sign = f"; ± = standard deviation over {chips} chips" if chips > 1 else ""
    today = f"today = {duration(float(times[0]))} after programming"
    note = f"float {100 * values['mvm/accuracy_ideal']:.2f} %{inputs}{sign}; {today}"
    act = _act(chip, float(times[-1]))
    more = f"; later ones are means from a {act} to the next, worst mostly just before it" if acts else ""
    return f"accuracy           {', '.join(parts)} ({note}{more}{_few_inputs(values)})"


def _few_inputs(values: Mapping[str, Any]) -> str:
    """What is said where one of few test inputs counts points: the ± over chips says nothing of that."""
    if "mvm/input_accuracy" not in values or (n := np.shape(values["mvm/input_accuracy"])[-1]) >= FEW_INPUTS:
        return ""
    return f"; {n} test input{'s' * (n > 1)} alone, of which one counts {100 / n:.3g} points"


def _energy(values: Mapping[str, Any], coordinates: Mapping[str, Any]) -> str:
    energy = np.atleast_2d(values["power/energy_per_inference"])
    if not np.isfinite(energy[0].sum()):
        resting = sum(
            w for n, w in zip(coordinates["component"], np.atleast_2d(values["power/component_power"])[0]) if n in STANDING
        )
        return f"energy             no inference: the chip stands still and draws {short(float(resting), 'W')}"
    total, last = float(energy[0].sum()), float(energy[-1].sum())
    parts = {name: e for name, e in zip(coordinates["component"], energy[0]) if e > 0.005 * total or (name == "array" and e)}
    percent = {name: f"{100 * e / total:.0f} %" if e > 0.005 * total else "< 1 %" for name, e in parts.items()}
    shares = ", ".join(f"{name.replace('_', ' ')} {share}" for name, share in percent.items())
    end = f"; {short(last, 'J')} at the end" if abs(last - total) > 0.005 * total else ""
    latency = short(float(values["power/latency"]), "s")
    rate = float(np.atleast_1d(values["power/rate"])[0])
    often = f"{rate:,.0f}".replace(",", " ") if rate >= 100 else f"{rate:.3g}"
    draws = f", {short(total * rate, 'W')} at {often} inferences per second" if rate > 0 else ""
    return f"energy             {short(total, 'J')} per inference{draws} ({shares}){end}, latency {latency}"


def _conventional(chip: Chip, values: Mapping[str, Any], coordinates: Mapping[str, Any]) -> str:
    """The machine that the chip is compared with, its weights in either memory, and the rate at which the two are even."""
    names = ("energy", "latency", "leakage")
    energy, latency, leakage = (values[f"power/conventional_{name}"] for name in names)
    rates, rate = np.atleast_2d(values["power/break_even_rate"])[-1], float(np.atleast_1d(values["power/rate"])[0])
    each = []
    for i, name in enumerate(coordinates["machine"]):
        even = fields.told_rate(float(rates[i]), "inferences per second", float(values["power/highest_rate"]))
        moved, rest = short(float(energy[i]), "J"), f"{short(float(leakage[i]), 'W')} of leakage"
        at_rate = f"{short(float(energy[i] + leakage[i] / rate), 'J')} ({moved} and {rest})" if rate > 0 else f"{moved}, {rest}"
        costs = f"{at_rate}, {short(float(latency[i]), 's')}"
        each.append(f"{name.upper()} {costs}; the chip draws less {even}")
    work, size = chip.scenario.workload, float(values["power/conventional_memory"])
    node = f"{work.conventional.node}, " if work is not None else ""
    return f"conventional       {node}{short(size, 'B')} of weights: {'. '.join(each)}"


def _apart(chip: Chip) -> str:
    """What the energy of an inference leaves out: the explicit power."""
    watts = sum(source.power for source in chip.sources)
    return f"; the {short(float(watts), 'W')} of power.sources and floorplans apart" if watts else ""


def _mapped(chip: Chip, values: Mapping[str, Any]) -> str:
    """Arrays of the network, the sites there are and the share of their cells that hold a weight of it."""
    tiles = values["power/matrix_tiles"]
    share = float(np.sum(tiles * values["power/matrix_utilisation"]) / np.sum(tiles))
    sites = f" on {len(chip.sites)} sites" if isinstance(chip, ComputingChip) else ""
    return f"mapping            {int(np.sum(tiles))} tiles{sites}, {100 * share:.0f} % of their cells at work"


def _throttled(chip: Chip, values: Mapping[str, Any]) -> list[str]:
    """Throughput that is left, where it is less than asked for."""
    share = values["power/rate"] / chip.mean_rate if chip.mean_rate else np.ones(1)
    if share.min() > UNTHROTTLED:
        return []
    return [f"throttled          to {100 * share.min():.3g} % of the rate asked for, {100 * share[-1]:.3g} % at the end"]


def _limits(chip: Chip, values: Mapping[str, Any], coordinates: Mapping[str, Any]) -> Iterator[str]:
    """What costs most accuracy, today and at the end; of a mechanism that a fitted deck has from another one that too."""
    devices = [d for d in (chip.scenario.device, *(tiers.device for tiers in chip.scenario.hybrid)) if d is not None]
    others = {name: deck for device in devices for name, deck in device.not_fitted.items()}
    names = [f"{n} (of {others[n]}, not fitted)" if n in others else n for n in map(str, coordinates.get("mechanism", ()))]
    coordinates = {**coordinates, "mechanism": names}
    if len(coordinates["time"]) > 1:
        yield f"limited today      {limit(values, coordinates)}"
    yield f"limited by         {limit(values, coordinates, before=_act(chip, float(coordinates['time'][-1])))}"


def limit(values: Mapping[str, Any], coordinates: Mapping[str, Any], *, before: str = "") -> str:
    """What costs most accuracy at the first read-out, or at the end `before` the next act of that name, in one sentence."""
    accuracy: Floats = values["mvm/accuracy_worst"][-1] if before else values["mvm/accuracy"][0]
    acts = bool(before) and bool(np.any(values["mvm/accuracy_mean"] != values["mvm/accuracy"]))
    prefix, when = ("", "at the end") if before else ("first_", "today")
    next_act = f" before the next {before}" if acts else ""
    loss = float(values["mvm/accuracy_ideal"]) - float(accuracy.mean())
    if loss < WORTH_TELLING:
        if abs(loss) < 5e-5:
            return f"nothing: {when}{next_act and f',{next_act},'} accuracy is that of float"
        side = "below" if loss > 0 else "above"
        within = ", within one point" if loss > -WORTH_TELLING else ""
        return f"nothing: {when}{next_act and f',{next_act},'} accuracy is {100 * abs(loss):.2f} points {side} float{within}"
    answers = values["mvm/input_accuracy_worst"] if before else values["mvm/input_accuracy"][0]
    chance = 2 * float(standard_error(values["mvm/accuracy_ideal"] - accuracy, values["mvm/input_accuracy_ideal"] - answers))
    points = f"{100 * loss:.2f} points{f' (± {100 * chance:.2f})' if loss < chance else ''}"
    if f"mvm/{prefix}accuracy_without" not in values:
        return f"{points} lost {when}{next_act}; attribution was switched off"
    gains = values[f"mvm/{prefix}accuracy_without"] - accuracy.mean()
    of_gains = 2 * np.nan_to_num(values[f"mvm/{prefix}accuracy_without_error"])
    told = _given_back(gains, of_gains, coordinates["mechanism"], loss, points, next_act)
    over = f"; over {accuracy.size} chips and {answers.size} test inputs the loss may be chance: raise monte_carlo.samples"
    return told + (f"{over} or workload.test_samples" if loss < chance else "")


def _given_back(gains: Floats, chance: Floats, mechanisms: Sequence[str], loss: float, points: str, next_act: str) -> str:
    """Which mechanism alone gives most of a loss back, and the next two, where it is more than chance.

    Parameters
    ----------
    gains, chance : ndarray, shape (mechanisms,)
        What comes back without each, and what of it may be chance. [-]
    mechanisms : sequence of str
        What is told of one stands in brackets behind its name.
    loss : float
        [-]
    points, next_act : str
        The loss and when it is, in words.
    """
    order = [int(i) for i in np.argsort(-gains, kind="stable") if gains[i] > chance[i]]
    if not order or order[0] != int(np.argmax(gains)):
        return f"no single mechanism: {points} are lost{next_act}, and no one of them alone gives any back beyond chance"
    (name, best), *more = [(str(mechanisms[i]).partition(" (")[0].replace("_", " "), 100 * float(gains[i])) for i in order[:3]]
    told = name + "".join(str(mechanisms[order[0]]).partition(" (")[1:])
    back = "all" if best >= 100 * loss else f"{best:.2f}"
    rest = f", without {', '.join(f'{other} {gain:.2f}' for other, gain in more)}" if more else ""
    rest += "; gains overlap" if best + sum(gain for _, gain in more) > 100 * loss else ""
    them = "them" if name in PLURAL else "it"
    return f"{told}: without {them} {back} of the {points} lost{next_act} would come back{rest}"
