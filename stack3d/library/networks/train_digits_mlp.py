"""Train the packaged digits network: 64-64-10, ReLU, on scikit-learn's 8x8 digits; writes digits_mlp.onnx and digits.npz.

Run with ``python -m stack3d.library.networks.train_digits_mlp`` (needs scikit-learn). The split is the one that
`train_test_split(range(1797), test_size=0.3, random_state=0, stratify=labels)` makes: 1257 to train, 540 to test.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

SEED = 0


def main(folder: Path) -> float:
    """Train, write both files into `folder`, return the float accuracy on the test part."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split
    from sklearn.neural_network import MLPClassifier

    inputs, labels = load_digits(return_X_y=True)
    train, test = train_test_split(np.arange(labels.size), test_size=0.3, random_state=0, stratify=labels)
    np.savez_compressed(
        folder / "digits.npz",
        inputs=inputs.astype(np.uint8),
        labels=labels.astype(np.uint8),
        train=train.astype(np.uint16),
        test=test.astype(np.uint16),
    )
    scaled = inputs / 16.0
    model = MLPClassifier((64,), alpha=1e-3, max_iter=200, random_state=SEED, tol=0.0, n_iter_no_change=200)
    model.fit(scaled[train], labels[train])
    tensors = {
        "fc1.weight": model.coefs_[0].T, "fc1.bias": model.intercepts_[0],
        "fc2.weight": model.coefs_[1].T, "fc2.bias": model.intercepts_[1],
    }  # fmt: skip
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["input", "fc1.weight", "fc1.bias"], ["hidden"], name="fc1", transB=1),
            helper.make_node("Relu", ["hidden"], ["active"], name="relu"),
            helper.make_node("Gemm", ["active", "fc2.weight", "fc2.bias"], ["logits"], name="fc2", transB=1),
        ],
        "digits_mlp",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 64])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 10])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in tensors.items()],
    )
    network = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="stack3d")
    onnx.checker.check_model(network)
    onnx.save(network, folder / "digits_mlp.onnx")
    return float(model.score(scaled[test], labels[test]))


if __name__ == "__main__":
    print(f"float accuracy on the test part: {main(Path(__file__).parent):.5f}")
