"""What a deck is told of one wrong value: what came, what is wanted, and between which ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import NoneType
from typing import Annotated, Any, get_args, get_origin

from pydantic.fields import FieldInfo

from stack3d import units
from stack3d.errors import OutOfRange, brief, told
from stack3d.registry import lost
from stack3d.schema.base import ZERO_OR_MORE, Described, dimensions_in, names_of, words_in
from stack3d.schema.usual_words import did_you_mean, meant

NAMES = {
    r"^[A-Za-z][A-Za-z0-9_\-]*$": "a name of letters, digits, _ and -, with a letter first",
    r"^[A-Za-z][A-Za-z0-9_\-]*(\.[A-Za-z][A-Za-z0-9_\-]*)?$": "a name of letters, digits, _ and -, or two with a dot",
    r"^[A-Za-z_]\w*(\.[\w\-]+)*$": "a key, with dots between its parts",
    r"^[A-Za-z_]\w*$": "a name of letters, digits and _, with no digit first",
}
"""What the patterns of the schema ask for."""

CONTAINERS = (tuple, list, dict, Mapping)
KINDS = {
    "model": "a mapping of keys", "dict": "a mapping of keys", "tuple": "a list", "list": "a list", "string": "a text",
    "int": "a whole number", "float": "a number", "finite": "a number that is finite", "bool": "true or false",
}  # fmt: skip
"""First word of a kind of mistake → what is wanted."""

MISSING = "is missing"
LISTED = {"solver": "solvers", "geometry": "geometries", "cooling": "cooling", "device": "devices"}
"""Key of a scenario → kind of deck that it may name, as ``stack3d list`` calls it."""
UNSAID = ("name", "title", "source", "assumed")
"""Keys that are not told where a mapping is wanted."""
ENDS = {"gt": "more than {}", "ge": "{} or more", "lt": "less than {}", "le": "at most {}"}
BOUNDS = {"greater_than", "greater_than_equal", "less_than", "less_than_equal"}


def annotations_at(model: Any, path: Sequence[str | int]) -> list[Any]:
    """Annotations of what may stand at a path below a model, found by walking those on the way; empty for what is unknown."""
    current = [model]
    for part in path:
        current = [found for annotation in current for found in _below(annotation, part)]
    return current


def _below(annotation: Any, part: str | int) -> Iterator[Any]:
    origin, inner = get_origin(annotation), get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, Described):
        found = annotation.annotation_of(part) if isinstance(part, str) else None
        if found is not None:
            yield found
    elif origin in (tuple, list) and isinstance(part, int):
        yield inner[0] if origin is list or (len(inner) == 2 and inner[1] is ...) else inner[min(part, len(inner) - 1)]
    elif origin in (dict, Mapping) and isinstance(part, str):
        yield inner[1]
    elif origin not in CONTAINERS:
        for one in inner:
            yield from _below(one, part)


def models_at(model: Any, path: Sequence[str | int]) -> list[Any]:
    """Models of the mappings that may stand at a path."""
    types = [one for annotation in annotations_at(model, path) for one in _choices(annotation)]
    return [one for one in types if isinstance(one, type) and issubclass(one, Described)]


def _choices(annotation: Any) -> Iterator[Any]:
    """Types that an annotation allows, without what is said beside them."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from _choices(inner[0])
    elif origin in CONTAINERS or not inner:
        yield annotation
    else:
        for one in inner:
            yield from _choices(one)


def _form(kind: Any) -> str:
    """What a type wants, in words."""
    origin = get_origin(kind) or kind
    if isinstance(kind, str):
        return repr(kind)
    words = {tuple: "list", dict: "dict", Mapping: "dict", str: "string"}
    is_model = isinstance(kind, type) and issubclass(kind, Described)
    return KINDS.get("model" if is_model else words.get(origin, getattr(origin, "__name__", "")), "another value")


def _metadata(annotation: Any) -> Iterator[Any]:
    """What is said beside a type: validators, ends."""
    if get_origin(annotation) in CONTAINERS:
        return
    for one in get_args(annotation) if not isinstance(annotation, type) else ():
        yield from one.metadata if isinstance(one, FieldInfo) else [one]
        yield from _metadata(one)


def wanted(annotations: Sequence[Any], kind: str) -> str:
    """What annotations allow, with unit and range, in words.

    Parameters
    ----------
    annotations : sequence of type
        As `annotations_at` finds them.
    kind : str
        What to call it where it is no quantity.
    """
    said = [m for annotation in annotations for m in _metadata(annotation)]
    dimension = next(iter(dimensions_in(said)), "")
    unit = units.SI.get(dimension, "")
    if dimension:
        kind = f"{'an' if dimension[0] in 'aei' else 'a'} {dimension.replace('_', ' ')}" if unit else "a number"
    example = f", as {units.EXAMPLE[dimension]!r}" if dimension in units.EXAMPLE else ""
    return f"{kind} {', '.join(_ranges(said, unit))}".rstrip() + example


def _ranges(said: Sequence[Any], unit: str) -> list[str]:
    """Ranges that validators ask for, in words and with their unit, the weaker of two left out."""
    ends = {name: float(value) for m in said for name in ENDS if (value := getattr(m, name, None)) is not None}
    words = [w for w in dict.fromkeys(words_in(said)) if w != ZERO_OR_MORE or ends.get("gt", -1.0) < 0]
    if {"ge", "le"} <= set(ends):
        return [*words, f"from {ends['ge']:g} to {ends['le']:g} {unit}".rstrip()]
    return words + [ENDS[name].format(f"{ends[name]:g} {unit}".rstrip()) for name in ENDS if name in ends]


def _named(path: Sequence[str | int]) -> str:
    """Where the names stand that a missing key of a scenario may have."""
    kind = LISTED.get(str(path[0]), "") if len(path) == 1 else ""
    return f": `stack3d list {kind}` has names for it" if kind else ""


def _example(annotations: Sequence[Any]) -> str:
    """What a quantity that is missing may look like."""
    dimension = next(iter(dimensions_in(m for annotation in annotations for m in _metadata(annotation))), "fraction")
    return "" if dimension == "fraction" else f": wants {wanted(annotations, '')}"


def _said_of(item: Any, path: Sequence[str | int], model: Any) -> str:
    """Message for a mistake that pydantic found, other than missing and unknown keys.

    Parameters
    ----------
    item : mapping
        One of ``ValidationError.errors()``.
    path : sequence of str or int
        Keys that lead to it.
    model : type of DeckModel
    """
    kind, context, value = item["type"], item.get("ctx", {}), item["input"]
    here = annotations_at(model, path)
    if kind == "value_error" and not isinstance(context.get("error"), OutOfRange):
        return str(item["msg"]).removeprefix("Value error, ")
    if kind in ("too_short", "too_long"):
        return _count(kind, context, here)
    want = _wanted_by(kind, context, here)
    if not want:
        return f"{item['msg'][0].lower()}{item['msg'][1:]}, got {told(value)}"
    if kind.partition("_")[0] in ("model", "dict"):
        names = [n for m in models_at(model, path) for n in names_of(m) if n not in UNSAID]
        want += f" ({', '.join(dict.fromkeys(names))})" if names else ""
    return f"wants {want}, got {told(value)}{_remedy(model, path) if value is None else ''}"


def _count(kind: str, context: Any, here: Sequence[Any]) -> str:
    """Of a list with too few or too many values."""
    lists = [one for annotation in here for one in _choices(annotation) if get_origin(one) is tuple]
    exact = [len(get_args(one)) for one in lists if ... not in get_args(one)]
    bound = f"{context['min_length']} or more" if kind == "too_short" else f"at most {context['max_length']}"
    return f"wants {exact[0] if exact else bound} values, got {context.get('actual_length', 'more')}"


def _wanted_by(kind: str, context: Any, here: Sequence[Any]) -> str:
    """What a kind of mistake says is wanted; empty for kinds that are not known here."""
    first = kind.partition("_")[0]
    types = [one for annotation in here for one in _choices(annotation) if one is not NoneType]
    forms = list(dict.fromkeys(_form(one) for one in types))
    if kind == "string_pattern_mismatch":
        return NAMES.get(context["pattern"], "a text of another form")
    if kind == "string_too_long":
        return f"at most {context['max_length']} characters"
    if len(forms) > 1 and first in (*KINDS, "literal"):
        return f"{', '.join(forms[:-1])} or {forms[-1]}"
    if kind in BOUNDS or first in ("value", "int", "float"):
        return wanted(here, "a whole number" if first == "int" or int in types else "a number")
    return str(context["expected"]) if kind == "literal_error" else KINDS.get(first, "")


def _remedy(model: Any, path: Sequence[str | int]) -> str:
    """What to do about a key without a value."""
    *parents, last = path or ("",)
    fields = [field for m in models_at(model, parents) if (field := m.field_of(str(last))) is not None]
    return "; leave the key out for its default" if fields and not fields[0].is_required() else ""


def lacking_in(errors: Sequence[Any], model: Any) -> dict[tuple[str | int, ...], list[str | int]]:
    """Place of a mapping or list → what it lacks; a key whose name is misspelt is not lacking."""
    found: dict[tuple[str | int, ...], list[str | int]] = {}
    for item in errors:
        if item["type"] == "missing":
            *parents, last = path_of(item)
            found.setdefault(tuple(parents), []).append(last)
    for item in errors:
        *parents, wrong = path_of(item) or ("",)
        if item["type"] == "extra_forbidden" and (lacks := found.get(tuple(parents))):
            for near in meant(str(wrong), keys_at(model, parents), most=1):
                lacks[:] = [key for key in lacks if key != near]
    return found


def path_of(item: Any) -> tuple[str | int, ...]:
    """Keys that lead to a mistake, without the branches of a choice, which end in a bracket."""
    *parents, last = item["loc"] or ("",)
    path = tuple(p for p in parents if isinstance(p, int) or not p.endswith("]"))
    if item["type"] == "extra_forbidden" or isinstance(last, int) or not last.endswith("]"):
        return (*path, last) if item["loc"] else ()
    return path


def message_of(
    item: Any, path: tuple[str | int, ...], model: Any, lacking: dict[tuple[str | int, ...], list[str | int]]
) -> str | None:
    """Message of a mistake; None where another one says it. What a mapping lacks is told once, beside its first unknown key.

    Parameters
    ----------
    item : mapping
        One of ``ValidationError.errors()``.
    path : tuple of str or int
        Keys that lead to it.
    model : type of DeckModel
    lacking : dict
        As `lacking_in` finds it; what is told leaves it.
    """
    if item["type"] == "extra_forbidden":
        allowed = keys_at(model, path[:-1])
        lacks = lacking.pop(path[:-1], [])
        besides = f"; {_lacks(lacks)}" if lacks else ""
        near = did_you_mean(str(path[-1]), allowed) or _deeper(str(path[-1]), model, path[:-1])
        elsewhere = "".join(f"; {text}" for text in lost(str(path[-1])))
        return f"unknown key {brief(path[-1])}{near}{besides}; allowed: {', '.join(allowed)}{elsewhere}"
    if item["type"] == "missing":
        lacks = lacking.pop(path[:-1], [])
        if lacks and isinstance(lacks[0], int):
            return f"wants {lacks[-1] + 1 if isinstance(lacks[-1], int) else len(lacks)} values, got {lacks[0]}"
        return (
            None
            if not lacks
            else _lacks(lacks)
            if len(lacks) > 1
            else f"{MISSING}{_named(path)}{_example(annotations_at(model, path))}"
        )
    return _said_of(item, path, model)


def _deeper(word: str, model: Any, path: Sequence[str | int]) -> str:
    """The keys one level down that begin with a word, as the one who left that level out may mean."""
    found = [f"{key}.{name}" for key in keys_at(model, path) for name in keys_at(model, (*path, key)) if name.startswith(word)]
    return f" (did you mean {', '.join(repr(n) for n in found[:3])}?)" if found and len(word) > 2 else ""


def _lacks(keys: Sequence[str | int]) -> str:
    *most, last = map(str, keys)
    return f"lacks {', '.join(most)} and {last}" if most else f"lacks {last}"


def keys_at(model: Any, path: Sequence[str | int]) -> list[str]:
    """Keys allowed at a path below a model."""
    return list(dict.fromkeys(name for m in models_at(model, path) for name in names_of(m)))
