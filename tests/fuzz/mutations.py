"""Decks with something wrong: values of every odd kind at every place of sound ones, and torn text."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

PROJECT = Path(__file__).resolve().parents[2]
STUDY = """\
scenario: small
geometry:
  footprint: ["1 mm", "1 mm"]
  below:
    - {name: die, thickness: "0.3 mm", material: {conductivity: "130 W/m/K", heat_capacity: "1.66e6 J/m^3/K"}}
  tiers:
    repeat: 2
    layers:
      - {name: bond, thickness: "2 um", material: hybrid_bond, contact_resistance: "1 mm^2*K/W"}
      - name: rram
        thickness: "1 um"
        material: rram_tier
        role: rram
        tile_sites: [2, 2]
        blocks: [{name: via, x: ["0.1 mm", "0.2 mm"], y: ["0.1 mm", "0.3 mm"], material: silicon}]
power:
  sources:
    - {name: spot, layer: die, x: ["0.2 mm", "0.4 mm"], y: ["0.2 mm", "0.4 mm"], power: "1 W"}
cooling: {top: {film_coefficient: "1e4 W/m^2/K"}, bottom: adiabatic, ambient: "300 K"}
probes: [{name: p, layer: die, x: "0.3 mm", y: "0.3 mm"}]
maps: {layers: [die], grid: [4, 4]}
limits: {die: "400 K"}
tier_map: [4, 4]
solver: {backend: tensor, mesh: {lateral: 8, per_layer: 1, refinement: 2}, error_promise: 0.1}
expect: {temperature_max: "[300, 400] K"}
sweep:
  geometry.tiers.repeat: [1, 2]
  power.sources.spot.power: ["1 W", "2 W"]
  sample: {count: 2, keys: {cooling.ambient: {from: "290 K", to: "300 K"}}}
  where: "tiers < 2 or spot_power < '2 W'"
"""
TRANSIENT = (
    STUDY[: STUDY.index("expect:")]
    + """\
transient: {until: "1 ms", outputs: ["0.5 ms", "1 ms"], duty: {period: "0.1 ms", on: "0.05 ms"}, tolerance: "0.1 K"}
"""
)
CHIP = (PROJECT / "scenarios" / "quickstart.yaml").read_text(encoding="utf-8")
ODD: list[Any] = [
    None, True, False, 0, -1, 1, 2**31, 2**53 + 1, 2**63, 10**39, 0.0, -0.0, 1e-300, 1e300, float("inf"), float("nan"), -1e9, 0.5,
    "", " ", "x", "../x", "/etc/passwd", "a/b", "a\\b", "CON", "é", "\u202e", "²", "١٢", "1", "1e999 m", "-1 m", "0 m", "1e-300 m",
    "1e300 m", "inf m", "nan m", "1 m^0", "1 m*m", "1 m/0", "1 m**9**9", "1 (m", "1 m)", "1 lambda", "0 K", "-300 degC", "1e6 K",
    "1 W", "1e30 W", "-1 W", "1e-30 s", "1 %", "1e9 year", "0 s", "tiers / 0 > 1", "not " * 30 + "tiers", "tiers", "[300, 200] K",
    "[a, b]", [], {}, [[]], [[[[]]]], [None], ["x"], [1, 2, 3], [0, 0], [10**9, 10**9], [4096, 4096], ["1 m", "0 m"],
    {"name": "x"}, {"value": "1 m"}, {"value": {"value": 1}}, {"from": 1, "to": 2}, {"a": {"b": {"c": 1}}}, {"": 1}, {"²": 1},
    {"name": "../../x", "file": "../../y"}, "x" * 300, "x" * 5000, ["x"] * 300, "silicon", "quickstart", "adiabatic",
]  # fmt: skip


def bases() -> list[dict[str, Any]]:
    from stack3d import yamlfile

    return [json.loads(json.dumps(yamlfile.parse_text(text, "base"))) for text in (STUDY, TRANSIENT, CHIP)]


def paths(node: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [at, *(path for key, value in items for path in paths(value, (*at, key)))]


@st.composite
def trees(draw: st.DrawFn) -> dict[str, Any]:
    """A sound deck with one to three values replaced, left out, doubled or renamed."""
    tree = copy.deepcopy(draw(st.sampled_from(BASES)))
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from([p for p in paths(tree) if p]))
        holder = tree
        for part in path[:-1]:
            holder = holder[part]
        key = path[-1]
        how = draw(st.sampled_from(["replace", "replace", "replace", "drop", "double", "add", "rename"]))
        odd = copy.deepcopy(draw(st.sampled_from(ODD)))
        if how == "replace":
            holder[key] = odd
        elif how == "drop":
            del holder[key]
        elif how == "double" and isinstance(holder, list):
            holder.append(copy.deepcopy(holder[key]))
        elif how == "add" and isinstance(holder, dict):
            holder[
                draw(st.sampled_from(["x", "²", "name", "file", "source", "a.b", "sweep", "mesh", "table", "floorplan"]))
            ] = odd
        elif how == "rename" and isinstance(holder, dict):
            holder[draw(st.sampled_from(["x", "Name", key + "s"]))] = holder.pop(key)
    return tree


def written(tree: Any) -> str:
    """A tree as YAML, a line per key at the top; JSON is YAML, its odd numbers written as YAML has them."""
    lines = [f"{json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}\n" for k, v in tree.items()]
    return "".join(lines).replace("Infinity", ".inf").replace("NaN", ".nan")


@st.composite
def torn(draw: st.DrawFn) -> bytes:
    """A sound deck's bytes with pieces cut out, doubled or replaced by what YAML gives a meaning."""
    content = draw(st.sampled_from([STUDY, TRANSIENT, CHIP])).encode()
    for _ in range(draw(st.integers(1, 4))):
        start, length = draw(st.integers(0, len(content))), draw(st.integers(0, 40))
        piece = draw(
            st.sampled_from([b"", b"&a ", b"*a", b"<<: *a\n", b"!!x ", b"[", b"{", b"}", b"]", b"\t", b"\n", b"---\n", b"\xff", b"\x00",
                             b"\xef\xbb\xbf", b"\r", b"'", b'"', b"|", b">", b"%", b"#", b"- ", b": ", b"? ", b"9" * 50, b"~"])
        )  # fmt: skip
        kept = content[start : start + length] if draw(st.booleans()) else b""
        content = content[:start] + piece + kept + content[start + length :]
    return content


BASES = bases()
