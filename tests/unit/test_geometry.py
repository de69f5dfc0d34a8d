import numpy as np
import pytest

from stack3d import decks
from stack3d.errors import DeckError
from stack3d.fe.lines import LineRecovery, hat_integrals, hat_values
from stack3d.geometry.grid import build_grid
from stack3d.geometry.stack import _from_corner, build_stack, check_places, explicit_sources, tile_sites
from stack3d.layout import HeatSource, Rectangle, hottest_layer
from stack3d.schema.geometry import GeometryDeck
from stack3d.schema.numerics import MeshDeck

SILICON = {"name": "silicon", "conductivity": "148 W/m/K", "heat_capacity": "1.66e6 J/m^3/K"}


def geometry(*layers: dict[str, object], **more: object) -> GeometryDeck:
    spelled = [{"material": SILICON, "thickness": "0.1 mm", **layer} for layer in layers]
    return GeometryDeck.model_validate({"footprint": ["10 mm", "8 mm"], "layers": spelled, **more})


WATER = {"coolant": {"heat_capacity": "4.17e6 J/m^3/K"}, "flow_rate": "40 ml/min", "inlet_temperature": "300 K"}


def channels(count: int, width: float, wall: float) -> dict[str, object]:
    """Along y, with half walls at the edges. [um]"""
    sizes = {"width": f"{width} um", "wall_width": f"{wall} um", "edge_wall_width": f"{0.5 * wall} um"}
    return {"direction": "y", "count": count, "wall_film_coefficient": "3e4 W/m^2/K", **sizes, **WATER}


def test_tiers_repeat_and_z_adds_up() -> None:
    case = decks.load("quickstart", [("geometry.tiers.repeat", 3)])
    stack = build_stack(case.scenario.geometry)
    assert stack.n_tiers == 3 and len(stack.with_role("rram")) == 3
    np.testing.assert_allclose([a.z1 for a in stack.layers[:-1]], [b.z0 for b in stack.layers[1:]], rtol=0, atol=0)
    assert stack.layer("t2_rram").tier == 2
    assert len(tile_sites(stack)) == 3 * 64


def test_own_size_is_centred_unless_offset() -> None:
    stack = build_stack(
        geometry(
            {"name": "a"},
            {"name": "b", "size": ["4 mm", "4 mm"]},
            {"name": "c", "size": ["2 mm", "2 mm"], "offset": ["4 mm", "3 mm"]},
        )
    )
    assert stack.layer("b").extent == Rectangle(0.003, 0.007, 0.002, 0.006)
    np.testing.assert_allclose(stack.layer("c").extent.centre, (0.005, 0.004))


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        (({"name": "a"}, {"name": "a"}), "used twice"),
        (({"name": "a", "blocks": [{"name": "b", "x": ["9 mm", "11 mm"], "y": ["0 mm", "1 mm"], "material": SILICON}]},), "outside layer"),
        (({"name": "a", "blocks": [{"name": "b", "x": ["2 mm", "1 mm"], "y": ["0 mm", "1 mm"], "material": SILICON}]},), "no area"),
        (({"name": "a", "blocks": [{"name": n, "x": ["1 mm", "2 mm"], "y": ["0 mm", "1 mm"], "material": SILICON} for n in "bc"]},), "overlaps"),
        (({"name": "a", "size": ["1 mm", "1 mm"], "offset": ["0 mm", "0 mm"]}, {"name": "b", "size": ["1 mm", "1 mm"], "offset": ["5 mm", "5 mm"]}), "does not touch"),
        ((*({"name": f"a{i}", "thickness": "1 km"} for i in range(20)), {"name": "b", "thickness": "1e-12 m"}), "layers.20..thickness: layer 'b' of 1e-12 m vanishes"),
    ],
)  # fmt: skip
def test_geometric_mistakes(layers: tuple[dict[str, object], ...], words: str) -> None:
    with pytest.raises(DeckError, match=words):
        build_stack(geometry(*layers))


def test_sources_and_probes_are_checked() -> None:
    case = decks.load("quickstart", [("probes", [{"name": "p", "layer": "lidd", "x": "1 mm", "y": "1 mm"}]), ("power.sources.host.x", ["7 mm", "9 mm"]), ("power.sources.host.y", ["0 mm", "1 mm"])])  # fmt: skip
    stack = build_stack(case.scenario.geometry)
    with pytest.raises(DeckError, match="outside layer 'logic'"):
        explicit_sources(case.scenario, stack)
    [problem] = check_places(case.scenario, stack)
    assert "did you mean 'lid'" in problem.message


def test_grid_has_lines_on_edges_and_contacts() -> None:
    stack = build_stack(geometry({"name": "a"}, {"name": "b", "contact_resistance": "1 mm^2*K/W", "thickness": "1 mm"}))
    source = HeatSource("s", "a", Rectangle(0.0012, 0.0034, 0.001, 0.002), 1.0)
    grid = build_grid(stack, [source], MeshDeck(lateral=10, per_layer=2, aspect=0.5))
    for edge in (0.0012, 0.0034):
        assert np.any(grid.x == edge)
    assert np.all(np.diff(grid.x) <= 0.001 * (1 + 1e-9)) and np.all(np.diff(grid.x) > 0)
    steps = np.diff(grid.z)
    assert np.count_nonzero(steps == 0) == 1 and grid.layer[steps == 0].tolist() == [1]
    assert steps.max() <= 0.5 * 0.001 * (1 + 1e-9)
    assert [grid.cells_of(range(i, i + 1)).size for i in (0, 1)] == [2, 2]


def test_cavities_of_several_pitches_share_their_elements() -> None:
    """Each channel and wall has as many elements as alone, of about the same sizes, not as many again in each of its pieces."""
    water = {"coolant": {"heat_capacity": "4.17e6 J/m^3/K"}, "flow_rate": "40 ml/min", "inlet_temperature": "300 K"}
    pitches = {30: (100, 100, 50), 23: (150, 110, 65)}  # count: width, wall and edge wall, in micrometres; 6 mm in all
    layers, walls = [{"name": "floor", "thickness": "10 um"}], {}
    for count, (width, wall, edge) in pitches.items():
        sizes = {"width": f"{width} um", "wall_width": f"{wall} um", "edge_wall_width": f"{edge} um"}
        channels = {"direction": "y", "count": count, "wall_film_coefficient": "3e4 W/m^2/K", **sizes, **water}
        layers += [{"name": f"of_{count}", "channels": channels}, {"name": f"over_{count}", "thickness": "10 um"}]
        starts = edge + (width + wall) * np.arange(count)
        walls[count] = 1e-6 * np.sort(np.concatenate([starts, starts + width]))

    def lines(*chosen: dict[str, object]) -> np.ndarray:
        stack = build_stack(geometry(*chosen, footprint=["6 mm", "6 mm"]))
        return build_grid(stack, [], MeshDeck(lateral=16, per_source=24)).x

    both = lines(*layers)
    assert both.size < 0.7 * 12 * sum(edges.size + 1 for edges in walls.values())  # the walls at the edges too
    for own, edges in zip((lines(*layers[:3]), lines(layers[0], *layers[3:])), walls.values()):
        at = np.searchsorted(both, edges - 1e-12)
        np.testing.assert_allclose(both[at], edges, rtol=0, atol=1e-12)
        assert np.diff(at).min() >= 12
        inner = slice(at[0], at[-1])
        allowed = np.diff(own)[np.searchsorted(own, 0.5 * (both[1:] + both[:-1])[inner]) - 1]
        assert (np.diff(both)[inner] <= 1.5 * allowed).all()  # sizes grow by up to so much from one element to the next


@pytest.mark.parametrize(
    ("floor", "per_source", "elements"),
    [("100 um", 24, 6), ("25 um", 24, 10), ("12.5 um", 24, 12), ("1 um", 24, 12), ("100 um", 8, 4), ("100 um", 4, 2)],
)
def test_elements_across_channels_follow_the_floor(floor: str, per_source: int, elements: int) -> None:
    """Half as many as in a source beside a floor that is thin, half of these where heat turns within half the width."""
    layers = [{"name": "a"}, {"name": "b", "channels": channels(20, 100, 100)}, {"name": "c", "thickness": floor}]
    stack = build_stack(geometry(*layers, footprint=["4 mm", "4 mm"]))
    lines = build_grid(stack, [], MeshDeck(lateral=16, per_source=per_source)).x
    edges = 50e-6 + 100e-6 * np.arange(40)
    at = np.searchsorted(lines, edges - 1e-12)
    np.testing.assert_allclose(lines[at], edges, rtol=0, atol=1e-12)
    assert (np.diff(at)[1:-1] == elements).all()  # the walls at the edges are narrow gaps beside those
    middle = lines[at[1:-2] + elements // 2]
    np.testing.assert_allclose(middle, 0.5 * (edges[2:-1] + edges[1:-2]), rtol=0, atol=1e-9)


@pytest.mark.parametrize(("edge", "per_source", "elements"), [(50, 24, 6), (50, 64, 16), (400, 24, 6)])
def test_walls_at_the_edges_are_halves_of_those_within(edge: int, per_source: int, elements: int) -> None:
    """One as wide as half a wall has the lines of that half, however few channels there are; a wider one has them beside the channel."""
    sizes = {"width": "100 um", "wall_width": "100 um", "edge_wall_width": f"{edge} um"}
    cavity = {"direction": "y", "count": 2, "wall_film_coefficient": "3e4 W/m^2/K", **sizes, **WATER}
    layers = [{"name": "a"}, {"name": "b", "channels": cavity}, {"name": "c", "thickness": "10 um"}]
    stack = build_stack(geometry(*layers, footprint=[f"{300 + 2 * edge} um", "4 mm"]))
    um = 1e6 * build_grid(stack, [], MeshDeck(lateral=16, per_source=per_source)).x
    within = um[(um > edge + 100 - 1e-6) & (um < edge + 150 + 1e-6)] - (edge + 100)
    assert within.size == elements + 1
    before, behind = edge - um[um < edge + 1e-6][::-1], um[um > edge + 300 - 1e-6] - (edge + 300)
    for beside in (before, behind):
        np.testing.assert_allclose(beside[: elements + 1], within, rtol=0, atol=1e-4 if edge == 50 else 5.0)


def test_sources_that_end_over_channels_leave_walls_their_elements() -> None:
    """A channel that the end of a source cuts has the elements of both, where each asks for them."""
    layers = [{"name": "a"}, {"name": "b", "channels": channels(4, 900, 100)}, {"name": "c"}]
    source = HeatSource("s", "c", Rectangle(0.0003, 0.0036, 0.001, 0.002), 1.0)
    mesh = MeshDeck(lateral=16, per_source=24, refinement=16)
    both, walled, heated = (
        build_grid(build_stack(geometry(*stack, footprint=["4 mm", "4 mm"])), sources, mesh).x
        for stack, sources in ((layers, [source]), (layers, []), (layers[::2], [source]))
    )
    ends = 0.5 * (both[1:] + both[:-1])
    for alone in (walled, heated):
        asked = np.diff(alone)[np.searchsorted(alone, ends) - 1]
        assert (np.diff(both) <= 1.3 * asked).all()


def test_too_many_elements_across_a_channel_are_refused() -> None:
    layers = [{"name": "a"}, {"name": "b", "channels": channels(4, 900, 100)}, {"name": "c"}]
    stack = build_stack(geometry(*layers, footprint=["4 mm", "4 mm"]))
    source = HeatSource("s", "c", Rectangle(0.0003, 0.0036, 0.001, 0.002), 1.0)
    with pytest.raises(DeckError, match="elements from .* is a size in the right unit"):
        build_grid(stack, [source], MeshDeck(lateral=2048, refinement=64, growth=1e-6))


def test_crowded_edges_do_not_make_slivers() -> None:
    stack = build_stack(geometry({"name": "a"}))
    sources = [HeatSource(f"s{i}", "a", Rectangle(0.001 + i * 1e-9, 0.002, 0.001, 0.002), 1.0) for i in range(5)]
    grid = build_grid(stack, sources, MeshDeck(lateral=10))
    assert np.diff(grid.x).min() > 1e-7


def test_hat_functions_are_a_partition_of_unity() -> None:
    lines = np.array([0.0, 0.1, 0.1, 0.4, 1.0])
    np.testing.assert_allclose(hat_integrals(lines, 0.05, 0.7).sum(), 0.65, rtol=1e-15)
    np.testing.assert_allclose(hat_integrals(lines, 0.05, 0.7) @ lines, 0.5 * (0.7**2 - 0.05**2), rtol=1e-14)
    for x in (0.0, 0.05, 0.1, 0.3, 1.0):
        np.testing.assert_allclose([hat_values(lines, x).sum(), hat_values(lines, x) @ lines], [1.0, x], atol=1e-15)


def test_recovery_is_exact_for_parabolas_between_breaks() -> None:
    """Means and values of a function that is a parabola on each side of a kink, from its nodal values alone."""
    lines = np.array([0.0, 0.1, 0.25, 0.5, 0.6, 0.8, 1.0])
    f = lambda x: np.where(x < 0.5, 3 * x**2 - x, 0.25 + 5 * (x - 0.5) - (x - 0.5) ** 2)  # noqa: E731
    recovery = LineRecovery(lines, np.array([0.5]))
    for x in (0.03, 0.2, 0.45, 0.55, 0.93):
        np.testing.assert_allclose(recovery.value(x) @ f(lines), f(x), rtol=0, atol=1e-14)
    primitive = lambda x: x**3 - x**2 / 2 if x <= 0.5 else 0.25 * (x - 0.5) + 2.5 * (x - 0.5) ** 2 - (x - 0.5) ** 3 / 3  # noqa: E731
    for a, b in ((0.0, 0.5), (0.07, 0.41), (0.5, 1.0), (0.71, 0.9), (0.2, 0.7)):
        expected = primitive(b) - primitive(a) if (a < 0.5) == (b <= 0.5) else primitive(0.5) - primitive(a) + primitive(b)
        np.testing.assert_allclose(recovery.integral(a, b) @ f(lines), expected, rtol=0, atol=1e-14)


def test_refinement_concentrates_lines_at_sources() -> None:
    stack = build_stack(geometry({"name": "a"}))
    source = HeatSource("s", "a", Rectangle(0.004, 0.005, 0.004, 0.005), 1.0)
    grid = build_grid(stack, [source], MeshDeck(lateral=10, refinement=8, growth=0.3))
    steps = np.diff(grid.x)
    at_edge = steps[np.searchsorted(grid.x, 0.004)]
    assert at_edge < 0.2 * steps.max() and steps.max() <= 0.001 * (1 + 1e-9)


def test_of_layers_that_share_the_hottest_place_the_heated_one_is_named() -> None:
    """A die that heats and the substrate below it have one hottest node on their face: the peak was told of the substrate."""
    maxima = np.array([350.0, 360.0, 360.0, 340.0])
    assert hottest_layer(maxima, {2}) == 2
    assert hottest_layer(maxima, {0, 3}) == 1  # none of the two heats
    assert hottest_layer(np.array([np.nan, 360.0, 359.9]), {2}) == 1


def test_a_floorplan_that_counts_from_the_corner_of_its_die_is_told_what_it_lacks() -> None:
    """A die of 11 mm in the middle of 20 mm begins at 4.5 mm."""
    die = Rectangle(4.5e-3, 15.5e-3, 4.5e-3, 15.5e-3)
    said = _from_corner(Rectangle(1e-3, 5e-3, 6e-3, 10e-3), die)
    assert said.endswith("add 4.5 mm to x and 4.5 mm to y, or write floorplan_from: layer beside a floorplan")
    assert _from_corner(Rectangle(1e-3, 12e-3, 1e-3, 5e-3), die) == ""  # outside of it either way
    assert _from_corner(Rectangle(1e-3, 5e-3, 1e-3, 5e-3), Rectangle(0.0, 4e-3, 0.0, 4e-3)) == ""
