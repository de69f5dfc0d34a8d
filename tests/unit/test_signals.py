"""A request to end that falls into a destructor is heard all the same."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import pydantic
import pytest

from stack3d import signals
from stack3d.errors import EXIT_TERMINATED, Terminated
from stack3d.signals import listen, unheard


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    hook, handlers = sys.unraisablehook, {n: signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)}
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    sys.unraisablehook = hook
    signals._requests.made = None
    for number, handler in handlers.items():
        signal.signal(number, handler)


class Dropped:
    """An object whose destructor is where the signal falls."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __del__(self) -> None:
        signal.raise_signal(self.number)


@pytest.mark.parametrize(("number", "kind"), [(signal.SIGTERM, Terminated), (signal.SIGINT, KeyboardInterrupt)])
def test_a_request_inside_a_destructor_is_heard(number: int, kind: type[BaseException]) -> None:
    listen()
    with pytest.raises(kind):
        Dropped(number)
        time.sleep(30)


@pytest.mark.parametrize(("number", "kind"), [(signal.SIGTERM, Terminated), (signal.SIGINT, KeyboardInterrupt)])
def test_a_request_waits_for_the_end_of_a_write(number: int, kind: type[BaseException]) -> None:
    listen()
    steps = []
    with pytest.raises(kind), unheard():
        signal.raise_signal(number)
        with unheard():
            steps.append("written")
        steps.append("moved")
    assert steps == ["written", "moved"]


def test_a_lock_that_never_opens_does_not_keep_the_process() -> None:
    """Cleaning up waits for a lock that nobody holds any more; the process ends with the code of the request."""
    script = """
import signal, threading
from stack3d import signals
signals.PATIENCE = 0.2
signals.listen()
lock = threading.Lock()
lock.acquire()
try:
    signal.raise_signal(signal.SIGTERM)
finally:
    lock.acquire()
"""
    done = subprocess.run([sys.executable, "-c", script], timeout=120)
    assert done.returncode == EXIT_TERMINATED and signals.PATIENCE > 1


def test_a_request_that_a_library_tells_as_its_own_error_is_heeded() -> None:
    """A serialiser written in another language makes a ValueError of whatever falls into a function that it calls."""

    class Model(pydantic.BaseModel):
        number: Annotated[int, pydantic.PlainSerializer(lambda value: signal.raise_signal(signal.SIGINT))] = 1

    listen()
    with pytest.raises(ValueError, match="KeyboardInterrupt"):
        Model().model_dump()
    with pytest.raises(KeyboardInterrupt):
        signals.heed()
    listen()
    signals.heed()


def test_ctrl_c_within_an_exec_ends_with_its_code_and_its_sentence(tmp_path: Path) -> None:
    """Python remembers an interrupt that fell into code given as text, and would die of SIGINT at its own end."""
    script = """
import signal, sys
from stack3d import cli, decks
decks.available = lambda *_: exec("signal.raise_signal(signal.SIGINT)", {"signal": signal})
sys.argv = ["stack3d", "list"]
cli.main()
"""
    (tmp_path / "interrupted.py").write_text(script)
    done = subprocess.run([sys.executable, "-m", "interrupted"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (
        130,
        "error: interrupted; no file is half written, and the same command begins again\n",
    )


STARTED = """
import contextlib, ctypes, os, signal
from stack3d import signals
from stack3d.fe.library import import_dolfinx, import_mpi, import_petsc
from stack3d.geometry.gmsh_model import gmsh_model

ENDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGUSR1, signal.SIGALRM)
heard = []
for number in ENDED:
    signal.signal(number, lambda n, _: heard.append(n))
signal.signal(signal.SIGQUIT, signal.SIG_IGN)


def gmsh():
    with gmsh_model("empty"):
        pass


def cluster():
    import distributed
    with distributed.LocalCluster(n_workers=1, processes=False, dashboard_address=None) as one, distributed.Client(one):
        pass


def others():
    import h5py, matplotlib.pyplot, netCDF4, onnx, scipy.linalg, xarray, zarr


for start in (others, import_mpi, import_petsc, gmsh, import_dolfinx, gmsh, cluster):
    start()
    for number in ENDED:
        os.kill(os.getpid(), number)
    os.kill(os.getpid(), signal.SIGQUIT)
    assert sorted(heard) == sorted(ENDED), (start, heard)
    heard.clear()
print("all heard")
"""
WHILE = """
import contextlib, os, signal
from stack3d import signals
{first}
signal.signal(signal.SIGTERM, lambda *_: print("heard"))
with signals.handlers_kept():
    {start}
    os.kill(os.getpid(), signal.SIGTERM)
assert "PETSC_OPTIONS" not in os.environ
"""
STARTS = {
    "gmsh": ("import gmsh", 'gmsh.initialize(["-noenv"], readConfigFiles=False, interruptible=False)'),
    "petsc": ("import contextlib", "from stack3d.fe import library; library._set_up(); from petsc4py import PETSc"),
}


def test_signals_do_what_they_did_after_every_library_has_started() -> None:
    """Gmsh, MPI and PETSc set signals to what they like, and Python does not know of it."""
    done = subprocess.run([sys.executable, "-c", STARTED], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "all heard\n"), done.stderr


@pytest.mark.parametrize("library", STARTS)
def test_a_request_is_heard_while_a_library_starts(library: str) -> None:
    first, start = STARTS[library]
    script = WHILE.format(first=first, start=start)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "heard\n"), done.stderr


def test_a_request_after_the_work_changes_nothing(tmp_path: Path) -> None:
    """Python gives up its handlers while libraries close: a request then would end a run that is done as if it were not."""
    script = """
import atexit, os, signal, sys
from stack3d.__main__ import main

class Closing:
    def __del__(self, kill=os.kill, pid=os.getpid(), ask=(signal.SIGTERM, signal.SIGINT)):
        for number in ask:
            kill(pid, number)

sys.closing = Closing()
sys.argv = ["stack3d", "list", "solvers"]
atexit.register(os.kill, os.getpid(), signal.SIGTERM)
main()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "") and done.stdout
