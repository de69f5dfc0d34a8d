"""How many threads the products of a case take."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from typing import Any

from stack3d import guests

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Variables of the environment by which a user says how many threads products take."""


def one_thread() -> AbstractContextManager[Any]:
    """One BLAS thread unless the environment names a number: in small products threads wait for each other."""
    from threadpoolctl import threadpool_limits

    guests.load_scipy()  # it brings a BLAS of its own
    limits: AbstractContextManager[Any] = threadpool_limits(None if any(name in os.environ for name in THREADS) else 1)
    return limits
