"""Six kinds of network through crossbars for ten years: accuracy or agreement, energy, tiles."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import stack3d

HERE = Path(__file__).parents[1] / "networks"
QUICK = {
    "monte_carlo.samples": 2, "lifetime.epochs": 2, "lifetime.attribution": False, "solver.backend": "tensor",
    "solver.mesh": {"lateral": 6, "per_layer": 1, "aspect": 4}, "workload.rate": "100 1/s", "lifetime.until": "10 year",
    "workload.tile": [64, 64],
}  # fmt: skip
KINDS = {
    "residual": "agreement", "mobile": "agreement", "recurrent": "agreement", "transformer": "agreement",
    "segmenter": "segmentation", "pipeline": "classification",
}  # fmt: skip

TILES = {"residual": 7, "mobile": 8, "recurrent": 13, "transformer": 8, "segmenter": 6, "pipeline": 3}
"""Of 64 x 64 cells, two cells a weight: blocks of 64 inputs by 32 outputs of every layer, groups packed."""
MACS = {
    "residual": 144 * (27 * 8 + 72 * 8) + 36 * (72 * 16 + 8 * 16) + 16 * 5,
    "mobile": 64 * (27 * 12 + 9 * 12 + 144) + 16 * (9 * 12 + 144) + 12 * 5,
    "recurrent": 7 * (2 * 40 * (6 + 10) + 36 * (20 + 12)) + 12 * 4,
    "transformer": 9 * (8 * 16 + 4 * 16 * 16 + 2 * 16 * 32) + 16 * 4 + 2 * 2 * 9 * 9 * 8,
    "segmenter": 16 * (9 * 8 + 8 * 6 * 16 + 8 * 3) + 64 * 6 * 3,
    "pipeline": 64 * 24 + 24 * 20 + 20 * 10,
}
"""Multiply-accumulates of one inference by hand."""


def run(kind: str, folder: Path, **more: Any) -> Any:
    with np.load(HERE / f"{kind}.npz") as data:
        x, y = data["inputs"], data["outputs"]
        labels = data.get("labels")
    rng = np.random.default_rng(0)
    arrays = {"inputs": np.concatenate([x, x + 0.3 * rng.normal(size=x.shape)]) if kind != "pipeline" else x}
    if labels is not None:
        arrays["labels"] = labels
    elif kind == "segmenter":
        arrays = {"inputs": x, "labels": y.argmax(1)}
    np.savez(folder / "data.npz", **arrays)
    name = "pipeline.onnx" if kind == "pipeline" else f"{kind}_17.onnx"
    settings = {
        **QUICK, "workload.network": str(HERE / name), "workload.data": str(folder / "data.npz"), "workload.task": KINDS[kind],
        **({"workload.output": "probabilities"} if kind == "pipeline" else {}), **more,
    }  # fmt: skip
    return stack3d.load("quickstart", settings).run()


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_network_lives_ten_years(kind: str, tmp_path: Path) -> None:
    tree = run(kind, tmp_path)
    accuracy, error = tree["mvm/accuracy"].values.mean(axis=1), tree["mvm/logit_error"].values.mean(axis=1)
    ideal = float(tree["mvm/accuracy_ideal"])
    assert ideal == pytest.approx(0.92 if kind == "pipeline" else 1.0)
    assert ideal - 0.25 < accuracy[0] <= ideal + 0.05 and 0.02 < error[0] < error[-1]
    assert int(tree["power/matrix_tiles"].values.sum()) == TILES[kind]
    assert float(tree["power/macs"]) == MACS[kind]
    assert (tree["power/energy_per_inference"].sum("component") > 0).all()


def test_depthwise_layers_share_arrays_block_by_block(tmp_path: Path) -> None:
    """Twelve channels of 9 inputs and one output: seven fit 64 rows, so two arrays; dense they took 2 x 1 of mostly nothing."""
    tree = run("mobile", tmp_path)
    names = [str(n) for n in tree["power"]["matrix"].values]
    at = next(i for i, n in enumerate(names) if n.endswith("body.3/Conv"))
    tiles, used = tree["power/matrix_tiles"].values[at], tree["power/matrix_utilisation"].values[at]
    assert tiles == 2
    assert used == pytest.approx(12 * 9 * 2 / (2 * 64 * 64))


def test_more_cells_than_the_chip_has_are_counted(tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"takes (\d+) tiles .* sites on 8 tiers: \d+ are missing, \d+ cells"):
        run("transformer", tmp_path, **{"workload.tile": [2, 2]})


@pytest.mark.parametrize("name", ["array_api_strict", pytest.param("torch", marks=pytest.mark.torch)])
def test_arrays_of_another_library_give_the_same_life(name: str, tmp_path: Path) -> None:
    """The same noise is drawn; sums in another order may put a value on the next step of a converter."""
    ours, theirs = (run("segmenter", tmp_path, **{"workload.array": array}) for array in ("numpy", name))
    for variable, close in (("mvm/accuracy", 0.02), ("mvm/logit_error", 0.005), ("mvm/signal_to_noise", 0.1)):
        np.testing.assert_allclose(theirs[variable].values, ours[variable].values, rtol=0, atol=close)


def table() -> None:
    """Print the table of the manual: `PYTHONPATH=tests python tests/validation/test_networks_end_to_end.py`."""
    for kind in KINDS:
        with tempfile.TemporaryDirectory() as folder:
            tree = run(kind, Path(folder), **{"monte_carlo.samples": 8})
        accuracy = tree["mvm/accuracy"].values.mean(axis=1)
        energy = tree["power/energy_per_inference"].isel(time=0)  # the first epoch
        total, leakage = float(energy.sum()), float(energy.sel(component="leakage"))
        tiles = int(tree["power/matrix_tiles"].values.sum())
        print(
            f"| {kind} | {KINDS[kind]} | {float(tree['mvm/accuracy_ideal']):.2f} | {accuracy[0]:.2f} | {accuracy[-1]:.2f}",
            end="",
        )
        print(f" | {total * 1e9:.3g} | {(total - leakage) * 1e9:.3g} | {tiles} | {float(tree['power/macs']):.0f} |")


if __name__ == "__main__":
    table()
