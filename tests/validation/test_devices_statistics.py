"""Conductance statistics against independently sampled ones: mean and sd within sampling error plus 1 %, over all times."""

import csv

import numpy as np
import pytest
from device_decks import content, model

from stack3d.devices import build_device
from stack3d.devices.levels import polynomial
from stack3d.schema.device import DeviceDeck

pytestmark = pytest.mark.filterwarnings("ignore::stack3d.errors.ValidityWarning")
COUNT, REFERENCE_COUNT = 40_000, 200_000
UNITS = 1e-6


@pytest.fixture
def rows(reference):
    def read(name, **wanted):
        with (reference / "cim" / "device_models" / f"{name}.csv").open() as file:
            found = [r for r in csv.DictReader(file) if all(r[k] == v for k, v in wanted.items())]
        assert found
        return found

    return read


def sample(device, targets, *, offset=0.0, seed=11):
    state = device.program(
        np.repeat(np.array(targets)[:, None] * UNITS, COUNT, 1),
        np.random.default_rng(seed),
        temperature=298.15,
        dtype=np.float32,
    )
    return device.advance(state, offset, 298.15)


def agree(values, row):
    """Within 4 standard errors of both samples plus 1 %."""
    values = values.astype(np.float64) / UNITS
    mean, sd = float(row["mean_uS"]), float(row["std_uS"])
    spread = (1 / COUNT + 1 / REFERENCE_COUNT) ** 0.5
    kurtosis = np.mean((values - values.mean()) ** 4) / max(values.var() ** 2, 1e-30)
    np.testing.assert_allclose(values.mean(), mean, rtol=0.01, atol=4 * sd * spread, err_msg=str(row))
    # sd of a sample sd is sd √((κ - 1)/4n); clipped distributions are far from κ = 3
    error = sd * spread * (abs(kurtosis - 1) / 4) ** 0.5
    np.testing.assert_allclose(values.std(), sd, rtol=0.01, atol=4 * error + 1e-6, err_msg=str(row))  # 1e-6: float32


def walk(device, rows, read):
    """Compare every row, all targets of one time at once."""
    targets = list(dict.fromkeys(float(r["g_target_uS"]) for r in rows))
    times = list(dict.fromkeys(float(r["t_seconds"]) for r in rows))
    state, now = sample(device, targets), 0.0
    compared = 0
    for time in times:
        state, now = device.advance(state, time - now, 298.15), time
        values = read(device, state)
        for row in rows:
            if float(row["t_seconds"]) == time:
                agree(values[targets.index(float(row["g_target_uS"]))], row)
                compared += 1
    return compared


def noiseless(device, state):
    return device.conductance(state)


def noisy(device, state):
    """A read; at time zero the reference gives the programmed value itself."""
    conductance = device.conductance(state)
    if state.clocks["age"] == 0:
        return conductance
    noise = np.random.default_rng(23).standard_normal(conductance.shape, dtype=np.float32)
    return np.maximum(conductance + noise * device.read_noise(state, conductance=conductance), 0)


@pytest.mark.parametrize(
    ("variant", "off", "read"),
    [
        ("full", (), noisy),
        ("drift_only", ("programming",), noiseless),
        ("programming_and_drift", (), noiseless),
        ("read_only", ("programming", "retention"), noisy),
    ],
)
def test_pcm_of_nandakumar(rows, variant, off, read):
    device = model("pcm_gst").without("faults", *off)
    assert walk(device, rows("pcm_nandakumar2019", variant=variant), read) == 98


@pytest.mark.parametrize("devices", [1, 2])
@pytest.mark.parametrize(("variant", "off", "read"), [("full", (), noisy), ("drift_only", ("programming",), noiseless)])
def test_pcm_of_hermes(rows, devices, variant, off, read):
    device = model(f"pcm_hermes_{devices}dev").without("faults", *off)
    assert walk(device, rows(f"pcm_hermes_{devices}dev", variant=variant), read) == 91


@pytest.mark.parametrize(
    ("acceptance", "programming"), [("0.2", ("0.00081107 uS", 0.00106879)), ("2", ("0.0112185 uS", 0.0112903))]
)
@pytest.mark.parametrize(
    ("variant", "off", "read"),
    [
        ("full", (), noisy),
        ("relaxation_only", ("programming",), noiseless),
        ("programming_and_relaxation", (), noiseless),
    ],
)
def test_cmo_of_falcone(rows, acceptance, programming, variant, off, read):
    """Reads of the reference end clipped to 9 … 88.2 uS, which biases states near the ends; the deck does not."""
    device = model(
        "cmo_hfox", mechanisms__programming__offset=programming[0], mechanisms__programming__slope=programming[1]
    ).without("faults", "retention", *off)

    def clipped(device, state):
        values = read(device, state)
        return np.clip(values, 9 * UNITS, 88.2 * UNITS) if state.clocks["age"] > 0 else values

    assert walk(device, rows("reram_cmo2024", model=f"reram_cmo_accept{acceptance}pct", variant=variant), clipped) == 84


def test_hfox_of_wan(rows):
    """The reference draws the whole error afresh at every time, clips at zero and knows no window: it writes targets of 0."""
    wan = content("hfox_analog")
    wan["mechanisms"]["relaxation"]["first_row_is_programming"] = False
    wan["mechanisms"]["truncation"]["law"] = "clip"
    device = build_device(DeviceDeck.model_validate(wan)).without("faults", "retention", "programming", "window_closure")
    chosen = rows("reram_wan2022", model="reram_wan2022_gmax40")
    assert walk(device, chosen, noiseless) == len(chosen)


def test_hfox_deck_keeps_the_mean_and_the_spread(rows):
    """As shipped: write error and relaxation are separate draws, and truncation leaves the mean on target."""
    device = model("hfox_analog").without("faults", "retention")
    chosen = rows("reram_wan2022", model="reram_wan2022_gmax40")
    targets = sorted({float(r["g_target_uS"]) for r in chosen if float(r["g_target_uS"]) >= 1})
    state, now, free = sample(device, targets), 0.0, 0
    for time in (1.0, 86400.0, 172800.0):
        state, now = device.advance(state, time - now, 298.15), time
        values = device.conductance(state).astype(np.float64) / UNITS
        for target, found in zip(targets, values):
            row = next(r for r in chosen if float(r["g_target_uS"]) == target and float(r["t_seconds"]) == time)
            np.testing.assert_allclose(found.mean(), target, atol=4 * found.std() / COUNT**0.5)
            if target > 3.5 * float(row["std_uS"]):  # nearer to zero the reference is a clipped distribution
                agree(found * UNITS, row)
                free += 1
    assert free > 20


def test_hfox_noise_scales_with_range(rows):
    """At 25 uS the tool keeps the noise of 40 uS; the measured figure is over u, so ours is 25/40 of it."""
    wan = content("hfox_analog")
    wan["g_max"] = "25 uS"
    device = build_device(DeviceDeck.model_validate(wan)).without("faults", "retention")
    compared = 0
    for row in rows("reram_wan2022", model="reram_wan2022_gmax25_as_shipped", time="1s"):
        target, sd = float(row["g_target_uS"]), float(row["std_uS"])
        if target > 4 * sd:
            state = sample(device, [target], offset=1.0)
            np.testing.assert_allclose(1.6 * device.conductance(state).std() / UNITS, sd, rtol=0.01 + 4 / (2 * COUNT) ** 0.5)
            compared += 1
    assert compared > 5


CROSSSIM = {  # coefficients of G in uS, MODELS.md of the reference data
    "RRAMWan": (1.053, 0.2374, -1.167e-2, 1.536e-4),
    "RRAMMilo": (4.782, -0.009107),
    "PCMJoshi": (0.28639, 0.075857, -0.00178767),
}


@pytest.mark.parametrize("name", CROSSSIM)
def test_programming_error_of_crosssim(rows, name):
    chosen = rows("crosssim_devices", model=name, kind="programming_error")
    g_max = float(chosen[0]["g_max_uS"])
    mapping = content("hfox_analog")
    mapping |= {"g_max": f"{g_max} uS", "g_min": "0 uS"}
    mapping["mechanisms"] = {
        "programming": {
            "law": "polynomial",
            "unit": "1 uS",
            "coefficients": [c * g_max**k for k, c in enumerate(CROSSSIM[name])],
        },
        "truncation": {"law": "clip"},
    }
    device = build_device(DeviceDeck.model_validate(mapping))
    found = [device.conductance(sample(device, [float(row["g_target_uS"])])) for row in chosen]
    assert len(found) > 5
    for values, row in zip(found, chosen):
        agree(values, row)


def test_sonos_deck(rows):
    device = model("sonos")
    drifts, noises = (rows("crosssim_devices", model="SONOS", kind=kind) for kind in ("drift_error", "read_noise"))
    assert len(drifts) > 5 and len(noises) > 5
    for row in drifts:
        state = sample(device, [float(row["g_target_uS"])], offset=float(row["t_days"]) * 86400)
        agree(device.conductance(state), row)
    for row in noises:
        exact = device.without("programming", "relaxation")
        agree(noisy(exact, sample(exact, [float(row["g_target_uS"])], offset=1.0)), row)


def test_polynomial_is_horner():
    u = np.linspace(0, 1, 7)
    np.testing.assert_allclose(polynomial(u, (1.0, -2.0, 3.0)), 1 - 2 * u + 3 * u**2, rtol=1e-14)
