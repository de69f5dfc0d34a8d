"""Solver profile: backend, mesh, linear solver and what they promise."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from stack3d.schema.base import (
    Count,
    DeckModel,
    Fraction,
    Number,
)


class Mesh(DeckModel):
    """Element sizes of the tensor grid."""

    lateral: Annotated[Count, Field(ge=1, le=2048)]
    """Elements across the longer side of the footprint, at least; beyond it they grow."""
    refinement: Annotated[Number, Field(ge=1, le=64)] = 1.0
    """Largest lateral element over the smallest, which lies at the edges of sources."""
    growth: Annotated[Number, Field(gt=0, le=2)] = 0.3
    """Growth of the element size per distance from an edge of a source."""
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
