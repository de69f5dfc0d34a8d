"""Accuracy and logit error of the digits network on ageing phase-change chips, against another tool's 25 chips."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from digits_case import Digits, phase_change_cells

from stack3d.mvm import AnalogMatrix, Converter, WeightMapping, accuracy, infer, layer_scale, logit_error, read_magnitude

CHIPS = 25
TIMES = {"1s": 1.0, "1min": 60.0, "1h": 3600.0, "1d": 86400.0, "1mo": 2592000.0, "1y": 31536000.0, "10y": 315360000.0}
MODELS = {"pcm_nandakumar2019": (True, 1.0), "pcm_drift_only": (False, 1.0), "pcm_drift_x2": (True, 2.0)}
PERIPHERIES = {
    "ideal": {"dac": Converter(None), "adc": Converter(None)},
    "8bit": {"dac": Converter(8), "adc": Converter(8, 12.0)},
    "6bit": {"dac": Converter(6), "adc": Converter(6, 12.0)},
}


def test_every_row(reference: Path):
    digits = Digits.load(reference)
    rows = list(csv.DictReader((reference / "cim" / "digits_accuracy_pcm.csv").open()))
    wanted = {(r["case"], r["compensation"], r["periphery"], r["time"]): r for r in rows}
    rng = np.random.default_rng(1)
    mapping = WeightMapping(0.0, 25e-6)
    matrices = {
        kind: {name: AnalogMatrix.build(name, w, mapping, **parts) for name, w in digits.weights.items()}
        for kind, parts in PERIPHERIES.items()
    }
    scores, seen = [], 0
    for model, (noise, drift) in MODELS.items():
        cells = {
            name: phase_change_cells(m.target_conductances(), [0.0, *TIMES.values()], CHIPS, rng, noise=noise, drift=drift)
            for name, m in matrices["ideal"].items()
        }
        fresh = {name: next(chips) for name, chips in cells.items()}
        for time in TIMES:
            aged = {name: next(chips) for name, chips in cells.items()}
            for kind, layers in matrices.items():
                for compensation in ("none", "global"):
                    row = wanted.get((model, compensation, kind, time))
                    if row is None:
                        continue
                    seen += 1
                    fix = None
                    if compensation == "global":
                        fix = {
                            n: layer_scale(read_magnitude(m, fresh[n]), read_magnitude(m, aged[n])) for n, m in layers.items()
                        }
                    logits = infer(layers, aged, digits.forward, digits.inputs, compensations=fix)
                    for ours, key in (
                        (accuracy(logits, digits.labels), "acc"),
                        (logit_error(logits, digits.float_logits), "logit_nrmse"),
                    ):
                        spread = ours.var(ddof=1) / CHIPS + float(row[f"{key}_std"]) ** 2 / int(row["seeds"])
                        # two rows have no spread at all: their mean is printed to five digits
                        score = (ours.mean() - float(row[f"{key}_mean"])) / max(np.sqrt(spread), 1e-5)
                        assert abs(score) < 3.0, (model, compensation, kind, time, key, ours.mean(), row)
                        scores.append(score)
    assert seen == len(rows) == 70
    assert 0.7 < np.sqrt(np.mean(np.square(scores))) < 1.3  # the spread of a fair comparison is 1: neither lax nor biased


def test_programming_error_alone(reference: Path):
    """Phase-change cells just after programming (Joshi 2020), on/off ratio 100, against a third tool."""
    digits = Digits.load(reference)
    (row,) = csv.DictReader((reference / "cim" / "digits_accuracy_crosssim.csv").open())
    mapping = WeightMapping(0.25e-6, 25e-6)
    matrices = {name: AnalogMatrix.build(name, w, mapping, **PERIPHERIES["ideal"]) for name, w in digits.weights.items()}
    rng = np.random.default_rng(4)
    cells = {}
    for name, matrix in matrices.items():
        g = matrix.target_conductances() * 1e6
        sd = 0.28639 + 0.075857 * g - 0.00178767 * g**2
        cells[name] = np.maximum(g + sd * rng.standard_normal((CHIPS, *g.shape)), 0.0) * 1e-6
    logits = infer(matrices, cells, digits.forward, digits.inputs)
    for ours, key in ((accuracy(logits, digits.labels), "acc"), (logit_error(logits, digits.float_logits), "logit_nrmse")):
        error = np.sqrt((ours.var(ddof=1) + float(row[f"{key}_std"]) ** 2) / CHIPS)
        assert abs(ours.mean() - float(row[f"{key}_mean"])) < 4 * error, (key, ours.mean(), row)
