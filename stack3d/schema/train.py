"""How a network is trained for its chip."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from stack3d.schema.base import Count, DeckModel, Fraction, Number, Positive, Temperature, Time


class TrainDeck(DeckModel):
    """Fine-tuning of the network with the noise of the cells it will lie on; `stack3d train` reads it, a run does not."""

    epochs: Annotated[Count, Field(ge=1, le=10_000)] = 40
    """Passes over the inputs that are trained on."""
    batch: Annotated[Count, Field(ge=1, le=65_536)] = 32
    """Inputs of a step; every step sees chips of its own."""
    rate: Annotated[Positive, Field(le=1e30)] = 2e-3
    """Step size of AdamW to begin with; it falls to zero as a cosine."""
    noise: Annotated[Number, Field(ge=0, le=100)] = 1.0
    """Factor on what cells are off by and on the noise of their reads."""
    ages: Annotated[tuple[Time, ...], Field(min_length=1, max_length=64)] = (1.0,)
    """Times after programming; every step draws one of them."""
    temperature: Temperature | None = None
    """Temperature of the cells while they age and are read; absent = what the run of the scenario finds for its tiles."""
    clip: Annotated[Number, Field(gt=0, le=100)] | None = 2.5
    """Largest weight of a layer, in standard deviations of its weights: few large ones leave the others little of the
    conductance window. null = any."""
    keep: Literal["best", "mean"] = "best"
    """best: the epoch whose chips are best on the inputs kept apart. mean: the mean of all weights that the second half of the
    steps passes through; no epoch is chosen, so that `validation` may be 0."""
    validation: Annotated[Fraction, Field(ge=0, lt=1)] = 0.2
    """Share of the inputs to train on that only judges epochs; inputs of the test are never among them.
    0 wants `keep: mean`."""
    patience: Annotated[Count, Field(ge=1, le=10_000)] = 15
    """Epochs without a better one after which it stops, where the best is kept."""
    chips: Annotated[Count, Field(ge=1, le=4096)] = 8
    """Chips that judge an epoch."""
    loss: Literal["task", "agreement"] = "task"
    """task: what the labels say. agreement: what the network said in float arithmetic before; needs no labels."""
    seed: Annotated[Count, Field(ge=0, le=2**32 - 1)] = 0
    trained: str | None = None
    """ONNX file that `stack3d train` has written for this chip: `stack3d run --levers` tries it as a lever."""

    @model_validator(mode="after")
    def _something_judges(self) -> Self:
        if self.validation == 0 and self.keep == "best":
            raise ValueError("validation: 0 leaves no inputs to choose the best epoch by; keep: mean needs none")
        return self
