"""Prepare shuttle.npz once from `Shuttle.rda` of the Debian package r-cran-mlbench.

The data are Statlog (Shuttle) of NASA, UCI Machine Learning Repository, CC BY 4.0.

``python -m stack3d.library.data.prepare_shuttle Shuttle.rda`` (needs rdata): unpack the package without
installing it. Rows of the main class are nominal, all others anomalous; training rows are nominal only, the test part has as
many of one as of the other.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

TRAIN, TEST = 6000, 2000


def main(source: Path, folder: Path) -> None:
    """Write shuttle.npz into `folder`."""
    import rdata  # type: ignore[import-not-found]

    table = rdata.read_rda(source)["Shuttle"]
    rows, labels = table.iloc[:, :9].to_numpy(), (table["Class"] != "Rad.Flow").to_numpy()
    rng = np.random.default_rng(0)
    nominal, odd = rng.permutation(np.flatnonzero(~labels)), rng.permutation(np.flatnonzero(labels))
    chosen = np.concatenate([nominal[: TRAIN + TEST], odd[:TEST]])
    np.savez_compressed(
        folder / "shuttle.npz",
        inputs=rows[chosen].astype(np.int16),
        labels=labels[chosen].astype(np.uint8),
        train=np.arange(TRAIN, dtype=np.uint16),
        test=rng.permutation(np.arange(TRAIN, chosen.size)).astype(np.uint16),
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(__file__).parent)
