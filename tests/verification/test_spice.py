"""Exported networks in ngspice: operating point, frequencies and a step, against the dataset they were written from."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import stack3d
from stack3d.cli import main
from stack3d.layout import Floats
from stack3d.results.spice import netlist, pin_names, renamed_pins

STORED = Path(__file__).parents[1] / "reference" / "spice"
"""An impedance, its networks, and what ngspice 39 answered to them."""
DECK = {
    "scenario": "net",
    "geometry": {
        "footprint": ["2 mm", "2 mm"],
        "layers": [
            {"name": "die", "thickness": "0.1 mm", "material": {"conductivity": "148 W/m/K", "heat_capacity": "1.66e6 J/m^3/K"}},
            {"name": "lid", "thickness": "1 mm", "material": {"conductivity": "398 W/m/K", "heat_capacity": "3.45e6 J/m^3/K"}},
        ],
    },
    "cooling": {"top": {"film_coefficient": "5000 W/m^2/K"}, "ambient": "300 K"},
    "power": {"sources": [
        {"name": "core", "layer": "die", "power": "2 W", "x": ["0 mm", "1 mm"], "y": ["0 mm", "1 mm"]},
        {"name": "cache", "layer": "die", "power": "1 W", "x": ["1 mm", "2 mm"], "y": ["1 mm", "2 mm"]},
    ]},
    "probes": [{"name": "case", "layer": "lid", "x": "1 mm", "y": "1 mm", "z": "1.1 mm"}],
    "impedance": {"from": "10 us"},
    "solver": {"backend": "tensor", "mesh": {"lateral": 8, "per_layer": 2}, "error_promise": 0.1},
}  # fmt: skip
FREQUENCIES = np.geomspace(1.0, 1e4, 9)
TIMES = np.array([1e-4, 1e-3, 1e-2, 1e-1])
CIRCUIT = """\
thermal networks of a result
.options reltol=1e-7 abstol=1e-15 vntol=1e-12 method=gear maxord=2
.include net.cir
Iwhole 0 core {source}
Ifoster 0 jf {source}
Icauer 0 jc {source}
Xwhole core cache case 0 whole
Rcache cache 0 1e15
Rcase case 0 1e15
Xfoster jf 0 foster_core
Xcauer jc 0 cauer_core
.control
set numdgt=15
set wr_singlescale
{command}
wrdata {out} {what}
quit
.endc
.end
"""
NODES = ["core", "cache", "case", "jf", "jc"]


def asked(folder: Path, out: str, source: str, command: str, of: str) -> Floats:
    """Columns that ngspice writes for the nodes, the scale first."""
    what = " ".join(of.format(node) for node in NODES)
    (folder / "drive.cir").write_text(CIRCUIT.format(source=source, command=command, out=out, what=what))
    subprocess.run(["ngspice", "-b", "drive.cir"], cwd=folder, check=True, capture_output=True, timeout=300)
    return np.loadtxt(folder / out)


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """Folder with the networks, and the impedance they are of."""
    folder = tmp_path_factory.mktemp("spice")
    (folder / "net.yaml").write_text(json.dumps(DECK))
    with pytest.MonkeyPatch.context() as patch:
        for words in (
            f"run {folder}/net.yaml -o {folder} --progress none",
            f"export {folder}/net -o {folder}/net.cir",
        ):
            patch.setattr("sys.argv", ["stack3d", *words.split()])
            with pytest.raises(SystemExit) as leave:
                main()
            assert not leave.value.code
    return folder, stack3d.open_result(folder / "net")["impedance"].to_dataset()


def assert_answers(found: Any, steady: Floats, gains: Floats, steps: Floats) -> None:
    """Of the whole to rounding, of networks within their stated error; `steps` to what ngspice resolves."""
    loads, shown, rates = (found[f"mode_{name}"].values for name in ("load", "shown", "rate"))
    resistance = found["resistance"].values[0]
    np.testing.assert_allclose(steady[1:4], resistance, rtol=1e-6)
    np.testing.assert_allclose(steady[4:], resistance[0], rtol=1e-6)
    omega = 2j * np.pi * gains[:, 0]
    exact = np.einsum("m,pm,fm->fp", loads[0], shown, 1 / (rates + omega[:, None]))
    np.testing.assert_allclose(gains[:, 1:4], np.abs(exact), rtol=1e-6)
    np.testing.assert_allclose(gains[:, 4:], np.abs(exact[:, :1]) * [1.0, 1.0], rtol=0.02)
    grown = np.einsum("m,pm,tm->tp", loads[0], shown, -np.expm1(-np.multiply.outer(steps[:, 0], rates)) / rates)
    np.testing.assert_allclose(steps[:, 1:4], grown, rtol=1e-4, atol=1e-4 * grown[:, 0].max())
    np.testing.assert_allclose(steps[:, 4:], grown[:, :1] * [1.0, 1.0], rtol=0.01)


@pytest.fixture(scope="module")
def stored() -> Any:
    """The impedance that the stored networks are of."""
    return xr.Dataset.from_dict(json.loads((STORED / "net.json").read_text()))


def test_what_ngspice_answered_is_what_the_dataset_says(stored: Any) -> None:
    """Stored networks are those written from the stored impedance, and what ngspice answered to them is what it says."""
    tree = xr.DataTree.from_dict({"/impedance": stored})
    assert netlist(tree) == (STORED / "net.cir").read_text()
    assert_answers(stored, *(np.loadtxt(STORED / f"{name}.txt") for name in ("steady", "gains", "steps")))


CLASHING = [
    "m0",
    "p1_1",
    "_m0",
    "Core_1",
    "core_1",
    "core_1_pin",
    "CORE_1",
    "gnd",
    "GND",
    "ambient",
    "0",
    "n1",
    "a b",
    "core-1",
]
"""Names that are nodes of their own only in a dataset."""


def named(stored: Any, names: list[str]) -> Any:
    """The stored impedance with other names of its two sources and its probe."""
    return xr.DataTree.from_dict({"/impedance": stored.assign_coords(source=names[:2], place=names)})


def operating_point(text: str, heated: int) -> Floats:
    """Voltages of the pins of ``whole`` over ambient, 1 A into one of them, by nodal analysis; case counts for nothing. [V]"""
    inside = text.lower().split(".subckt whole ")[1].split(".ends")[0].splitlines()
    pins, cards = inside[0].split(), [line.split() for line in inside[1:]]
    nodes = {"0": 0, "gnd": 0, "ambient": 0}
    for card in cards:
        for node in card[1 : 5 if card[0][0] == "e" else 3]:
            nodes.setdefault(node, len(nodes) - 2)
    forced = {card[0]: len(nodes) - 2 + i for i, card in enumerate(c for c in cards if c[0][0] in "ve")}
    matrix, right = (np.zeros((len(nodes) - 2 + len(forced),) * k) for k in (2, 1))
    for name, *rest in cards:
        a, b, value = nodes[rest[0]], nodes[rest[1]], float(rest[-1])
        if name[0] == "r":
            for row, sign in ((a, 1), (b, -1)):
                matrix[row, a] += sign / value
                matrix[row, b] -= sign / value
        elif name[0] == "f":
            matrix[a, forced[rest[2]]] += value
            matrix[b, forced[rest[2]]] -= value
        elif name[0] in "ve":
            own = forced[name]
            for node, sign in ((a, 1), (b, -1)):
                matrix[node, own] += sign
                matrix[own, node] += sign
            if name[0] == "e":
                matrix[own, nodes[rest[2]]] -= value
                matrix[own, nodes[rest[3]]] += value
            else:
                right[own] = value
    right[nodes[pins[heated]]] += 1.0
    matrix[0], matrix[:, 0], matrix[0, 0], right[0] = 0.0, 0.0, 1.0, 0.0
    found = np.linalg.solve(matrix, right)
    return np.array([found[nodes[pin]] for pin in pins[:-1]])


@pytest.mark.parametrize("names", [CLASHING[i : i + 3] for i in range(len(CLASHING) - 2)])
def test_names_that_spice_takes_for_others_are_pins_of_their_own(stored: Any, names: list[str]) -> None:
    """Of nodes within, of the ground, of ambient, and of one another in another case."""
    tree = named(stored, names)
    text = netlist(tree)
    for heated in range(2):
        np.testing.assert_allclose(operating_point(text, heated), stored["resistance"].values[heated], rtol=1e-6)
    subcircuits = [line.split()[1].lower() for line in text.splitlines() if line.startswith(".subckt")]
    assert len(set(subcircuits)) == len(subcircuits) == 5
    for name, pin in renamed_pins(tree):
        assert f"* {pin} is {name}, a name that SPICE" in text


def test_names_that_spice_can_tell_stay_and_no_two_pins_are_one() -> None:
    pins = pin_names(CLASHING)
    kept = {name for name, pin in zip(CLASHING, pins) if name == pin}
    assert kept == {"m0", "p1_1", "Core_1", "core_1_pin", "n1", "core-1"}
    assert len({pin.lower() for pin in pins}) == len(pins)


@pytest.mark.slow
@pytest.mark.parametrize("names", [["m0", "p1_1", "Core_1"], ["Core_1", "core_1", "gnd"], ["ambient", "gnd", "core-1"]])
def test_ngspice_tells_those_names_too(stored: Any, names: list[str], tmp_path: Path) -> None:
    """The second source heated alone; nodes outside are the simulator's."""
    (tmp_path / "net.cir").write_text(netlist(named(stored, names)))
    drive = "names\n.include net.cir\nX1 a b p 0 whole\nI1 0 b 1\nRa a 0 1e15\nRp p 0 1e15\n.control\nset numdgt=15\n"
    (tmp_path / "drive.cir").write_text(drive + "set wr_singlescale\nop\nwrdata out.txt v(a) v(b) v(p)\nquit\n.endc\n.end\n")
    subprocess.run(["ngspice", "-b", "drive.cir"], cwd=tmp_path, check=True, capture_output=True, timeout=300)
    np.testing.assert_allclose(np.loadtxt(tmp_path / "out.txt")[1:], stored["resistance"].values[1], rtol=1e-6)


def test_the_impedance_is_still_that_of_the_stored_networks(net: tuple[Path, Any], stored: Any) -> None:
    """Within the error that it states; modes may differ."""
    _, found = net
    np.testing.assert_allclose(found["resistance"], stored["resistance"], rtol=1e-6)
    miss = np.abs(found["impedance"].values - stored["impedance"].values)
    assert np.all(miss <= found["impedance_error"].values)


@pytest.mark.slow
def test_ngspice_answers_as_the_dataset_says(net: tuple[Path, Any]) -> None:
    """The networks replayed now."""
    if shutil.which("ngspice") is None:
        pytest.fail("ngspice is not here; on Debian or Ubuntu: apt-get install ngspice")
    assert_answers(net[1], *replayed(net[0]))


def replayed(folder: Path) -> tuple[Floats, Floats, Floats]:
    """Operating point, gains and step as ngspice has them."""
    steady = asked(folder, "steady.txt", "1", "op", "v({})")
    decades = "ac dec 2 1 1e4"
    gains = asked(folder, "gains.txt", "dc 0 ac 1", decades, "vm({})")
    steps = asked(folder, "raw.txt", "pulse(0 1 0 1e-9 1e-9 10 20)", "tran 2e-6 0.1 0 2e-5", "v({})")
    columns = [np.interp(TIMES, steps[:, 0], steps[:, i]) for i in range(1, steps.shape[1])]
    return steady, gains, np.column_stack([TIMES, *columns])


def test_a_result_without_impedance_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    deck = {key: value for key, value in DECK.items() if key != "impedance"}
    (tmp_path / "net.yaml").write_text(json.dumps(deck))
    codes = []
    for words in (
        f"run {tmp_path}/net.yaml -o {tmp_path} --progress none",
        f"export {tmp_path}/net -o {tmp_path}/net.cir",
        f"export {tmp_path}/net -o {tmp_path}/net.txt",
    ):
        monkeypatch.setattr("sys.argv", ["stack3d", *words.split()])
        with pytest.raises(SystemExit) as leave:
            main()
        codes.append(leave.value.code)
    assert codes[0] in (0, None) and codes[1] == 5 and codes[2] == 2
    said = capsys.readouterr().err
    assert (
        "the result has no impedance; put impedance: {} into its scenario" in said
        and "written as .cir or .fmu or .csv or .ecxml, not .txt" in said
    )
