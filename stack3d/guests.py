"""Packages that libraries load and this program does not need: kept out of its processes."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

NONE_COME: ContextVar[bool] = ContextVar("NONE_COME", default=False)
"""Whether the door to this process vouches that xarray will meet no arrays but those of NumPy in it, ever."""
GUESTS = ("dask", "distributed", "pint", "cupy", "sparse", "cubed", "pyarrow")
"""Asked by xarray and pandas whether an array is of theirs; `workload` reads Parquet files by pyarrow itself."""
UNUSED = ("f2py", "testing")
"""Parts of NumPy that SciPy loads because it copies all of NumPy's names, and does not use."""


def are_hidden() -> bool:
    """Whether Dask cannot be imported just now."""
    return "dask" in sys.modules and sys.modules["dask"] is None


@contextmanager
def hidden(*, waits: bool = True) -> Iterator[None]:
    """Hide packages that are not loaded yet, where `NONE_COME` says so: half a second of a process.

    What xarray does not find once it never asks for again, so this is for processes of the program, not for a user's.
    Garbage `waits` meanwhile, unless long work is inside: xarray loads thousands of modules' worth of objects that stay.
    """
    names = [name for name in GUESTS if NONE_COME.get() and name not in sys.modules]
    sys.modules.update(dict.fromkeys(names))  # type: ignore[arg-type]
    pauses = waits and NONE_COME.get() and gc.isenabled()
    if pauses:
        gc.disable()
    try:
        yield
    finally:
        if pauses:
            gc.enable()
        for name in names:
            del sys.modules[name]


def load_scipy() -> None:
    """Load SciPy's linear algebra, with its BLAS, but not what it copies and never uses: a tenth of a second of a process.

    Whoever asks NumPy for these parts later gets them.
    """
    import numpy

    spared = [name for name in UNUSED if NONE_COME.get() and name not in vars(numpy)]
    vars(numpy).update(dict.fromkeys(spared))
    try:
        import scipy.linalg  # noqa: F401
    finally:
        for name in spared:
            if vars(numpy)[name] is None:
                del vars(numpy)[name]
