"""Expressions over the outputs of a case, with units: checked before a run and computed on its dataset."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from stack3d import fields, units
from stack3d.errors import DeckError, ResultsError, did_you_mean
from stack3d.study.conditions import ARITHMETIC, dotted_name, expression_of, wrong
from stack3d.study.measured_units import HOLDS, NUMBER, MeasuredUnit, Units, constant_of

if TYPE_CHECKING:
    import xarray as xr

ADDED = ("component", "area_part")
"""Dimensions whose parts are added up unless one is chosen."""
WHOLE = {"yield_part": "all"}
"""Dimension of which one part is meant unless another is chosen."""
CHIPS = "sample"
NEVER = ("time_to_accuracy_loss", "hold_interval", "hold_endurance", "endurance_left")
"""Times that are NaN where what they tell of does not come within the run: they count as long as the run."""
KELVIN = 50.0
"""Difference of temperatures that counts as much as missing another limit by all of its value. [K]"""
WHEN = ("end", "start")

_SURE = re.compile(r"\s+with\s+(?:a\s+confidence\s+of\s+(?P<one>\d+\.?\d*)\s*%|(?P<other>\d+\.?\d*)\s*%\s+confidence)\s*$")
_FOR = re.compile(r"\s+for\s+(?:(?P<share>\d+\.?\d*)\s*%\s+of\s+(?:the\s+)?|all\s+(?:the\s+)?)(?P<over>chips|draws)\s*$")
_QUANTITY = re.compile(
    r"'[^']*'|\"[^\"]*\"|(?<![\w.@'\"])(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*"
    r"(?P<unit>(?:1/)?(?!(?:and|or|not|in|for)\b)[%°A-Za-zµμΩ][\w%°µμΩ]*(?:[/*^]\w+)*)"
)


class NamedOutput(NamedTuple):
    """An output variable as an expression names it."""

    variable: fields.Variable
    when: str
    label: str | int | None


@dataclass(frozen=True)
class Expression:
    """Something computed from the outputs of a case.

    Parameters
    ----------
    text : str
        As written.
    key : str
        Of the deck.
    tree : ast.expr
    chips : float or None
        Share of the chips that a condition has to hold for; None = for their mean. [-]
    unit : MeasuredUnit or None
        Of the value; None for a condition.
    draws : float or None
        Share of the draws of what is not known that a condition has to hold for; None = for the case without draws. [-]
    sure : float or None
        Confidence with which a condition has to hold for all chips and inputs there could be; None = for those of the case. [-]
    """

    text: str
    key: str
    tree: ast.expr
    chips: float | None
    unit: MeasuredUnit | None = field(default=NUMBER)
    draws: float | None = None
    sure: float | None = None

    @classmethod
    def parse(cls, text: str, key: str) -> Expression:
        """Read an expression; raises DeckError with what it does not know, or cannot compare."""
        body, shares = _without_shares(text, key)
        body = _QUANTITY.sub(_quoted, body)
        groups = "|".join(dict.fromkeys(f.group for f in fields.FIELDS.values()))
        body = re.sub(rf"\b({groups})/(\w+)", r"\1.\2", body)
        body = re.sub(r"\s*@\s*(\w+)", r".at_\1", body)
        found = cls(
            text, key, expression_of(body, key), shares.get("chips"), draws=shares.get("draws"), sure=shares.get("sure")
        )
        unit = Units(found).of(found.tree, 1)
        if next(found.references(), None) is None:
            raise found.wrong("names no output")
        if found.chips is not None and not any(CHIPS in r.variable.dims for r in found.references()):
            raise found.wrong("speaks of chips, but names no output that differs between them")
        return replace(found, unit=unit)

    def reference(self, node: ast.AST) -> NamedOutput:
        """The output that a name, with a time or a place, stands for; raises DeckError."""
        name, when, label = self._parts(node)
        found = next((f for path, f in fields.FIELDS.items() if name in (path, f.name)), None)
        if found is None:
            near = fields.instead_of(name) or did_you_mean(name, [f.name for f in fields.FIELDS.values()])
            raise self.wrong(f"names {name!r}, which is no output variable{near}")
        if when and when not in WHEN:
            raise self.wrong(f"says '@{when}'; a variable over time may end with '@end' or '@start'")
        if when and "time" not in found.dims:
            raise self.wrong(f"says '@{when}' of {found.name}, which has no time")
        if label is not None and set(found.dims) <= {"time", CHIPS}:
            raise self.wrong(f"chooses {label!r} of {found.name}, which has no places to choose from")
        return NamedOutput(found, when, label)

    def _parts(self, node: ast.AST) -> tuple[str, str, str | int | None]:
        """Name, time and place, as they are written."""
        when: str = ""
        label: str | int | None = None
        while not isinstance(node, ast.Name):
            if isinstance(node, ast.Subscript) and label is None:
                label, node = _label(node.slice), node.value
                if label is None:
                    raise self.wrong("wants one name in square brackets, as layer_temperature_max[logic]")
            elif isinstance(node, ast.Attribute) and node.attr.startswith("at_") and not when:
                when, node = node.attr.removeprefix("at_"), node.value
            else:
                break
        name = dotted_name(node).replace(".", "/") if isinstance(node, (ast.Name, ast.Attribute)) else "(…)"
        return name, when, label

    def named(self, node: ast.AST) -> NamedOutput | None:
        """Output that a part names by itself; None for anything else."""
        return self.reference(node) if isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)) else None

    def whole(self, node: ast.AST) -> str:
        """Output that a part names as a whole, today's alone not; "" for anything else."""
        if not isinstance(node, ast.Name | ast.Attribute):
            return ""
        named = self.reference(node)
        return "" if named.when == "start" else named.variable.name

    def wrong(self, message: str) -> DeckError:
        """What is said of it."""
        return wrong(self.text, message, self.key)

    def references(self) -> Iterator[NamedOutput]:
        """Every output that is named."""
        waiting: list[ast.AST] = [self.tree]
        while waiting:
            node = waiting.pop()
            if isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)):
                yield self.reference(node)
            else:
                waiting += node.args if isinstance(node, ast.Call) else ast.iter_child_nodes(node)


def _without_shares(text: str, key: str) -> tuple[str, dict[str, float]]:
    """An expression without the shares at its end, and these, of chips, of draws and of what is sure; raises DeckError."""
    shares, body = dict[str, float](), text
    while (ends := _FOR.search(body) or _SURE.search(body)) is not None:
        if ends.re is _SURE:
            over, share = "sure", float(ends["one"] or ends["other"]) / 100.0
            if not 0.5 <= share < 1:
                raise wrong(text, "wants a confidence of 50 % or more, and below 100 %", key)
        else:
            over, share = ends["over"], float(ends["share"] or 100.0) / 100.0
        if not 0 < share <= 1:
            raise wrong(text, f"wants a share of the {over} above 0 and up to 100 %", key)
        if over in shares:
            raise wrong(text, f"speaks of {'its confidence' if over == 'sure' else over} twice", key)
        shares[over], body = share, body[: ends.start()]
    return body, shares


def _quoted(match: re.Match[str]) -> str:
    return match[0] if match["number"] is None else f"'{match['number']} {match['unit']}'"


def _label(node: ast.AST) -> str | int | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, (str, int)):
        return node.value
    return dotted_name(node) if isinstance(node, (ast.Name, ast.Attribute)) else None


class ExpressionValues:
    """Computes an expression on the dataset of a case; a comparison gives by how much it is missed.

    Parameters
    ----------
    owner : Expression
    case : DataTree
    scaled : bool
        Misses as a share of the limit.
    shift : float
        So many stated errors are added to every output that has one. [-]
    moved : mapping of NamedOutput to float
        Outputs that count as so much larger, SI.
    """

    def __init__(
        self,
        owner: Expression,
        case: xr.DataTree,
        *,
        scaled: bool = True,
        shift: float = 0.0,
        moved: Mapping[NamedOutput, float] | None = None,
    ) -> None:
        self.owner, self.case, self.scaled, self.shift, self.moved = owner, case, scaled, shift, moved or {}
        self.has_errors = False
        """Whether an output with a stated error was met."""
        self.is_cut = False
        """Whether a time of `NEVER` was met that does not come within the run."""

    def of(self, node: ast.AST, *, keeps: bool = False) -> Any:
        """Value of a part; `keeps` the chips and components apart."""
        if isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)):
            return self._output(self.owner.reference(node), keeps)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            inner = self.of(node.args[0], keeps=True)
            return inner if isinstance(inner, float) else getattr(inner, node.func.id)(skipna=False)
        if isinstance(node, ast.BinOp):
            return self._divided(node, self.of(node.left, keeps=keeps), self.of(node.right, keeps=keeps))
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            return _largest([self._missed(op, a, b) for op, a, b in zip(node.ops, sides[:-1], sides[1:])])
        if isinstance(node, ast.BoolOp):
            parts = [self.of(part) for part in node.values]
            return _largest(parts) if isinstance(node.op, ast.And) else -_largest([-part for part in parts])
        if isinstance(node, ast.UnaryOp):
            return -self.of(node.operand, keeps=keeps)
        return constant_of(node)

    def _divided(self, node: ast.BinOp, left: Any, right: Any) -> Any:
        try:
            return ARITHMETIC[type(node.op)](left, right)
        except ZeroDivisionError:
            return math.nan

    def array_of(self, found: NamedOutput) -> Any:
        """An output at its time and place."""
        array = self._read(found.variable)
        if found.when and "time" in array.dims:
            array = array.isel(time=-1 if found.when == "end" else 0)
        if found.label is not None:
            array = self._chosen(array, found)
        return array + self.moved[found] if found in self.moved else array

    def _output(self, found: NamedOutput, keeps: bool) -> Any:
        array = self.array_of(found)
        if not keeps:
            parts = [dim for dim in ADDED if dim in array.dims]
            array = array.sum(parts, skipna=False) if parts else array
            array = array.sel({dim: part for dim, part in WHOLE.items() if dim in array.dims})
        if not keeps and self.owner.chips is None and CHIPS in array.dims:
            array = array.mean(CHIPS, skipna=False)
        return array

    def _read(self, variable: fields.Variable) -> Any:
        """As the case has it, with what `shift` adds."""
        here = self.case.children
        if variable.group not in here or variable.name not in here[variable.group]:
            raise ResultsError(f"{variable.name} is not among the outcomes of the case")
        group = here[variable.group]
        array: Any = group[variable.name]
        if self.shift and (error := f"{variable.name}_error") in group:
            array = array + self.shift * group[error].fillna(0.0)
            self.has_errors = True
        if variable.name in NEVER and "mvm" in here and "time" in here["mvm"].coords:
            self.is_cut = self.is_cut or bool(array.isnull().any())
            array = array.fillna(float(here["mvm"]["time"].max()))
        return array

    def _chosen(self, array: xr.DataArray, found: NamedOutput) -> xr.DataArray:
        dims = [str(d) for d in array.dims if d not in ("time", CHIPS)]
        for dim in dims:
            labels = array[dim].values.tolist() if dim in array.coords else list(range(array.sizes[dim]))
            if found.label in labels:
                return array.isel({dim: labels.index(found.label)})
        known = [str(label) for dim in dims if dim in array.coords for label in array[dim].values.tolist()]
        raise ResultsError(f"{found.variable.name} has no {found.label!r}{did_you_mean(str(found.label), known)}")

    def _missed(self, op: ast.cmpop, left: ast.AST, right: ast.AST) -> Any:
        a, b = self.of(left), self.of(right)
        missed = HOLDS[type(op)](a, b)
        if not self.scaled:
            return missed
        if Units(self.owner).number_of(left, 1).dims == units.dimensions_of("K"):
            return missed / KELVIN
        limit = next((v for v in (constant_of(right), constant_of(left)) if v is not None), None)
        return missed / (abs(limit or 1.0) if limit is not None else abs(a) + abs(b))


def _largest(parts: Sequence[Any]) -> Any:
    """Elementwise; NaN where one is."""
    import xarray as xr

    out = parts[0]
    for part in parts[1:]:
        one, other = xr.broadcast(xr.DataArray(out), xr.DataArray(part))
        out = one.where((one >= other) | one.isnull(), other)
    return out
