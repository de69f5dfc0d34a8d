"""The cosine series against exact values of other origin and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from tensor_cases import reference_case, stack

from stack3d.layout import HeatSource, Rectangle
from stack3d.thermal.analytic.laplace import contour, invert
from stack3d.thermal.analytic.series import CosineSeries
from stack3d.thermal.places import Box, Probe
from stack3d.thermal.problem import Face

MM = 1e-3
WHOLE = Rectangle(0.0, 10 * MM, 0.0, 10 * MM)


@pytest.mark.parametrize(
    ("name", "modes", "allowed"),
    [
        ("case1_uniform_die", 4, 1e-8),  # one mode; the file prints nine decimals
        ("case2_hotspots", 2048, 1e-4),
        ("case2b_hotspots_unaligned", 2048, 1e-4),
        ("case3_die_tim_spreader", 2048, 1e-4),
        ("case4_four_tiers", 2048, 1e-6),
    ],
)
def test_reference_values(reference, name, modes, allowed):
    """Probes, box means and layer means; the stated truncation covers the true error."""
    built, sources, top, data, exact = reference_case(reference, name)
    places, expected = [], []
    for probe in data["probes"]:
        places.append(Probe(probe["layer"], probe["x"], probe["y"]))
        expected.append(exact["probes"][probe["name"]])
    for layer, rows in exact["tiles"].items():
        edges = np.linspace(0.0, data["domain"]["lx"], len(rows) + 1)
        for (j, i), value in np.ndenumerate(rows):
            places.append(Box(layer, Rectangle(edges[i], edges[i + 1], edges[j], edges[j + 1])))
            expected.append(value)
    for layer, values in exact["layers"].items():
        places.append(Box(layer, built.footprint))
        expected.append(values["mean"])
    result = CosineSeries(built, sources, top, modes=modes).steady(places)
    error = np.abs(result.temperature - expected).max()
    assert error < allowed
    assert error < result.truncation + exact["truncation_check"]["value_K"] + 1e-8


def test_contact_and_film_add_their_resistances():
    built = stack(
        (10 * MM, 10 * MM), [{"k": 150.0, "thickness": 0.3 * MM}, {"k": 4.0, "thickness": MM, "contact_resistance": 2e-5}]
    )
    series = CosineSeries(built, [HeatSource("s", "l0", WHOLE, 2.0)], Face(1000.0, 300.0), Face(flux=1e4), modes=4)
    places = [Box("l0", WHOLE), Probe("l0", 0, 0, 0.3 * MM), Probe("l1", 0, 0, 0.3 * MM), Probe("l1", 0, 0)]
    q, flux = 2e4, 1e4
    film, lid, contact = 1e-3, MM / 4, 2e-5
    above = (q + flux) * np.array([film + lid + contact, film + lid + contact, film + lid, film + lid / 2])
    above[0] += q * 0.3 * MM / 150 / 3 + flux * 0.3 * MM / 150 / 2  # mean of the parabola, and of the line
    np.testing.assert_allclose(series.steady(places).temperature, 300 + above, rtol=1e-12)


def test_fixed_bottom_below_a_film():
    """Temperatures of 350 K below and 300 K above share out over slab and film."""
    built = stack((10 * MM, 5 * MM), [{"k": 2.0, "thickness": MM}])
    series = CosineSeries(built, [], Face(1000.0, 300.0), Face(np.inf, 350.0), modes=4)
    slab, film = MM / 2.0, 1e-3
    expected = [350.0, 350 - 50 * 0.5 * slab / (slab + film), 350 - 50 * slab / (slab + film)]
    np.testing.assert_allclose(
        series.steady([Probe("l0", 0, 0, z) for z in (0, 0.5 * MM, MM)]).temperature, expected, rtol=1e-13
    )


def test_half_heated_plate_is_odd_about_its_middle():
    """There the temperature is that of the mean heat, whatever the conductivities."""
    built = stack((4 * MM, 4 * MM), [{"k": (100.0, 10.0, 1.0), "thickness": 0.1 * MM}])
    half = HeatSource("s", "l0", Rectangle(0.0, 2 * MM, 0.0, 4 * MM), 3.0)
    series = CosineSeries(built, [half], Face(5000.0, 300.0), modes=256)
    middle, mean = series.steady([Probe("l0", 2 * MM, MM, 0.1 * MM), Probe("l0", MM, MM, 0.1 * MM)]).temperature
    assert middle == pytest.approx(300 + 3.0 / 16e-6 / 5000, abs=1e-9)
    assert mean > middle + 1


def test_step_of_a_slab_has_the_eigenvalue_series():
    """Flux into the bottom, film on top: Carslaw and Jaeger 3.9 by its own roots of b tan b = Bi."""
    from scipy.optimize import brentq

    k, c, h, depth, flux = 150.0, 1.66e6, 2e4, 0.5 * MM, 1e6
    built = stack((2 * MM, 2 * MM), [{"k": k, "c": c, "thickness": depth}])
    biot = h * depth / k
    roots = np.array([brentq(lambda b: b * np.sin(b) - biot * np.cos(b), n * np.pi, n * np.pi + np.pi / 2) for n in range(60)])
    times = np.array([1e-5, 1e-4, 1e-3, 1e-2, 0.1])
    norm = 2 * (roots**2 + biot**2) / (roots**2 * (roots**2 + biot**2 + biot))
    sums = (norm * np.exp(-(k / c / depth**2) * np.outer(times, roots**2))).sum(axis=1)
    expected = 300 + flux * depth / k * (1 + 1 / biot - sums)
    series = CosineSeries(built, [], Face(h, 300.0), Face(flux=flux), modes=4)
    actual = series.step([Probe("l0", MM, MM, 0.0)], times, 300.0).temperature[:, 0]
    np.testing.assert_allclose(actual, expected, rtol=1e-11)  # 12 contour points


def test_step_starts_at_the_initial_and_ends_at_the_steady_temperature(reference):
    built, sources, top, data, _ = reference_case(reference, "case4_four_tiers")
    places = [Probe(p["layer"], p["x"], p["y"]) for p in data["probes"]]
    series = CosineSeries(built, sources, top, modes=64)
    early, late = series.step(places, [1e-9, 100.0], 300.0).temperature
    np.testing.assert_allclose(late, series.steady(places).temperature, atol=1e-8)
    # In 1 ns a source heats by no more than its power over its own heat capacity.
    assert np.all(early - 300 < 1e-9 * 0.5 / (1.66e6 * 2e-6 * 6.25e-6) * 1.01) and np.all(early > 300 - 1e-6)


def test_laplace_inversion_gains_a_digit_per_point():
    def error(nodes: int) -> float:
        return float(abs(invert([np.array(1 / (s + 1)) for s in contour(0.7, nodes=nodes)], 0.7) - np.exp(-0.7)))

    assert error(12) < 1e-11
    assert error(12) < 1e-5 * error(6)
