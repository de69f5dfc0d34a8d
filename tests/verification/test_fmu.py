"""An FMU of a compact model against the model: by its own C interface, and in a tool that runs FMUs."""

import ctypes
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import numpy as np
import pytest
from in_process import exit_code
from test_compact import made, separable

from stack3d.errors import MissingDependencyError, RangeError, ResultsError
from stack3d.results.compact_file import write_compact
from stack3d.results.fmu import write_fmu
from stack3d.thermal import PowerSchedule
from stack3d.thermal.compact.compact_model import CompactModel
from stack3d.thermal.compact.long_trace import KeptOfTrace, follow

TIMES, END = np.array([0.0, 0.3, 1.0, 4.0]), 9.0
"""Of the powers. [s]"""
POWERS = np.array([[2.0, 1.0], [0.0, 3.0], [5.0, 0.0], [0.5, 0.5]])
FILMS, AMBIENT = {"top": 700.0}, 290.0


@pytest.fixture(scope="module")
def model() -> CompactModel:
    given = separable()
    given["compact"] |= {"shortest": "0.1 s"}
    return made(given)


@pytest.fixture(scope="module")
def fmu(model: CompactModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fmu") / "net.fmu"
    write_fmu(path, model, "net 1", FILMS)
    return path


def followed(model: CompactModel, start: str | float = "ambient") -> np.ndarray:
    """Temperatures of the model at the start and the end of every step, shape (steps + 1, places). [K]"""
    schedule = PowerSchedule(TIMES, POWERS)
    return follow(
        model, schedule, END, films=FILMS, ambient=AMBIENT, start=start, asked=KeptOfTrace(samples=len(TIMES))
    ).temperature


class Slave:
    """The library of an FMU, as a tool that runs it would load it."""

    def __init__(self, fmu: Path, folder: Path) -> None:
        with zipfile.ZipFile(fmu) as archive:
            archive.extractall(folder)
        self.description = Xml.parse(folder / "modelDescription.xml").getroot()
        about = self.description.find("CoSimulation")
        assert about is not None
        self.library = ctypes.CDLL(str(folder / "binaries" / "linux64" / f"{about.attrib['modelIdentifier']}.so"))
        self.library.fmi2Instantiate.restype = ctypes.c_void_p
        self.variables = {
            each.attrib["name"]: int(each.attrib["valueReference"]) for each in self.description.iter("ScalarVariable")
        }
        self.it = ctypes.c_void_p(self.instance(self.description.attrib["guid"]))

    def instance(self, guid: str) -> Any:
        return self.library.fmi2Instantiate(b"one", 1, guid.encode(), b"", None, 0, 0)

    def put(self, **values: float) -> int:
        which, count = self._named(values)
        return int(
            self.library.fmi2SetReal(self.it, which, ctypes.c_size_t(count), (ctypes.c_double * count)(*values.values()))
        )

    def get(self, *names: str) -> np.ndarray:
        which, count = self._named(names)
        found = (ctypes.c_double * count)()
        assert self.library.fmi2GetReal(self.it, which, ctypes.c_size_t(count), found) == 0
        return np.array(found)

    def _named(self, names: Any) -> tuple[Any, int]:
        return (ctypes.c_uint * len(names))(*(self.variables[name] for name in names)), len(names)

    def start(self, *, steady: bool = False, **values: float) -> None:
        library, it = self.library, self.it
        assert library.fmi2SetupExperiment(it, 0, ctypes.c_double(0), ctypes.c_double(0), 0, ctypes.c_double(0)) == 0
        assert library.fmi2EnterInitializationMode(it) == 0 and self.put(**values) == 0
        assert library.fmi2SetBoolean(it, (ctypes.c_uint * 1)(0), ctypes.c_size_t(1), (ctypes.c_int * 1)(steady)) == 0
        assert library.fmi2ExitInitializationMode(it) == 0

    def step(self, length: float) -> int:
        return int(self.library.fmi2DoStep(self.it, ctypes.c_double(0), ctypes.c_double(length), 1))


@pytest.fixture
def slave(fmu: Path, tmp_path: Path) -> Slave:
    return Slave(fmu, tmp_path)


def named(powers: np.ndarray, model: CompactModel) -> dict[str, float]:
    return {f"power.{name}": float(power) for name, power in zip(model.sources, powers)}


def test_it_steps_as_the_model_does(slave: Slave, model: CompactModel) -> None:
    """From ambient, through four powers, a step at a time and in parts."""
    places = [f"temperature.{place}" for place in model.places]
    slave.start(ambient=AMBIENT, **named(POWERS[0], model))
    found = [slave.get(*places)]
    for powers, length in zip(POWERS, np.diff([*TIMES, END])):
        assert slave.put(**named(powers, model)) == 0
        assert slave.step(0.25 * length) == 0 and slave.step(0.75 * length) == 0
        found.append(slave.get(*places))
    right = followed(model)
    np.testing.assert_allclose(found[1:], right[1:], rtol=1e-12)
    assert np.ptp(right[:, 0]) > 5


def test_it_says_what_its_mesh_errs_by(slave: Slave, model: CompactModel) -> None:
    said = {one.attrib["name"]: one.attrib["description"] for one in slave.description.iter("ScalarVariable")}
    assert model.mesh_error.size == len(model.places) and np.isfinite(model.mesh_error).all()
    assert np.all(model.mesh_error_over_time() >= model.mesh_error)
    for place, error, moving in zip(model.places, model.mesh_error, model.mesh_error_over_time()):
        told = said[f"temperature.{place}"]
        assert f"errs by {error:.2g} K at" in told and f"by {moving:.2g} K while powers come and go" in told


def test_it_starts_steady_and_stays_so(slave: Slave, model: CompactModel) -> None:
    places = [f"temperature.{place}" for place in model.places]
    slave.start(steady=True, ambient=AMBIENT, **named(POWERS[2], model))
    first = slave.get(*places)
    assert slave.step(100.0) == 0
    np.testing.assert_allclose(slave.get(*places), first, rtol=1e-13)
    right = model.solve(dict(zip(model.sources, POWERS[2])), films=FILMS, ambient=AMBIENT)
    assert np.abs(first - right.temperature).max() < 1e-3 * (first.max() - AMBIENT)


def test_surroundings_that_warm_lead_to_the_steady_state_there(slave: Slave, model: CompactModel) -> None:
    """The field stays as it is when the ambient jumps, and goes to where it would have gone."""
    places = [f"temperature.{place}" for place in model.places]
    slave.start(steady=True, ambient=AMBIENT, **named(POWERS[2], model))
    before = slave.get(*places)
    assert slave.put(ambient=AMBIENT + 15.0) == 0
    np.testing.assert_allclose(slave.get(*places), before, rtol=1e-6)
    assert slave.step(1e6) == 0
    np.testing.assert_allclose(slave.get(*places), before + 15.0, rtol=1e-9)


def test_it_refuses_what_it_was_not_made_for(slave: Slave, model: CompactModel) -> None:
    """An ambient outside the range, no number, another guid, a step before the start, a step back."""
    assert slave.step(1.0) != 0
    slave.start(ambient=AMBIENT)
    high = model.ambient[2]
    assert slave.put(ambient=high + 1.0) != 0 and slave.put(ambient=float("nan")) != 0 and slave.get("ambient")[0] == AMBIENT
    assert slave.step(-1.0) != 0 and slave.instance("another") is None


def test_its_state_is_kept_and_put_back(slave: Slave, model: CompactModel) -> None:
    places = [f"temperature.{place}" for place in model.places]
    slave.start(ambient=AMBIENT, **named(POWERS[0], model))
    assert slave.step(1.0) == 0
    kept, there = ctypes.c_void_p(), slave.get(*places)
    assert slave.library.fmi2GetFMUstate(slave.it, ctypes.byref(kept)) == 0
    assert slave.step(1.0) == 0 and not np.array_equal(slave.get(*places), there)
    assert slave.library.fmi2SetFMUstate(slave.it, kept) == 0
    assert np.array_equal(slave.get(*places), there)
    assert slave.library.fmi2FreeFMUstate(slave.it, ctypes.byref(kept)) == 0 and not kept


def test_export_takes_a_file_and_a_film(model: CompactModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, out = tmp_path / "net.nc", tmp_path / "out.fmu"
    write_compact(file, model)
    assert exit_code("export", str(file), "-o", str(out), "--film", "top=700 W/m^2/K") == 0 and zipfile.is_zipfile(out)
    capsys.readouterr()
    assert exit_code("export", str(file), "-o", str(out), "--film", "top=1e9 W/m^2/K") == 2
    assert "made for" in capsys.readouterr().err
    assert exit_code("export", str(tmp_path / "none.nc"), "-o", str(out)) == 5
    assert "no compact model at" in capsys.readouterr().err


def test_a_compiler_is_wanted_that_works(model: CompactModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(MissingDependencyError, match="a C compiler, and there is no no-such-compiler"):
        write_fmu(tmp_path / "a.fmu", model, "net")
    monkeypatch.setenv("CC", "false")
    with pytest.raises(ResultsError, match="the C compiler false fails with 1"):
        write_fmu(tmp_path / "a.fmu", model, "net")
    assert not list(tmp_path.iterdir())


def test_a_model_of_steady_states_has_none(tmp_path: Path) -> None:
    with pytest.raises(RangeError, match="compact.shortest"):
        write_fmu(tmp_path / "a.fmu", made(separable()), "net")


def test_a_tool_replays_it(fmu: Path, model: CompactModel) -> None:
    """fmpy finds nothing wrong with it, and its answers are those of the model to 1e-9 of the rise."""
    from fmpy import simulate_fmu
    from fmpy.validation import validate_fmu

    assert validate_fmu(str(fmu)) == []
    ends = np.append(TIMES[1:], END)
    names = [*named(POWERS[0], model), "ambient"]
    rows = [(time, *powers, AMBIENT) for begun, end, powers in zip(TIMES, ends, POWERS) for time in (begun, end)]
    table = np.array(rows, dtype=[("time", float), *((name, float) for name in names)])
    found = simulate_fmu(str(fmu), stop_time=END, output_interval=0.1, input=table, start_values={"ambient": AMBIENT})
    right = followed(model)
    for i, place in enumerate(model.places):
        at_ends = [found[f"temperature.{place}"][np.isclose(found["time"], end)][0] for end in ends]
        np.testing.assert_allclose(at_ends, right[1:, i], atol=1e-9 * np.ptp(right))
