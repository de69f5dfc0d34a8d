"""A file that is not there is told as such, with what lies there; it was told as an unknown name of a deck."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from stack3d.cli import app


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "quickstart", "--set", "device=cel.yml"), "device: no file 'cel.yml' (did you mean 'cell.yaml'?); looked in"),
        (("run", "quickstart", "--set", "device=a.txt"), "device: a.txt is no deck: those end with .yaml or .yml"),
        (("run", "quickstart", "--set", "geometry=my/stack"), "geometry: no file 'my/stack'; looked in"),
        (("run", "quickstart", "--set", "device=hfox_analogue"), "no deck 'hfox_analogue' in devices (did you mean"),
        (("validate", "cel.yml"), "no file 'cel.yml' (did you mean 'cell.yaml'?); looked in the working folder"),
        (("validate", "sub"), "'sub' is no scenario but a folder"),
        (("validate", "quickstar"), "no scenario 'quickstar' (did you mean 'quickstart'?)"),
        (("fit", "bake.csv", "--law", "gap_growth", "--start", "cel.yml", "-o", "o.yaml"), "no file 'cel.yml'"),
        (("import", "core.ptrac", "-o", "o.yaml"), "core.ptrac: there is no such file"),
        (("import", "a.txt", "-o", "o.yaml"), "a.txt: no file that can be imported; known: .stk"),
    ],
)
def test_a_file_that_is_missing_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("cell.yaml", "core.ptrace", "a.txt"):
        Path(name).touch()
    Path("sub").mkdir()
    Path("bake.csv").write_text("temperature [degC],level [uS],time [s],conductance [uS]\n125,20,0,20\n125,20,9,19\n")
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code != 0
    assert said in f"{done.output}{done.exception}"


def test_a_new_scenario_may_be_named_with_its_ending(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, ["new", "mine.yml", "--kind", "package"]).exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["mine.yaml"]
