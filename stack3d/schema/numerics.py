"""Solver profile: backend, mesh, linear solver and what they promise."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from stack3d.schema.base import (
    Count,
    DeckModel,
    Duration,
    Fraction,
    Number,
    Temperature,
    TemperatureDifference,
    Time,
)


class Mesh(DeckModel):
    """Element sizes of the tensor grid."""

    lateral: Annotated[Count, Field(ge=1, le=2048)]
    """Elements across the longer side of the footprint, at least; beyond it they grow."""
    refinement: Annotated[Number, Field(ge=1, le=64)] = 1.0
    """Largest lateral element over the smallest, which lies at the edges of sources."""
    growth: Annotated[Number, Field(gt=0, le=2)] = 0.3
    """Growth of the element size per distance from an edge of a source."""
    per_source: Annotated[Count, Field(ge=1, le=64)] = 1
    """Elements across a source, at least."""
    per_layer: Annotated[Count, Field(ge=1, le=64)] = 1
    """Elements through a layer, at least."""
    aspect: Annotated[Number, Field(gt=0)] = 4.0
    """Element height over the lateral element size at the same distance from a source, at most."""


class Linear(DeckModel):
    """Linear solver of the fem backend."""

    method: Literal["cg", "direct"] = "cg"
    preconditioner: Literal["auto", "grid", "icc", "gamg", "jacobi"] = "auto"
    """grid: the tensor solve on the same grid; auto: grid in one process, gamg in several."""
    tolerance: Annotated[Number, Field(gt=0, lt=1)] = 1e-10
    """Relative residual."""
    max_iterations: Annotated[Count, Field(ge=1)] = 500


class Duty(DeckModel):
    """Power switched on at the start of every period."""

    period: Duration
    on: Duration

    @model_validator(mode="after")
    def _within(self) -> Self:
        if self.on >= self.period:
            raise ValueError("on has to be shorter than period")
        return self


class Transient(DeckModel):
    """Temperature over time instead of the steady state; power follows its traces."""

    until: Duration
    outputs: tuple[Time, ...] = ()
    """Times at which everything is reported, ascending; absent = `until` alone."""
    initial: Temperature | None = None
    """Uniform temperature at the start; absent = ambient."""
    duty: Duty | None = None
    """Absent = all sources on from the start."""
    periodic: bool = False
    """Times count within one period after infinitely many; wants a duty or a trace."""
    step: Duration | None = None
    """Fixed step; absent = steps by error control."""
    tolerance: Annotated[TemperatureDifference, Field(gt=0)] = 0.01
    """Largest local error of a step by error control."""

    @model_validator(mode="after")
    def _times_fit(self) -> Self:
        times = (*self.outputs,)
        if any(b <= a for a, b in zip(times[:-1], times[1:])) or (times and times[-1] > self.until * (1 + 1e-12)):
            raise ValueError("outputs have to ascend, and none may come after until")
        if self.periodic and self.step is not None:
            raise ValueError("periodic takes no step: it is exact in time, or steps by error control")
        if self.periodic and self.duty is not None and self.until > self.duty.period:
            raise ValueError("periodic: until lies beyond the period of the duty")
        return self


class Solver(DeckModel):
    """Numerics profile."""

    name: str = "inline"
    title: str | None = None
    backend: Literal["auto", "fem", "tensor"] = "auto"
    """fem: DOLFINx on a Gmsh mesh; tensor: the same elements by fast diagonalisation, without a mesh; auto: tensor."""
    mesh: Mesh
    order: Literal[1] = 1
    linear: Linear = Linear()
    error_promise: Fraction
    """Largest error of tile and layer means over the peak rise that a test holds the profile to."""
