"""Variances added up over bands of rows: what they may be off by, for random rows and for rows made to break them."""

import numpy as np
import pytest

from stack3d.mvm import AnalogMatrix, Converter, WeightMapping
from stack3d.mvm.array_library import Scratch
from stack3d.mvm.banded_variance import LEAST_ROWS, MOST_ERROR, WATCHED, banded

ROWS, COLUMNS, VECTORS = 513, 96, 24
RNG = np.random.default_rng(7)
WEIGHTS = RNG.standard_normal((ROWS, COLUMNS))
INPUTS = RNG.standard_normal((VECTORS, ROWS))
HALF = np.arange(ROWS) % 2 == 0
BLOCKS = np.where(HALF[:, None] == (np.arange(COLUMNS) < COLUMNS // 2), 1.0, 0.0)
"""Two groups of rows and columns that do not touch: neighbouring rows have nothing in common."""
CASES = {
    "normal": (WEIGHTS, INPUTS),
    "after a rectifier": (WEIGHTS, np.maximum(INPUTS, 0.0)),
    "uniform": (WEIGHTS, RNG.uniform(0.0, 1.0, INPUTS.shape)),
    "all rows alike": (np.outer(np.exp(WEIGHTS[:, 0]), np.exp(WEIGHTS[0])), INPUTS),
    "some rows much larger": (WEIGHTS * np.exp(2.0 * WEIGHTS[:, ::-1][:, :1]), INPUTS),
    "half the weights": (WEIGHTS * (RNG.random(WEIGHTS.shape) < 0.5), INPUTS),
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


def full(drive: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """The sum over all cells in double precision."""
    return np.square(drive, dtype=np.float64) @ cells.astype(np.float64)


@pytest.mark.parametrize("name", CASES)
def test_variances_over_bands_are_off_by_no_more_than_stated(name):
    weights, inputs = CASES[name]
    cells, drive = variances(weights), inputs.astype(np.float32)
    found = banded(cells, COLUMNS).of(drive, cells, np.empty((VECTORS, COLUMNS), np.float32), Scratch()).astype(np.float64)
    exact = full(drive, cells)
    np.testing.assert_allclose(found.mean(axis=1), exact.mean(axis=1), rtol=1e-5)  # the noise of a vector as a whole
    off = np.where(exact > 0.0, found / np.where(exact > 0.0, exact, 1.0) - 1.0, found)
    assert np.sqrt(np.mean(off**2)) < MOST_ERROR  # of all outputs, watched or not


@pytest.mark.parametrize("name", [name for name in CASES if "input" not in name and "groups" not in name])
def test_every_output_has_the_noise_of_its_cells_over_many_vectors(name):
    """Inputs of one mean square: each output has the variance of its cells, to the digit where inputs differ in sign alone."""
    cells = variances(CASES[name][0])
    signs = np.random.default_rng(5).choice([-1.0, 1.0], (20, ROWS)).astype(np.float32)
    found = banded(cells, COLUMNS).of(signs, cells, np.empty((20, COLUMNS), np.float32), Scratch())
    np.testing.assert_allclose(found, full(signs, cells), rtol=1e-5)
    drive = np.random.default_rng(6).standard_normal((2000, ROWS)).astype(np.float32)
    found = banded(cells, COLUMNS).of(drive, cells, np.empty((2000, COLUMNS), np.float32), Scratch())
    off = found - full(drive, cells)
    most = 5.0 * off.std(axis=0) / np.sqrt(len(off)) + 1e-4 * found.mean(axis=0)  # five standard errors
    if name == "some rows much larger":  # two fifths of the vectors are computed in full, and which ones is no accident
        most = 0.08 * found.mean(axis=0)
    assert np.all(np.abs(off.mean(axis=0)) <= most)


@pytest.mark.parametrize(("rows", "most"), [(256, 0.125), (512, 0.088), (1024, 0.0625)])
def test_the_error_falls_with_the_root_of_the_rows(rows, most):
    """Independent normal rows and inputs: 2 / sqrt(rows) of the variance, half as much of the deviation, and no bias."""
    rng = np.random.default_rng(rows)
    cells = np.square(rng.standard_normal((rows, 128))).astype(np.float32)
    drive = rng.standard_normal((128, rows)).astype(np.float32)
    found = banded(cells, 128).of(drive, cells, np.empty((128, 128), np.float32), Scratch())
    off = found / full(drive, cells) - 1.0
    assert 0.8 * most < np.sqrt(np.mean(off**2)) < 1.1 * most
    assert abs(off.mean()) < 0.2 * most


def test_the_worst_output_is_watched():
    """One output of 200 has a single strong row: a vector that drives that row alone strongly is computed in full."""
    weights = RNG.uniform(0.9, 1.0, (256, 200))
    weights[:, 77] = 0.01
    weights[3, 77] = 1.0
    cells, drive = variances(weights), np.ones((2, 256), np.float32)
    drive[1, 3] = 0.0
    found = banded(cells, 200).of(drive, cells, np.empty((2, 200), np.float32), Scratch())
    np.testing.assert_allclose(found, full(drive, cells), rtol=1e-3)


def test_what_is_decided_of_a_vector_depends_on_it_alone():
    """Vectors of both kinds together, alone, on chips, and with inputs of each chip."""
    chips = np.stack([variances(WEIGHTS), variances(2.0 * WEIGHTS[::-1])])
    mixed = np.concatenate([INPUTS[:5], np.eye(ROWS)[:3], np.maximum(INPUTS[5:9], 0.0)]).astype(np.float32)
    bands, scratch = banded(chips, COLUMNS), Scratch()
    together = bands.of(mixed, chips, np.empty((2, 12, COLUMNS), np.float32), scratch)
    exact = np.square(mixed) @ chips
    in_full = np.isclose(together, exact, rtol=1e-5).all(axis=-1)
    assert in_full[:, 5:8].all() and not in_full[:, :5].any()
    for chip in range(2):
        alone = banded(chips[chip], COLUMNS)
        for i, vector in enumerate(mixed):
            one = alone.of(vector[None], chips[chip], np.empty((1, COLUMNS), np.float32), scratch)
            np.testing.assert_allclose(one[0], together[chip, i], rtol=1e-5)
    own = bands.of(np.stack([mixed, mixed[::-1]]), chips, np.empty((2, 12, COLUMNS), np.float32), scratch)
    np.testing.assert_allclose(own, np.stack([together[0], together[1, ::-1]]), rtol=1e-5)
    shared = banded(chips[0], COLUMNS).of(  # inputs of two chips on the cells of one
        np.stack([mixed, mixed[::-1]]), chips[0], np.empty((2, 12, COLUMNS), np.float32), scratch
    )
    np.testing.assert_allclose(shared, np.stack([together[0], together[0, ::-1]]), rtol=1e-5)


def test_bands_are_of_long_arrays_in_single_precision_only():
    assert banded(np.ones((LEAST_ROWS - 1, 64), np.float32), 64) is None
    assert banded(np.ones((LEAST_ROWS, 64), np.float32), WATCHED - 1) is None
    assert banded(variances(WEIGHTS * (RNG.random(WEIGHTS.shape) < 0.1)), COLUMNS) is None  # few weights: too coarse
    mapping = WeightMapping(0.1e-6, 25e-6)
    long = AnalogMatrix.build("m", RNG.standard_normal((511, 20)), mapping, (256, 40))
    cells = long.target_conductances()
    assert set(long.prepare(cells, 0.02).bands) == {(1, 0)}  # the first array has 255 rows
    assert not long.prepare(cells, 0.02, dtype=np.float64).bands
    assert not long.prepare(cells).bands


@pytest.mark.parametrize("scheme", ["pair", "offset"])
def test_noise_of_long_arrays_has_the_variance_of_their_cells(scheme):
    """Reads of one input, many times over, beside the sum over cells in double precision."""
    mapping = WeightMapping(0.1e-6, 25e-6, scheme)
    matrix = AnalogMatrix.build("m", WEIGHTS, mapping, dac=Converter(None), adc=Converter(None))
    cells, draws, limit = matrix.target_conductances(), 4000, 8e6
    x = np.tile(INPUTS[0].astype(np.float32), (draws, 1))
    exact = matrix.prepare(cells, 0.02, dtype=np.float64).variance[0]
    state = matrix.prepare(cells, 0.02)
    assert state.bands
    noise = matrix.matvec(x, state, np.random.default_rng(3), memory_limit=limit) - matrix.matvec(x, matrix.prepare(cells))
    wanted = np.square(INPUTS[0]) @ exact * matrix.weight_max**2
    wanted = wanted if mapping.is_pair else 4.0 * (wanted[:COLUMNS] + wanted[COLUMNS])  # zero is the middle of the window
    off = noise.var(axis=0) / wanted - 1.0
    assert np.sqrt(np.mean(off**2)) < MOST_ERROR + 4 * np.sqrt(2 / draws)
    assert abs(off.mean()) < 0.02
