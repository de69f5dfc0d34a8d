"""Products of one matrix: against plain products, hand sums, and statistics of the noise."""

from __future__ import annotations

import itertools
import tracemalloc

import numpy as np
import pytest

from stack3d.errors import ArrayError, DeckError
from stack3d.mvm import (
    AnalogMatrix,
    ArrayState,
    Compensation,
    Converter,
    SinhCell,
    WeightMapping,
    Wires,
    effective_conductance,
    read_references,
    read_weights,
    share_wires,
    tile_gain,
)
from stack3d.mvm.array_library import Scratch, add_noise, standard_normals

LOW, HIGH = 1e-6, 25e-6
IDEAL = {"dac": Converter(None), "adc": Converter(None)}
SCHEMES = ("pair", "pair_two_sided", "offset")


def matrix_of(shape=(20, 12), scheme="pair", tile=None, *, seed=0, references=0, levels=None, slices=1, **periphery):
    weights = np.random.default_rng(seed).standard_normal(shape)
    mapping = WeightMapping(LOW, HIGH, scheme, levels=levels, slices=slices, reference_columns=references)
    return AnalogMatrix.build("m", weights, mapping, tile, **periphery)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("tile", [None, (8, 16)])
@pytest.mark.parametrize("analog", [True, False])
def test_ideal_periphery_is_a_plain_product(scheme, tile, analog):
    matrix = matrix_of(scheme=scheme, tile=tile, references=1, is_subtracted_analog=analog, **IDEAL)
    x = np.random.default_rng(1).standard_normal((7, 20))
    y = matrix.matvec(x, matrix.prepare(matrix.target_conductances(), dtype=np.float64))
    np.testing.assert_allclose(y, x @ matrix.weights, rtol=0, atol=1e-12 * np.abs(y).max())
    single = matrix.matvec(x.astype(np.float32), matrix.target_conductances())
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, y, rtol=0, atol=20 * 2.0**-22 * np.abs(y).max())  # 20 terms in single precision


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("analog", [True, False])
def test_slices_of_weights_and_inputs_add_up(scheme, analog):
    """4-level cells, 3 slices; 8-bit inputs in digits of 3 bits: the product of what was rounded, exactly."""
    matrix = matrix_of(
        scheme=scheme,
        levels=4,
        slices=3,
        is_subtracted_analog=analog,
        dac=Converter(8),
        adc=Converter(None),
        input_slice_bits=3,
    )
    x = np.random.default_rng(1).standard_normal((7, 20))
    scale = np.abs(x).max(axis=1, keepdims=True)
    rounded = np.rint(x / scale * 127) / 127 * scale
    cells = matrix.target_conductances()
    held = matrix.mapping.weights(cells[..., : matrix.n_outputs], matrix.weight_max)
    y = matrix.matvec(x, matrix.prepare(cells, dtype=np.float64))
    np.testing.assert_allclose(y, rounded @ held, rtol=0, atol=1e-11)


def test_adc_converts_after_every_row_block():
    """Two blocks whose partial sums clip at 1 and -1 add to 0, though the whole sum is 5."""
    matrix = AnalogMatrix.build(
        "m", np.ones((10, 1)), WeightMapping(0.0, 1e-6), (5, 2), dac=Converter(None), adc=Converter(8, 1.0)
    )
    x = np.array([[1.0] * 5 + [-1.0] * 5, [1.0] * 10, [0.5, 0, 0, 0, 0, 0, 0, 0, 0, 1.0]])
    y = matrix.matvec(x, matrix.target_conductances())[:, 0]
    half = np.rint(0.5 * 127) / 127
    np.testing.assert_allclose(y, [0.0, 2.0, half + 1.0], atol=1e-6)


def test_chips_times_and_batches_broadcast():
    matrix = matrix_of()
    rng = np.random.default_rng(2)
    cells = matrix.target_conductances() * rng.uniform(0.5, 1.0, (3, 4, *matrix.state_shape))
    x = rng.standard_normal((5, 20))
    y = matrix.matvec(x, cells)
    assert y.shape == (3, 4, 5, 12)
    for i, j in itertools.product(range(3), range(4)):
        np.testing.assert_allclose(y[i, j], matrix.matvec(x, cells[i, j]), atol=1e-5)
    np.testing.assert_allclose(matrix.matvec(x[0], cells), y[:, :, 0], atol=1e-5)
    own = rng.standard_normal((3, 4, 5, 20))
    np.testing.assert_allclose(matrix.matvec(own, cells)[1, 2], matrix.matvec(own[1, 2], cells[1, 2]), atol=1e-5)
    np.testing.assert_array_equal(matrix.matvec(x, cells, memory_limit=1.0), y)  # one vector at a time


@pytest.mark.parametrize("scheme", ["pair", "offset"])
def test_read_noise_has_the_variance_of_resampled_cells(scheme):
    """Output-referred noise against a fresh normal draw of every cell for every vector."""
    matrix = matrix_of((15, 3), scheme, **IDEAL)
    cells, x = matrix.target_conductances(), np.random.default_rng(1).standard_normal(15)
    sd, draws = 0.05 * cells + 1e-7, 20_000
    state = matrix.prepare(cells, sd, dtype=np.float64)
    ours = matrix.matvec(np.tile(x, (draws, 1)), state, np.random.default_rng(3))
    rng = np.random.default_rng(4)
    noisy = cells + sd * rng.standard_normal((draws, *cells.shape))
    columns = noisy[:, 0] - (noisy[:, 1] if scheme == "pair" else noisy[:, 0, :, 3:])
    direct = np.einsum("i,nij->nj", x, columns[..., :3]) * matrix.weight_max / matrix.mapping.window
    direct = direct if scheme == "pair" else 2.0 * direct  # zero is the middle of the window
    error = 4 * np.sqrt(2.0 / draws)  # 4 standard errors of a variance, twice for two estimates
    np.testing.assert_allclose(ours.var(axis=0), direct.var(axis=0), rtol=error * np.sqrt(2))
    np.testing.assert_allclose(ours.mean(axis=0), direct.mean(axis=0), atol=4 * np.sqrt(2 * direct.var(axis=0).max() / draws))
    np.testing.assert_allclose(np.corrcoef(ours.T), np.corrcoef(direct.T), atol=4 * np.sqrt(2.0 / draws))


def test_ways_to_state_the_noise_agree():
    matrix = matrix_of()
    cells = matrix.target_conductances()
    states = [matrix.prepare(cells, noise) for noise in (0.02, np.float32(0.02), 0.02 * cells, lambda g: 0.02 * g)]
    flat = matrix.prepare(cells, np.full((1, 1, 1), 1e-7)).variance
    np.testing.assert_allclose(flat, 2 * (1e-7 / matrix.mapping.window) ** 2, rtol=1e-6)
    for state in states[1:]:
        np.testing.assert_allclose(state.variance, states[0].variance, rtol=1e-6)
    assert matrix.prepare(cells).variance is None


def test_fast_normals_are_normal():
    from scipy import stats

    z = standard_normals(np.random.default_rng(0), (1_000_001,), Scratch())
    n = z.size
    moments = [np.mean(z.astype(np.float64) ** k) for k in (1, 2, 3, 4)]
    bounds = [4 * np.sqrt(v / n) for v in (1, 2, 15, 96)]  # variances of the moments of a standard normal
    np.testing.assert_array_less(np.abs(np.array(moments) - [0, 1, 0, 3]), bounds)
    assert stats.kstest(z[::10], "norm").pvalue > 1e-4
    assert abs(np.corrcoef(z[:-1], z[1:])[0, 1]) < 4 / np.sqrt(n)
    assert abs(np.corrcoef(z[:32768], z[32768:65536])[0, 1]) < 4 / np.sqrt(32768)  # the two halves share a radius
    assert 4.3 < np.abs(z).max() < 6.7


@pytest.mark.parametrize("shape", [(3, 5), (70_001,), (2, 300, 257)])
def test_noise_is_deviates_times_deviations(shape):
    """In one pass or in several (arrays with gaps), from the same draws."""
    rng = np.random.default_rng(1)
    signal, variance = rng.standard_normal(shape).astype(np.float32), rng.uniform(0, 2, shape).astype(np.float32)
    wanted = signal + np.sqrt(variance) * standard_normals(np.random.default_rng(2), shape, Scratch())
    gaps = np.empty((*shape[:-1], shape[-1] + 1), np.float32)[..., 1:]
    gaps[...] = signal
    for part in (signal.copy(), gaps):
        found = add_noise(np, part, variance.copy(), np.random.default_rng(2), Scratch())
        np.testing.assert_allclose(found, wanted, rtol=0, atol=5e-6)


def test_nonlinear_cells_distort_the_drive():
    """One cell, V0 = read voltage: half input gives sinh(1/2) instead of 1/2."""
    matrix = AnalogMatrix.build(
        "m", np.array([[1.0]]), WeightMapping(0.0, 1e-6), per_vector_input=False, read_voltage=0.3, cell=SinhCell(0.3), **IDEAL
    )
    y = matrix.matvec(np.array([[0.5], [-1.0]]), matrix.target_conductances())
    np.testing.assert_allclose(y[:, 0], [np.sinh(0.5), -np.sinh(1.0)], rtol=1e-6)
    np.testing.assert_allclose(matrix.mean_square_voltages(np.array([[0.5]])), 0.3**2 * 0.5 * np.sinh(0.5), rtol=1e-12)


def test_mean_square_voltages_of_sliced_inputs():
    """Code 127 · 1 fed as digits 7, 7, 1 of 3 bits: full drive twice and a seventh."""
    matrix = AnalogMatrix.build("m", np.ones((1, 1)), WeightMapping(0.0, 1e-6), input_slice_bits=3, read_voltage=0.2)
    np.testing.assert_allclose(matrix.mean_square_voltages(np.array([[1.0]])), 0.04 * (2 + 1 / 49), rtol=1e-12)


@pytest.mark.parametrize(("bits", "slices", "reads"), [(8, 7, 1), (8, 4, 2), (8, 3, 3), (8, 1, 7), (5, 4, 1), (8, None, 1)])
def test_reads_are_as_many_as_the_magnitude_has_digits(bits, slices, reads):
    """8 bits are a sign and 7 of magnitude; energy and latency are charged for what is read."""
    matrix = AnalogMatrix.build("m", np.ones((1, 1)), WeightMapping(0.0, 1e-6), dac=Converter(bits), input_slice_bits=slices)
    assert matrix.reads == reads == len(matrix.drives(np, np.ones((1, 1)), np.float64, Scratch())[0])


@pytest.mark.parametrize("interleaved", [True, False])
def test_wires_act_array_by_array(interleaved):
    mapping = WeightMapping(LOW, HIGH, is_interleaved=interleaved, reference_columns=1)
    weights = np.random.default_rng(0).standard_normal((6, 5))
    matrix = AnalogMatrix.build("m", weights, mapping, (3, 8 if interleaved else 4), wires=Wires(20.0, 30.0), **IDEAL)
    cells = matrix.target_conductances()
    tile = next(t for t in matrix.tiles if t.row_start == 3 and t.col_start > 0)
    columns = matrix.block_columns(1)
    part = cells[:, 3:6, columns]
    if interleaved:
        array = np.stack([part[0], part[1]], axis=-1).reshape(3, -1)
        effective = effective_conductance(array, 20.0, 30.0).reshape(3, -1, 2)
        expected = effective[..., 0] - effective[..., 1]
    else:
        expected = effective_conductance(part[0], 20.0, 30.0) - effective_conductance(part[1], 20.0, 30.0)
    mean = matrix.prepare(cells, dtype=np.float64).mean[0]
    np.testing.assert_allclose(mean[3:6, columns] * mapping.window, expected, rtol=1e-12, atol=1e-20)
    assert tile.columns_used == len(columns) * (2 if interleaved else 1)


def test_wires_per_tile():
    """Only the second row block has resistance."""
    weights = np.random.default_rng(0).standard_normal((6, 5))
    wires = (Wires(0.0, 0.0), Wires(50.0, 50.0))
    matrix = AnalogMatrix.build("m", weights, WeightMapping(LOW, HIGH), (3, 10), wires=wires, **IDEAL)
    read = read_weights(matrix, matrix.prepare(matrix.target_conductances(), dtype=np.float64))
    np.testing.assert_allclose(read[:3], weights[:3], atol=1e-12)
    assert np.abs(read[3:] - weights[3:]).max() > 1e-4


@pytest.mark.parametrize("scheme", SCHEMES)
def test_reference_columns_restore_each_array(scheme):
    """Four arrays fade by different factors: the gains undo them to the resolution of 10-bit converters."""
    matrix = matrix_of(
        (16, 6), scheme, (8, 8 if scheme != "offset" else 5), references=1, dac=Converter(10), adc=Converter(10, 8.0)
    )
    fresh = matrix.target_conductances()
    fade = np.random.default_rng(3).uniform(0.4, 0.9, (3, 2, len(matrix.column_blocks)))
    aged = np.broadcast_to(fresh, (3, *fresh.shape)).copy()
    for t in matrix.tiles:
        block = matrix.column_blocks.index((t.col_start, t.col_stop))
        where = (slice(None), slice(None), slice(t.row_start, t.row_stop), matrix.block_columns(block))
        aged[where] *= fade[:, None, t.row_start // 8, block, None, None]
    fix = tile_gain(read_references(matrix, fresh), read_references(matrix, aged))
    np.testing.assert_allclose(fix.tile_gain, 1.0 / fade, rtol=0.02)  # a reading of 0.5 · 0.4 of 511 codes, half a code each
    x = np.random.default_rng(4).standard_normal((50, 16))
    wanted = matrix.matvec(x, fresh)
    left = np.abs(matrix.matvec(x, aged, compensation=fix) - wanted).std(axis=(1, 2)) / wanted.std()
    assert np.all(left < 0.03)
    assert np.all(np.abs(matrix.matvec(x, aged) - wanted).std(axis=(1, 2)) / wanted.std() > 0.1)
    assert read_references(matrix, fresh).shape == (2, len(matrix.column_blocks))


def test_layer_scale_multiplies_after_the_converters():
    matrix = matrix_of()
    x, cells = np.ones((2, 20)), matrix.target_conductances()[None].repeat(2, axis=0)
    y = matrix.matvec(x, cells, compensation=Compensation(scale=np.array([1.0, 3.0])))
    np.testing.assert_allclose(y[1], 3.0 * y[0], rtol=1e-6)


def test_memory_stays_below_twice_the_state_and_a_batch():
    rng = np.random.default_rng(0)
    matrix = AnalogMatrix.build("m", rng.standard_normal((512, 512)).astype(np.float32), WeightMapping(LOW, HIGH))
    cells = matrix.target_conductances()
    x = rng.standard_normal((256, 512)).astype(np.float32)
    batch = 6 * x.nbytes  # input, its square, signal, variance, deviates, output
    for wires in (None, Wires(1.0, 1.0)):
        built = AnalogMatrix.build("m", matrix.weights[:128, :64], matrix.mapping, wires=wires) if wires else matrix
        own = built.target_conductances() if wires else cells
        tracemalloc.start()
        built.matvec(x[:, : built.n_inputs], built.prepare(own, 0.02), rng)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < own.nbytes + batch  # beside the state itself


def test_prepared_state_is_used_as_it_is():
    matrix = matrix_of()
    state = matrix.prepare(matrix.target_conductances())
    assert matrix.ready(state) is state
    assert isinstance(matrix.ready(matrix.target_conductances()), ArrayState)


def bad(cells: np.ndarray, index: tuple[int, ...], value: float) -> np.ndarray:
    out = cells.copy()
    out[index] = value
    return out


def test_bad_input_names_array_and_index():
    matrix = matrix_of()
    cells, x = matrix.target_conductances(), np.ones((2, 20))
    with pytest.raises(ArrayError, match=r"conductances of layer 'm'\[1, 3, 4\] is nan"):
        matrix.prepare(bad(cells, (1, 3, 4), np.nan))
    with pytest.raises(ArrayError, match=r"conductances of layer 'm'\[0, 3, 4\] is -1e-06; must be at least 0"):
        matrix.prepare(bad(cells, (0, 3, 4), -1e-6))
    with pytest.raises(ArrayError, match=r"conductances of layer 'm' has shape \(2, 20, 11\)"):
        matrix.prepare(cells[..., :11])
    with pytest.raises(ArrayError, match=r"read_noise of layer 'm'\[0, 0, 0\] is -1"):
        matrix.prepare(cells, bad(cells, (0, 0, 0), -1.0))
    with pytest.raises(ArrayError, match=r"read_noise of layer 'm' has shape \(3, 1\)"):
        matrix.prepare(cells, np.ones((3, 1)))
    with pytest.raises(ArrayError, match=r"input of layer 'm' has shape \(2, 19\)"):
        matrix.matvec(x[:, :19], cells)
    with pytest.raises(ArrayError, match=r"input of layer 'm'\[1, 2\] is inf"):
        matrix.matvec(bad(x, (1, 2), np.inf), cells)
    with pytest.raises(ArrayError, match="pass rng"):
        matrix.matvec(x, matrix.prepare(cells, 0.01))
    with pytest.raises(DeckError, match="no reference columns"):
        read_references(matrix, cells)
    with pytest.raises(ArrayError, match=r"weights of layer 'm'\[0, 1\] is nan"):
        AnalogMatrix.build("m", np.array([[1.0, np.nan]]), WeightMapping(LOW, HIGH))
    with pytest.raises(DeckError, match="read_voltage is 0"):
        matrix_of(read_voltage=0.0)
    with pytest.raises(DeckError, match="no effective matrix"):
        matrix_of(cell=SinhCell(0.3), wires=Wires(1.0, 1.0))


def test_error_of_the_ohmic_view_of_a_cell():
    """0.2 V read of a cell with V0 = 0.3 V: 1 - (2/3) / sinh(2/3); its small-voltage limit is V² / 6 V0²."""
    assert SinhCell(0.3).ohmic_error(0.2) == pytest.approx(1.0 - (2 / 3) / np.sinh(2 / 3), rel=1e-12)
    assert SinhCell(0.3).ohmic_error(-0.003) == pytest.approx(1e-4 / 6.0, rel=1e-4)
    assert SinhCell(0.3).ohmic_error(0.0) == 0.0


@pytest.mark.parametrize("spread", [0.02, 0.2])
def test_shared_wires_state_their_error(spread):
    """Equal chips: exact. Unequal chips: the stated error is that of the outputs, and far below that of no wires."""
    rng = np.random.default_rng(0)
    matrix = AnalogMatrix.build("m", rng.standard_normal((48, 24)), WeightMapping(LOW, HIGH), wires=Wires(5.0, 5.0), **IDEAL)
    target = matrix.target_conductances()
    same, error = share_wires(matrix, target[None].repeat(3, axis=0))
    assert error < 1e-12
    np.testing.assert_allclose(same.prepare(target).mean, matrix.prepare(target).mean, rtol=1e-5, atol=1e-6)
    chips = target * np.exp(spread * rng.standard_normal((6, *target.shape)))
    shared, error = share_wires(matrix, chips, check=6)
    x = rng.standard_normal((200, 48))
    exact = matrix.matvec(x, matrix.prepare(chips, dtype=np.float64))
    near = shared.matvec(x, shared.prepare(chips, dtype=np.float64))
    none = shared.matvec(x, shared.prepare(chips / shared.attenuation, dtype=np.float64))
    scale = np.sqrt(np.mean(exact**2))
    left = np.sqrt(np.mean((near - exact) ** 2)) / scale
    assert left < 3 * error  # pairs subtract: an error of cells weighs up to a few times more in their difference
    assert left < 0.2 * np.sqrt(np.mean((none - exact) ** 2)) / scale
    noisy = shared.prepare(chips, 0.02 * chips, dtype=np.float64).variance
    np.testing.assert_allclose(noisy, shared.prepare(chips, 0.02, dtype=np.float64).variance, rtol=1e-12)
    with pytest.raises(DeckError, match="no wires to share"):
        share_wires(shared, chips)
