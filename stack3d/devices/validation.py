"""Device laws against published numbers: one row per number, computed now."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

import numpy as np

from stack3d.constants import BOLTZMANN, ZERO_CELSIUS
from stack3d.devices import fits, foundry
from stack3d.devices.build import build_device, load_device
from stack3d.devices.crystallisation import Avrami, avrami_share
from stack3d.devices.endurance import GradualClosure
from stack3d.devices.equilibrium import LevelBarriers, OwnEquilibrium
from stack3d.devices.model import DeviceModel
from stack3d.devices.relaxation import Falcone2025
from stack3d.devices.retention import ROUNDED_BOLTZMANN, PowerLaw, gap_growth_rate
from stack3d.errors import DeckError
from stack3d.schema.device import BANDS

TEN_YEARS = 3.154e8
"""Ten years as the sources round them. [s]"""
SAMPLES = 100_000
UNSEEN = tuple(f"foundry A, {bake} degC" for bake in ("7165 s at 100", "5262 s at 180", "5199 s at 260")) + tuple(
    f"foundry B, {time} at 25 degC" for time in ("1000 s", "all times")
)
"""Conditions of which a fit that has not seen them predicts less than eight of ten statistics."""
RAMP = 10 / 60
"""[K s⁻¹] Heating of a film of Ge2Sb2Te5 that crystallised at 163 degC (doi:10.1038/s41427-020-00246-z, figure 1).

About 140 degC and 2.24 eV are those of I. Friedrich et al. 2000, doi:10.1063/1.373041."""
NEURRAM = 99.21 - 99.02
"""Points that NeuRRAM lost to its network of three bits in software (github.com/weierwan/Neurram_48core, mnist_cnn)."""
HFOX = (math.log(2.0e-11), 1.46, 0.72)
HFALO = (math.log(1.5e-12), 1.62, 0.47)
"""ln τ_0/s, E_a/eV and β that the points of the bakes were published with."""


@dataclass(frozen=True)
class Claim:
    """One published number and ours."""

    id: str
    what: str
    published: float
    computed: float
    tolerance: float
    """Largest allowed difference, in the unit of the numbers."""
    basis: str
    """What the tolerance stands for."""
    fitted: bool = True
    """Whether the law was fitted to the numbers of this row; else it predicts them."""
    missed: bool = False
    """Whether the row is known to miss: the page of the table says why."""

    @property
    def kind(self) -> str:
        """``fitted to`` or ``predicted``."""
        return "fitted to" if self.fitted else "predicted"

    @property
    def holds(self) -> bool:
        """Whether ours lies within the tolerance."""
        return abs(self.computed - self.published) <= self.tolerance


def _of[L](kind: type[L], law: object) -> L:
    """The law of a packaged deck, which has to be of a kind; raises DeckError."""
    if not isinstance(law, kind):
        raise DeckError(f"the numbers compared are those of {kind.__name__}, the deck has {type(law).__name__}")
    return law


def table() -> list[Claim]:
    """Compare every device law with the published numbers it claims to reproduce."""
    bakes = [*_foundries(), *_left_out(), *_clock(), *_gap_growth(), *_bakes(), *_two_temperatures()]
    return [*bakes, *_relaxation(), *_phase_change(), *_crystallisation(), *_endurance(), *_chip()]


def _foundries() -> list[Claim]:
    """Bakes and relaxation of two foundries: misses of the decks in tolerances, and one number by hand."""
    rows = []
    for technology in "AB":
        device = build_device(load_device(f"foundry_{technology.lower()}"))
        relaxation = _of(OwnEquilibrium, device.relaxation)
        loss = None if device.retention is None else _of(LevelBarriers, device.retention)
        given = foundry.rows(technology)
        width = foundry.PAIR_WIDTH[technology]
        misses = np.abs(given.misses(foundry.predicted(relaxation, loss, device.device, given, width=width)))
        for temperature, time in given.conditions:
            part = misses[given.at(temperature, time)]
            bake = f"foundry {technology}, {time:g} s at {temperature - ZERO_CELSIUS:.0f} degC"
            what = f"{bake}, share of {part.size} statistics held"
            share = float(np.mean(part <= 1))
            rows.append(Claim("F", what, 1.0, share, 0.25, "each within 5 % + 0.5 uS, 15 %, 20 % or 2 uS"))
        basis = "nine of ten statistics"
        rows.append(Claim("F", f"foundry {technology}, share of all held", 1.0, float(np.mean(misses <= 1)), 0.1, basis))
    return rows


def _stored(name: str) -> list[dict[str, str]]:
    """Rows that a longer computation has left in ``predicted``; the first line of the file is its command."""
    text = files("stack3d.devices").joinpath("predicted", name).read_text(encoding="utf-8")
    return list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))


def _left_out() -> list[Claim]:
    """Every condition of the foundries, as a fit predicts it that has not seen its rows."""
    rows = []
    for row in _stored("foundry_left_out.csv"):
        time = "all times" if row["time [s]"] == "all" else f"{row['time [s]']} s"
        where = f"foundry {row['technology']}, {time} at {row['temperature [degC]']} degC"
        what = f"{where} left out of the fit, share of {row['statistics']} statistics held"
        share = int(row["held"]) / int(row["statistics"])
        rows.append(Claim("F", what, 1.0, share, 0.2, "eight of ten", False, where in UNSEEN))
    return rows


def _clock() -> list[Claim]:
    """Clock of a logarithmic spread against foundry B, whose relaxation and bakes it was not made for."""
    energy = _of(Falcone2025, build_device(load_device("cmo_hfox")).relaxation).activation_energy
    predicted, measured = foundry.spreads_from_room(energy)
    misses = foundry.logarithmic_misses(foundry.later(foundry.rows("B")), energy)
    what = f"logarithmic spread, clock of {energy:g} eV, foundry B from 25 to 180 degC"
    basis, ratio = "15 % of the spread", predicted / measured
    held = float(np.mean(np.abs(ratio - 1) <= 0.15))
    bakes = "from rows at 25 degC alone, spread in the bakes"
    return [
        Claim("F", f"{what}, rms of misses", 0, misses, 0.15, basis),
        Claim("F", f"{what}, {bakes} over measured, median", 1, float(np.median(ratio)), 0.15, basis, False),
        Claim("F", f"{what}, {bakes}, share of {ratio.size} within 15 %", 1, held, 0.2, "eight of ten", False, True),
    ]


def _gap_growth() -> list[Claim]:
    """V1: constants and zero of temperature as the source rounded them."""
    rows = []
    for celsius, published in ((93.43, 0.013721), (99.49, 0.029421)):
        kelvin = np.asarray(celsius + ZERO_CELSIUS)
        ratio = math.expm1(float(gap_growth_rate(kelvin, boltzmann=ROUNDED_BOLTZMANN)) * TEN_YEARS)
        rows.append(
            Claim("V1", f"gap growth, R/R0 - 1 after 10 y at {celsius} degC", published, ratio, 1e-4, "absolute", False)
        )
    for celsius in (40.45, 40.66):
        kelvin = np.asarray(celsius + ZERO_CELSIUS)
        ratio = math.expm1(float(gap_growth_rate(kelvin, boltzmann=ROUNDED_BOLTZMANN)) * TEN_YEARS)
        rows.append(
            Claim(
                "V1",
                f"gap growth, R/R0 - 1 after 10 y at {celsius} degC",
                6e-6,
                ratio,
                4e-6,
                "published as 2e-6 to 1e-5",
                False,
            )
        )
    return rows


def _bakes() -> list[Claim]:
    """V2, V3: the published parameters on the points, our fit beside them, and the extrapolation."""
    rows = []
    for id_, material, parameters, rms in (("V2", "HfOx", HFOX, 0.20), ("V3", "HfAlO", HFALO, 0.13)):
        data = fits.bakes(material)
        ours = fits.fit_bakes(data)
        residual = fits.bake_residuals(data, *parameters)
        computed = float(np.sqrt(np.mean(residual**2)))
        rows.append(
            Claim(id_, f"{material} bakes, rms of ln ln(R/R0), published parameters", rms, computed, 0.011, "rounding of it")
        )
        basis = "one standard error of the fit"
        names = (f"{material} bakes, fitted ln(tau0/s)", f"{material} bakes, fitted Ea / eV", f"{material} bakes, fitted beta")
        values = (ours.log_attempt, ours.activation_energy, ours.shape)
        rows += [Claim(id_, n, p, v, e, basis) for n, p, v, e in zip(names, parameters, values, ours.errors)]
    log_attempt, energy, shape = HFOX
    for celsius, growth, tolerance in ((55, 1.005, 0.001), (85, 1.11, 0.01), (105, 1.87, 0.06)):
        x = TEN_YEARS / math.exp(log_attempt + energy / (BOLTZMANN * (celsius + ZERO_CELSIUS)))
        what = f"HfOx extrapolated, R/R0 after 10 y at {celsius} degC, published parameters"
        rows.append(Claim("V2", what, growth, math.exp(x**shape), tolerance, "rounding of the parameters", False))
    return rows


def _two_temperatures() -> list[Claim]:
    """V4: times to a doubled resistance at two temperatures."""
    energy = fits.arrhenius_energy((3985.0, 181.0), (473.15, 523.15))
    return [Claim("V4", "Cu:MoOx/GdOx, Ea / eV of the time to 2 R0", 1.32, energy, 0.005, "rounding")]


def _cells(device: DeviceModel, target: float, times: list[float]) -> list[tuple[float, float]]:
    """Mean shift and standard deviation [S] of many cells at `times` [s] after programming, kept at 25 degC."""
    state = device.program(np.full(SAMPLES, target), np.random.default_rng(1), temperature=298.15, dtype=np.float64)
    found, now = [], 0.0
    for time in times:
        state = device.advance(state, time - now, 298.15)
        now = time
        conductance = device.conductance(state)
        found.append((float(conductance.mean() - target), float(conductance.std())))
    return found


def _relaxation() -> list[Claim]:
    """V5: 1e5 cells through the decks, retention and faults off because the tables hold neither."""
    rows = []
    hfox = build_device(load_device("hfox_analog")).without("retention", "faults")
    found = _cells(hfox, 20e-6, [1.0, 86400.0, 172800.0])
    for name, published, (_, sd) in zip(("1 s", "1 d", "2 d"), (2.02, 3.91, 3.93), found):
        rows.append(
            Claim("V5", f"HfOx at 20 uS, sd / uS after {name}", published, sd * 1e6, 0.01 * published + 0.005, "1 % + rounding")
        )
    cmo = build_device(load_device("cmo_hfox")).without("retention", "faults", "programming")
    found = _cells(cmo, 50e-6, [600.0, 3600.0, 86400.0])
    published_pairs = ((-0.57, 0.68), (-0.73, 0.76), (-1.01, 0.89))
    for name, (mean, sd), (ours_mean, ours_sd) in zip(("10 min", "1 h", "1 d"), published_pairs, found):
        basis = "1 % + rounding"
        rows.append(Claim("V5", f"CMO/HfOx, mean shift / uS after {name}", mean, ours_mean * 1e6, -0.01 * mean + 0.005, basis))
        rows.append(Claim("V5", f"CMO/HfOx, sd / uS after {name}", sd, ours_sd * 1e6, 0.01 * sd + 0.005, basis))
    return rows


def _phase_change() -> list[Claim]:
    """V6: drift of phase-change cells."""
    deck = load_device("pcm_gst")
    device = build_device(deck)
    law = _of(PowerLaw, device.retention)
    exponents = law.exponent(np.linspace(1e-3, 1, 2001) * deck.g_max, 0.0, deck)
    target = 0.5 * deck.g_max
    state = device.program(np.full(SAMPLES, target), np.random.default_rng(1), dtype=np.float64)
    kept = device.conductance(device.advance(state, 86400.0, 298.15)).mean() / device.conductance(state).mean()
    speeds = law.rate(np.array([125.0, 300.0]), 0.0, deck)
    return [
        Claim("V6", "PCM, smallest mean drift exponent", 0.049, float(exponents.min()), 0.01 * 0.049, "1 %"),
        Claim("V6", "PCM, largest mean drift exponent", 0.1, float(exponents.max()), 0.01 * 0.1, "1 %"),
        Claim("V6", "PCM at u = 0.5, mean G(1 d)/G(0)", 0.664, float(kept), 0.01 * 0.664, "1 %", False),
        Claim("V6", "PCM, drift speed at 125 K over that at 300 K", 1.0, float(speeds[0] / speeds[1]), 0.01, "1 %", False),
    ]


def _crystallisation() -> list[Claim]:
    """V6: crystals in films that were heated; the anchor of the deck is ten years, six decades slower."""
    deck = load_device("pcm_gst")
    rows = []
    for band, name in zip(BANDS, ("ten years at 85 degC", "at 95 degC", "at 110 degC")):
        law = _of(Avrami, build_device(deck, {"crystallisation.anchor.temperature": band}).crystallisation)
        kelvin = np.linspace(300.0, 600.0, 30_001)
        clock = np.cumsum(law.rate(kelvin, deck)) * (kelvin[1] - kelvin[0]) / RAMP
        half = float(np.interp(0.5, avrami_share(clock, exponent=law.exponent), kelvin)) - ZERO_CELSIUS
        what = f"PCM, half crystallised when heated by 10 K/min, degC, anchor {name}"
        rows.append(Claim("V6", what, 163.0, half, 23.0, "films: 163, and elsewhere about 140", False, band != "low"))
    energy = _of(Avrami, build_device(deck).crystallisation).activation_energy
    rows.append(Claim("V6", "PCM, Ea / eV of crystallisation against another film", 2.24, energy, 0.11, "its error", False))
    return rows


def _chip() -> list[Claim]:
    """Published chip: what its cells take from the accuracy of its network, by a run that fits nothing."""
    row = next(r for r in _stored("neurram_digits.csv") if float(r["age [s]"]) > 1000)
    lost, low, high = (100 * (float(row["software"]) - float(row[k])) for k in ("mean", "95th percentile", "5th percentile"))
    what = f"NeuRRAM digits, points lost {float(row['age [s]']) / 60:.0f} min after writing, mean of chips"
    return [Claim("N", what, NEURRAM, lost, (high - low) / 2, "half of what 5 to 95 % of the chips span", False)]


def _endurance() -> list[Claim]:
    """V11, V12, and the temperature factor that gave the activation energy."""
    rows = []
    for fit in fits.fit_voltage():
        current = f"{fit.current * 1e6:.0f} uA"
        what = f"endurance over voltage, {current}, worst point of the two-sided form, decades off"
        rows.append(Claim("V11", what, 0, fit.two_sided_error, 0.5, "half a decade"))
    for state, slope in fits.size_slopes().items():
        rows.append(
            Claim(
                "V12",
                f"endurance over size, {state}, slope of ln N / nm",
                0.225,
                slope * 1e-9,
                0.01,
                "published as 0.22 to 0.23",
            )
        )
    window = fits.fit_window()
    law = _of(GradualClosure, build_device(load_device("hfox_analog")).window_closure)
    for what, found, used in (
        ("decades of the low resistance per decade", window.low_resistance_slope, law.low_resistance_slope),
        ("decades of the high resistance per decade", window.high_resistance_slope, law.high_resistance_slope),
        ("threshold over the life", window.threshold, law.threshold),
    ):
        rows.append(Claim("V12", f"window closure, 20 nm, {what}", found, used, 0.005, "rounding; half a per cent of a decade"))
    rows.append(
        Claim("V12", "window closure, 20 nm, rms over both states, decades", 0, window.rms, 0.1, "scatter of the points")
    )
    ratio = math.exp(0.448 / BOLTZMANN * (1 / 380 - 1 / 300))
    rows.append(Claim("V10", "endurance at 380 K over that at 300 K, 0.448 eV", 0.026, ratio, 0.0005, "rounding"))
    return rows


def markdown() -> str:
    """Table of `table` as Markdown."""
    lines = [
        "| id | number | published | computed | tolerance | fitted to or predicted | holds |",
        "|---|---|---|---|---|---|---|",
    ]
    for r in table():
        tolerance = f"{r.tolerance:.2g} ({r.basis})"
        holds = "yes" if r.holds else "**no**"
        lines.append(f"| {r.id} | {r.what} | {r.published:.5g} | {r.computed:.5g} | {tolerance} | {r.kind} | {holds} |")
    return "\n".join(lines)


def pair_sensitivity() -> str:
    """Spread of a differential weight after ten years at 85 degC over the correlation of its two cells, as Markdown.

    Retention alone, cells at 0.7 and 0.3 g_max; `pair_correlation` is an assumption of the decks.
    """
    lines = ["| device | correlation | mean of W(10 y)/W(0) | sd of W(10 y) / g_max |", "|---|---|---|---|"]
    for name in ("bulk_rram_ucsd", "hfox_analog"):
        device = build_device(load_device(name), "low").without("programming", "relaxation", "faults")
        target = np.empty((SAMPLES, 2))
        target[:] = np.array([0.7, 0.3]) * device.device.g_max
        for correlation in (0.0, 0.5, 0.8, 0.95):
            retention = device.retention and device.retention.model_copy(update={"pair_correlation": correlation})
            changed = replace(device, retention=retention)
            state = changed.program(target, np.random.default_rng(1), pair_axis=1, dtype=np.float64)
            aged = changed.conductance(changed.advance(state, TEN_YEARS, 358.15))
            weight = (aged[:, 0] - aged[:, 1]) / device.device.g_max
            lines.append(f"| {name} | {correlation} | {weight.mean() / 0.4:.3f} | {weight.std():.4f} |")
    return "\n".join(lines)


def write(path: str | Path) -> None:
    """Replace the tables between the markers of a document by fresh ones."""
    document = Path(path).read_text(encoding="utf-8")
    for name, text in (("table", markdown()), ("pairs", pair_sensitivity())):
        head, begin, rest = document.partition(f"<!-- {name} -->\n")
        _, end, tail = rest.partition(f"<!-- end of {name} -->")
        document = f"{head}{begin}{text}\n{end}{tail}"
    Path(path).write_text(document, encoding="utf-8")
