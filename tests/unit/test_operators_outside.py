"""An operator of another package: found by its entry point, run in a network; the table and its nodes keep no state."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from onnx import helper
from onnx_models import cnn, deck, save

from stack3d.registry import announced
from stack3d.workload import network_file as networks
from stack3d.workload.operators import operators

MODULE = '''
from stack3d.workload.operators import Operator


class Cube(Operator):
    """x to the third."""

    def compute(self, x):
        return x**3
'''


def test_an_operator_of_a_package_is_found_by_its_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "elsewhere-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: elsewhere\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[stack3d.operator]\nCube = elsewhere_operators:Cube\n")
    (tmp_path / "elsewhere_operators.py").write_text(MODULE)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(operators, "_entries", dict(operators._entries))
    monkeypatch.setattr(operators, "_outside_loaded", False)
    nodes = [
        helper.make_node("Gemm", ["x", "w"], ["h"]),
        helper.make_node("Cube", ["h"], ["y"], domain="elsewhere"),
    ]
    path = save(tmp_path / "n.onnx", nodes, {"w": np.eye(4)}, domains=("elsewhere",))
    with pytest.raises(Exception, match="node 'y' is a elsewhere.Cube, which is not supported; did you mean"):
        networks.load_network(deck(path))
    (info / "entry_points.txt").write_text("[stack3d.operator]\nelsewhere.Cube = elsewhere_operators:Cube\n")
    announced.cache_clear()
    monkeypatch.setattr(operators, "_outside_loaded", False)
    np.testing.assert_array_equal(networks.load_network(deck(path)).run(2 * np.ones((1, 4))), 8)


def test_runs_of_one_network_do_not_see_each_other(tmp_path: Path) -> None:
    """Two threads and a run within a product of another give what each gives alone."""
    rng = np.random.default_rng(0)
    path, shape = cnn(tmp_path / "n.onnx", rng)
    network = networks.load_network(deck(path))
    x = rng.normal(size=(2, *shape))
    by_name = {layer.name: layer.weights for layer in network.layers}
    alone = network.run(x, lambda name, v: 2 * (v @ by_name[name]))
    exact = network.run(x)
    inner: list[np.ndarray] = []

    def nested(name: str, v: np.ndarray) -> np.ndarray:
        inner.append(network.run(x))
        return 2 * (v @ by_name[name])

    found: dict[str, np.ndarray] = {}
    threads = [
        threading.Thread(target=lambda: found.update(nested=network.run(x, nested))),
        threading.Thread(target=lambda: found.update(exact=network.run(x))),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(found["nested"], alone)
    np.testing.assert_array_equal(found["exact"], exact)
    assert all(np.array_equal(one, exact) for one in inner) and len(inner) == len(by_name)
