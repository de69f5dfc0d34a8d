"""Writing, wear, faults, checkpoints and bad input of a population of cells."""

import numpy as np
import pytest
from device_decks import model

from stack3d.devices import HEALTHY, STUCK_HIGH, STUCK_LOW, CellState
from stack3d.errors import ArrayError, RangeError, UnknownNameError

pytestmark = pytest.mark.filterwarnings("ignore::stack3d.errors.ValidityWarning")


@pytest.fixture(scope="module")
def aged():
    device = model("hfox_analog")
    rng = np.random.default_rng(5)
    target = rng.uniform(1e-6, 40e-6, (2, 2, 64, 32))
    state = device.advance(device.program(target, rng, pair_axis=1), 1e7, 380.0)
    return device, state, rng


def test_same_seed_same_cells():
    device = model("hfox_analog")
    a, b = (device.program(np.full(100, 2e-5), np.random.default_rng(9)) for _ in range(2))
    np.testing.assert_array_equal(device.conductance(a), device.conductance(b))


def test_checkpoint_round_trip(aged, tmp_path):
    device, state, _ = aged
    np.savez(tmp_path / "cells.npz", **state.arrays())
    with np.load(tmp_path / "cells.npz") as stored:
        again = CellState.from_arrays(stored)
    np.testing.assert_array_equal(device.conductance(again, 350.0), device.conductance(state, 350.0))
    np.testing.assert_array_equal(
        device.conductance(device.advance(again, 1e6, 390.0)), device.conductance(device.advance(state, 1e6, 390.0))
    )


def test_writing_again_resets_time_and_keeps_wear(aged):
    device, state, rng = aged
    mask = np.zeros(state.shape, bool)
    mask[0] = True
    device = device.without("self_heating")  # else writes of neighbours age a cell
    fresh, bill = device.reprogram(state, mask, state.target, rng, temperature=300.0)
    alive = mask & (state.stuck == HEALTHY)
    assert bill.cells == np.count_nonzero(alive)
    np.testing.assert_allclose(bill.pulses, 8.5 * bill.cells)
    np.testing.assert_allclose(bill.energy, 60e-12 * bill.pulses)
    for clock in fresh.clocks.values():
        assert np.all(np.broadcast_to(clock, state.shape)[mask] == 0)
    np.testing.assert_array_equal(device.conductance(fresh)[1], device.conductance(state)[1])
    assert np.all(fresh.damage[alive] > state.damage)
    np.testing.assert_array_equal(np.broadcast_to(fresh.damage, state.shape)[1], np.broadcast_to(state.damage, state.shape)[1])
    for key in ("life", "temperature_dependence"):
        np.testing.assert_array_equal(fresh.draws[key], state.draws[key])
    np.testing.assert_array_equal(fresh.stuck, state.stuck)


def test_stuck_cells_read_their_rail_and_stay(aged):
    device, state, rng = aged
    everything, _ = device.reprogram(state, None, state.target, rng)
    for cells in (state, everything):
        read = device.conductance(cells)
        assert np.all(read[state.stuck == STUCK_LOW] == np.float32(1e-6))
        assert np.all(read[state.stuck == STUCK_HIGH] == np.float32(40e-6))
    assert np.count_nonzero(state.stuck) > 0


def test_without_switches_one_mechanism_off(aged):
    device, state, _ = aged
    assert "retention" in device.mechanisms
    off = device.without("retention")
    assert "retention" not in off.mechanisms
    assert off.conductance(state).mean() > device.conductance(state).mean()
    bare = device.without(*[m for m in device.mechanisms if m != "truncation"])
    target = np.full((3, 4), 2e-5)
    ideal = bare.program(target, np.random.default_rng(0), dtype=np.float64)
    np.testing.assert_array_equal(bare.conductance(bare.advance(ideal, 1e9, 380.0), 380.0), target)
    with pytest.raises(UnknownNameError, match="did you mean 'retention'"):
        device.without("retension")


@pytest.mark.parametrize(
    "mechanism", ["programming", "relaxation", "retention", "faults", "endurance", "temperature_dependence"]
)
def test_switching_one_off_leaves_the_draws_of_all_others(mechanism):
    """Loss is attributed cell by cell: the same chips with and without."""
    device = model("hfox_analog")
    target = np.full((50, 40), 2e-5)
    whole = device.program(target, np.random.default_rng(3))
    part = device.without(mechanism).program(target, np.random.default_rng(3))
    shared = set(whole.draws) & set(part.draws)
    assert len(shared) >= 3
    for name in shared:
        np.testing.assert_array_equal(whole.draws[name], part.draws[name])
    if mechanism != "programming":
        np.testing.assert_array_equal(whole.programmed, part.programmed)


def test_pairs_age_together():
    """Correlation of the barriers of a pair is the deck's, everything else is independent."""
    rng = np.random.default_rng(2)
    device = model("hfox_analog", mechanisms__retention__pair_correlation=0.8)
    state = device.program(np.full((20000, 2, 2, 2), 2e-5), rng, pair_axis=1)
    first, second = (state.draws["retention"][:, i].ravel() for i in (0, 1))
    error = 4 / first.size**0.5
    np.testing.assert_allclose(np.corrcoef(first, second)[0, 1], 0.8, atol=error)
    np.testing.assert_allclose([first.std(), second.std()], 1.0, atol=error)
    first, second = (state.draws["relaxation"][:, i].ravel() for i in (0, 1))
    np.testing.assert_allclose(np.corrcoef(first, second)[0, 1], 0.0, atol=error)


def test_temperature_per_cell_is_temperature_per_cell():
    device = model("bulk_rram_ucsd").without("self_heating")  # else neighbours of another temperature warm a cell otherwise
    target = np.full((2, 3, 50), 5e-7)
    state = device.program(target, np.random.default_rng(0))
    field = np.array([300.0, 340.0, 380.0])[:, None]
    together = device.conductance(device.advance(state, 1e6, field), field)
    for i, t in enumerate(field[:, 0]):
        np.testing.assert_array_equal(together[:, i], device.conductance(device.advance(state, 1e6, t), t)[:, i])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda d, s, r: d.program(np.array([1e-6, np.nan]), r), ArrayError, r"target\[1\] is nan"),
        (lambda d, s, r: d.program(np.array([1e-6, 5e-5]), r), RangeError, r"target\[1\] = 5e-05 S lies outside"),
        (lambda d, s, r: d.program(1e-6, r), ArrayError, "no axis"),
        (lambda d, s, r: d.program(np.full((3, 4), 1e-6), r, pair_axis=1), ArrayError, "pair_axis = 1"),
        (lambda d, s, r: d.advance(s, -1.0, 300.0), ArrayError, "duration"),
        (lambda d, s, r: d.advance(s, 1.0, [300.0, 300.0, 300.0]), ArrayError, "does not broadcast"),
        (lambda d, s, r: d.advance(s, 1.0, [300.0, -5.0]), ArrayError, r"temperature\[1\] = -5 K"),
        (
            lambda d, s, r: d.advance(s, 1.0, [300.0, 700.0]),
            RangeError,
            r"temperature\[1\] = 426.85 degC .* \[-40, 326.85\] degC",
        ),
        (lambda d, s, r: d.advance(s, 1e11, 300.0), RangeError, r"time = 1e\+11 s"),
        (
            lambda d, s, r: d.conductance(d.without("spread", "retention").program(s.target, r)),
            ArrayError,
            "no clock of retention",
        ),
        (lambda d, s, r: d.reprogram(s, np.ones(3, bool), s.target, r), ArrayError, "mask of shape"),
    ],
)
def test_bad_input(call, error, message):
    device = model("hfox_analog")
    state = device.program(np.full((4, 2), 1e-5), np.random.default_rng(0))
    with pytest.raises(error, match=message):
        call(device, state, np.random.default_rng(0))
