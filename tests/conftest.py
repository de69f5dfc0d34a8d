"""The folder of a test sets its marker; reference numbers lie in ``tests/reference``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

PROJECT = Path(__file__).resolve().parents[1]
settings.register_profile(
    "project", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("project")  # no example fails because a machine is busy, and each run draws the same
KINDS = ("unit", "contract", "verification", "validation", "regression", "cli")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    kinds: dict[Path, list[str]] = {}
    for item in items:
        if item.path not in kinds:
            kinds[item.path] = [part for part in item.path.relative_to(PROJECT / "tests").parts if part in KINDS]
        for part in kinds[item.path]:
            item.add_marker(getattr(pytest.mark, part))


@pytest.fixture(scope="session", autouse=True)
def own_meshes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests neither find meshes of before nor leave any."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STACK3D_CACHE", str(tmp_path_factory.mktemp("meshes")))
        yield


@pytest.fixture(scope="session")
def reference() -> Path:
    """Folder of numbers computed by other tools and closed forms; its README names them."""
    return PROJECT / "tests" / "reference"
