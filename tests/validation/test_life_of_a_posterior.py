"""What is not known of a fitted device goes on to accuracy, time to loss and hold interval."""

import json

import numpy as np
import pytest
from device_decks import content

import stack3d
from stack3d.devices import bands, build_device, drawn, load_device, posterior_draws

pytestmark = pytest.mark.filterwarnings("ignore::stack3d.errors.ValidityWarning")
QUICK = {"monte_carlo.samples": 2, "lifetime.epochs": 2, "workload.test_samples": 60, "solver.backend": "tensor"}


@pytest.fixture
def deck(tmp_path):
    """HfOx cells whose barrier a fit left open: draws from 1.0 to 1.9 eV."""
    fitted = content("hfox_analog")
    del fitted["name"]
    retention = fitted["mechanisms"]["retention"]
    retention["activation_energy"] = "1.49 eV"
    retention["posterior"] = {
        "parameters": ["activation_energy [eV]", "shape"],
        "covariance": [[0.1, 0.0], [0.0, 0.001]],
        "draws": [[float(energy), 0.69] for energy in np.linspace(1.0, 1.9, 10)],
    }
    path = tmp_path / "fitted.yaml"
    path.write_text(json.dumps(fitted))  # JSON is YAML
    return path


def test_a_draw_becomes_a_deck(deck):
    device = load_device(str(deck))
    assert posterior_draws(device) == 10 and posterior_draws(load_device("hfox_analog")) == 0
    assert [build_device(drawn(device, i)).retention.activation_energy for i in (0, 9)] == [1.0, 1.9]
    assert build_device(drawn(device, 3)).retention.shape == 0.69
    assert build_device(device).retention.activation_energy == 1.49
    assert list(bands(device)) == ["relaxation.activation_energy"]  # what was not fitted keeps its band


def test_the_band_holds_the_draws_and_the_same_chips(deck):
    tree = stack3d.load(
        "quickstart", {**QUICK, "device": str(deck), "lifetime.band": True, "cooling.ambient": "105 degC"}
    ).run()
    mvm, band = tree["mvm"], tree["mvm/accuracy_band"]
    assert list(band["band"].values) == ["low", "default", "high"]
    np.testing.assert_array_equal(band.sel(band="default").values, mvm["accuracy"].values)
    draws = mvm["accuracy_draws"]
    assert draws.sizes["posterior_draw"] == 8
    means = band.mean("sample")
    assert (means.sel(band="low") <= draws.min("posterior_draw") + 1e-12).all(), "no draw is below the band at any time"
    assert (means.sel(band="high") >= draws.max("posterior_draw") - 1e-12).all()
    assert (means.sel(band="low") <= means.sel(band="default")).all() and (
        means.sel(band="default") <= means.sel(band="high")
    ).all()
    assert float(means.sel(band="low")[-1]) < float(means.sel(band="high")[-1]), "1.0 eV loses more at 105 degC than 1.7 eV"
    assert tree["reliability/hold_interval_band"].sizes == {"band": 3}
