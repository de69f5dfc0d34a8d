"""Solver profile: backend, mesh, linear solver and what they promise."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Discriminator, Field, Tag, WithJsonSchema, model_validator

from stack3d.errors import brief, did_you_mean
from stack3d.registry import Registry
from stack3d.schema.base import (
    Count,
    DeckModel,
    Duration,
    FilmCoefficient,
    Fraction,
    Number,
    Temperature,
    TemperatureDifference,
    Time,
    given_as,
    too_many,
)

mesh_kinds: Registry[type[Any]] = Registry("mesh kind")
"""By the word of `mesh.cells`; what a kind answers says `heat.meshing.MeshKind`. Other packages announce theirs in the
entry-point group ``stack3d.mesh_kind``."""
CELLS = ("hex", "tet")
"""Kinds of the package that a profile may ask for."""
OF_A_FILE = "file"
"""The kind of a mesh of the user's own, which the geometry asks for."""


def _known_kind(word: str) -> str:
    if word not in CELLS and (word == OF_A_FILE or word not in mesh_kinds):
        known = [*CELLS, *(name for name in mesh_kinds if name not in (*CELLS, OF_A_FILE))]
        raise ValueError(f"no kind of mesh {brief(word)}{did_you_mean(word, known)}; known: {', '.join(known)}")
    return word


class MeshDeck(DeckModel):
    """Element sizes."""

    cells: Annotated[str, AfterValidator(_known_kind), WithJsonSchema({"type": "string", "examples": list(CELLS)})] = "hex"
    """hex: bricks on the lines of a tensor grid; tet: tetrahedra of a triangulated plane, for `fem`; or a kind of another
    package."""
    builder: Literal["auto", "gmsh", "arrays"] = "auto"
    """hex with `fem`: whether the bricks go to DOLFINx through Gmsh or as arrays; auto: Gmsh up to 40000 cells."""
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
    sides: Annotated[Count, Field(ge=6, le=64)] = 12
    """tet: sides of the polygon that stands for a resolved cylinder; its area is that of the circle."""

    def coarser(self) -> MeshDeck:
        """Elements of twice the size everywhere; polygons keep their sides."""
        halved = {key: max(1, getattr(self, key) // 2) for key in ("lateral", "per_layer", "per_source")}
        return self.model_copy(update={**halved, "growth": min(2.0, 2 * self.growth)})

    def finer(self) -> MeshDeck:
        """Elements of half the size everywhere."""
        doubled = {
            key: min(2 * getattr(self, key), most) for key, most in (("lateral", 2048), ("per_layer", 64), ("per_source", 64))
        }
        return self.model_copy(update={**doubled, "growth": 0.5 * self.growth})


class LinearDeck(DeckModel):
    """Linear solver of the fem backend."""

    method: Literal["cg", "direct"] = "cg"
    preconditioner: Literal["auto", "grid", "icc", "gamg", "jacobi"] = "auto"
    """grid: the tensor solve on the same grid; auto: grid in one process, gamg in several; of tetrahedra icc."""
    tolerance: Annotated[Number, Field(gt=0, lt=1)] = 1e-10
    """Residual, over the load, at which the solver stops."""
    max_iterations: Annotated[Count, Field(ge=1)] = 500


_ACCURACY = {"type": "string", "description": "an error, as '0.05 K', or '0.1 %' of the rise"}


class AccuracyDeck(DeckModel):
    """An error: `kelvin`, or a `share` of the rise."""

    kelvin: Annotated[TemperatureDifference, Field(gt=0)] | None = None
    share: Annotated[Fraction, Field(gt=0, lt=1)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _of_text(cls, value: Any) -> Any:
        if isinstance(value, Mapping):
            return value
        return {"share" if str(value).strip().endswith("%") else "kelvin": value}

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.kelvin is None) == (self.share is None):
            raise ValueError("wants an error such as '0.05 K', or '0.1 %' of the rise")
        return self

    def __str__(self) -> str:
        return f"{self.kelvin:g} K" if self.kelvin is not None else f"{100 * (self.share or 0):g} % of the rise"


MOST_STEPS = 1_000_000
"""Of one transient; each is a solve."""


class DutyDeck(DeckModel):
    """Power switched on at the start of every period."""

    period: Duration
    on: Duration

    @model_validator(mode="after")
    def _within(self) -> Self:
        if self.on >= self.period:
            raise ValueError(f"on has to be shorter than period, got {self.on:g} s of {self.period:g} s")
        return self


MOST_OUTPUTS = 10_000
"""Of one transient; each keeps every map."""


class SpacedDeck(DeckModel):
    """Times from one to another, both included."""

    start: Annotated[Time, Field(alias="from")]
    end: Annotated[Duration, Field(alias="to")]
    count: Annotated[Count, Field(ge=2, le=MOST_OUTPUTS)]
    scale: Literal["linear", "log"] = "linear"
    """linear: equal differences; log: equal ratios."""

    @model_validator(mode="after")
    def _ascend(self) -> Self:
        if self.start >= self.end:
            raise ValueError(f"from must lie before to (got {self.start:g} s, {self.end:g} s)")
        if self.scale == "log" and self.start <= 0:
            raise ValueError(f"scale: log wants from above zero, got {self.start:g} s")
        return self

    @property
    def times(self) -> tuple[float, ...]:
        """All of them, ascending. [s]"""
        shares = [i / (self.count - 1) for i in range(self.count)]
        if self.scale == "log":
            inner = tuple(self.start * (self.end / self.start) ** s for s in shares[1:-1])
        else:
            inner = tuple(self.start + (self.end - self.start) * s for s in shares[1:-1])
        return (self.start, *inner, self.end)


class EarlierDeck(DeckModel):
    """A run that ended as this one begins."""

    result: str
    """The result.nc of that run. A layer begins at the boxes of its map there, else at its mean, of the last time."""


class SurroundingsDeck(DeckModel):
    """A table of ambient and films over time; each row holds until the next, the last to the end."""

    file: str | None = None
    """`.csv` or `.parquet` with `time [s]`, `ambient [degC]` and `films.top [W/m^2/K]`, in place of all that follows."""
    times: Annotated[tuple[Time, ...], Field(max_length=MOST_OUTPUTS)] = ()
    """Times of the rows, from 0 on."""
    ambient: tuple[Temperature, ...] | None = None
    """Surroundings of every face that has no temperature of its own; absent = `cooling.ambient`."""
    films: dict[str, tuple[FilmCoefficient, ...]] = {}
    """Face or patch → its film; a face that is not named is cooled as `cooling` has it."""

    @model_validator(mode="after")
    def _columns_fit(self) -> Self:
        if self.file is not None:
            if self.times or self.films or self.ambient is not None:
                raise ValueError("wants either a file, or times and columns")
            return self
        if not self.times:
            raise ValueError("wants times and columns, or a file")
        for a, b in pairwise(self.times):
            if b <= a:
                raise ValueError(f"times have to ascend, got {b:g} s after {a:g} s")
        if self.times[0] != 0:
            raise ValueError(f"times begin at 0 s, got {self.times[0]:g} s")
        columns = {"ambient": self.ambient, **{f"films.{face}": films for face, films in self.films.items()}}
        given = {name: column for name, column in columns.items() if column is not None}
        if not given:
            raise ValueError("wants a column: ambient, or films of a face")
        for name, column in given.items():
            if len(column) != len(self.times):
                raise ValueError(f"{name} has {len(column)} values for {len(self.times)} times")
        return self


def _form_of_initial(value: Any) -> str:
    if isinstance(value, EarlierDeck) or (isinstance(value, Mapping) and "result" in value):
        return "result[]"
    return "mapping[]" if isinstance(value, Mapping) else "number[]"


class TransientDeck(DeckModel):
    """Temperature over time instead of the steady state; power follows its traces."""

    until: Duration
    outputs: Annotated[
        Annotated[tuple[Time, ...], Tag("list[]")] | Annotated[SpacedDeck, Tag("mapping[]")], given_as("mapping[]", "list[]")
    ] = ()
    """Times at which everything is reported: a list that ascends, or from, to, count and scale; absent = `until` alone."""
    initial: Annotated[
        Annotated[Temperature | None, Tag("number[]")]
        | Annotated[dict[str, Temperature], Tag("mapping[]")]
        | Annotated[EarlierDeck, Tag("result[]")],
        Discriminator(_form_of_initial),
    ] = None
    """Temperature at the start: one, or by layer or layer.block, or {result: …} of an earlier run; what is not named begins at
    ambient."""
    duty: DutyDeck | None = None
    """When sources are on; absent = all of them from the start."""
    periodic: bool = False
    """Times count within one period after infinitely many; wants a duty or a trace."""
    step: Duration | None = None
    """Fixed step; absent = steps by error control."""
    surroundings: SurroundingsDeck | None = None
    """Ambient and films over time; absent = as `cooling` has them."""
    tolerance: Annotated[AccuracyDeck, WithJsonSchema(_ACCURACY)] | None = None
    """Largest local error of a step by error control, per cent of the largest change so far; absent = by the profile."""

    @property
    def times(self) -> tuple[float, ...]:
        """Those of the outputs. [s]"""
        return (self.outputs.times if isinstance(self.outputs, SpacedDeck) else self.outputs) or (self.until,)

    @model_validator(mode="after")
    def _times_fit(self) -> Self:
        times = self.times
        for a, b in pairwise(times):
            if b <= a:
                raise ValueError(f"outputs have to ascend, got {b:g} s after {a:g} s")
        if times[-1] > self.until * (1 + 1e-12):
            raise ValueError(f"outputs: none may come after until, {self.until:g} s, got {times[-1]:g} s")
        if self.step is not None and self.until / self.step > MOST_STEPS:
            raise too_many(self, "steps", self.step, MOST_STEPS, ("step",))
        if self.duty is not None and not self.periodic and self.until / self.duty.period > MOST_STEPS:
            raise too_many(self, "periods (periodic: true needs one)", self.duty.period, MOST_STEPS, ("duty", "period"))
        if self.periodic and self.step is not None:
            raise ValueError("periodic takes no step: it is exact in time, or steps by error control")
        if self.periodic and self.duty is not None and self.until > self.duty.period:
            raise ValueError(f"periodic: until, {self.until:g} s, lies beyond the period of the duty, {self.duty.period:g} s")
        return self

    @model_validator(mode="after")
    def _surroundings_stay(self) -> Self:
        if self.periodic and self.surroundings is not None:
            raise ValueError("periodic goes with surroundings that stay: leave one of the two out")
        return self


class ImpedanceDeck(DeckModel):
    """Response of the chip to a step of 1 W in each of `power.sources`, at the films and conductivities of its steady
    state.
    """

    start: Annotated[Duration, Field(alias="from")] = 1e-7
    """First time of the response; heat has to come through an element of the mesh by then."""
    end: Annotated[Duration | None, Field(alias="to")] = None
    """Last time; absent = when one part in a thousand is left to come."""
    per_decade: Annotated[Count, Field(ge=1, le=200)] = 10
    """Times in each decade."""
    terms: Annotated[Count, Field(ge=1, le=100)] = 30
    """Terms of the Foster chain and the Cauer ladder of a source, at most; fewer where those miss it by 1 % at no time."""
    groups: dict[str, tuple[str, ...]] = {}
    """Sources that are switched on together, sharing 1 W as they share their powers."""


class CompactDeck(DeckModel):
    """What a compact model is made for: films and ambient in ranges, and the shortest time that traces show."""

    films: dict[str, tuple[FilmCoefficient, FilmCoefficient]] = {}
    """Face or patch → lowest and highest film; a face that is not named keeps the film that it has in the steady state."""
    ambient: tuple[Temperature, Temperature] | None = None
    """Lowest and highest ambient; absent = that of the cooling alone."""
    accuracy: Annotated[Fraction, Field(ge=1e-8, le=0.1)] = 0.01
    """Largest bound for 1 W of any source alone, over its largest rise, at any films; most bounds are far smaller."""
    shortest: Duration | None = None
    """Shortest step of the traces that it has to follow; absent = a model of steady states alone."""
    over_time: Annotated[Fraction, Field(ge=1e-6, le=0.1)] = 0.002
    """Largest estimated error over time, over the largest response at any rate."""
    conductivity: Literal["refused", "held"] = "refused"
    """What becomes of properties that follow the temperature: held = at their layer's mean in the steady state."""

    @model_validator(mode="after")
    def _ranges_ascend(self) -> Self:
        for face, (low, high) in self.films.items():
            if not 0 < low < high < math.inf:
                raise ValueError(f"films.{face} wants two films above zero, the lower first (got {low:g}, {high:g} W/m^2/K)")
        if self.ambient is not None and not self.ambient[0] <= self.ambient[1]:
            raise ValueError(f"ambient wants the lower first (got {self.ambient[0]:g}, {self.ambient[1]:g} K)")
        return self


class SolverDeck(DeckModel):
    """Numerics profile."""

    name: str = "inline"
    title: str | None = None
    backend: Literal["auto", "fem", "tensor", "compact"] = "auto"
    """fem: DOLFINx on bricks or tetrahedra; tensor: the same bricks by fast diagonalisation; compact: a model of few unknowns
    made from tensor, in the ranges of the scenario's `compact`; auto: tensor for bricks."""
    mesh: MeshDeck
    order: Literal[1, 2] = 1
    """Order of the elements; absent = 2 with mesh.cells: tet, else 1. Elements of order 2 are twice as large, with nodes as
    dense."""
    linear: LinearDeck = LinearDeck()
    error_promise: Fraction
    """Largest error of tile and layer means over the peak rise that a test holds the profile to."""
    accuracy: Annotated[AccuracyDeck, WithJsonSchema(_ACCURACY)] | None = None
    """Refine mesh and steps until the estimated error of peak, tile means and probes is below that; absent = as they are."""

    @model_validator(mode="before")
    @classmethod
    def _order_of_tetrahedra(cls, tree: Any) -> Any:
        """Linear tetrahedra are stiff: a mesh of them errs several times more than bricks of the same nodes."""
        mesh = tree.get("mesh") if isinstance(tree, Mapping) else None
        cells = mesh.get("cells") if isinstance(mesh, Mapping) else getattr(mesh, "cells", "hex")
        return {"order": 2, **tree} if cells == "tet" else tree

    @model_validator(mode="after")
    def _tetrahedra_fit(self) -> Self:
        if self.mesh.cells == "tet":
            if self.backend in ("tensor", "compact"):
                raise ValueError(f"backend {self.backend} has no tetrahedra; mesh.cells: tet wants backend fem or auto")
            if self.linear.preconditioner == "grid":
                raise ValueError("linear.preconditioner grid wants mesh.cells: hex; tetrahedra take gamg, icc, jacobi or auto")
        return self
