"""Phase-change cells over ten years: what the manual's picture and table say of drift and crystallisation."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from stack3d.errors import ValidityWarning


@pytest.fixture(scope="module")
def picture() -> ModuleType:
    path = Path(__file__).parents[2] / "docs" / "pictures" / "phase_change.py"
    spec = importlib.util.spec_from_file_location("phase_change", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.filterwarnings("ignore::stack3d.errors.ValidityWarning")
def test_loss_rises_with_temperature_and_overtakes_drift(picture: ModuleType) -> None:
    """Exponents average 0.060: exp(-0.060 ln(10 y / 20 s)) = 0.37 of a tenth is left, and 0.02 more over their spread."""
    cells, end = picture.device(), np.array([10 * picture.YEAR])
    still, dry = cells.without("retention"), cells.without("crystallisation")
    still_changes = [picture.change(still, c, end)[0] for c in (25, 85, 90, 95, 100, *picture.CELSIUS[2:])]
    assert all(a <= b for a, b in zip(still_changes, still_changes[1:])) and still_changes[-1] == pytest.approx(0.9, abs=1e-4)
    drift = [picture.change(dry, c, end)[0] for c in (25, 145)]
    assert drift[0] == drift[1] == pytest.approx(-0.061, abs=0.001)
    assert picture.change(cells, 25, end)[0] == pytest.approx(drift[0], abs=1e-6)
    assert [round(picture.overtaking(picture.device(b))) for b in ("low", "default", "high")] == [87, 97, 112]


def test_what_was_not_measured_is_said(picture: ModuleType) -> None:
    """A day at 25 degC has been measured; ten years at 110 degC have not, neither for drift nor for crystals."""
    cells = picture.device()
    with pytest.warns(ValidityWarning) as said:
        picture.change(cells, 110, np.array([10 * picture.YEAR]))
    for mechanism in ("retention", "crystallisation"):
        assert any(str(w.message).startswith(f"{mechanism} of device 'pcm_gst': leaves the times") for w in said)
