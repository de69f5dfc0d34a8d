"""Output variables as they are asked for: those of the catalogue, and those that other packages declare."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from stack3d import units
from stack3d.errors import PackageError, UnknownNameError, brief, did_you_mean, unknown_name
from stack3d.registry import Registry, held_still, numbers
from stack3d.variables import COORDINATES, DECIDED, DIMENSIONS, GONE, GROUPS, LEVERED, OWN, STUDY, UNKNOWN, Variable

__all__ = [
    "COORDINATES", "DECIDED", "DIMENSIONS", "FIELDS", "GROUPS", "LEVERED", "STUDY", "UNKNOWN", "Output", "Variable",
    "declared", "field", "instead_of", "is_outside", "is_share", "is_temperature", "nothing", "outputs", "physics",
    "registered", "sums", "together", "told", "told_rate",
]  # fmt: skip


SHARES = {
    "yield", "yield_low", "yield_high", "stuck_fraction", "utilisation", "matrix_utilisation", "phase_share", "ohmic_error",
}  # fmt: skip
"""Variables between 0 and 1, beside the accuracies."""


class Output:
    """Something that another package adds to the dataset: declares its variables, and makes them.

    What a subclass is asked for, and when, say `heat.outputs.HeatOutput` and `life.epoch_record.LifeOutput`.
    """

    fields: ClassVar[tuple[Variable, ...]] = ()
    """The variables, as the catalogue has its own."""
    own: ClassVar[Mapping[str, str]] = {}
    """Groups and dimensions that the catalogue does not know, and what each is."""


outputs: Registry[type[Output]] = Registry("output", Output)
"""By name; other packages announce theirs in the entry-point group ``stack3d.output``."""
physics: Registry[type[Output]] = Registry("physics", Output)
"""Second fields by the key under `physics` of a scenario, see `SecondField`; the group is ``stack3d.physics``."""


def registered[T: Output](kind: type[T]) -> list[tuple[str, T]]:
    """One of each registered output of a `kind`, and how it is told; raises PackageError for one that cannot be made."""
    return [(outputs.told(name), entry()) for name, entry in ((n, outputs[n]) for n in outputs) if issubclass(entry, kind)]


def nothing(given: tuple[Any, ...], found: Any) -> str | None:
    """What is wrong with the answer of a method that puts variables into a record."""
    return None if found is None else f"{brief(found)}; wanted None: variables are put into the record"


def sums(given: tuple[Any, ...], found: Any) -> str | None:
    """What is wrong with what an output adds up from epoch to epoch."""
    if not isinstance(found, Mapping) or not all(isinstance(name, str) and name.isidentifier() for name in found):
        return f"{brief(found)}; wanted a mapping of words to arrays"
    wrong = {name: numbers(value) for name, value in found.items()}
    return next((f"{name} = {text}" for name, text in wrong.items() if text is not None), None)


def together(parts: Iterable[tuple[str, Mapping[str, Any]]], *shown: Any) -> dict[str, NDArray[np.float64]]:
    """What several outputs add up, each told with its name, while what they are `shown` cannot be written to.

    Raises PackageError for a word that two of them use.
    """
    found: dict[str, NDArray[np.float64]] = {}
    with held_still(*shown):
        for who, mine in parts:
            if twice := sorted(set(mine) & set(found)):
                raise PackageError(f"{who} carries {twice[0]!r}, as another output does; choose another name")
            found |= {name: np.array(value, dtype=np.float64) for name, value in mine.items()}
    return found


_WORD = re.compile(r"[a-z][a-z0-9_]*")


def _undeclarable(kind: type[Output], entry: Any, before: Mapping[str, Variable]) -> str | None:
    """What keeps a variable of another package out of the catalogue, beside those before."""
    if not isinstance(entry, Variable) or not isinstance(entry.dims, tuple):
        return f"{brief(entry)}; wanted a Variable(group, name, dimensions as a tuple, units, meaning)"
    if shadowed := [word for word in kind.own if word in (*DIMENSIONS, *GROUPS)]:
        return f"{shadowed[0]!r} as its own, which there is already; choose another word"
    words = (entry.group, entry.name, *entry.dims)
    if not all(isinstance(word, str) and _WORD.fullmatch(word) for word in words):
        return f"{entry.path!r}: names are of a-z, 0-9 and _, as in 'thermal/rise'"
    if entry.path in OWN or entry.path in before:
        return f"{entry.path!r}, which there is already; choose another name"
    if entry.name in (*DIMENSIONS, *kind.own):
        return f"{entry.path!r}: {entry.name} is a dimension; choose another name"
    return _unlabelled(kind, entry)


def _unlabelled(kind: type[Output], entry: Variable) -> str | None:
    """What keeps a variable of another package from being stored with its group, dimensions, unit and meaning."""
    for what, asked, known in (("group", (entry.group,), GROUPS), ("dimension", entry.dims, DIMENSIONS)):
        if strange := [word for word in asked if word not in (*known, *kind.own)]:
            near = did_you_mean(strange[0], (*known, *kind.own))
            text = f"{entry.path!r} with the {what} {strange[0]!r}, which is not known{near}; known: {', '.join(known)}"
            return f"{text}; one of its own it names in `own`: {{{strange[0]!r}: 'what it is'}}"
    if len(set(entry.dims)) < len(entry.dims) or "time" in entry.dims[1:]:
        return f"{entry.path!r} with dimensions ({', '.join(entry.dims)}); wanted different ones, time first"
    if (why := units.why_no_unit(entry.units) if isinstance(entry.units, str) else "is no text") is not None:
        return f"{entry.path!r} in {entry.units!r}, which is no unit ({why}); wanted one as 'K', 'W m-2', or '1' for a number"
    return None if isinstance(entry.long_name, str) and entry.long_name else f"{entry.path!r} without its meaning"


class _Catalogue(Mapping[str, Variable]):
    """The package's own fields, then those that registered outputs and second fields declare."""

    def _outside(self) -> dict[str, Variable]:
        found: dict[str, Variable] = {}
        for registry, name in [(of, name) for of in (outputs, physics) for name in of]:
            kind = registry[name]
            if not isinstance(kind.fields, tuple) or not isinstance(kind.own, Mapping):
                raise PackageError(f"{registry.told(name)}: fields wants a tuple of Variable, own a mapping of words to texts")
            for entry in kind.fields:
                if (wrong := _undeclarable(kind, entry, found)) is not None:
                    raise PackageError(f"{registry.told(name)} declares {wrong}")
                found[entry.path] = entry
        return found

    def __getitem__(self, path: str) -> Variable:
        return OWN[path] if path in OWN else self._outside()[path]

    def __iter__(self) -> Iterator[str]:
        return iter((*OWN, *self._outside()))

    def __len__(self) -> int:
        return len(OWN) + len(self._outside())


FIELDS: Mapping[str, Variable] = _Catalogue()
"""Field by ``group/name``."""


def declared() -> tuple[Variable, ...]:
    """What other packages add; raises PackageError for what cannot be declared, and for an output that is never asked."""
    for name in outputs:
        if not any(hasattr(outputs[name], method) for method in outputs.answers):
            raise PackageError(f"{outputs.told(name)} is never asked: an output is a HeatOutput or a LifeOutput")
    return tuple(FIELDS[path] for path in FIELDS if path not in OWN)


def told(path: str) -> str:
    """Who declares a variable of another package, in words."""
    makers = ((of, name) for of in (outputs, physics) for name in of if any(f.path == path for f in of[name].fields))
    return next((registry.told(name) for registry, name in makers), "")


def is_outside(path: str) -> bool:
    """Whether a variable is one of another package."""
    return path not in OWN


def is_temperature(path: str) -> bool:
    """Whether a variable is a temperature of the solid or its coolant that an error is stated of."""
    return f"{path}_error" in FIELDS and path.startswith("thermal/")


def is_share(variable: Variable) -> bool:
    """Whether a variable lies between 0 and 1: an accuracy, a yield, a share of cells."""
    is_score = "accuracy" in variable.name and not variable.name.startswith("time_to")
    return variable.units == "1" and (is_score or variable.name in SHARES)


def instead_of(name: str) -> str:
    """The new word for a variable that is gone, ``group/name`` or its name alone; else nothing."""
    found = [new for old, new in GONE.items() if name in (old, old.rpartition("/")[2])]
    return f"; since 0.2 {found[0]}" if found else ""


def field(path: str) -> Variable:
    """The catalogued field ``group/name``; raises UnknownNameError."""
    if path not in FIELDS:
        if new := instead_of(path):
            raise UnknownNameError(f"unknown output variable {path!r}{new}")
        raise unknown_name("output variable", path, FIELDS)
    return FIELDS[path]


def told_rate(rate: float, unit: str, highest: float = float("inf")) -> str:
    """Where the chip draws less than a machine, in words.

    Parameters
    ----------
    rate : float
        Of break-even, as the dataset has it.
    unit : str
    highest : float
        That the chip reaches, in the same unit.
    """
    words = {0.0: "at every rate of inferences", float("inf"): "at no rate"}
    if rate not in words and abs(rate) > highest:
        return f"at {'any' if rate < 0 else 'no'} rate that it can reach, {highest:.3g} {unit} at most"
    return words.get(rate, f"{'below' if rate < 0 else 'above'} {abs(rate):.3g} {unit}")
