"""Pages and files made from the program itself: deck and dataset reference, tables of tests, JSON Schemas beside decks.

``python docs/generate.py schemas`` renews the schemas and the table of units, and names the schemas in the first line of every shipped deck.
``python docs/generate.py gallery [NAME …]`` runs the shipped scenarios and renews pictures and numbers of the gallery.
"""

from __future__ import annotations

import ast
import contextlib
import json
import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

from stack3d import decks, fields, units

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "docs"))  # the modules beside this one
FOLDERS = {
    kind: ROOT / kind if kind in ("geometries", "solvers", "scenarios") else ROOT / "stack3d" / "library" / kind
    for kind in decks.KINDS
}


def schema_file(kind: str) -> Path:
    """Where the JSON Schema of a kind of deck lies: beside its decks."""
    return FOLDERS[kind] / f"{kind}.schema.json"


def schema_text(kind: str) -> str:
    """Content of a schema file."""
    return json.dumps(decks.deck_schema(kind), indent=1, ensure_ascii=False) + "\n"


def first_line(kind: str) -> str:
    """Line that tells editors the schema of a deck."""
    return f"# yaml-language-server: $schema={schema_file(kind).name}"


def write_schemas() -> None:
    """Renew the table of units, the schemas and the first lines of decks."""
    units.USUAL.write_text(units_text(), encoding="utf-8")
    for kind, folder in FOLDERS.items():
        schema_file(kind).write_text(schema_text(kind), encoding="utf-8")
        for path in sorted(folder.glob("*.yaml")):
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
            kept = lines[1:] if lines and lines[0].startswith("# yaml-language-server:") else lines
            path.write_text(f"{first_line(kind)}\n{''.join(kept)}", encoding="utf-8")


SPELLINGS = """m, cm, mm, um, µm, μm, nm, pm, inch, m^2, m², m**2, cm^2, cm², mm^2, mm², um^2, µm², m^3, m³, cm^3, mm^3, um^3, l
s, ms, us, µs, ns, ps, min, minute, minutes, h, hour, hours, d, day, days, week, weeks, month, months, year, years
1/s, 1/min, 1/minute, 1/h, 1/hour, 1/day, 1/year, Hz, kHz, MHz, GHz, K, degC, °C, delta_degC
W, kW, mW, uW, µW, nW, J, kJ, mJ, uJ, µJ, nJ, pJ, fJ, eV, meV, V, kV, mV, A, mA, uA, µA, nA, pA
S, mS, uS, µS, nS, pS, ohm, kohm, Mohm, mohm, Ω, kΩ, MΩ, S/m, W/m/K, W/(m*K), W/(m K), W/m^2/K, W/m²/K, W/(m^2 K), W/(m^2*K)
W/m^2, W/cm^2, W/mm^2, J/m^3/K, J/(m^3 K), J/(m^3*K), J/cm^3/K, J/kg/K, J/(kg K), J/(kg*K), kg/m^3, g/cm^3
m^2*K/W, m^2 K/W, mm^2*K/W, mm^2 K/W, mm²K/W, cm^2*K/W, K/W, mK/W, J/K, m^3/s, l/min, l/h, ml/min, ml/s, m/s, cm/s
Pa, kPa, bar, mbar, Pa*s, mPa*s, 1/K, 1/m, %, ppm"""
"""The usual ways to write units."""


def units_text() -> str:
    """Content of the table of usual units: what pint says of each in every dimension that it measures."""
    table: dict[str, dict[str, float | list[float]]] = {}
    for unit in re.split(r",\s|\n", SPELLINGS):
        for dimension in units.SI:
            with contextlib.suppress(ValueError):
                factor = units.multiplier(unit, dimension)
                table.setdefault(unit, {})[dimension] = [units.parse(f"0 {unit}", dimension)] if factor is None else factor
    lines = [f"{json.dumps(unit, ensure_ascii=False)}: {json.dumps(known)}" for unit, known in table.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _kind_of(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    """What a value looks like, in words and links."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})" if "properties" in definitions.get(name, {}) else name
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{v}`" for v in schema["enum"])
    if "anyOf" in schema:
        kinds = [
            _kind_of(s, definitions)
            for s in schema["anyOf"]
            if s.get("type") != "null" and "value" not in s.get("properties", {})
        ]
        return " or ".join(dict.fromkeys(k for k in kinds if k))
    if schema.get("type") == "array":
        parts = schema.get("prefixItems")
        return (
            f"[{', '.join(_kind_of(p, definitions) for p in parts)}]"
            if parts
            else f"list of {_kind_of(schema.get('items', {}), definitions)}"
        )
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"mapping to {_kind_of(schema['additionalProperties'], definitions)}"
    words = schema.get("description") if schema.get("type") in ("string", ["number", "string"]) else None
    return str(words or schema.get("type", "anything")).replace("|", "or")


def _rows(block: str, model: dict[str, Any], definitions: dict[str, Any], examples: dict[tuple[str, str], str]) -> str:
    out = ["| key | value | default | example | meaning |", "|---|---|---|---|---|"]
    required = set(model.get("required", ()))
    for name, field in model.get("properties", {}).items():
        if name in ("source", "assumed"):
            continue
        default = "**required**" if name in required else f"`{json.dumps(field['default'])}`" if "default" in field else ""
        default = "its defaults" if isinstance(field.get("default"), dict) and field["default"] else default
        default = "" if default in ("`null`", '`"inline"`') else default
        meaning = " ".join(str(field.get("description", "")).split()) if "$ref" not in field else ""
        kind = _kind_of({k: v for k, v in field.items() if k != "description"}, definitions)
        example = examples.get((block, name)) or _usual(kind)
        told = f"`{example.replace('|', ' or ')}`" if example else ""
        out.append(f"| `{name}` | {kind} | {default} | {told} | {meaning.replace('|', 'or')} |")
    return "\n".join(out)


def _usual(kind: str) -> str:
    """An example that the words of a value hold: that of a quantity, or the first of several words."""
    if match := re.search(r"'([^']*)'", kind):
        return f'"{match[1]}"'
    words = re.findall(r"`([^`]*)`", kind)
    return words[0] if words and not kind.startswith("[") else ""


def deck_reference() -> str:
    """Every key of every deck, from the schema."""
    import deck_examples
    import formulas

    schema, examples = decks.deck_schema(), deck_examples.examples()
    definitions = schema["$defs"]
    parts = [
        "# Decks by key",
        "With this page you look up a key: what it takes, in which unit, what it is when left out, how a deck says it, and which law stands behind it. If you know what you want but"
        " not the key: [decks by task](tasks.md). Made from the schema that decks are validated with; examples are those of the shipped decks. Quantities are texts with a unit; every mapping may carry"
        " `source:` or `assumed:`; any quantity may be written `{value: …, source: …}`. In a scenario a mapping that has decks"
        " of its own may be named instead: `device: hfox_analog`.",
        "## Scenario",
        schema["description"],
        _rows("Scenario", schema, definitions, examples),
    ]
    for name, model in sorted(definitions.items()):
        if "properties" in model:
            said = " ".join(model.get("description", "").split())
            law = f"Law: [{formulas.LAWS[name][1]}](../{formulas.LAWS[name][0]})." if name in formulas.LAWS else ""
            parts += [f"## {name}", f"{said} {law}".strip(), _rows(name, model, definitions, examples)]
    parts += ["## Shipped decks"]
    from stack3d import yamlfile

    for kind in decks.KINDS:
        rows = [f"| `{n}` | {yamlfile.read(p).get('title') or ''} |" for n, p in sorted(decks.available(kind).items())]
        parts += [f"### {kind}", "\n".join(["| name | title |", "|---|---|", *rows])]
    return "\n\n".join(parts) + "\n"


def dataset_reference() -> str:
    """Every output variable, from the catalogue."""
    import formulas

    parts = [
        "# Dataset reference",
        "With this page you look up what a number of `result.nc` means, by which formula, and where its theory stands. Every variable a run can write is here, from the catalogue that the writer uses. `result.nc` opens with"
        " `stack3d.open_result` or `xarray.open_datatree`; SI units; a study puts its swept dimensions in front.",
    ]
    for group in dict.fromkeys(f.group for f in fields.FIELDS.values()):
        rows = [
            f"| `{f.name}` | {', '.join(f.dims) or 'scalar'} | {f.units} | {f.long_name}{_formula(formulas.FORMULAS.get(f.path))}{_nearer(f.path)} |"
            for f in fields.FIELDS.values()
            if f.group == group
        ]
        page, name = formulas.GROUPS[group]
        head = ["| variable | dimensions | unit | meaning, formula |", "|---|---|---|---|"]
        parts += [f"## /{group}", f"Theory: [{name}](../{page}).", "\n".join([*head, *rows])]
    rows = [f"| `{name}` | {unit} | {meaning} |" for name, (unit, meaning) in fields.COORDINATES.items()]
    parts += ["## Coordinates", "\n".join(["| coordinate | unit | meaning |", "|---|---|---|", *rows])]
    return "\n\n".join(parts) + "\n"


def _formula(text: str | None) -> str:
    """A formula behind the meaning, in a cell of a table, where no bar may stand."""
    if text is None:
        return ""
    text = re.sub(r"\|([^|]*)\|", r"\\lvert \1\\rvert ", text)
    return f":<br>${text}$"


def _nearer(path: str) -> str:
    """Link to the page of a variable, where that is nearer than the theory of its group."""
    import formulas

    page = formulas.page_of(path)
    return (
        ""
        if page is None
        else f" ([{page.partition('#')[2].replace('-', ' ') or page.removesuffix('.md').replace('_', ' ')}](../{page}))"
    )


def task_reference() -> str:
    """What somebody wants, and what the deck then says."""
    import tasks

    parts = [
        "# Decks by task",
        "With this page you find the key for what you want. Every row is what you put into a scenario, or behind `--set`; each was loaded with the scenario named beside it.",
    ]
    for subject, rows in tasks.TASKS.items():
        lines = ["| you want | say | tried on | more |", "|---|---|---|---|"]
        for row in rows:
            said = "<br>".join(f"`{key}: {json.dumps(value, ensure_ascii=False)}`" for key, value in row.say.items())
            page = row.page.partition("#")[0].rpartition("/")[2].removesuffix(".md").removeprefix("howto_").replace("_", " ")
            lines.append(f"| {row.want} | {said} | `{row.on}` | [{page}]({row.page}) |")
        parts += [f"## {subject}", "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def outcomes(report: Path) -> dict[tuple[str, str], str]:
    """(file stem, test function) → outcome, from a JUnit file of pytest; the worst of its cases counts."""
    found: dict[tuple[str, str], str] = {}
    order = ("passed", "skipped", "failed")
    for case in ET.parse(report).getroot().iter("testcase"):
        key = case.attrib["classname"].rpartition(".")[2], case.attrib["name"].partition("[")[0]
        outcome = (
            "failed"
            if {c.tag for c in case} & {"failure", "error"}
            else "skipped"
            if case.find("skipped") is not None
            else "passed"
        )
        found[key] = max(found.get(key, "passed"), outcome, key=order.index)
    return found


def tests_reference(report: Path | None = None) -> str:
    """Verification and validation: what each test holds the program to, and how it ended when `report` is there."""
    seen = outcomes(report) if report is not None and report.is_file() else {}
    parts = [
        "# Verification and validation",
        "Verification asks whether the equations are solved right: against closed forms, series and observed orders. Validation"
        " asks whether the numbers are those of others: independent codes and published measurements. Made from the tests"
        + (" and the report of their last run." if seen else "; this build has no report of a run, `make docs` makes one."),
    ]
    for folder in ("verification", "validation"):
        rows = []
        for path in sorted((ROOT / "tests" / folder).glob("test_*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            for node in tree.body:
                if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                    said = (ast.get_docstring(node) or node.name.removeprefix("test_").replace("_", " ")).split("\n\n")[0]
                    outcome = seen.get((path.stem, node.name), "")
                    subject = path.stem.removeprefix("test_").replace("_", " ")
                    rows.append(f"| {subject} | {' '.join(said.split()).replace('|', 'or')} | {outcome} |")
        parts += [f"## {folder.capitalize()}", "\n".join(["| subject | what is held | outcome |", "|---|---|---|", *rows])]
    parts += ["## Device laws against published numbers", "See [the table of published numbers](../devices_validation.md)."]
    return "\n\n".join(parts) + "\n"


def rows_of_rooms() -> list[tuple[str, ...]]:
    """The rooms of the package from the bottom up, as the test of the imports has them."""
    tree = ast.parse((ROOT / "tests" / "contract" / "test_imports.py").read_text(encoding="utf-8"))
    (rows,) = (n.value for n in tree.body if isinstance(n, ast.Assign) and getattr(n.targets[0], "id", "") == "ROWS")
    return list(ast.literal_eval(rows))


def _files_of(room: str) -> list[Path]:
    """Modules of a room, its own first."""
    home = ROOT / "stack3d" / room
    return [home.with_suffix(".py")] if not home.is_dir() else sorted(home.rglob("*.py"), key=lambda p: (p.parent, p.name))


def _said(path: Path) -> str:
    """First line of the docstring of a module."""
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n")[0]


def rooms_table() -> str:
    """Which rooms there are, from the bottom up, and what each is for."""
    lines = ["| row | room | files | lines | what it is for |", "|---|---|---|---|---|"]
    for number, row in enumerate(rows_of_rooms(), start=1):
        for room in (r for r in row if r != "lifetime"):
            files = _files_of(room)
            said = _said(files[0]).replace("|", "or")
            size = sum(len(p.read_text(encoding="utf-8").splitlines()) for p in files)
            lines.append(f"| {number} | [`{room}`](reference/api_{room}.md) | {len(files)} | {size} | {said} |")
    return "\n".join(lines) + "\n"


def _public(path: Path) -> bool:
    """Whether a module defines a name without an underscore."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return any(isinstance(n, ast.FunctionDef | ast.ClassDef) and not n.name.startswith("_") for n in tree.body)


def api_page(room: str) -> str:
    """Every public function and class of a room, with its docstring."""
    files = _files_of(room)
    parts = [f"# `stack3d.{room}`", _said(files[0])]
    for path in files:
        if not _public(path):
            continue
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        title = [f"## `{name}`"] if name != f"stack3d.{room}" else []
        parts += [*title, f"```{{eval-rst}}\n.. automodule:: {name}\n   :members:\n   :noindex:\n```"]
    return "\n\n".join(parts) + "\n"


def write_reference(folder: Path, *, api: bool = True) -> None:
    """Write the generated pages into a folder of the manual; without `api` the pages of names are left empty."""
    folder.mkdir(exist_ok=True)
    report = ROOT / "docs" / "_build" / "tests.xml"
    pages = {
        "tasks": task_reference(),
        "decks": deck_reference(),
        "dataset": dataset_reference(),
        "tests": tests_reference(report),
    }
    rooms = [room for row in rows_of_rooms() for room in row if room != "lifetime"]  # names of version 0.1 are elsewhere
    pages |= {"rooms": rooms_table(), **{f"api_{room}": api_page(room) if api else f"# `stack3d.{room}`\n" for room in rooms}}
    for name, text in pages.items():
        path = folder / f"{name}.md"
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    import gallery

    gallery.pages(folder)


if __name__ == "__main__":
    if sys.argv[1:] == ["schemas"]:
        write_schemas()
    elif sys.argv[1:2] == ["gallery"]:
        import gallery

        gallery.renew(sys.argv[2:])
    else:
        write_reference(ROOT / "docs" / "reference")
