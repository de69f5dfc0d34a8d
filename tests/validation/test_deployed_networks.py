"""Deployed networks out of the wheels that carry them, against onnxruntime; fetched for the test, nothing of them is kept."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from stack3d.schema.workload import NetworkDeck
from stack3d.workload import network as networks

pytestmark = pytest.mark.slow
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
