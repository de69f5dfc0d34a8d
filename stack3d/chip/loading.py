"""Network and labelled data of a workload, read once for all cases that share them."""

from __future__ import annotations

from typing import Any

from stack3d.chip import kept
from stack3d.chip.design import Design
from stack3d.errors import DeckError, Problem, collected, did_you_mean
from stack3d.schema import workload as schema
from stack3d.workload import data as labelled
from stack3d.workload import network as networks
from stack3d.workload.tasks import tasks


def contents_of(design: Design) -> tuple[Any, ...]:
    """All that decides what `loaded` gives."""
    work = design.work
    data = _data_of(work)[1]
    files = kept.contents(work.network.file, *((data.file, data.inputs, data.labels) if data else ()))
    asked = (work.network, data, work.output, work.digital, work.task, work.threshold, work.test_samples)
    return (*files, *(repr(part) for part in asked), design.mvm.weight_scaling)


def loaded(design: Design, problems: list[Problem]) -> tuple[networks.Network | None, labelled.LabelledData | None]:
    """Network and data as they are read; None, and the mistakes told, where one cannot be."""
    work = design.work
    by_column = design.mvm.weight_scaling == "column"
    network = collected(
        lambda: networks.load_network(work.network, output=work.output, digital=work.digital, by_column=by_column), problems
    )
    key, deck = _data_of(work)
    if deck is None:
        problems.append(Problem("workload.data", "is missing: the network comes without labelled inputs to judge it by"))
    if network is None or deck is None:
        return network, None
    return network, collected(lambda: _judged(deck, network, work, key), problems, "workload.network.file")


def counted(
    contents: tuple[Any, ...], network: networks.Network, data: labelled.LabelledData, problems: list[Problem]
) -> kept.Loaded | None:
    """The network with its batch found and its products counted, kept for the cases that follow.

    Parameters
    ----------
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
    found = network.counted(sample)
    ordered = collected(lambda: network.ordered(sample), problems)
    return None if ordered is None else kept.loaded.keep(contents, kept.Loaded(contents, ordered, data, found))


def _data_of(work: schema.WorkloadDeck) -> tuple[str, schema.DataDeck | None]:
    """Deck of the data and its key."""
    return ("workload.data", work.data) if work.data else ("workload.network.data", work.network.data)


def _judged(deck: schema.DataDeck, network: networks.Network, work: schema.WorkloadDeck, key: str) -> labelled.LabelledData:
    """The data with what the outputs are judged as; raises DeckError."""
    if work.task not in tasks:
        message = f"no task {work.task!r}{did_you_mean(work.task, tasks)}; tasks: {', '.join(tasks)}"
        raise DeckError(Problem("workload.task", message))
    kind = tasks[work.task]
    return labelled.load_data(deck, network, work.test_samples, key=key, task=lambda shape: kind(shape, work.threshold))
