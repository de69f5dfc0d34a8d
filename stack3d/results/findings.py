"""What a study as a whole has found, beside its cases: a search, unknowns, levers."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from stack3d import fields
from stack3d.errors import ValidityWarning
from stack3d.results.case_tree import MANIFEST

if TYPE_CHECKING:
    import xarray as xr


def study_groups(manifest: Mapping[str, Any]) -> dict[str, xr.Dataset]:
    """Groups of what a study as a whole has found, by their path; warns where its list of cases tells it in other words.

    Parameters
    ----------
    manifest : mapping
        The study's list of cases, as `study.json` has it.
    """
    made = {"decided": ("/optimise", _decided), "unknown": ("/uncertain", _unknown), "levers": ("/levers", _levers)}
    found: dict[str, xr.Dataset] = {}
    for word, (group, make) in made.items():
        try:
            found |= {group: make(manifest[word], manifest["dimensions"][0]["name"])} if word in manifest else {}
        except (LookupError, TypeError, ValueError, AttributeError):
            text = f"{MANIFEST} says what the study has found in words of another version; run the study again"
            warnings.warn(ValidityWarning(text), stacklevel=2)
    return found


def _decided(found: Mapping[str, Any], case: str) -> xr.Dataset:
    """What a search has found, along its cases."""
    import xarray as xr

    goals, limits, cases = found["goals"], found["limits"], found["cases"]
    data = _by_goal_and_condition(cases, case, len(goals), len(limits))
    data |= {name: (case, np.array([int(c[name]) for c in cases])) for name in ("feasible", "front", "chosen")}
    data["change_rank"] = case, np.array([c.get("change_rank", 0) for c in cases])
    texts = {name: (case, np.array([c.get(name, "") for c in cases], dtype=str)) for name in ("design", "change")}
    coordinates = {**texts, **_stated(goals, limits)}
    if "choices" in found:
        data |= _matters(found["choices"])
        coordinates["choice"] = found["choices"]["choices"]
    out = xr.Dataset(data, coordinates, {"verdict": "\n".join(found["verdict"]), "chosen_deck": found["deck"]})
    if found.get("screened"):
        out = out.merge(_screened(found["screens"], found["screened"], len(goals), len(limits)))
    for name in out.data_vars:
        unit, meaning = fields.DECIDED[str(name)]
        out[name].attrs.update(units=unit, long_name=meaning)
    return out


def _by_goal_and_condition(cases: Sequence[Mapping[str, Any]], case: str, n_goals: int, n_limits: int) -> dict[str, Any]:
    """Columns of numbers by goal or condition, along the cases.

    Parameters
    ----------
    cases : sequence of mapping
    case : str
        Their dimension.
    n_goals, n_limits : int
    """
    columns = {"value": ("goal", "values", n_goals), "missed": ("condition", "missed", n_limits)}
    beside = {name: ("condition", name, n_limits) for name in ("held", "doubt")}
    beside["is_at_least"] = "goal", "is_at_least", n_goals
    columns |= {name: column for name, column in beside.items() if any(c.get(name) for c in cases)}
    return {
        name: ((case, dim), np.array([c[key] or [np.nan] * n for c in cases]).reshape(len(cases), n))
        for name, (dim, key, n) in columns.items()
    }


def _matters(found: Mapping[str, Any]) -> dict[str, Any]:
    """What each choice of a search matters for its goals and conditions."""
    n, data = len(found["choices"]), dict[str, Any]()
    for name in ("goal", "condition"):
        for end, key in (("", "shares"), ("_low", "low"), ("_high", "high")):
            data[f"{name}_share{end}"] = ("choice", name), np.array(found[name][key], dtype=float).reshape(-1, n).T
        data[f"{name}_explained"] = name, np.array(found[name]["explained"], dtype=float)
    return data


def _stated(goals: Sequence[Mapping[str, Any]], limits: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Coordinates of the goals and conditions of a search."""
    return {
        "goal": [g["text"] for g in goals],
        "goal_unit": ("goal", [g["unit"] for g in goals]),
        "goal_minimised": ("goal", [int(g["minimise"]) for g in goals]),
        "goal_output": ("goal", [g.get("output", "") for g in goals]),
        "condition": np.array([x["text"] for x in limits], dtype=str),
        "condition_unit": ("condition", np.array([x["unit"] for x in limits], dtype=str)),
        "condition_output": ("condition", np.array([x["line"][0] for x in limits], dtype=str)),
        "condition_bound": ("condition", np.array([x["line"][1] for x in limits], dtype=float)),
        "condition_side": ("condition", np.array([x.get("side", [""])[0] for x in limits], dtype=str)),
        "condition_sign": ("condition", np.array([x.get("side", [np.nan])[-1] for x in limits], dtype=float)),
    }


def _screened(names: Sequence[str], screened: Sequence[Mapping[str, Any]], n_goals: int, n_limits: int) -> xr.Dataset:
    """What the screens of a search have said, along the designs in the order in which they came to one."""
    import xarray as xr

    n = len(screened)
    columns = {"values": ("goal", n_goals), "missed": ("condition", n_limits)}
    data: dict[str, Any] = {
        f"screen_{key.removesuffix('s')}": (("screened", dim), np.array([s[key] for s in screened], float).reshape(n, size))
        for key, (dim, size) in columns.items()
    }
    data["screen_rules_out"] = "screened", np.array([int(bool(s["ruled_out"])) for s in screened])
    beside = {
        "screen": ("screened", [names[s["screen"]] for s in screened]),
        "screened_design": ("screened", [s["design"] for s in screened]),
        "ruled_out_by": ("screened", np.array([s["ruled_out"] for s in screened], dtype=str)),
    }
    return xr.Dataset(data, beside)


def _unknown(found: Mapping[str, Any], case: str) -> xr.Dataset:
    """What a study of unknowns has found."""
    import xarray as xr

    dims: dict[str, tuple[str, ...]] = {"value": (case, "output"), "stage": (case,), "independent": (case,)}
    dims |= dict.fromkeys(("over_chips", "by_mesh", "by_inputs", "is_at_least"), (case, "output"))
    dims |= {"band": ("end", "output"), "held": ("output",), "drawn": ("output",)}
    dims |= dict.fromkeys(("effect", "effect_error"), ("unknown", "output"))
    dims |= dict.fromkeys(("first", "first_error", "total", "total_error", "shapley", "shapley_error"), ("part", "output"))
    data = {name: (dims[name], np.array(found[name])) for name in dims if name in found}
    coordinates = {
        "output": [o["text"] for o in found["outputs"]],
        "output_unit": ("output", [o["unit"] for o in found["outputs"]]),
    }
    if "parts" in found:
        coordinates |= {"unknown": found["unknowns"], "part": found["parts"], "end": ["low", "median", "high"]}
    words = {"verdict": "\n".join(found["verdict"]), "unread": "\n".join(found.get("unread", ()))}
    out = xr.Dataset(data, coordinates, words)
    for name in out.data_vars:
        unit, meaning = fields.UNKNOWN[str(name)]
        out[name].attrs.update(units=unit, long_name=meaning)
    return out


def _levers(found: Mapping[str, Any], case: str) -> xr.Dataset:
    """What each lever has done, along the cases; the first is the scenario as it is."""
    import xarray as xr

    along = found.get("along", case)  # the cases themselves, or trials beside those of a search
    data = {name: (along, np.array(found[name])) for name in fields.LEVERED}
    out = xr.Dataset(data, {"lever": (along, np.array(found["lever"], dtype=str))}, {"verdict": "\n".join(found["verdict"])})
    for name, (unit, meaning) in fields.LEVERED.items():
        out[name].attrs.update(units=unit, long_name=meaning)
    return out
