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
    """How fine the mesh is."""

    cells: Annotated[str, AfterValidator(_known_kind), WithJsonSchema({"type": "string", "examples": list(CELLS)})] = "hex"
    """hex: bricks. tet: tetrahedra, for round or slanted parts, solved by `fem`. Or a kind that another package adds."""
    builder: Literal["auto", "gmsh", "arrays"] = "auto"
    """How bricks of backend `fem` reach DOLFINx: through Gmsh, or as arrays. auto: through Gmsh up to 40000 cells."""
    lateral: Annotated[Count, Field(ge=1, le=2048)]
    """Least number of elements across the longer side of the footprint. Outside the footprint elements grow."""
    refinement: Annotated[Number, Field(ge=1, le=64)] = 1.0
    """Width of the largest element over that of the smallest. The smallest lie at the edges of sources."""
    growth: Annotated[Number, Field(gt=0, le=2)] = 0.3
    """How fast elements grow away from an edge of a source: growth in width per distance."""
    per_source: Annotated[Count, Field(ge=1, le=64)] = 1
    """Least number of elements across a source."""
    per_layer: Annotated[Count, Field(ge=1, le=64)] = 1
    """Least number of elements through the height of a layer."""
    aspect: Annotated[Number, Field(gt=0)] = 4.0
    """Largest height of an element over the width of elements as far from a source."""
    sides: Annotated[Count, Field(ge=6, le=64)] = 12
    """With tet: sides of the polygon that stands for a round part. It has the area of the circle."""

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
    """How `backend: fem` solves its linear equations."""

    method: Literal["cg", "direct"] = "cg"
    preconditioner: Literal["auto", "grid", "icc", "gamg", "jacobi"] = "auto"
    """grid: the fast solver of bricks on the same grid. icc, gamg, jacobi: those of PETSc. auto: grid in one process, gamg in
    several, icc for tetrahedra."""
    tolerance: Annotated[Number, Field(gt=0, lt=1)] = 1e-10
    """The solver stops when what is left of the equations is this small a share of the load."""
    max_iterations: Annotated[Count, Field(ge=1)] = 500


_ACCURACY = {"type": "string", "description": "an error, as '0.05 K', or '0.1 %' of the rise"}


class AccuracyDeck(DeckModel):
    """An error that is asked for: in `kelvin`, or as a `share` of the rise over ambient."""

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
    """Power that is on at the start of each period and off for the rest."""

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
    """Times between a first and a last one, both included."""

    start: Annotated[Time, Field(alias="from")]
    end: Annotated[Duration, Field(alias="to")]
    count: Annotated[Count, Field(ge=2, le=MOST_OUTPUTS)]
    scale: Literal["linear", "log"] = "linear"
    """linear: the same time from each to the next. log: the same ratio."""

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
    """An earlier run, at whose end this one begins."""

    result: str
    """The result.nc of that run. A layer begins with its last map there, or with its last mean where it has no map."""


class SurroundingsDeck(DeckModel):
    """Ambient and films over time, as a table. Each row holds until the next one, the last to the end."""

    file: str | None = None
    """A `.csv` or `.parquet` with columns such as `time [s]`, `ambient [degC]` and `films.top [W/m^2/K]`. It stands in place of
    the keys below."""
    times: Annotated[tuple[Time, ...], Field(max_length=MOST_OUTPUTS)] = ()
    """Times of the rows. The first is 0."""
    ambient: tuple[Temperature, ...] | None = None
    """Temperature around all faces that have none of their own. Absent = `cooling.ambient`."""
    films: dict[str, tuple[FilmCoefficient, ...]] = {}
    """Film of each face or patch, by its name. All others are cooled as `cooling` says."""

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
    """Temperature over time, in place of the steady state. Powers follow their traces."""

    until: Duration
    outputs: Annotated[
        Annotated[tuple[Time, ...], Tag("list[]")] | Annotated[SpacedDeck, Tag("mapping[]")], given_as("mapping[]", "list[]")
    ] = ()
    """Times at which everything is reported: an ascending list, or from, to, count and scale. Absent = `until` alone."""
    initial: Annotated[
        Annotated[Temperature | None, Tag("number[]")]
        | Annotated[dict[str, Temperature], Tag("mapping[]")]
        | Annotated[EarlierDeck, Tag("result[]")],
        Discriminator(_form_of_initial),
    ] = None
    """Temperature at the start: one for all, one for each layer or layer.block, or {result: …} of an earlier run. What is not
    named begins at ambient."""
    duty: DutyDeck | None = None
    """When sources are on. Absent = all of them, from the start."""
    periodic: bool = False
    """Whether to report one period after all periods have become alike. Needs a duty or a trace."""
    step: Duration | None = None
    """Length of all steps. Absent = steps are chosen by their error."""
    surroundings: SurroundingsDeck | None = None
    """Ambient and films over time. Absent = as `cooling` says."""
    tolerance: Annotated[AccuracyDeck, WithJsonSchema(_ACCURACY)] | None = None
    """Largest error of one step: in kelvin, or as a share of the largest change so far. Absent = as the profile has it."""

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
    """How the chip warms when 1 W is switched on in each of `power.sources`. Films and conductivities are those of the steady
    state.
    """

    start: Annotated[Duration, Field(alias="from")] = 1e-7
    """First time of the response. By then heat has to have crossed an element of the mesh."""
    end: Annotated[Duration | None, Field(alias="to")] = None
    """Last time. Absent = when a thousandth of the rise is still to come."""
    per_decade: Annotated[Count, Field(ge=1, le=200)] = 10
    """Times in each decade, such as from 1 to 10 ms."""
    terms: Annotated[Count, Field(ge=1, le=100)] = 30
    """Largest number of terms of the Foster chain and the Cauer ladder of a source. Fewer are taken where they follow the
    response within 1 % at all times."""
    groups: dict[str, tuple[str, ...]] = {}
    """Sources that are switched on together. They share 1 W as they share their powers."""


class CompactDeck(DeckModel):
    """What a compact model has to cover: ranges of films and ambient, and the shortest step of power traces."""

    films: dict[str, tuple[FilmCoefficient, FilmCoefficient]] = {}
    """Lowest and highest film of each face or patch, by its name. All others keep the film of the steady state."""
    ambient: tuple[Temperature, Temperature] | None = None
    """Lowest and highest ambient. Absent = the one ambient of `cooling`."""
    accuracy: Annotated[Fraction, Field(ge=1e-8, le=0.1)] = 0.01
    """Largest error for any single source and any films, as a share of its largest rise. Most errors are far smaller."""
    shortest: Duration | None = None
    """Shortest step of the traces that it has to follow. Absent = a model of steady states alone."""
    over_time: Annotated[Fraction, Field(ge=1e-6, le=0.1)] = 0.002
    """Largest estimated error over time, as a share of the largest response."""
    conductivity: Literal["refused", "held"] = "refused"
    """What to do where properties follow the temperature. refused: make no model. held: take them at the mean temperature of
    their layer in the steady state."""

    @model_validator(mode="after")
    def _ranges_ascend(self) -> Self:
        for face, (low, high) in self.films.items():
            if not 0 < low < high < math.inf:
                raise ValueError(f"films.{face} wants two films above zero, the lower first (got {low:g}, {high:g} W/m^2/K)")
        if self.ambient is not None and not self.ambient[0] <= self.ambient[1]:
            raise ValueError(f"ambient wants the lower first (got {self.ambient[0]:g}, {self.ambient[1]:g} K)")
        return self


class SolverDeck(DeckModel):
    """A profile of the solver: how the heat is solved, how finely, and with which error."""

    name: str = "inline"
    title: str | None = None
    backend: Literal["auto", "fem", "tensor", "compact"] = "auto"
    """fem: DOLFINx, for bricks and tetrahedra. tensor: a faster solver for the same bricks. compact: a model of few unknowns,
    made by tensor for the ranges of the scenario's `compact`. auto: tensor for bricks, else fem."""
    mesh: MeshDeck
    order: Literal[1, 2] = 1
    """Order of the elements: 1 linear, 2 quadratic. Quadratic elements are twice as large, so that there are as many nodes.
    Absent = 2 with mesh.cells: tet, else 1."""
    linear: LinearDeck = LinearDeck()
    error_promise: Fraction
    """Largest error of means of tiles and layers, as a share of the peak rise. A test holds the profile to it."""
    accuracy: Annotated[AccuracyDeck, WithJsonSchema(_ACCURACY)] | None = None
    """An error such as '0.05 K' or '0.1 %'. Mesh and steps are refined until peak, tile means and probes have it. Absent = they
    stay as they are."""

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
