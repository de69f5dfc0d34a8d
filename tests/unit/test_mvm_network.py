"""Populations of chips: grouping, statistics, corrections, metrics, other array libraries."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from stack3d import errors
from stack3d.errors import ArrayError, DeckError, MissingDependencyError
from stack3d.mvm import (
    AnalogMatrix,
    Compensation,
    Converter,
    CrossbarNetwork,
    LayerStatistics,
    WeightMapping,
    accuracy,
    column_corrections,
    column_moments,
    confusion_matrix,
    infer,
    library,
    logit_error,
    read_power,
    signal_to_noise,
)

MAPPING = WeightMapping(1e-6, 25e-6)


def network(seed=0, **periphery):
    rng = np.random.default_rng(seed)
    return {n: AnalogMatrix.build(n, rng.standard_normal(s), MAPPING, **periphery) for n, s in (("a", (6, 5)), ("b", (5, 3)))}


def forward(matmul, x):
    return matmul("b", np.maximum(matmul("a", x), 0.0))


def chips_of(matrices, leading, seed=1):
    rng = np.random.default_rng(seed)
    return {n: m.target_conductances() * rng.uniform(0.6, 1.0, (*leading, *m.state_shape)) for n, m in matrices.items()}


@pytest.mark.parametrize("leading", [(), (3,), (2, 4)])
def test_groups_of_chips_and_inputs_change_nothing(leading):
    matrices = network()
    cells, x = chips_of(matrices, leading), np.random.default_rng(2).standard_normal((70, 6))
    fix = {"a": Compensation(np.random.default_rng(3).uniform(1, 2, leading), np.full((*leading, 1, 1), 1.1))}
    noise = {n: 0.01 * c for n, c in cells.items()}
    whole = infer(matrices, cells, forward, x, compensations=fix)
    assert whole.shape == (*leading, 70, 3)
    pieces = infer(matrices, cells, forward, x, compensations=fix, memory_limit=9000.0)  # two chips at a time at most
    np.testing.assert_allclose(pieces, whole, rtol=0, atol=1e-5)
    one = infer(matrices, {n: c[(0,) * len(leading)] for n, c in cells.items()}, forward, x)
    plain = infer(matrices, cells, forward, x)
    np.testing.assert_allclose(plain[(0,) * len(leading)], one, atol=1e-5)
    noisy = infer(matrices, cells, forward, x, np.random.default_rng(0), read_noise=noise, memory_limit=9000.0)
    assert 0.0 < np.abs(noisy - plain).max() < 1.0


def test_same_seed_same_logits():
    matrices = network()
    cells, x = chips_of(matrices, (3,)), np.random.default_rng(2).standard_normal((20, 6))
    first, second = (infer(matrices, cells, forward, x, np.random.default_rng(9), read_noise=0.02) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_converters_of_every_chip():
    """ADC ranges with chip axes reach their chips, also when chips are taken in groups."""
    matrices = network()
    cells, x = chips_of(matrices, (4,)), np.random.default_rng(2).standard_normal((70, 6))
    spans = np.array([1.0, 2.0, 3.0, 4.0])
    grouped = {
        n: AnalogMatrix.build(
            n, m.weights, MAPPING, adc=Converter(8, np.broadcast_to(spans[:, None, None, None], (4, 1, 1, 1)))
        )
        for n, m in matrices.items()
    }
    together = infer(grouped, cells, forward, x, memory_limit=9000.0)
    for chip, span in enumerate(spans):
        alone = {n: AnalogMatrix.build(n, m.weights, MAPPING, adc=Converter(8, span)) for n, m in matrices.items()}
        logits = infer(alone, {n: c[chip] for n, c in cells.items()}, forward, x)
        np.testing.assert_allclose(together[chip], logits, atol=1e-5)


def test_statistics_give_power_and_signal_to_noise():
    """Voltages and cell currents summed by hand against the recorded rows; noise of the layer against its own outputs."""
    matrices = network(read_voltage=0.2, dac=Converter(None), adc=Converter(None))
    cells, x = chips_of(matrices, (2,)), np.random.default_rng(2).standard_normal((40, 6))
    seen: dict[str, LayerStatistics] = {}
    infer(matrices, cells, forward, x, statistics=seen, dtype=np.float64)
    volts = 0.2 * x / np.abs(x).max(axis=1, keepdims=True)
    by_hand = np.einsum("vi,cdij->cv", volts**2, cells["a"]).mean(axis=1)
    np.testing.assert_allclose(read_power(cells["a"], seen["a"].mean_square_voltages), by_hand, rtol=1e-12)
    states = {n: m.prepare(cells[n], dtype=np.float64) for n, m in matrices.items()}
    out = matrices["a"].matvec(x, states["a"])
    np.testing.assert_allclose(seen["a"].signal_to_noise, signal_to_noise(out, x @ matrices["a"].weights), rtol=1e-12)
    assert seen["b"].signal_to_noise.shape == (2,)
    parts: dict[str, LayerStatistics] = {}
    infer(matrices, cells, forward, x, statistics=parts, dtype=np.float64, memory_limit=1.0)
    np.testing.assert_allclose(parts["b"].signal_to_noise, seen["b"].signal_to_noise, rtol=1e-12)
    np.testing.assert_allclose(parts["b"].mean_square_voltages, seen["b"].mean_square_voltages, rtol=1e-12)


def test_metrics_by_hand():
    logits = np.array([[[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]], [[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]]])
    labels = np.array([0, 1, 1])
    np.testing.assert_allclose(accuracy(logits, labels), [2 / 3, 1 / 3])
    np.testing.assert_array_equal(confusion_matrix(logits, labels), [[[1, 0], [1, 1]], [[1, 0], [2, 0]]])
    wanted = np.array([[3.0, 4.0]])
    np.testing.assert_allclose(logit_error(1.1 * wanted, wanted), 0.1)
    np.testing.assert_allclose(signal_to_noise(1.1 * wanted, wanted), 100.0)


def test_bad_networks():
    matrices = network()
    cells, x = chips_of(matrices, (2,)), np.ones((4, 6))
    with pytest.raises(DeckError, match="did you mean 'a'"):
        CrossbarNetwork(matrices, {})("A", x)
    with pytest.raises(DeckError, match="unknown analog layer"):
        infer(matrices, {"a": cells["a"]}, forward, x)
    with pytest.raises(ArrayError, match=r"layer 'b' have leading axes \(1,\)"):
        infer(matrices, {"a": cells["a"], "b": cells["b"][:1]}, forward, x)
    with pytest.raises(ArrayError, match="no chips or no inputs"):
        infer(matrices, cells, forward, x[:0])
    with pytest.raises(ArrayError, match="matrices is empty"):
        infer({}, cells, forward, x)
    with pytest.raises(ArrayError, match=r"labels\[1\] is 7"):
        accuracy(np.zeros((2, 3)), np.array([0, 7]))
    with pytest.raises(ArrayError, match="labels has shape"):
        accuracy(np.zeros((2, 3)), np.array([0]))


LIBRARIES = ["array_api_strict", pytest.param("torch", marks=pytest.mark.torch)]
"""The standard's strict reference by default; torch is an extra of its own."""


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("scheme", ["pair", "offset"])
@pytest.mark.parametrize("more", [{}, {"input_slice_bits": 3}, {"is_subtracted_analog": False}, {"per_vector_input": False}])
def test_other_array_libraries_give_the_same_numbers(library, scheme, more):
    xp = importlib.import_module(library)
    rng = np.random.default_rng(0)
    mapping = WeightMapping(1e-6, 25e-6, scheme, levels=8, slices=2, reference_columns=1)
    matrix = AnalogMatrix.build("m", rng.standard_normal((20, 12)), mapping, (16, 30), adc=Converter(8, 9.0), **more)
    cells = matrix.target_conductances() * np.array([1.0, 0.8])[:, None, None, None]
    x = rng.standard_normal((5, 20))
    fix = Compensation(np.array([1.0, 1.2]), np.full((2, 2, len(matrix.column_blocks)), 1.01))

    def deviates(shape):
        return np.random.default_rng(5).standard_normal(shape).astype(np.float32)

    ours = matrix.matvec(x, matrix.prepare(cells, 0.02), deviates, compensation=fix)
    theirs = matrix.matvec(
        xp.asarray(x.astype(np.float32)),
        matrix.prepare(xp.asarray(cells.astype(np.float32)), 0.02),
        lambda shape: xp.asarray(deviates(shape)),
        compensation=fix,
    )
    assert type(theirs) is type(xp.asarray(x))
    step = 9.0 / 127 * matrix.weight_max * np.abs(x).max() * 8  # single precision may round to the next code of a high slice
    difference = np.abs(np.asarray(theirs) - ours)
    assert np.median(difference) < 1e-4
    assert difference.max() < step


@pytest.mark.parametrize("name", LIBRARIES)
@pytest.mark.parametrize("leading", [(), (5,)])
def test_chips_in_another_library_answer_a_network_of_numpy(name, leading):
    """Groups of chips, noise of every cell, corrections and statistics: what NumPy gives, to single precision."""
    matrices = network(adc=Converter(None))
    cells, x = chips_of(matrices, leading), np.random.default_rng(2).standard_normal((70, 6))
    noise = {"a": (0.01 * cells["a"]).astype(np.float32), "b": None}
    fix = {"a": Compensation(np.random.default_rng(3).uniform(1, 2, leading), np.full((*leading, 1, 1), 1.1))}
    found, seen = [], []
    for array in (np.asarray, library(name)):
        statistics: dict[str, LayerStatistics] = {}
        found.append(
            infer(
                matrices, cells, forward, x, np.random.default_rng(4), read_noise=noise, compensations=fix,
                statistics=statistics, memory_limit=30000.0, array=array,
            )
        )  # fmt: skip
        seen.append(statistics["a"])
    assert isinstance(found[1], np.ndarray)
    np.testing.assert_allclose(found[1], found[0], rtol=0, atol=1e-4)
    np.testing.assert_allclose(seen[1].signal_to_noise, seen[0].signal_to_noise, rtol=1e-3)
    np.testing.assert_allclose(seen[1].mean_square_voltages, seen[0].mean_square_voltages, rtol=1e-5)


def test_a_library_that_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)  # an import of it fails
    with pytest.raises(MissingDependencyError, match=r"workload.array: torch .* uv sync --inexact --extra torch"):
        library("torch")


@pytest.mark.parametrize("leading", [(), (3,), (2, 2)])
def test_columns_get_back_their_moments(leading):
    """Outputs whose gain and offset moved: after correction every layer's mean and deviation are those of fresh chips."""
    matrices = network(dac=Converter(None), adc=Converter(None))
    rng = np.random.default_rng(4)
    cells, x = chips_of(matrices, leading), rng.standard_normal((200, 6))
    faded = {n: c * rng.uniform(0.5, 1.5, (*leading, 1, 1, c.shape[-1])) for n, c in cells.items()}

    def chips(state):
        return CrossbarNetwork(matrices, {n: matrices[n].prepare(c) for n, c in state.items()})

    fresh = column_moments(chips(cells), forward, x)
    fixes = column_corrections(chips(faded), forward, x, fresh)
    mended = CrossbarNetwork(matrices, chips(faded).states, compensations=fixes)
    for name, moments in column_moments(mended, forward, x).items():
        np.testing.assert_allclose(moments, fresh[name], rtol=2e-5, atol=2e-6)
    wanted = infer(matrices, cells, forward, x)
    np.testing.assert_allclose(infer(matrices, faded, forward, x, compensations=fixes), wanted, rtol=0, atol=1e-4)
    assert np.abs(infer(matrices, faded, forward, x) - wanted).max() > 0.3  # a gain per column alone is undone exactly


@pytest.mark.parametrize("leading", [(), (3,)])
def test_what_goes_with_the_sum_of_inputs_is_mended(leading):
    """Columns whose cells all gain the same conductance, besides a factor: undone exactly with input sums, not without."""
    mapping = WeightMapping(1e-6, 25e-6, "offset")
    shapes = (("a", (6, 5)), ("b", (5, 3)))
    rng = np.random.default_rng(7)
    matrices = {
        n: AnalogMatrix.build(n, rng.standard_normal(s), mapping, dac=Converter(None), adc=Converter(None)) for n, s in shapes
    }
    cells, x = chips_of(matrices, leading), rng.uniform(0.0, 1.0, (200, 6))
    for n, c in cells.items():
        c[..., matrices[n].n_outputs :] = 9e-6  # equal cells in the offset columns: they count the inputs
    moved = {n: c.copy() for n, c in cells.items()}
    for n, c in moved.items():
        outputs = c[..., : matrices[n].n_outputs]
        outputs *= rng.uniform(0.8, 1.2, (*leading, 1, 1, outputs.shape[-1]))
        outputs += 5e-6 * rng.uniform(0.0, 1.0, (*leading, 1, 1, outputs.shape[-1]))

    def chips(state):
        return CrossbarNetwork(matrices, {n: matrices[n].prepare(c) for n, c in state.items()})

    wanted = infer(matrices, cells, forward, x)
    errors = []
    for sums in (False, True):
        fresh = column_moments(chips(cells), forward, x, input_sums=sums)
        fixes = column_corrections(chips(moved), forward, x, fresh, input_sums=sums)
        errors.append(np.abs(infer(matrices, moved, forward, x, compensations=fixes) - wanted).max())
    assert errors[1] < 2e-4 < 0.05 < errors[0]


def test_corrections_follow_each_other():
    matrices = network(dac=Converter(None), adc=Converter(None))
    matrix, x = matrices["a"], np.random.default_rng(5).standard_normal((7, 6))
    cells = chips_of(matrices, (2,))["a"]
    rng = np.random.default_rng(6)
    one = Compensation(np.array([2.0, 3.0]), np.full((2, 1, 1), 0.5), rng.uniform(1, 2, (2, 5)), rng.uniform(-1, 1, (2, 5)))
    two = Compensation(1.5, None, rng.uniform(1, 2, (2, 5)), rng.uniform(-1, 1, (2, 5)))
    y = matrix.matvec(x, cells, compensation=one)
    expected = y * 1.5 * two.column_gain[:, None] + two.column_offset[:, None]
    np.testing.assert_allclose(matrix.matvec(x, cells, compensation=one.then(two)), expected, rtol=1e-5, atol=1e-5)
    sloped = Compensation(column_gain=one.column_gain, column_offset=one.column_offset, column_slope=rng.uniform(-1, 1, (2, 5)))
    sums = x.sum(axis=-1)[:, None]
    tilted = matrix.matvec(x, cells, compensation=sloped)
    plain = matrix.matvec(x, cells, compensation=Compensation(column_gain=one.column_gain, column_offset=one.column_offset))
    np.testing.assert_allclose(tilted, plain + sums * sloped.column_slope[:, None], rtol=1e-5, atol=1e-5)
    both = tilted * 1.5 * sloped.column_gain[:, None] + sloped.column_offset[:, None] + sums * sloped.column_slope[:, None]
    again = sloped.then(Compensation(1.5)).then(sloped)
    np.testing.assert_allclose(matrix.matvec(x, cells, compensation=again), both, rtol=1e-5, atol=1e-5)
    scaled = matrix.matvec(x, cells, compensation=one.then(Compensation(1.5)))
    np.testing.assert_allclose(scaled, 1.5 * y, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(matrix.matvec(x, cells, compensation=Compensation().then(one)), y, rtol=1e-6)


def test_what_to_install_is_told_for_a_checkout_and_for_a_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert errors.to_install("view") == "uv sync --inexact --extra view"
    monkeypatch.setattr(errors, "CHECKOUT", tmp_path / "pyproject.toml")
    assert errors.to_install("view") == "pip install 'stack3d[view]'"
