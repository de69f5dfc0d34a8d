"""The compact model of a scenario."""

from __future__ import annotations

from stack3d.case.run import check
from stack3d.case.threads import one_thread
from stack3d.heat.compacted import SolveWatch, compact_model
from stack3d.schema.scenario import Scenario
from stack3d.thermal.compact.compact_model import CompactModel


def compact_of(scenario: Scenario, watch: SolveWatch) -> CompactModel:
    """Check a scenario and make its compact model; `watch` is told of solves and of the largest bound, then estimate.

    Raises
    ------
    DeckError
        For what is wrong with the scenario, and for what no compact model knows.
    SolverError
        Where the model does not come close enough to the mesh.
    """
    with one_thread():
        return compact_model(check(scenario, solve=True), watch)
