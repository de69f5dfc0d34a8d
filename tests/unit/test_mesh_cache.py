"""Meshes kept on disk: what tells them apart, and what happens to damaged ones and to many writers."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stack3d.geometry import mesh_cache
from stack3d.geometry.mesh_cache import cached, fingerprint
from stack3d.layout import Layer, Material, Rectangle, Stack

BOX = Rectangle(0.0, 1e-3, 0.0, 1e-3)


def stack(thickness: float = 1e-4, conductivity: float = 100.0) -> Stack:
    return Stack((Layer("a", 0.0, thickness, BOX, Material("m", (conductivity,) * 3, 1e6)),), BOX)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STACK3D_CACHE", str(tmp_path / "kept"))
    return tmp_path / "kept"


class Builder:
    """Counts how often it is asked."""

    def __init__(self, n: int = 1000) -> None:
        self.times, self.n = 0, n

    def __call__(self) -> dict[str, Any]:
        self.times += 1
        return {"points": np.arange(3.0 * self.n).reshape(-1, 3), "cells": np.arange(8), "names": np.array(["a", "bé"])}


def test_equal_parts_have_equal_fingerprints_and_others_have_not() -> None:
    lines = np.linspace(0, 1, 5)
    same = fingerprint(stack(), lines, {"a": 1, "b": (1, 2)}), fingerprint(stack(), lines.copy(), {"b": (1, 2), "a": 1})
    assert same[0] == same[1]
    others = [
        fingerprint(stack(1.0000000001e-4), lines),
        fingerprint(stack(conductivity=100.00000001), lines),
        fingerprint(stack(), lines[:-1]),
        fingerprint(stack(), lines.astype(np.float32)),
        fingerprint(stack(), np.nextafter(lines, 2)),
        fingerprint(stack(), lines, None),
        fingerprint(stack(), (lines,)),
        fingerprint((1, 2), 3),
        fingerprint(1, (2, 3)),
        fingerprint("1", (2, 3)),
        fingerprint(True, (2, 3)),
    ]
    assert len({same[0], *others}) == len(others) + 1
    with pytest.raises(TypeError, match="Builder"):
        fingerprint(Builder())


def test_a_new_format_or_version_is_another_mesh(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {fingerprint(stack())}
    monkeypatch.setattr(mesh_cache, "FORMAT", mesh_cache.FORMAT + 1)
    seen.add(fingerprint(stack()))
    monkeypatch.setattr(mesh_cache, "__version__", "9.9")
    seen.add(fingerprint(stack()))
    assert len(seen) == 3


def test_the_second_time_nothing_is_built(place: Path) -> None:
    build = Builder()
    first, second = cached("k", build), cached("k", build)
    assert build.times == 1 and sorted(second) == ["cells", "names", "points"]
    for name, array in first.items():
        np.testing.assert_array_equal(second[name], array)
        assert second[name].dtype == array.dtype
    assert [p.name for p in place.iterdir()] == ["k.npz"]


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "text", "folder", "another", "unreadable"])
def test_a_damaged_entry_is_made_again(place: Path, damage: str) -> None:
    """Once: the time after it is kept."""
    build = Builder()
    expected = cached("k", build)
    path = place / "k.npz"
    whole = path.read_bytes()
    cached("other", Builder(10))
    broken = {
        "cut": whole[: len(whole) // 2],
        "flipped": whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:],
        "empty": b"",
        "text": b"no mesh",
        "another": (place / "other.npz").read_bytes(),
    }
    path.unlink()
    if damage == "folder":
        path.mkdir()
        (path / "inside").touch()
    elif damage == "unreadable":  # even to the administrator
        path.symlink_to(path.name)
    else:
        path.write_bytes(broken[damage])
    again = cached("k", build)
    assert build.times == 2
    np.testing.assert_array_equal(again["points"], expected["points"])
    cached("k", build)
    assert build.times == 2


def test_off_or_unwritable_builds_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build = Builder()
    monkeypatch.setenv("STACK3D_CACHE", "off")
    cached("k", build)
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("STACK3D_CACHE", str(tmp_path / "file"))
    cached("k", build)
    assert build.times == 2 and (tmp_path / "file").read_text() == "in the way"


def test_where_meshes_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STACK3D_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert mesh_cache.folder() == Path("/somewhere/stack3d")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert mesh_cache.folder() == Path.home() / ".cache" / "stack3d"


def test_what_was_used_least_recently_goes(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for i, name in enumerate(("a", "b", "c")):
        cached(name, Builder())
        os.utime(place / f"{name}.npz", (i, i))
    killed = subprocess.run([sys.executable, "-c", LEAVES, str(place / "e.npz")])
    assert killed.returncode == 9 and len(list(place.glob(".e.npz.*.tmp"))) == 1
    cached("a", Builder())  # used now
    monkeypatch.setattr(mesh_cache, "MOST_BYTES", 3 * (place / "a.npz").stat().st_size)
    cached("d", Builder())
    assert sorted(p.name for p in place.iterdir()) == ["a.npz", "c.npz", "d.npz"]


LEAVES = """
import os, sys
from pathlib import Path
from stack3d import storage
with storage.beside(Path(sys.argv[1])) as scratch:
    scratch.write_text("half")
    os._exit(9)
"""
WRITER = """
import sys, numpy as np
from stack3d.geometry.mesh_cache import cached
for i in range(40):
    got = cached(f"k{i % 4}", lambda: {"points": np.full(200_000, float(i % 4)), "cells": np.arange(9)})
    assert got["points"].shape == (200_000,) and np.all(got["points"] == i % 4), i
    if i % 7 == int(sys.argv[1]):
        import pathlib, stack3d.geometry.mesh_cache as m
        (m.folder() / f"k{i % 4}.npz").unlink(missing_ok=True)
"""


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("damage", [cut, pipe])
def test_a_damaged_entry_is_put_aside_and_only_the_last_one(place: Path, damage: Any) -> None:
    for name in ("a", "b"):
        cached(name, Builder())
        damage(place / f"{name}.npz")
        made = Builder()
        cached(name, made)
        assert made.times == 1
    assert sorted(p.name for p in place.iterdir()) == ["a.npz", "b.npz", "damaged-b.npz"]


def test_many_processes_read_write_and_remove_at_once(place: Path) -> None:
    """Each sees whole arrays, whatever the others do, and nothing is left beside them."""
    running = [subprocess.Popen([sys.executable, "-c", WRITER, str(i)], stderr=subprocess.PIPE) for i in range(4)]
    for process in running:
        _, error = process.communicate(timeout=120)
        assert process.returncode == 0, error.decode()
    assert not list(place.glob("*.tmp"))


def test_a_reader_is_not_disturbed_by_a_writer_that_dies(place: Path) -> None:
    cached("k", Builder())
    script = "import os, numpy as np\nfrom stack3d.geometry.mesh_cache import cached\ncached('other', lambda: os._exit(9))"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 9
    build = Builder()
    cached("k", build)
    assert build.times == 0 and time.time() - (place / "k.npz").stat().st_mtime < 60
