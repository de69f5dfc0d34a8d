"""Variances added up in pairs of rows: what they may be off by, for random rows and for rows made to break them."""

import numpy as np
import pytest

from stack3d.mvm import AnalogMatrix, Converter, WeightMapping
from stack3d.mvm.array_library import Scratch
from stack3d.mvm.paired_variance import LEAST_ROWS, MOST_ERROR, WATCHED, paired

ROWS, COLUMNS, VECTORS = 513, 96, 24
RNG = np.random.default_rng(7)
WEIGHTS = RNG.standard_normal((ROWS, COLUMNS))
INPUTS = RNG.standard_normal((VECTORS, ROWS))
HALF = np.arange(ROWS) < (ROWS + 1) // 2
BLOCKS = np.where(HALF[:, None] == (np.arange(COLUMNS) < COLUMNS // 2), 1.0, 0.0)
"""Two groups of rows and columns that do not touch: rows of a pair have nothing in common."""
CASES = {
    "normal": (WEIGHTS, INPUTS),
    "after a rectifier": (WEIGHTS, np.maximum(INPUTS, 0.0)),
    "uniform": (WEIGHTS, RNG.uniform(0.0, 1.0, INPUTS.shape)),
    "all rows alike": (np.outer(np.exp(WEIGHTS[:, 0]), np.exp(WEIGHTS[0])), INPUTS),
    "some rows much larger": (WEIGHTS * np.exp(2.0 * WEIGHTS[:, ::-1][:, :1]), INPUTS),
    "few weights": (WEIGHTS * (RNG.random(WEIGHTS.shape) < 0.1), INPUTS),
    "few inputs": (WEIGHTS, INPUTS * (RNG.random(INPUTS.shape) < 0.05)),
    "one input": (WEIGHTS, np.eye(ROWS)[:VECTORS]),
    "no input": (WEIGHTS, np.zeros_like(INPUTS)),
    "groups, one silent": (WEIGHTS * BLOCKS, INPUTS * HALF),
    "groups, one weak": (WEIGHTS * BLOCKS, INPUTS * np.where(HALF, 1.0, 0.3)),
    "dead rows and outputs": (WEIGHTS * (np.arange(ROWS)[:, None] > 9) * (np.arange(COLUMNS) > 9), INPUTS),
}


def variances(weights: np.ndarray) -> np.ndarray:
    """Variances of pairs of cells with noise of 2 %, the idle cell at one in 250 of the window; none of dead weights."""
    return (4e-4 * np.where(weights == 0.0, 0.0, (np.abs(weights) + 0.004) ** 2 + 0.004**2)).astype(np.float32)


@pytest.mark.parametrize("name", CASES)
def test_variances_in_pairs_are_off_by_no_more_than_stated(name):
    weights, inputs = CASES[name]
    cells, drive = variances(weights), inputs.astype(np.float32)
    pairs = paired(cells, COLUMNS)
    found = pairs.of(drive, cells, np.empty((VECTORS, COLUMNS), np.float32), Scratch()).astype(np.float64)
    exact = np.square(drive, dtype=np.float64) @ cells.astype(np.float64)
    np.testing.assert_allclose(found.mean(axis=1), exact.mean(axis=1), rtol=1e-5)  # the noise of a vector as a whole
    assert np.all(found >= 0.5 * exact * (1 - 1e-5))  # no output has less than half
    off = np.where(exact > 0.0, found / np.where(exact > 0.0, exact, 1.0) - 1.0, found)
    seen = off[:, np.linspace(0, COLUMNS - 1, WATCHED).round().astype(int)]
    assert np.all(np.sqrt(np.mean(seen**2, axis=1)) <= MOST_ERROR * 1.001)
    assert np.sqrt(np.mean(off**2)) < MOST_ERROR  # the outputs that nobody watches are like those watched


@pytest.mark.parametrize(("rows", "most"), [(512, 0.065), (1024, 0.046)])
def test_the_error_falls_with_the_root_of_the_rows(rows, most):
    """Independent normal rows and inputs: sqrt(2 / rows) of the variance, half as much of the deviation, and no bias."""
    rng = np.random.default_rng(rows)
    cells = np.square(rng.standard_normal((rows, 128))).astype(np.float32)
    drive = rng.standard_normal((128, rows)).astype(np.float32)
    found = paired(cells, 128).of(drive, cells, np.empty((128, 128), np.float32), Scratch())
    off = found / (np.square(drive) @ cells) - 1.0
    assert 0.8 * most < np.sqrt(np.mean(off**2)) < 1.1 * most
    assert abs(off.mean()) < 0.1 * most


def test_what_is_decided_of_a_vector_depends_on_it_alone():
    """Vectors of both kinds together, alone, on chips, and with inputs of each chip."""
    chips = np.stack([variances(WEIGHTS), variances(2.0 * WEIGHTS[::-1])])
    mixed = np.concatenate([INPUTS[:5], np.eye(ROWS)[:3], np.maximum(INPUTS[5:9], 0.0)]).astype(np.float32)
    pairs, scratch = paired(chips, COLUMNS), Scratch()
    together = pairs.of(mixed, chips, np.empty((2, 12, COLUMNS), np.float32), scratch)
    exact = np.square(mixed) @ chips
    in_full = np.isclose(together, exact, rtol=1e-5).all(axis=-1)
    assert in_full[:, 5:8].all() and not in_full[:, :5].any()
    for chip in range(2):
        alone = paired(chips[chip], COLUMNS)
        for i, vector in enumerate(mixed):
            one = alone.of(vector[None], chips[chip], np.empty((1, COLUMNS), np.float32), scratch)
            np.testing.assert_allclose(one[0], together[chip, i], rtol=1e-5)
    own = pairs.of(np.stack([mixed, mixed[::-1]]), chips, np.empty((2, 12, COLUMNS), np.float32), scratch)
    np.testing.assert_allclose(own, np.stack([together[0], together[1, ::-1]]), rtol=1e-5)
    shared = paired(chips[0], COLUMNS).of(  # inputs of two chips on the cells of one
        np.stack([mixed, mixed[::-1]]), chips[0], np.empty((2, 12, COLUMNS), np.float32), scratch
    )
    np.testing.assert_allclose(shared, np.stack([together[0], together[0, ::-1]]), rtol=1e-5)


def test_pairs_are_of_long_arrays_in_single_precision_only():
    assert paired(np.ones((LEAST_ROWS - 1, 64), np.float32), 64) is None
    assert paired(np.ones((LEAST_ROWS, 64), np.float32), WATCHED - 1) is None
    mapping = WeightMapping(0.1e-6, 25e-6)
    long = AnalogMatrix.build("m", RNG.standard_normal((1023, 20)), mapping, (512, 40))
    cells = long.target_conductances()
    assert set(long.prepare(cells, 0.02).pairs) == {(1, 0)}  # the first array has 511 rows
    assert not long.prepare(cells, 0.02, dtype=np.float64).pairs
    assert not long.prepare(cells).pairs


@pytest.mark.parametrize("scheme", ["pair", "offset"])
def test_noise_of_long_arrays_has_the_variance_of_their_cells(scheme):
    """Reads of one input, many times over, beside the sum over cells in double precision."""
    mapping = WeightMapping(0.1e-6, 25e-6, scheme)
    matrix = AnalogMatrix.build("m", WEIGHTS, mapping, dac=Converter(None), adc=Converter(None))
    cells, draws, limit = matrix.target_conductances(), 4000, 8e6
    x = np.tile(INPUTS[0].astype(np.float32), (draws, 1))
    exact = matrix.prepare(cells, 0.02, dtype=np.float64).variance[0]
    state = matrix.prepare(cells, 0.02)
    assert state.pairs
    noise = matrix.matvec(x, state, np.random.default_rng(3), memory_limit=limit) - matrix.matvec(x, matrix.prepare(cells))
    wanted = np.square(INPUTS[0]) @ exact * matrix.weight_max**2
    wanted = wanted if mapping.is_pair else 4.0 * (wanted[:COLUMNS] + wanted[COLUMNS])  # zero is the middle of the window
    off = noise.var(axis=0) / wanted - 1.0
    assert np.sqrt(np.mean(off**2)) < MOST_ERROR + 4 * np.sqrt(2 / draws)
    assert abs(off.mean()) < 0.02
