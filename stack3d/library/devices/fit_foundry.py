"""Fit the decks `foundry_a` and `foundry_b` to their published bakes; writes the decks' tables and numbers.

Run with ``python -m stack3d.library.devices.fit_foundry``; with ``leave_out`` it prints, for every condition, how rows that
the fit has not seen are predicted; with ``forms``, what bakes between and beyond the given ones owe to the form of the law.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from stack3d.constants import ZERO_CELSIUS
from stack3d.devices.build import load_device
from stack3d.devices.equilibrium import (
    ATTEMPTS,
    BarrierTable,
    EquilibriumTable,
    LevelBarriers,
    OwnEquilibrium,
    escape_rate,
    moved_share,
    reach,
)
from stack3d.devices.foundry import PAIR_WIDTH, ROOM, Rows, predicted, rows
from stack3d.devices.laws import Reals

FOLDER = Path(__file__).parent
LEFT_OUT = FOLDER.parents[1] / "devices" / "predicted" / "foundry_left_out.csv"
NODES = {"A": (8, 22, 38, 60, 90, 120, 150, 180, 205, 232), "B": (5, 12, 20, 32, 46, 60, 76, 92, 108, 124)}
"""[uS] Levels of the tables."""
HOTTEST = 453.15
"""[K] The search begins with the statistics of the hottest bake up to here: relaxation has happened, loss has not."""
BAKED = 1.72
"""[eV] The search for the loss begins between two other oxides: HfOx and HfAlO of published bakes (their τ(T) at 260 degC as a
barrier at 1e13 attempts a second: 1.70 and 1.74 eV)."""
BAKE = 5200.0
"""[s] Length of most of the bakes."""
ELSEWHERE = ((60, BAKE), (140, BAKE), (220, BAKE), (300, BAKE), (180, 60.0), (180, 1e5), (100, 1e5), (260, 600.0))
"""[degC], [s] Bakes of technology A between the given ones and beyond."""
WRITTEN = 1.0
"""[s] Time at 25 degC after which a write and its reads are over: barriers that are lower have been crossed before the bake."""
SPECTRUM = ((60, 100, 140, 180, 220, 260), (60.0, BAKE, 1e5))
"""[degC], [s] Bakes in which cells are taken to move as over a flat spectrum of barriers."""
ROUGHNESS = {"edge": 0.3, "barrier": 2.0, "displacement": 0.1, "log_sd": 0.3, "skew": 0.3, "log_core": 1.0, "loss": 2.0}
"""Weight of a column's second differences between levels; neighbouring levels are alike."""


def flat_spectrum(attempts: float, barrier_sd: float | None) -> tuple[float, float]:
    """Middle barrier [eV] and stretching β [-] of cells that move as over a flat spectrum of barriers above some energy.

    Below it, all were crossed while the cells were written: the way that a bake takes them grows in proportion to
    k_B T ln(νt) less the same of `WRITTEN` at 25 degC. Least squares of the relative misses in the bakes of `SPECTRUM`.

    Parameters
    ----------
    attempts : float
        ν. [s⁻¹]
    barrier_sd : float or None
        Standard deviation of the barriers of different cells; None = cells have one barrier each (β = 1), and it is returned
        in place of β. [eV]
    """
    from scipy.optimize import least_squares

    nodes, weights = np.polynomial.hermite_e.hermegauss(61)
    kelvin, time = (a.ravel() for a in np.meshgrid(np.array(SPECTRUM[0]) + ZERO_CELSIUS, SPECTRUM[1]))
    way = reach(kelvin, time, attempts=attempts) - reach(ROOM, WRITTEN, attempts=attempts)

    def misses(x: Reals) -> Reals:
        sd, shape = (np.exp(x[1]), 1.0) if barrier_sd is None else (barrier_sd, np.exp(x[1]))
        clock = time * escape_rate(kelvin, x[0] + sd * nodes[:, None], attempts=attempts)
        moved = weights / weights.sum() @ moved_share(clock, shape, np.dtype(float))
        return np.asarray(x[2] * moved / way - 1)

    middle = float(reach(ZERO_CELSIUS + SPECTRUM[0][3], BAKE, attempts=attempts))
    energy, log_width, _ = least_squares(misses, [middle, -1.2 if barrier_sd is None else -2.0, 1.0]).x
    return float(energy), float(np.exp(log_width))


@dataclass(frozen=True)
class Form:
    """Which numbers of a technology are free, and where the search begins.

    Parameters
    ----------
    technology : {"A", "B"}
    columns : tuple of str
        One number per level each.
    scalars : dict of str to float
        One number each, at their start.
    hold : float
        Distance from the start at which a barrier or a scalar costs as much as a miss by one tolerance. [eV] or [-]
    attempts : float
        ν of all barriers, not fitted. [s⁻¹]
    """

    technology: str
    columns: tuple[str, ...]
    scalars: dict[str, float]
    hold: float
    attempts: float = ATTEMPTS

    @property
    def levels(self) -> Reals:
        """[uS]"""
        return np.array(NODES[self.technology], float)

    def start(self, given: Rows) -> Reals:
        """Numbers that the search begins with."""
        hot = given[given.temperature == given.temperature[given.temperature <= HOTTEST].max()]
        level, (mean, sd) = hot.level * 1e6, hot.measured[:, :2].T * 1e6
        order = np.argsort(level)
        columns = {
            "edge": np.interp(
                self.levels, [5, 12, 20, 44, 60, 76, 84, 92, 124], [-0.8, -0.4, -0.3, -0.15, -0.3, -0.9, -1.6, -2.5, -2.6]
            ),
            "barrier": np.full(self.levels.size, 1.1),
            "displacement": np.interp(self.levels, level[order], mean[order]),
            "log_sd": np.log(np.interp(self.levels, level[order], sd[order])),
            "skew": np.linspace(0.5, -0.4, self.levels.size),
            "log_core": np.full(self.levels.size, np.log(0.5)),
            "loss": np.full(self.levels.size, BAKED),
        }
        for name in ("barrier", "loss"):  # what has just been crossed stays crossed
            columns[name] *= np.log(self.attempts * BAKE) / np.log(ATTEMPTS * BAKE)
        scalars = dict(self.scalars)
        if "loss" in self.columns:  # of technology A, with one bake at a temperature
            within = "log_shape" in scalars
            columns["barrier"][:], width = flat_spectrum(self.attempts, np.exp(scalars["log_barrier_sd"]) if within else None)
            scalars["log_shape" if within else "log_barrier_sd"] = np.log(width)
        return np.concatenate([*(columns[c] for c in self.columns), list(scalars.values())])

    def split(self, x: Reals) -> tuple[dict[str, Reals], dict[str, float]]:
        """Columns and scalars of a vector of numbers."""
        n = self.levels.size
        columns = {c: x[i * n : (i + 1) * n] for i, c in enumerate(self.columns)}
        return columns, dict(zip(self.scalars, x[n * len(self.columns) :].tolist()))

    def laws(self, x: Reals) -> tuple[OwnEquilibrium, LevelBarriers | None]:
        """Laws with these numbers."""
        from scipy.special import ndtr

        columns, scalars = self.split(x)
        level = tuple(self.levels * 1e-6)
        fast = "edge" in columns
        table = EquilibriumTable.model_construct(
            level=level,
            displacement=tuple(columns["displacement"] * 1e-6),
            displacement_sd=tuple(np.exp(columns["log_sd"]) * 1e-6),
            skew=tuple(columns["skew"]),
            core_sd=tuple(np.exp(columns["log_core"]) * 1e-6),
            barrier=tuple(columns["barrier"]),
            fast_share=tuple(ndtr(columns["edge"])) if fast else None,
        )
        relaxation = OwnEquilibrium.model_construct(
            table=table,
            barrier_sd=np.exp(scalars["log_barrier_sd"]),
            shape=np.exp(scalars.get("log_shape", 0.0)),
            attempts=self.attempts,
            fast_barrier=scalars["fast_barrier"] if fast else None,
            fast_barrier_sd=np.exp(scalars["log_fast_barrier_sd"]) if fast else 0.0,
            core_growth=np.exp(scalars["log_core_growth"]) if fast else 0.0,
        )
        if "loss" not in columns:
            return relaxation, None
        barriers = BarrierTable.model_construct(level=level, barrier=tuple(columns["loss"]))
        return relaxation, LevelBarriers.model_construct(
            table=barriers, barrier_sd=np.exp(scalars["log_loss_sd"]), shape=scalars["shape"], attempts=self.attempts
        )

    def fit(self, given: Rows) -> Reals:
        """Numbers that hold the given rows best: robust least squares of misses in tolerances."""
        from scipy.optimize import least_squares

        device, width = load_device("ideal"), PAIR_WIDTH[self.technology]

        def residuals(x: Reals) -> Reals:
            misses = given.misses(predicted(*self.laws(x), device, given, width=width)).ravel()
            rough = [ROUGHNESS[name] * np.diff(column, 2) for name, column in self.split(x)[0].items()]
            return np.concatenate([misses, *rough, (x - start)[held] / self.hold])

        start = self.start(given)
        held = np.array([c in ("barrier", "loss") for c in self.columns]).repeat(self.levels.size)
        held = np.append(held, np.ones(len(self.scalars), bool))
        return np.asarray(least_squares(residuals, start, loss="soft_l1", f_scale=0.5, max_nfev=60).x)


FORMS = (
    Form(
        "A",
        ("barrier", "displacement", "log_sd", "skew", "log_core", "loss"),
        {"log_barrier_sd": -2.4, "log_shape": 0.0, "shape": 0.7, "log_loss_sd": -2.4},
        hold=0.15,
    ),
    Form(
        "B",
        ("edge", "barrier", "displacement", "log_sd", "skew", "log_core"),
        {"fast_barrier": 0.77, "log_fast_barrier_sd": -2.2, "log_barrier_sd": -2.4, "log_core_growth": -2.5},
        hold=0.3,
    ),
)


def leave_out(form: Form) -> list[str]:
    """Rows of `LEFT_OUT`: what a fit without one condition, or without all of a temperature, says of it; printed as a table."""
    given, lines = rows(form.technology), []
    temperatures = [kelvin for kelvin, _ in given.conditions]
    whole = sorted({kelvin for kelvin in temperatures if temperatures.count(kelvin) > 1})
    parts = [(given.at(*c), c[0], f"{c[1]:g}") for c in given.conditions]
    parts += [(given.temperature == kelvin, kelvin, "all") for kelvin in whole]
    for out, kelvin, time in parts:
        laws = form.laws(form.fit(given[~out]))
        misses = given[out].misses(predicted(*laws, load_device("ideal"), given[out], width=PAIR_WIDTH[form.technology]))
        inside = np.abs(misses) <= 1
        where = f"{form.technology},{kelvin - ZERO_CELSIUS:.0f},{time}"
        lines.append(f"{where},{','.join(str(n) for n in inside.sum(0))},{inside.sum()},{inside.size}")
        held = " | ".join(str(n) for n in inside.sum(0))
        print(f"| {' | '.join(where.split(','))} | {held} | {100 * inside.mean():.0f} % |", flush=True)
    return lines


def forms(form: Form) -> list[str]:
    """Rows of a table: share of the statistics of bakes elsewhere in which other forms agree with the packaged one."""
    given, device, width = rows(form.technology), load_device("ideal"), PAIR_WIDTH[form.technology]
    one_barrier = {name: value for name, value in form.scalars.items() if name != "log_shape"}
    others = (form, replace(form, attempts=1e11), replace(form, attempts=1e15), replace(form, scalars=one_barrier))
    laws = [other.laws(other.fit(given)) for other in others]
    level, lines = given.level[given.at(*given.conditions[0])], []
    for celsius, time in ELSEWHERE:
        bake = Rows(np.full_like(level, celsius + ZERO_CELSIUS), np.full_like(level, time), level, np.zeros((level.size, 4)))
        own, *found = (predicted(*pair, device, bake, width=width) for pair in laws)
        bake = replace(bake, measured=own)
        shares = " | ".join(f"{100 * np.mean(np.abs(bake.misses(f)) <= 1):.0f} %" for f in found)
        lines.append(f"| {celsius} | {time:g} | {shares} |")
        print(lines[-1], flush=True)
    return lines


def write(form: Form, x: Reals) -> None:
    """Write the tables of a deck, and its numbers into the deck."""
    relaxation, loss = form.laws(x)
    name, t = f"foundry_{form.technology.lower()}", relaxation.table
    head = "# fitted by fit_foundry.py to statistics derived from akashlevy/RRAM-Relaxation-Master-Model (MIT)\n"
    columns = {
        "level [uS]": np.array(t.level) * 1e6,
        "displacement [uS]": np.array(t.displacement) * 1e6,
        "displacement_sd [uS]": np.array(t.displacement_sd) * 1e6,
        "skew": t.skew,
        "core_sd [uS]": np.array(t.core_sd) * 1e6,
        "barrier [eV]": t.barrier,
    }
    if t.fast_share is not None:
        columns["fast_share"] = t.fast_share
    lines = [",".join(columns)] + [",".join(f"{v:.4g}" for v in row) for row in zip(*columns.values())]
    (FOLDER / f"{name}_relaxation.csv").write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
    numbers = {"relaxation.barrier_sd": f"{relaxation.barrier_sd:.4g} eV", "relaxation.shape": f"{relaxation.shape:.4g}"}
    if relaxation.fast_barrier is not None:
        numbers |= {
            "relaxation.fast_barrier": f"{relaxation.fast_barrier:.4g} eV",
            "relaxation.fast_barrier_sd": f"{relaxation.fast_barrier_sd:.4g} eV",
            "relaxation.core_growth": f"{relaxation.core_growth:.4g}",
        }
    if loss is not None:
        lines = ["level [uS],barrier [eV]"] + [f"{u * 1e6:.4g},{e:.5g}" for u, e in zip(loss.table.level, loss.table.barrier)]
        (FOLDER / f"{name}_loss.csv").write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
        numbers |= {"retention.barrier_sd": f"{loss.barrier_sd:.4g} eV", "retention.shape": f"{loss.shape:.4g}"}
    deck = FOLDER / f"{name}.yaml"
    text = deck.read_text(encoding="utf-8")
    for key, value in numbers.items():
        mechanism, parameter = key.split(".")
        text = re.sub(
            rf"(\n  {mechanism}:\n(?:    .*\n)*?    {parameter}: )[^#\n]*", rf"\g<1>{value!r}".replace("'", '"'), text
        )
    deck.write_text(text, encoding="utf-8")


def main() -> None:
    """Fit both technologies, or leave one condition out after the other."""
    if sys.argv[1:] == ["leave_out"]:
        head = "technology,temperature [degC],time [s],mean,standard deviation,1st percentile,99th percentile,held,statistics"
        lines = [line for form in FORMS for line in leave_out(form)]
        command = "# written by: python -m stack3d.library.devices.fit_foundry leave_out"
        LEFT_OUT.write_text("\n".join([command, head, *lines]) + "\n", encoding="utf-8")
        return
    for form in FORMS:
        if sys.argv[1:] == ["forms"]:
            if "loss" in form.columns:  # bakes of B have one form
                forms(form)
            continue
        given, x = rows(form.technology), form.fit(rows(form.technology))
        misses = given.misses(predicted(*form.laws(x), load_device("ideal"), given, width=PAIR_WIDTH[form.technology]))
        print(f"{form.technology}: {100 * np.mean(np.abs(misses) <= 1):.1f} % of {misses.size} statistics within tolerance")
        write(form, x)


if __name__ == "__main__":
    main()
