"""Test data are known by their headers, read once, in blocks, and only where they are wanted."""

import re
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from onnx import helper
from onnx_models import deck, save

import stack3d
from stack3d import study
from stack3d.case import check
from stack3d.chip import ComputingChip
from stack3d.errors import DeckError
from stack3d.schema.workload import DataDeck
from stack3d.workload import array_files, load_network, training_share
from stack3d.workload import data as labelled
from stack3d.workload.tasks import Classification

ROWS, WIDE = 10_000, 64


@pytest.fixture
def network(tmp_path: Path):
    return load_network(
        deck(save(tmp_path / "n.onnx", [helper.make_node("Gemm", ["x", "w"], ["y"])], {"w": np.eye(WIDE)}, ("n", WIDE)))
    )


@pytest.fixture
def blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks and what is held at once are small beside the 2.6 MB of the inputs."""
    monkeypatch.setattr(array_files, "BLOCK", 100e3)
    monkeypatch.setattr(labelled, "KEPT", 100e3)


def written(folder: Path, *, packed: bool = False, order: str = "C", **more: np.ndarray) -> tuple[DataDeck, np.ndarray]:
    """Deck of a `.npz`, and its inputs."""
    x = np.random.default_rng(1).normal(size=(ROWS, WIDE)).astype(np.float32)
    save_arrays = np.savez_compressed if packed else np.savez
    save_arrays(folder / "d.npz", inputs=np.asarray(x, order=order), labels=np.arange(ROWS) % WIDE, **more)
    return DataDeck(file=str(folder / "d.npz"), scale=0.5), x


@pytest.mark.parametrize("form", [{}, {"packed": True}, {"order": "F"}])
def test_rows_are_those_of_the_file_whatever_its_form(tmp_path: Path, network, blocks, form) -> None:
    chosen = np.random.default_rng(2).permutation(ROWS)[: ROWS // 2]
    given, x = written(tmp_path, test=chosen, train=chosen[::-1], **form)
    data = labelled.load_data(given, network)
    assert isinstance(data.inputs, array_files.InputRows) and not isinstance(data.profile, array_files.InputRows)
    np.testing.assert_array_equal(data.inputs[:], x[chosen] * np.float32(0.5))
    np.testing.assert_array_equal(data.profile, x[chosen[::-1]][:256] * np.float32(0.5))
    np.testing.assert_array_equal(data.labels, chosen % WIDE)
    assert data.inputs.nbytes == x.nbytes // 2 and data.inputs.shape == (ROWS // 2, WIDE)


@pytest.mark.parametrize("shape", [(), (100,)])
def test_a_series_without_channels_is_told(tmp_path: Path, network, shape: tuple[int, ...]) -> None:
    np.savez(tmp_path / "s.npz", series=np.ones(shape), starts=np.arange(3), length=np.array(WIDE), labels=np.arange(3))
    with pytest.raises(DeckError, match=re.escape(f"shape {shape}; wanted samples by channels")):
        labelled.load_data(DataDeck(file=str(tmp_path / "s.npz")), network)


@pytest.mark.parametrize("most", [None, 10])
@pytest.mark.parametrize("packed", [False, True])
def test_looking_at_data_holds_a_few_blocks_of_them(tmp_path: Path, network, blocks, packed: bool, most: int | None) -> None:
    given, x = written(tmp_path, packed=packed)
    labelled.load_data(given, network, most)
    tracemalloc.start()
    labelled.load_data(given, network, most)
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert taken < x.nbytes / 2, taken


def test_only_wanted_rows_are_read(tmp_path: Path, network, blocks) -> None:
    x = np.ones((ROWS, WIDE))
    x[-1, 2] = np.nan
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "t.npy", np.arange(ROWS) % WIDE)
    given = DataDeck(inputs=str(tmp_path / "x.npy"), labels=str(tmp_path / "t.npy"))
    assert len(labelled.load_data(given, network, 10).inputs) == 10
    with pytest.raises(DeckError, match=rf"data.inputs: x.npy has nan at \[{ROWS - 1}, 2\]; wanted real numbers"):
        labelled.load_data(given, network)


def test_a_training_reads_its_own_rows(tmp_path: Path, network, blocks) -> None:
    train, test = np.arange(ROWS // 2), np.arange(ROWS // 2, ROWS)
    given, x = written(tmp_path, train=train, test=test)
    share = training_share(given, network, Classification((WIDE,)), labelled=True)
    np.testing.assert_array_equal(share.inputs[:], x[train] * np.float32(0.5))


def header(shape: str, kind: str = "<f4") -> bytes:
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


def test_archives_that_unpack_beyond_all_measure_are_refused_by_their_headers(
    tmp_path: Path, network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(array_files, "SPARED", 1e5)
    with zipfile.ZipFile(tmp_path / "d.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inputs.npy", header("(100000, 64)") + bytes(100_000 * 256))
    monkeypatch.setattr(array_files.FileArray, "_numbers", None)  # nothing is read
    with pytest.raises(DeckError, match=r"data.file: d.npz .*unpacks to 25.6 MB, \d+ times its size; above 100 kB at most 200"):
        labelled.load_data(DataDeck(file=str(tmp_path / "d.npz")), network)


def test_arrays_that_no_case_could_hold_are_refused(tmp_path: Path, network, monkeypatch: pytest.MonkeyPatch) -> None:
    given, _ = written(tmp_path, order="F")
    monkeypatch.setenv("STACK3D_MEMORY", "1 MB")
    with pytest.raises(DeckError, match="data.file: d.npz: its arrays take 2.56 MB, and 1 MB are there"):
        labelled.load_data(given, network)
    given, _ = written(tmp_path)
    monkeypatch.setattr(labelled, "KEPT", 100e3)
    rows = labelled.load_data(given, network).inputs
    with pytest.raises(DeckError, match="data.file: 10000 inputs take 2.56 MB, and 1 MB are there"):
        rows[:1]
    (tmp_path / "x.npy").write_bytes(header("(-1, 4)") + bytes(64))
    with pytest.raises(DeckError, match=r"says that it has the shape \(-1, 4\)"):
        labelled.load_data(DataDeck(inputs=str(tmp_path / "x.npy"), labels=str(tmp_path / "x.npy")), network)


def test_data_of_zeros_are_told_at_their_own_line(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", inputs=np.zeros((20, 64)), labels=np.arange(20) % 10)
    deck_file = tmp_path / "c.yaml"
    text = (Path(stack3d.__file__).parents[1] / "scenarios" / "quickstart.yaml").read_text()
    deck_file.write_text(text.replace("network: digits_mlp", "network: digits_mlp\n  data: d.npz"))
    [one] = study.checked(deck_file)
    words = r"c.yaml:\d+: workload.data: the 20 inputs that calibrate converters give layer 'fc1' no range"
    assert re.search(words, str(one.error))


def test_a_network_of_large_arrays_calibrates_on_fewer_inputs(tmp_path: Path) -> None:
    """A model of 4 kB whose arrays between operators take 4 MB an input: its 256 inputs took 1 GB in validate."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["m"]),
        helper.make_node("Tile", ["m", "times"], ["t"]),
        helper.make_node("ReduceMean", ["t"], ["r"], axes=[1], keepdims=1),
        helper.make_node("Add", ["m", "r"], ["y"]),
    ]
    weights = {"w": np.random.default_rng(3).normal(size=(64, 10)), "times": np.array([1, 100_000])}
    path = save(tmp_path / "n.onnx", nodes, weights, ("n", 64), out=("n", 10))
    chip = check(stack3d.load("quickstart", {"workload.network": str(path), "workload.data": "digits"}).case.scenario)
    assert isinstance(chip, ComputingChip)
    computer = chip.computer
    assert computer.memory > 4e6 and 2 <= len(computer.data.profile) <= 100e6 / computer.memory < 256
