"""Steps, ranges, clipping and mismatch of converters, and how ranges are calibrated."""

from __future__ import annotations

import numpy as np
import pytest

from stack3d.errors import ArrayError, DeckError
from stack3d.mvm import AnalogMatrix, Converter, CrossbarNetwork, WeightMapping, calibrated, profile_matrix


def digitise(converter: Converter, values: list[float]) -> np.ndarray:
    return converter.digitised(np, np.array(values), lambda v: float(np.asarray(v)))


def test_signed_steps_by_hand():
    """3 bits over [-3, 3]: 6 steps of 1, zero is a code, beyond clips."""
    np.testing.assert_array_equal(digitise(Converter(3, 3.0), [-9.0, -1.4, 0.0, 0.6, 2.4, 7.0]), [-3, -1, 0, 1, 2, 3])


def test_unsigned_steps_by_hand():
    """2 bits over [0, 3]: 3 steps of 1."""
    np.testing.assert_array_equal(digitise(Converter(2, 3.0, is_signed=False), [-2.0, 0.4, 1.6, 9.0]), [0, 0, 2, 3])


def test_mismatch_comes_before_rounding():
    """Offset of 10 % of the range and gain 1.5: 1 → 1.8 → 2."""
    assert digitise(Converter(3, 3.0, gain_error=0.5, offset=0.1), [1.0])[0] == 2.0


@pytest.mark.parametrize("bits", [4, 6, 8, 10])
def test_rounding_noise_is_step_squared_over_twelve(bits):
    values = np.random.default_rng(3).uniform(-1.0, 1.0, 200_000)
    step = 1.0 / Converter(bits).half_steps
    error = Converter(bits).digitised(np, values.copy(), lambda v: float(np.asarray(v))) - values
    # 4 standard errors of a variance estimate of uniform noise, kurtosis 1.8: sqrt(0.8 / n)
    np.testing.assert_allclose(error.var(), step**2 / 12.0, rtol=4 * np.sqrt(0.8 / values.size) + step)


def test_percentile_calibration():
    magnitudes = np.linspace(-1.0, 1.0, 100_001)
    assert Converter(8).calibrated(magnitudes, 90.0).span == pytest.approx(0.9, abs=1e-4)
    assert Converter(8).calibrated(magnitudes, 100.0).span == 1.0
    sparse = np.zeros(1000)
    sparse[7] = 0.5
    assert Converter(8).calibrated(sparse, 90.0).span == 0.5  # the percentile is zero: the largest value counts


@pytest.fixture
def tiled() -> tuple[AnalogMatrix, np.ndarray]:
    rng = np.random.default_rng(5)
    matrix = AnalogMatrix.build("m", rng.standard_normal((40, 12)), WeightMapping(1e-6, 25e-6), (20, 12))
    return matrix, rng.standard_normal((300, 40))


@pytest.mark.parametrize(("per", "shape"), [("layer", ()), ("tile", (2, 1, 12)), ("column", (2, 1, 12))])
def test_granularity_of_ranges(tiled, per, shape):
    matrix, x = tiled
    found = profile_matrix(matrix, x, matrix.target_conductances())
    assert found.partial_sums.shape == (2, 1, 300, 12)
    span = np.asarray(matrix.calibrated(found, 100.0, per=per).adc.span)
    assert span.shape == shape
    magnitude = np.abs(found.partial_sums)
    blocks = magnitude.reshape(2, 300, 2, 6).max(axis=(1, 3))  # two row blocks, two column blocks of six outputs
    expected = {"layer": magnitude.max(), "tile": np.repeat(blocks, 6, axis=1)[:, None], "column": magnitude.max(axis=-2)}[per]
    np.testing.assert_allclose(span, expected, rtol=1e-6)


@pytest.mark.parametrize("analog", [True, False])
@pytest.mark.parametrize("per", ["layer", "tile", "column"])
def test_only_converted_outputs_set_the_ranges(per, analog):
    """Reference columns (all rows in phase) and subtracted offset columns do not widen the range of the outputs."""
    rng = np.random.default_rng(5)
    mapping = WeightMapping(1e-6, 25e-6, "offset", reference_columns=2)
    matrix = AnalogMatrix.build("m", rng.standard_normal((40, 12)), mapping, (20, 9), is_subtracted_analog=analog)
    x = rng.uniform(0.0, 1.0, (300, 40))
    found = profile_matrix(matrix, x, matrix.target_conductances())
    calibrated = matrix.calibrated(found, 100.0, per=per)
    converted = 12 if analog else 14
    assert np.max(calibrated.adc.span) == pytest.approx(np.abs(found.partial_sums[..., :converted]).max())
    if analog:
        assert np.max(calibrated.adc.span) < 0.5 * np.abs(found.partial_sums).max()
    error = calibrated.matvec(x, matrix.target_conductances()) - x @ matrix.weights
    assert error.std() / (x @ matrix.weights).std() < (0.02 if analog else 0.1)  # single-ended codes carry the offset too


def test_dead_outputs_need_no_range_and_long_profiles_are_thinned():
    weights = np.random.default_rng(0).standard_normal((8, 3))
    weights[:, 1] = 0.0
    matrix = AnalogMatrix.build("m", weights, WeightMapping(1e-6, 25e-6))
    x = np.random.default_rng(1).standard_normal((1000, 8))
    found = profile_matrix(matrix, x, matrix.target_conductances(), most=100)
    assert found.partial_sums.shape == (1, 1, 100, 3)
    np.testing.assert_array_equal(found.inputs, np.abs(x[::10]).ravel())
    y = matrix.calibrated(found, per="column").matvec(x, matrix.target_conductances())
    assert not y[:, 1].any()
    dead = AnalogMatrix.build("m", np.zeros((8, 3)), WeightMapping(1e-6, 25e-6))
    with pytest.raises(ArrayError, match="range needs a width"):
        dead.calibrated(profile_matrix(dead, x, dead.target_conductances()))


def test_ranges_follow_the_chips_when_asked(tiled):
    """A chip at half conductance gets half the range, and reads as finely as the fresh one."""
    matrix, x = tiled
    cells = matrix.target_conductances() * np.array([1.0, 0.5])[:, None, None, None]
    found = profile_matrix(matrix, x, cells)
    both = matrix.calibrated(found, 99.0, per_chip=True)
    spans = np.asarray(both.adc.span)
    np.testing.assert_allclose(spans[1], 0.5 * spans[0], rtol=1e-6)
    y = both.matvec(x, cells)
    np.testing.assert_allclose(y[1], 0.5 * y[0], atol=1e-4)


@pytest.mark.parametrize("slices", [None, 4])
@pytest.mark.parametrize("percentile", [100.0, 98.0])
def test_fixed_input_range_is_calibrated_too(slices, percentile):
    """Inputs up to 4 against the default range of 1: DAC and ADC ranges both follow the profile."""
    rng = np.random.default_rng(0)
    matrix = AnalogMatrix.build(
        "m", rng.standard_normal((8, 3)), WeightMapping(1e-6, 25e-6), per_vector_input=False, input_slice_bits=slices
    )
    x = rng.uniform(0.0, 4.0, (500, 8))
    found = matrix.calibrated(profile_matrix(matrix, x, matrix.target_conductances()), percentile)
    assert found.dac.span == pytest.approx(np.percentile(x, percentile))
    inside = np.minimum(x, found.dac.span)
    largest = np.percentile(np.abs(inside @ matrix.weights), percentile) / found.dac.span / matrix.weight_max
    if slices is None:
        assert found.adc.span == pytest.approx(largest, rel=0.03)  # clipped inputs move the percentile a little
    if percentile == 100.0:
        error = found.matvec(x, matrix.target_conductances()) - x @ matrix.weights
        dac, adc = found.dac.span / 127, float(found.adc.span) / 127 * found.dac.span * matrix.weight_max
        reads = 1.0 if slices is None else sum((16**s * 15 / 127) ** 2 for s in (0, 1))
        expected = (dac**2 * np.mean(np.sum(matrix.weights**2, axis=0)) + adc**2 * reads) / 12.0  # rounding twice
        np.testing.assert_allclose(np.mean(error**2), expected, rtol=4 * np.sqrt(2.0 / error.size))


def test_ranges_of_a_network_are_of_what_every_layer_sees():
    rng = np.random.default_rng(0)
    mapping = WeightMapping(1e-6, 25e-6)
    matrices = {n: AnalogMatrix.build(n, rng.standard_normal(s), mapping) for n, s in (("a", (6, 4)), ("b", (4, 2)))}
    states = {n: m.prepare(m.target_conductances()) for n, m in matrices.items()}
    x = rng.standard_normal((30, 6))
    network = CrossbarNetwork(matrices, states)
    found = calibrated(network, lambda matmul, x: matmul("b", np.maximum(matmul("a", x), 0.0)), x, 100.0)
    for name, seen in {"a": x, "b": np.maximum(x @ matrices["a"].weights, 0.0)}.items():
        alone = profile_matrix(matrices[name], seen, matrices[name].target_conductances())
        assert found[name].adc.span == pytest.approx(matrices[name].calibrated(alone, 100.0).adc.span, rel=1e-5)
    with pytest.raises(ArrayError, match="the 30 inputs that calibrate converters give layer 'b' no range"):
        calibrated(network, lambda matmul, x: matmul("b", 0.0 * matmul("a", x)), x)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"bits": 1}, DeckError, "bits is 1"),
        ({"bits": 40}, DeckError, "bits is 40"),
        ({"span": 0.0}, ArrayError, r"span is 0\.0; a range needs a width"),
        ({"span": np.array([1.0, 0.0])}, ArrayError, r"span\[1\] is 0\.0"),
        ({"span": np.nan}, ArrayError, "span is nan"),
        ({"offset": np.array([0.0, np.inf])}, ArrayError, r"offset\[1\] is inf"),
    ],
)
def test_bad_converters(arguments, error, message):
    with pytest.raises(error, match=message):
        Converter(**arguments)


def test_bad_profiles():
    with pytest.raises(ArrayError, match="empty"):
        Converter(8).calibrated(np.zeros(0))
    with pytest.raises(ArrayError, match="width above zero"):
        Converter(8).calibrated(np.zeros(5))
    with pytest.raises(ArrayError, match=r"profile\[1\] is nan"):
        Converter(8).calibrated(np.array([1.0, np.nan]))


def test_mismatch_that_does_not_fit_the_columns():
    with pytest.raises(ArrayError, match=r"gain_error of the ADC of layer 'm' has last axes \(5,\)"):
        AnalogMatrix.build("m", np.ones((4, 3)), WeightMapping(0.0, 1e-6), adc=Converter(8, gain_error=np.zeros(5)))
