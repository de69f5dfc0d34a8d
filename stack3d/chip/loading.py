"""Network and labelled data of a workload, read once for all cases that share them."""

from __future__ import annotations

from os.path import isfile
from pathlib import Path
from typing import Any

from stack3d import memory
from stack3d.chip import reused
from stack3d.chip.design import Design
from stack3d.errors import Problem, collected
from stack3d.schema import DataDeck, WorkloadDeck
from stack3d.workload import LabelledData, Network, allowed, files_of, keep, load_data, load_network, task_kind

READ = 4.0
"""Memory of a network that is read over the size of its file, at least. [-]"""


def contents_of(design: Design) -> tuple[Any, ...]:
    """All that decides what `loaded` gives."""
    work = design.work
    data = data_of(work)[1]
    files = reused.contents(work.network.file, *((data.file, data.inputs, data.labels) if data else ()))
    asked = (work.network, data, work.output, work.digital, work.task, work.threshold, work.test_samples)
    return (*files, *(repr(part) for part in asked), design.mvm.weight_scaling)


def loaded(design: Design, problems: list[Problem]) -> tuple[Network | None, LabelledData | None]:
    """Network and data as they are read; None, and the mistakes told, where one cannot be."""
    work = design.work
    memory.check_terms({memory.ANY: memory.BESIDE, "workload.network": READ * _sizes(work.network.file)})
    with allowed(_size(work)):
        return _read(design, problems)


def _read(design: Design, problems: list[Problem]) -> tuple[Network | None, LabelledData | None]:
    work = design.work
    by_column = design.mvm.weight_scaling == "column"
    network = collected(
        lambda: load_network(work.network, output=work.output, digital=work.digital, by_column=by_column), problems
    )
    key, deck = data_of(work)
    if deck is None:
        problems.append(Problem("workload.data", "is missing: the network comes without labelled inputs to judge it by"))
    if network is None or deck is None:
        return network, None
    return network, collected(lambda: _judged(deck, network, work, key), problems, "workload.network.file")


def counted(
    design: Design, contents: tuple[Any, ...], network: Network, data: LabelledData, problems: list[Problem]
) -> reused.Loaded | None:
    """The network with its batch found and its products counted, kept for the cases that follow.

    Parameters
    ----------
    design : Design
    contents : tuple
        Of `contents_of`: what the outcome is kept under.
    network : Network
        As it was read.
    data : LabelledData
        Two of its inputs, shape (2, ...), are run through the network.
    problems : list of Problem
        Takes the mistakes; the outcome is None then.
    """
    sample = data.profile[:2]
    with allowed(_size(design.work)):
        found = collected(lambda: network.counted(sample), problems, "workload.network.file")
        ordered = collected(lambda: network.ordered(sample), problems, "workload.network.file")
    return (
        None
        if found is None or ordered is None
        else reused.loaded.keep(contents, reused.Loaded(contents, ordered, data, found))
    )


def check_tried(design: Design, wanted: float) -> None:
    """Raise UntriedError for memory that is more than looking at a deck may take. [byte]"""
    with allowed(_size(design.work)):
        keep(wanted)


def _size(work: WorkloadDeck) -> float:
    """Of the files of network and data. [byte]"""
    data = data_of(work)[1]
    return _sizes(work.network.file, *((data.file, data.inputs, data.labels) if data else ()))


def _sizes(*named: str | None) -> float:
    """Of files that are there, a network with those of its weights. [byte]"""
    paths = [Path(name) for name in named if name and isfile(name)]
    return float(sum(one.stat().st_size for path in paths for one in (files_of(path) if path.suffix == ".onnx" else [path])))


def data_of(work: WorkloadDeck) -> tuple[str, DataDeck | None]:
    """Key and deck of the data."""
    return ("workload.data", work.data) if work.data else ("workload.network.data", work.network.data)


def _judged(deck: DataDeck, network: Network, work: WorkloadDeck, key: str) -> LabelledData:
    """The data with what the outputs are judged as; raises DeckError."""
    kind = task_kind(work.task)
    return load_data(deck, network, work.test_samples, key=key, task=lambda shape: kind(shape, work.threshold))
