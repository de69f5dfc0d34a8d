"""One direction of imports: a room imports only rooms above it, and siblings never import each other."""

import ast
from functools import cache
from pathlib import Path

import pytest

import stack3d

ROWS = (
    ("errors", "constants", "streams", "materials", "variables", "yamlruns", "chances", "fronts", "guests", "rectangles"),
    ("cavities",),
    (
        "units",
        "unit_text",
        "registry",
        "yamltree",
        "storage",
        "memory",
        "layout",
        "tiles",
        "signals",
        "films",
        "fixed_points",
    ),
    ("fields", "meshes", "grids", "yamlfile", "progress"),
    ("schema", "floorplans", "record", "fe"),
    ("decks",),
    ("geometry", "workload", "thermal", "devices", "mvm"),
    ("chip",),
    ("heat",),
    ("life",),
    ("case",),
    ("lifetime",),
    ("results",),
    ("study", "report", "training"),
    ("api",),
    ("cli",),
    ("__main__",),
)
ROW = {room: i for i, row in enumerate(ROWS) for room in row}
ROOT = Path(stack3d.__file__).parent
FILES = sorted(p for p in ROOT.rglob("*.py") if "library" not in p.relative_to(ROOT).parts and p.parent != ROOT.parent)


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@cache
def nodes_of(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


@cache
def imported_modules(path: Path) -> set[str]:
    """Every module a file imports, inside functions too, and ``from package import module`` as the module."""
    found = set()
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
            if node.module and node.module.startswith("stack3d"):
                found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def rooms_imported(path: Path) -> set[str]:
    return {m.split(".")[1] for m in imported_modules(path) if m.startswith("stack3d.") and m.split(".")[1] in ROW}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_upwards(path: Path) -> None:
    room = room_of(path)
    if room == "__init__":
        return
    assert room in ROW, f"{path.name} belongs to no room of the table"
    wrong = [other for other in rooms_imported(path) if other != room and ROW[other] >= ROW[room]]
    assert not wrong, f"{room} imports {wrong}, which are not above it"


DOOR = "case"
"""The room in which all others meet: a case from scenario to answer."""
MOST_IMPORTED = 6.0
"""Files of the program that a file of any other room imports on average, below; the doors of rooms count as files."""


MODULES = {".".join(("stack3d", *p.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__") for p in FILES}


def files_imported(path: Path) -> set[str]:
    """Files of the program that a file imports: what a name stands for, else the module it comes from."""
    nodes = nodes_of(path)
    found = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    for node in (node for node in nodes if isinstance(node, ast.ImportFrom) and node.module):
        whole = {f"{node.module}.{alias.name}" for alias in node.names}
        found |= {name if name in MODULES else name.rpartition(".")[0] for name in whole}
    return found & MODULES


@pytest.mark.parametrize("room", sorted({room_of(p) for p in FILES if len(p.relative_to(ROOT).parts) > 1} - {DOOR}))
def test_a_file_imports_few_others(room: str) -> None:
    mine = [p for p in FILES if room_of(p) == room and p.name != "__init__.py"]
    assert sum(len(files_imported(p)) for p in mine) < MOST_IMPORTED * len(mine)


def test_the_walk_sees_what_it_must() -> None:
    """Guard of the test itself: the rooms where physics meet import all five of them."""
    seen = set().union(*(rooms_imported(p) for p in FILES if room_of(p) in ("chip", "heat", "life", "case")))
    assert seen >= {"geometry", "workload", "thermal", "devices", "mvm"}


@pytest.mark.parametrize(
    ("module", "allowed"),
    [
        ("dolfinx", {"fe/"}),
        ("dolfinx_solver", {"fe/"}),
        ("petsc4py", {"fe/"}),
        ("mpi4py", {"fe/"}),
        ("pint", {"units.py"}),
        ("gmsh", {"geometry/gmsh_model.py"}),
    ],
)
def test_one_home_per_library(module: str, allowed: set[str]) -> None:
    users = {
        str(p.relative_to(ROOT)) for p in FILES if any(m == module or m.startswith(f"{module}.") for m in imported_modules(p))
    }
    assert users and all(any(u == home or (home.endswith("/") and u.startswith(home)) for home in allowed) for u in users)


def test_only_the_door_writes_to_the_terminal() -> None:
    printing = set()
    for path in FILES:
        for node in nodes_of(path):
            prints = isinstance(node, ast.Name) and node.id == "print"
            streams = (
                isinstance(node, ast.Attribute)
                and node.attr in ("stdout", "stderr", "echo")
                and isinstance(node.value, ast.Name)
            )
            if prints or (streams and node.value.id in ("sys", "typer", "click")):
                printing.add(str(path.relative_to(ROOT)))
    assert {room_of(ROOT / path) for path in printing} <= {"cli", "progress"}
