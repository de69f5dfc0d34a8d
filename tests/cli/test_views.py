"""The field in three dimensions, and what scenarios, stacks and results show of themselves."""

import importlib.util
from pathlib import Path

import meshio
import numpy as np
import pytest

import stack3d
from stack3d.case.solved_field import SolvedField, solve_field
from stack3d.cli import main
from stack3d.report import chart
from stack3d.report.annotated_view import spread
from stack3d.report.view import _corner

DECK = """\
scenario: stepped
geometry:
  footprint: ["2 mm", "2 mm"]
  layers:
    - {name: die, thickness: "0.3 mm", material: silicon}
    - {name: lid, thickness: "0.5 mm", material: copper, size: ["4 mm", "4 mm"], contact_resistance: "2 mm^2*K/W"}
power:
  sources:
    - {name: a, layer: die, x: ["0.2 mm", "0.7 mm"], y: ["0.2 mm", "0.6 mm"], power: "1 W"}
    - {name: b, layer: die, power: "0.5 W"}
cooling: {top: {film_coefficient: "1e4 W/m^2/K"}, ambient: "300 K"}
solver: ci
"""


@pytest.fixture
def scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "stack3d.api.LoadedScenario":
    monkeypatch.chdir(tmp_path)
    Path("stepped.yaml").write_text(DECK)
    return stack3d.load("stepped.yaml", {"solver.backend": "tensor"})


@pytest.fixture
def field(scenario: "stack3d.api.LoadedScenario") -> SolvedField:
    return solve_field(scenario.case.scenario)


def run(monkeypatch: pytest.MonkeyPatch, *args: str) -> int:
    monkeypatch.setattr("sys.argv", ["stack3d", *args])
    with pytest.raises(SystemExit) as leave:
        main()
    return int(leave.value.code or 0)


def test_power_lies_where_it_was_put(field: SolvedField) -> None:
    """The integral over the cells is the power of the sources, to rounding; none of it outside the die."""
    corners = field.mesh.points[field.mesh.cells]
    volume = np.prod(corners[:, 6] - corners[:, 0], axis=1)
    assert (field.power_density * volume).sum() == pytest.approx(1.5, rel=1e-12)
    die = field.mesh.region == field.mesh.names.index("die")
    assert (field.power_density * volume)[die].sum() == pytest.approx(1.5, rel=1e-12)


@pytest.mark.parametrize("suffix", ["vtu", "xdmf"])
def test_files_for_paraview(suffix: str, field: SolvedField, monkeypatch: pytest.MonkeyPatch) -> None:
    """Volumes by region are those of the layers; the hottest node is that of the field; the names are there."""
    assert run(monkeypatch, "view", "stepped.yaml", "-o", f"field.{suffix}", "--set", "solver.backend=tensor") == 0
    mesh = meshio.read(f"field.{suffix}")
    corners = mesh.points[mesh.cells_dict["hexahedron"]]
    volume = np.prod(corners[:, 6] - corners[:, 0], axis=1)
    region = mesh.cell_data["region"][0]
    names = field.mesh.names
    expected = {"die": 2e-3 * 2e-3 * 0.3e-3, "lid": 4e-3 * 4e-3 * 0.5e-3}
    for name, value in expected.items():
        assert volume[region == names.index(name)].sum() == pytest.approx(value, rel=1e-9)
    assert mesh.point_data["temperature"].max() == pytest.approx(field.temperature.max(), rel=1e-12)
    assert (mesh.cell_data["power_density"][0] * volume).sum() == pytest.approx(1.5, rel=1e-9)
    numbers = {name: int(np.ravel(value)[0]) for name, value in mesh.field_data.items()}
    assert numbers == {name: i for i, name in enumerate(names)}


@pytest.mark.parametrize(
    ("hottest", "corner", "side"),
    [((2.0, 6.0), (2.0, 6.0), (1, -1)), ((7.0, 3.0), (7.0, 3.0), (-1, 1)), ((0.0, 10.0), (5.0, 5.0), (1, -1))],
)
def test_the_cut_goes_through_the_hottest_point(
    hottest: tuple[float, float], corner: tuple[float, float], side: tuple[int, int]
) -> None:
    """Inside the rim the cut passes through it and opens the larger side; at the rim the middle is cut."""
    points = np.array([[x, y, 0.0] for x in (0.0, 10.0) for y in (0.0, 10.0)] + [[*hottest, 1.0]])
    assert _corner(points, np.array([1.0, 1.0, 1.0, 1.0, 2.0])) == (corner, side)


@pytest.mark.skipif(importlib.util.find_spec("pyvista") is None, reason="PyVista (the extra stack3d[view]) is not installed")
def test_a_picture_without_a_screen(scenario: "stack3d.api.LoadedScenario") -> None:
    """The stack cut open is drawn: more than the white paper, in the colours of the scale."""
    from matplotlib.image import imread

    scenario.view("picture.png")
    pixels = imread("picture.png")[..., :3]
    inked = (pixels < 0.98).any(axis=-1)
    assert inked.mean() > 0.1
    rows, columns = np.flatnonzero(inked.any(axis=1)), np.flatnonzero(inked.any(axis=0))
    unused = rows[0], inked.shape[0] - rows[-1], columns[0], inked.shape[1] - columns[-1]
    assert max(unused) < 40  # px of white on any side


@pytest.mark.parametrize("seed", range(5))
def test_names_beside_a_picture_never_meet(seed: int) -> None:
    """Each lies a row from the next, in their order, and where there is room at the height that it belongs to."""
    rng = np.random.default_rng(seed)
    wanted = np.sort(rng.uniform(0.0, 300.0, 14))
    places = spread(wanted, 19.0)
    assert np.diff(places).min() > 19.0 - 1e-9 and abs(places.mean() - wanted.mean()) < 1e-9
    far = np.arange(10) * 40.0 + rng.uniform(0.0, 20.0, 10)
    np.testing.assert_array_equal(spread(far, 19.0), far)


def test_refusals(
    scenario: "stack3d.api.LoadedScenario", monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert run(monkeypatch, "view", "stepped.yaml") == 2
    assert run(monkeypatch, "view", "stepped.yaml", "-o", "field.stl", "--set", "solver.backend=tensor") == 2
    said = capsys.readouterr().err
    assert "no screen" in said and ".vtu or .xdmf" in said


def test_notebooks_show_them(scenario: "stack3d.api.LoadedScenario") -> None:
    shown = scenario._repr_html_()
    assert "stepped" in shown and "data:image/png" in shown and "2 layers" in shown
    assert "copper" in scenario.stack._repr_html_()
    tree = scenario.run()
    assert tree.stack3d.figures == ["stack", "profile", "power"]
    assert "peak temperature" in tree.stack3d._repr_html_()
    page = tree.stack3d.report("page.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>") and "stepped" in page


@pytest.mark.slow
def test_a_run_over_time_has_its_history(scenario: "stack3d.api.LoadedScenario", tmp_path: Path) -> None:
    over_time = {"until": "0.1 s", "initial": "300 K", "tolerance": "0.2 K", "outputs": ["1 ms", "10 ms", "0.1 s"]}
    Path("moving.yaml").write_text(Path("stepped.yaml").read_text() + f"transient: {over_time}\n")
    tree = stack3d.load("moving.yaml", {"solver.backend": "tensor"}).run()
    assert "history" in tree.stack3d.figures
    [panel] = chart(tree, "history").panels
    hottest = max(float(m.y[-1]) for m in panel.marks)
    assert hottest == pytest.approx(float(tree["thermal/layer_temperature_max"].isel(time=-1).max()) - 273.15, rel=1e-12)
    assert "Temperature over time" in tree.stack3d.report("page.html").read_text(encoding="utf-8")


def test_examples_in_docstrings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import doctest

    import stack3d.api
    import stack3d.report.accessor
    import stack3d.results.joined

    monkeypatch.chdir(tmp_path)
    for module in (stack3d.api, stack3d.report.accessor, stack3d.results.joined):
        outcome = doctest.testmod(module)
        assert outcome.attempted and not outcome.failed, module.__name__
