"""Every code block of the manual and the README runs; the manual builds without a warning; schemas beside decks are true."""

import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from stack3d import decks, units
from stack3d.cli import main
from stack3d.devices.laws import RETENTION
from stack3d.fields import outputs, physics
from stack3d.heat.meshing import mesh_kinds
from stack3d.life.chips import policies
from stack3d.schema.cooling import cooling_laws
from stack3d.workload.operators import operators
from stack3d.workload.placement import placements
from stack3d.workload.tasks import tasks

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
READMES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("[a-z]*/README.md"))]
NOT_RUN = ("text", "{toctree}", "{eval-rst}", "{include}")
"""Installation recipes, and what the generator itself reads."""
QUICK = [("monte_carlo.samples", 4), ("lifetime.epochs", 3), ("workload.test_samples", 100), ("solver.backend", "tensor")]
"""The quickstart with fewer chips; the test of its command line runs it in full."""
FIRST = ("README.md", "first_run.md")
"""They run what other pages use the results of."""


def blocks(page: Path) -> list[tuple[str, str]]:
    return re.findall(r"^```([^\n]*)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def command(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    words = shlex.split(line, comments=True)
    if words[:3] == ["stack3d", "run", "quickstart"]:
        words[3:3] = [w for key, value in QUICK for w in ("--set", f"{key}={value}")]
    monkeypatch.setattr("sys.argv", [Path(words[0]).name, *words[1:]])
    with pytest.raises(SystemExit) as leave:
        main()
    assert not leave.value.code, line


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("manual")


@pytest.mark.parametrize("page", sorted(PAGES, key=lambda p: (p.name not in FIRST, p.name)), ids=lambda p: p.name)
def test_code_blocks_run(page: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order of a page: files are written, commands run, Python executed in one namespace."""
    monkeypatch.chdir(workplace)
    for registry in (
        policies,
        operators,
        outputs,
        cooling_laws,
        RETENTION,
        mesh_kinds,
        physics,
        placements,
        tasks,
    ):  # what a page registers ends with it
        monkeypatch.setattr(registry, "_entries", dict(registry._entries))
    names: dict[str, Any] = {"__name__": "manual"}
    for language, text in blocks(page):
        named = re.match(r"# (\S+\.(?:yaml|stk|flp|csv|3dbv|3dbx))\n", text)
        if named:
            Path(named[1]).write_text(text)
        elif language == "python":
            exec(compile(text, page.name, "exec"), names)
        elif language == "console":
            for line in text.splitlines():
                if line.startswith("$ "):
                    command(line.removeprefix("$ "), monkeypatch)
        else:
            assert language.split(" ")[0] in NOT_RUN, f"{page.name}: a block of {language or 'no'} language is not executed"


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_of_usual_units_is_what_pint_says(generate: ModuleType) -> None:
    assert units.USUAL.read_text(encoding="utf-8") == generate.units_text(), "run: make schemas"


@pytest.mark.parametrize("kind", decks.KINDS)
def test_schemas_beside_decks_are_true(kind: str, generate: ModuleType) -> None:
    """`make schemas` renews them; every shipped deck names its schema and keeps it, as an editor would see it."""
    from jsonschema import Draft202012Validator
    from ruamel.yaml import YAML

    assert generate.schema_file(kind).read_text(encoding="utf-8") == generate.schema_text(kind), "run: make schemas"
    validator = Draft202012Validator(decks.deck_schema(kind))
    for path in sorted(generate.FOLDERS[kind].glob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        assert text.startswith(f"{generate.first_line(kind)}\n"), f"{path.name}: run: make schemas"
        complaints = [
            f"{list(e.absolute_path)}: {e.message}" for e in validator.iter_errors(YAML(typ="safe", pure=True).load(text))
        ]
        assert complaints == [], path.name


def test_reference_pages_hold_everything(generate: ModuleType, tmp_path: Path) -> None:
    from stack3d import fields

    generate.write_reference(tmp_path)
    dataset = (tmp_path / "dataset.md").read_text()
    assert all(f"`{f.name}`" in dataset and f.long_name in dataset for f in fields.FIELDS.values())
    deck = (tmp_path / "decks.md").read_text()
    assert all(f"`{key}`" in deck for key in ("cooling", "contact_resistance", "film_coefficient", "tile_sites", "samples"))
    assert all(f"`{name}`" in deck for kind in decks.KINDS for name in decks.available(kind))
    report = tmp_path / "tests.xml"
    report.write_text(
        '<testsuites><testsuite><testcase classname="tests.verification.test_analytic_series" name="test_a[x]"/>'
        '<testcase classname="tests.verification.test_analytic_series" name="test_a[y]"><failure/></testcase></testsuite></testsuites>'
    )
    assert generate.outcomes(report) == {("test_analytic_series", "test_a"): "failed"}


@pytest.mark.parametrize(
    "page", sorted([*(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "tutorials").glob("*.md")]), ids=lambda p: p.stem
)
def test_a_page_begins_with_what_the_reader_will_be_able_to_do(page: Path) -> None:
    text = re.sub(r"\A---\n.*?^---\n", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    first = re.split(r"\n\n+", text.strip())[1]
    assert re.match(r"(With|After) this (page|manual) (you|stack3d)\b", first), first


def test_what_reference_pages_add_is_about_what_there_is(generate: ModuleType) -> None:
    """Laws stand behind blocks of decks, formulas behind variables, and every example of the page of tasks loads."""
    import formulas
    import tasks

    from stack3d import fields, study

    assert set(formulas.LAWS) <= set(decks.deck_schema()["$defs"])
    assert {*formulas.FORMULAS, *formulas.SPECIAL} <= {f.path for f in fields.FIELDS.values()}
    for row in (row for rows in tasks.TASKS.values() for row in rows):
        many = {"sweep", "uncertain", "optimise"} & set(row.say)
        (study.plan if many else decks.load)(row.on, tuple(row.say.items()))


@pytest.mark.parametrize("page", READMES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_of_readmes_lead_somewhere(page: Path) -> None:
    """The manual's own links are checked when it is built."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text)]
    lost = [link for link in links if link and "://" not in link and not (page.parent / link).exists()]
    assert lost == []


@pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("myst_nb", "latex2mathml")),
    reason="the docs group (sphinx, myst-nb, furo) is not installed",
)
@pytest.mark.parametrize("tags", [("-t", "quick"), pytest.param((), marks=pytest.mark.slow)], ids=["pages", "names too"])
def test_the_manual_builds_without_a_warning(tmp_path: Path, tags: tuple[str, ...]) -> None:
    """Warnings are errors: links inside the manual that lead nowhere among them. Pages of every public name take longer."""
    shutil.copytree(ROOT / "docs", tmp_path / "docs", ignore=shutil.ignore_patterns("_build"))
    for folder in ("tests", "stack3d", "geometries", "solvers", "scenarios"):  # what the reference pages are made from
        (tmp_path / folder).symlink_to(ROOT / folder)
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", *tags, "-b", "html", str(tmp_path / "docs"), str(tmp_path / "html")],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "html" / "reference" / "decks.html").is_file()
    pages = {page.name: page.read_text(encoding="utf-8") for page in (tmp_path / "html").rglob("*.html")}
    asks = [name for name, text in pages.items() if re.search(r"<(?:script|link|img)[^>]*(?:src|href)=\"https?://", text)]
    assert asks == [], "opened from disk, a page asks for nothing outside"
