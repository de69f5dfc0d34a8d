"""The parts of an FMU, compiled and packed."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from xml.etree import ElementTree as Xml

import numpy as np

from stack3d import __version__, storage
from stack3d.errors import MissingDependencyError, ResultsError
from stack3d.layout import Floats
from stack3d.thermal.compact.compact_model import CompactModel

SOURCE = "thermal_model.c"
COMPILED = ("-O2", "-fPIC", "-shared", "-std=c99", "-fvisibility=hidden", "-ffp-contract=off")
ABLE = (
    "canHandleVariableCommunicationStepSize",
    "canGetAndSetFMUstate",
    "canSerializeFMUstate",
    "canNotUseMemoryManagementFunctions",
)
TIMEOUT = 120.0
"""Of the compiler. [s]"""


def write_fmu(path: Path, model: CompactModel, name: str, films: Mapping[str, float] | None = None) -> None:
    """Write a compact model over time as an FMU: powers and ambient in, temperatures out.

    Parameters
    ----------
    path : Path
        Of the ``.fmu``.
    model : CompactModel
        With a model over time.
    name : str
        Of the scenario.
    films : mapping of str to float, optional
        Of faces, which the FMU has for good; those of the scenario where absent. [W m⁻² K⁻¹]

    Raises
    ------
    RangeError
        For a model of steady states alone, and for films outside its ranges.
    MissingDependencyError
        Without a C compiler.
    ResultsError
        Where the compiler fails or the file cannot be written.

    Notes
    -----
    A step of any length is exact while powers and ambient stay as they are [1]_; the error against the mesh is that of the
    compact model over time, a tested estimate, which its description states.

    References
    ----------
    .. [1] Modelica Association, Functional Mock-up Interface for Model Exchange and Co-Simulation 2.0.1 (2019).
    """
    header = _header(model, films or {})
    identifier = "stack3d_" + re.sub(r"\W", "_", name, flags=re.ASCII)
    source = files("stack3d.results.fmu").joinpath(SOURCE).read_text(encoding="utf-8")
    guid = hashlib.sha256(f"{header}{source}{model.sources}{model.places}".encode()).hexdigest()[:32]
    header = f'#define GUID "{guid}"\n{header}'
    with storage.passing_folder("fmu") as folder:
        for file, text in (("model.h", header), (SOURCE, source)):
            Path(folder, file).write_text(text, encoding="utf-8")
        library = _compile(Path(folder))
        with storage.beside(path, ".fmu") as scratch, zipfile.ZipFile(scratch, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("modelDescription.xml", _description(model, (name, identifier, guid), films or {}))
            archive.write(library, f"binaries/linux64/{identifier}.so")
            for file in (SOURCE, "model.h"):
                archive.write(Path(folder, file), f"sources/{file}")


def _compile(folder: Path) -> Path:
    """The shared library of the sources in a folder."""
    compiler = shlex.split(os.environ.get("CC", "")) or ["cc"]
    if shutil.which(compiler[0]) is None:
        raise MissingDependencyError(
            f"an FMU wants a C compiler, and there is no {compiler[0]}: install gcc, or name one by CC"
        )
    out = folder / "model.so"
    try:
        done = subprocess.run(
            [*compiler, *COMPILED, "-o", str(out), str(folder / SOURCE), "-lm"], capture_output=True, text=True, timeout=TIMEOUT
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ResultsError(f"the C compiler {compiler[0]} does not come to an end: {error}") from None
    if done.returncode or not out.is_file():
        said = (done.stderr.strip().splitlines() or ["nothing"])[0]
        raise ResultsError(f"the C compiler {compiler[0]} fails with {done.returncode} and says: {said}")
    return out


def _header(model: CompactModel, films: Mapping[str, float]) -> str:
    """All numbers of a model with some films, as C."""
    exponentials, h = model.exponentials(films), model.films(films)
    given, low, high = model.ambient
    ambient = [face.reference is None for face in model.faces]
    lines = [
        f"#define MODES {exponentials.rates.size}",
        f"#define SOURCES {len(model.sources)}",
        f"#define FACES {len(model.faces)}",
        f"#define PLACES {len(model.places)}",
        f"#define HAS_FIXED_FACE {int(model.fixed is not None)}",
        f"#define FIXED_TEMPERATURE {model.fixed or 0.0:.17g}",
        f"#define FIRST_AMBIENT {given:.17g}",
        f"#define LOWEST_AMBIENT {low:.17g}",
        f"#define HIGHEST_AMBIENT {high:.17g}",
        _array("rate", exponentials.rates),
        _array("load", exponentials.loads),
        _array("shown", exponentials.shown),
        _array("still", exponentials.still),
        _array("bow", model.bow),
        _array("first_power", model.powers),
        _array("film", h),
        _array("face_reference", np.array([face.reference or 0.0 for face in model.faces])),
        _array("flux", np.array([face.flux for face in model.faces])),
        _array("follows_ambient", np.array(ambient, dtype=float), "int"),
    ]
    return "\n".join([*lines, ""])


def _array(name: str, values: Floats, kind: str = "double") -> str:
    """A constant of one or two dimensions; of none at all one zero, which C99 wants."""
    shape = tuple(max(n, 1) for n in values.shape)
    full = values if values.size else np.zeros(shape)
    rows = ["{" + ", ".join(f"{value:.17g}" for value in row) + "}" for row in np.atleast_2d(full)]
    body = rows[0] if values.ndim == 1 else "{" + ",\n".join(rows) + "}"
    return f"static const {kind} {name}{''.join(f'[{n}]' for n in shape)} = {body};"


def _description(model: CompactModel, names: tuple[str, str, str], films: Mapping[str, float]) -> str:
    """``modelDescription.xml``; names are that of the scenario, of the library, and the identity of both."""
    name, identifier, guid = names
    given, low, high = model.ambient
    estimate = 0.0 if model.in_time is None else model.in_time.estimate
    about = (
        f"Temperatures of {name}. Against its mesh within {100 * estimate:.2g} % of the largest response (tested estimate), for"
        f" changes that are {model.shortest:g} s apart or more; films as they were when it was written."
    )
    root = Xml.Element(
        "fmiModelDescription",
        {
            "fmiVersion": "2.0",
            "modelName": name,
            "guid": guid,
            "description": about,
            "generationTool": f"stack3d {__version__}",
            "generationDateAndTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "variableNamingConvention": "flat",
        },
    )
    slave = Xml.SubElement(root, "CoSimulation", {"modelIdentifier": identifier, **dict.fromkeys(ABLE, "true")})
    Xml.SubElement(Xml.SubElement(slave, "SourceFiles"), "File", {"name": SOURCE})
    units = Xml.SubElement(root, "UnitDefinitions")
    Xml.SubElement(Xml.SubElement(units, "Unit", {"name": "W"}), "BaseUnit", {"kg": "1", "m": "2", "s": "-3"})
    kelvin = Xml.SubElement(units, "Unit", {"name": "K"})
    Xml.SubElement(kelvin, "BaseUnit", {"K": "1"})
    Xml.SubElement(kelvin, "DisplayUnit", {"name": "degC", "offset": "-273.15"})
    if np.isfinite(model.shortest):
        Xml.SubElement(root, "DefaultExperiment", {"startTime": "0", "stepSize": repr(float(model.shortest))})
    variables = Xml.SubElement(root, "ModelVariables")

    def real(variable: str, said: str, about: Mapping[str, str], value: Mapping[str, str]) -> None:
        count = len(variables)
        given = {"name": variable, "valueReference": str(count), "description": said, "variability": "continuous"}
        Xml.SubElement(Xml.SubElement(variables, "ScalarVariable", {**given, **about}), "Real", dict(value))

    for source, power in zip(model.sources, model.powers):
        real(f"power.{source}", f"Power of {source}", {"causality": "input"}, {"unit": "W", "start": repr(float(power))})
    limits = {"min": repr(float(low)), "max": repr(float(high)), "start": repr(float(given))}
    real("ambient", "Temperature of the surroundings", {"causality": "input"}, {"unit": "K", "displayUnit": "degC", **limits})
    for place, error, moving in zip(model.places, model.mesh_error, model.mesh_error_over_time(films)):
        shown = {"causality": "output", "initial": "calculated"}
        off = "its mesh not judged"
        if np.isfinite(error):
            off = f"its mesh errs by {error:.2g} K at the scenario's powers (estimate)"
        if np.isfinite(moving):
            off += f", by {moving:.2g} K while powers come and go up to these (estimate)"
        real(f"temperature.{place}", f"Temperature of {place}; {off}", shown, {"unit": "K", "displayUnit": "degC"})
    steady = {
        "name": "steady_start",
        "valueReference": "0",
        "causality": "parameter",
        "variability": "fixed",
        "initial": "exact",
    }
    steady["description"] = "Begin in the steady state of the first powers, not at ambient"
    Xml.SubElement(Xml.SubElement(variables, "ScalarVariable", steady), "Boolean", {"start": "false"})
    structure = Xml.SubElement(root, "ModelStructure")
    first = len(model.sources) + 2
    for group in ("Outputs", "InitialUnknowns"):
        unknowns = Xml.SubElement(structure, group)
        for index in range(first, first + len(model.places)):
            Xml.SubElement(unknowns, "Unknown", {"index": str(index)})
    Xml.indent(root)
    return Xml.tostring(root, encoding="unicode", xml_declaration=True)
