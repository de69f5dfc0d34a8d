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
PLAIN = STUDY[: STUDY.index("expect:")]
SEARCH = (
    PLAIN
    + """\
optimise:
  vary:
    power.sources.spot.power: {from: "0.1 W", to: "4 W", scale: log}
    geometry.tiers.repeat: {from: 1, to: 3, integer: true}
    cooling.top.film_coefficient: ["2e3 W/m^2/K", "1e4 W/m^2/K"]
    zip: {cooling.ambient: [290 K, 300 K], cooling.bottom: [adiabatic, board]}
    variants: {thin: {geometry.below.die.thickness: "0.2 mm"}, thick: {geometry.below.die.thickness: "0.4 mm"}}
    where: "film_coefficient > '1e3 W/m^2/K' or ambient < '295 K'"
  minimise: [layer_temperature_max, "layer_temperature_max - 300 K"]
  maximise: heat_in
  subject to: ["layer_temperature_max <= 85 degC", "heat_in / 2 > 0.1 W"]
  budget: 6
  seed: 2
  batch: 2
"""
)
UNKNOWN = (
    PLAIN
    + """\
uncertain:
  keys:
    power.sources.spot.power: {normal: ["1 W", "0.1 W"]}
    cooling.ambient: {uniform: ["290 K", "310 K"]}
    cooling.top.film_coefficient: {lognormal: ["1e4 W/m^2/K", 1.3]}
    geometry.below.die.thickness: {triangular: ["0.2 mm", "0.3 mm", "0.4 mm"]}
  outputs: [layer_temperature_max, "layer_temperature_max - 300 K"]
  spread: 0.2
  count: 4
  most: 3
  trajectories: 4
  seed: 3
"""
)
CHIP = (PROJECT / "scenarios" / "quickstart.yaml").read_text(encoding="utf-8")
SPELLED = (
    "quickstart",
    "microchannels_2tier",
    "resolved_bumps",
    "hybrid_pcm_rram",
    "duty_cycled_package",
    "edge_wearable_8tier",
    "rram_beside_logic",
)
ODD: list[Any] = [
    None, True, False, 0, -1, 1, 2**31, 2**53 + 1, 2**63, 10**39, 0.0, -0.0, 1e-300, 1e300, float("inf"), float("nan"), -1e9, 0.5,
    "", " ", "x", "../x", "/etc/passwd", "a/b", "a\\b", "CON", "é", "\u202e", "²", "١٢", "1", "1e999 m", "-1 m", "0 m", "1e-300 m",
    "1e300 m", "inf m", "nan m", "1 m^0", "1 m*m", "1 m/0", "1 m**9**9", "1 (m", "1 m)", "1 lambda", "0 K", "-300 degC", "1e6 K",
    "1 W", "1e30 W", "-1 W", "1e-30 s", "1 %", "1e9 year", "0 s", "tiers / 0 > 1", "not " * 30 + "tiers", "tiers", "layer_temperature_max <= 85 degC",
    "heat_in", "heat_in / 0 W > 1", "layer_temperature_max ** 99", "max(heat_in", "mean(layer_temperature_max)", "all-assumed", "2 h",
    {"uniform": ["1 W", "0 W"]}, {"normal": ["1 W", "1 K"]}, {"lognormal": [1, 0]}, {"from": 1, "to": 10**9, "integer": True},
    {"from": "1 W", "to": "inf W"}, {"from": "1e400 W", "to": "2 W"}, "[300, 200] K",
    "[a, b]", [], {}, [[]], [[[[]]]], [None], ["x"], [1, 2, 3], [0, 0], [10**9, 10**9], [4096, 4096], ["1 m", "0 m"],
    {"name": "x"}, {"value": "1 m"}, {"value": {"value": 1}}, {"from": 1, "to": 2}, {"a": {"b": {"c": 1}}}, {"": 1}, {"²": 1},
    {"name": "../../x", "file": "../../y"}, "x" * 300, "x" * 5000, ["x"] * 300, "silicon", "quickstart", "adiabatic",
]  # fmt: skip


def bases() -> list[dict[str, Any]]:
    """Decks as written, and some of the shipped ones with every deck that they name spelled out."""
    from stack3d import decks, yamlfile

    trees = [yamlfile.parse_text(text, "base") for text in (STUDY, TRANSIENT, CHIP, SEARCH, UNKNOWN)]
    return json.loads(json.dumps([*trees, *(decks.load(name).tree for name in SPELLED)]))


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
    content = draw(st.sampled_from([STUDY, TRANSIENT, CHIP, SEARCH, UNKNOWN])).encode()
    for _ in range(draw(st.integers(1, 4))):
        start, length = draw(st.integers(0, len(content))), draw(st.integers(0, 40))
        piece = draw(
            st.sampled_from([b"", b"&a ", b"*a", b"<<: *a\n", b"!!x ", b"[", b"{", b"}", b"]", b"\t", b"\n", b"---\n", b"\xff", b"\x00",
                             b"\xef\xbb\xbf", b"\r", b"'", b'"', b"|", b">", b"%", b"#", b"- ", b": ", b"? ", b"9" * 50, b"~"])
        )  # fmt: skip
        kept = content[start : start + length] if draw(st.booleans()) else b""
        content = content[:start] + piece + kept + content[start + length :]
    return content


@st.composite
def stuffed(draw: st.DrawFn) -> bytes:
    """A sound deck in which one thing is there very often, up to 100 kB: what an answer costs must not go with its square."""
    tree = copy.deepcopy(draw(st.sampled_from(BASES)))
    how = draw(st.sampled_from(["items", "items", "items", "keys", "text", "sweep", "where", "aliases", "merges", "digits"]))
    many = draw(st.sampled_from([50, 300, 2000]))
    if how == "items":
        path = draw(st.sampled_from([p for p in paths(tree) if p and isinstance(_at(tree, p), list) and _at(tree, p)]))
        items = _at(tree, path)
        one = draw(st.sampled_from(items))
        same = draw(st.booleans())
        for i in range(min(many, 100_000 // len(json.dumps(one)))):
            items.append(
                {**one, "name": f"n{0 if same else i}"} if isinstance(one, dict) and "name" in one else copy.deepcopy(one)
            )
    elif how == "keys":
        holder = _at(tree, draw(st.sampled_from([p for p in paths(tree) if isinstance(_at(tree, p), dict)])))
        holder.update({f"key{i}": i for i in range(many)})
    elif how == "text":
        path = draw(st.sampled_from([p for p in paths(tree) if p and isinstance(_at(tree, p), str)]))
        text = draw(st.sampled_from(["x", "1", " ", "m*", "(", "1 m ", "not ", "a.", "é", "..", "/"]))
        _at(tree, path[:-1])[path[-1]] = text * (45 * many // len(text))
    elif how == "sweep":
        tree["sweep"] = {
            "cooling.ambient": [f"{280 + i / 100} K" for i in range(many)],
            "title": [f"t{i}" for i in range(many)],
        }
    elif how == "where":
        tree.setdefault("sweep", {"cooling.ambient": ["280 K", "290 K"]})["where"] = ["ambient < '281 K' or ambient > 3"] * many
    elif how == "digits":
        path = draw(st.sampled_from([p for p in paths(tree) if p and isinstance(_at(tree, p), (int, float))]))
        _at(tree, path[:-1])[path[-1]] = int("9" * min(4000, 2 * many))
    content = written(tree)
    if how == "aliases":
        content += "more: &a [x, y]\n" + "".join(f"k{i}: [*a, *a, *a]\n" for i in range(many))
    elif how == "merges":
        content += "m0: &m0 {a: 1}\n" + "".join(f"m{i}: &m{i} {{<<: *m{i - 1}, k{i}: 1}}\n" for i in range(1, many))
    return content.encode()[:100_000]


def _at(tree: Any, path: tuple[Any, ...]) -> Any:
    for part in path:
        tree = tree[part]
    return tree


BASES = bases()
