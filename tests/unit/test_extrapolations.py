"""Warnings of laws that leave what was measured: one a fact."""

import warnings

import numpy as np

from stack3d.case.extrapolations import told_once
from stack3d.devices.laws import check_exposure, check_range
from stack3d.schema.device import ValidityDeck


def warned(of: dict[str, ValidityDeck]) -> list[str]:
    """What mechanisms say of cells of ten years at 85 degC and 80 uS."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for mechanism, valid in of.items():
            where = f"{mechanism} of device 'mine'"
            check_range(valid, "temperature", np.array([358.15]), where=where)
            check_range(valid, "conductance", np.array([80e-6]), where=where)
            check_exposure(valid, 358.15, 3e8, where=where)
    return [str(one.message) for one in caught]


def test_mechanisms_that_leave_the_same_quantity_are_one_warning() -> None:
    bakes = ValidityDeck.model_validate({"temperature_fitted": "[398.15, 473.15] K", "conductance_fitted": "[1, 40] uS"})
    cold = ValidityDeck.model_validate({"temperature_fitted": "[298.15, 303.15] K", "exposures_fitted": ["1 day at 30 degC"]})
    texts = warned({"retention": bakes, "read_noise": bakes, "relaxation": cold, "spread": cold})
    assert len(texts) == 8 and told_once([*texts, "another"]) == (
        "device 'mine': temperature leaves the fitted ranges of retention and read noise [125, 200] degC, "
        "of relaxation and spread [25, 30] degC; extrapolating",
        "device 'mine': conductance leaves the fitted ranges of retention and read noise [1, 40] uS; extrapolating",
        "device 'mine': cells leave the times and temperatures of the measurements of relaxation and spread "
        "(8.64e+04 s at 30 degC); extrapolating",
        "another",
    )


def test_a_warning_of_one_mechanism_stays_as_it_is() -> None:
    texts = warned({"retention": ValidityDeck.model_validate({"temperature_fitted": "[398.15, 473.15] K"})})
    assert texts == ["retention of device 'mine': temperature leaves the fitted range [125, 200] degC; extrapolating"]
    assert told_once([*texts, *texts]) == tuple(texts)
