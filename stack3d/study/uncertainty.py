"""The plan of a study of what is not known: screens, draws, and says which unknown to measure first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from stack3d.errors import EXIT_BAD_INPUT, EXIT_SOME_FAILED, DeckError, Problem, ResultsError, label_of
from stack3d.layout import Floats
from stack3d.schema.uncertain import UncertainDeck
from stack3d.study.bands import band_told, changes
from stack3d.study.correlating import correlation_among
from stack3d.study.goals import Goal
from stack3d.study.job import DONE, FAILED, Report
from stack3d.study.plan import Found, Tree
from stack3d.study.points import KeyValue, Point, in_order
from stack3d.study.search import Search, Steps
from stack3d.study.sections import as_asked, parsed, placed
from stack3d.study.sensitivity import Findings, evaluations
from stack3d.study.shares import ranking, screened
from stack3d.study.unknowns import Unknown, assumed, named, posteriors, unread_capacities, up_to_one

USUAL = {
    "workload": ("accuracy@end", "energy_per_inference@end", "latency"),
    "lifetime": ("time_to_accuracy_loss",),
    "fabrication": ("yield",),
}
"""Section of a scenario → outputs that are looked at beside its peak temperature where none is asked for."""
BESIDE = ("over_chips", "by_mesh", "by_inputs", "is_at_least")
"""What else is not sure of an output, each told by a method of its goal."""
BESIDE_MIDDLE = 0.382
"""Share of every distribution at which a case is tried before any runs: what wants whole numbers shows there."""


class UncertaintyStudy(Search):
    """Draws of the unknown numbers of a scenario.

    Parameters
    ----------
    source : str or Path
        Scenario, by path or by name.
    deck : UncertainDeck
    overrides : sequence of (key, value)
        Of every case.
    tree : Mapping, optional
        The scenario, where it is read already.

    Raises
    ------
    DeckError
        For outputs and keys that make no sense.
    """

    def __init__(
        self, source: str | Path, deck: UncertainDeck, overrides: Sequence[KeyValue] = (), tree: Tree | None = None
    ) -> None:
        super().__init__(source, self._walk, overrides, tree)
        self.deck = deck
        tree, problems = as_asked(self.draft, "uncertain"), list[Problem]()
        read = partial(Goal.parse, minimise=True, key="uncertain.outputs")
        self.outputs = parsed(read, deck.outputs or self._usual(), tree, "uncertain.outputs", problems)
        if problems:
            raise DeckError(problems)
        middle = Point((0,), (), "")
        case = None if isinstance(deck.keys, dict) else self.draft.case(middle).tree
        self.unread = unread_capacities(case, deck.spread) if case else []
        self.unknowns: list[Unknown] = named(deck.keys) if isinstance(deck.keys, dict) else assumed(case or {}, deck.spread)
        if case is not None:
            self.unknowns = up_to_one(self.unknowns, partial(self.draft.makes_case, middle))
        fitted = [pair for posterior in posteriors(case) for pair in posterior.correlations()]
        keys = [unknown.key for unknown in self.unknowns]
        self.correlation = correlation_among(keys, deck.correlated, tree, fitted, section="uncertain")
        self.values: list[tuple[float, ...]] = []
        self.beside: dict[str, list[tuple[float, ...]]] = {name: [] for name in BESIDE}
        self.reasons: list[str] = []
        self.stages: list[int] = []
        self.findings: Findings | None = None

    def _usual(self) -> list[str]:
        """Outputs where none is asked for."""
        scenario = self.draft.case(Point((0,), (), "")).scenario
        return ["peak_temperature", *(text for key, texts in USUAL.items() if getattr(scenario, key) for text in texts)]

    @property
    def told(self) -> str:
        """What it is, in words."""
        return f"a study of {len(self.unknowns)} unknowns, {self.n_cases} cases"

    @property
    def n_cases(self) -> int:
        """Cases of all stages."""
        n, parts = len(self.unknowns), min(len(self.unknowns), self.deck.most)
        each = parts + (2 if self.correlation is None else 1)
        return self.deck.count * each + (self.deck.trajectories * (n + 1) if n > self.deck.most else 0)

    @property
    def n_expected(self) -> int:
        """Cases of all stages."""
        return self.n_cases

    def check_ends(self) -> None:
        """Refuse a study whose middle, or a point beside it, makes no case; raises DeckError."""
        middle, _ = (self.draft.case(self._point(np.full(len(self.unknowns), share))) for share in (0.5, BESIDE_MIDDLE))
        asked = [output.expression for output in self.outputs]
        self.check_present(asked, [middle], lambda problem: placed(problem, as_asked(self.draft, "uncertain")))

    def shown(self) -> Iterator[Point]:
        """The middle, and both ends of every unknown with the others in their middle."""
        middle = np.full(len(self.unknowns), 0.5)
        yield self._point(middle)
        for i in range(len(self.unknowns)):
            for end in (0.0, 1.0):
                yield self._point(np.where(np.arange(middle.size) == i, end, middle))

    def _sets(self, point: Floats) -> dict[str, Any]:
        return dict(in_order([(u.key, u.at(float(share))) for u, share in zip(self.unknowns, point)]))

    def _point(self, point: Floats) -> Point:
        sets = self._sets(point)
        return Point((0,), tuple(sets.items()), ", ".join(f"{key}={label_of(value)}" for key, value in sets.items()))

    def text_of(self, number: int, overrides: Sequence[KeyValue]) -> str:
        """Name of a case: its number, for it sets too much."""
        return f"draw {number}"

    def _walk(self) -> Steps:
        """The cases of each stage."""
        deck = self.deck
        steps = evaluations(
            [unknown.key for unknown in self.unknowns],
            count=deck.count,
            seed=deck.seed,
            most=deck.most,
            trajectories=deck.trajectories,
            correlation=self.correlation,
        )
        points, stage = next(steps), 0
        while True:
            found = yield [self._sets(point) for point in points]
            values = [self._valued(one) for one in found]
            self.values += values
            self.stages += [stage] * len(values)
            if not np.isfinite(values).any():
                return
            try:
                points, stage = steps.send(np.array(values)), stage + 1
            except StopIteration as end:
                self.findings = end.value
                return

    def _valued(self, found: Found) -> tuple[float, ...]:
        """Outputs of a case, NaN where there is none."""
        rows = np.full((1 + len(BESIDE), len(self.outputs)), np.nan)
        if found.status != DONE:
            self.reasons.append(found.error.partition("\n")[0])
        else:
            case = found.tree
            for k, output in enumerate(self.outputs):
                try:
                    rows[:, k] = output.of(case), *(getattr(output, name)(case) for name in BESIDE)
                except ResultsError as error:
                    self.reasons.append(str(error))
        values, *others = (tuple(row) for row in rows.tolist())
        for known, row in zip(self.beside.values(), others):
            known.append(row)
        return values

    def verdict(self) -> list[str]:
        """What was found, a line per output."""
        found, lines = self.findings, list[str]()
        for k, output in enumerate(self.outputs):
            if found is None or not np.isfinite(found.band[:, k]).all():
                lines.append(f"{output.text} has no band: {'; '.join(dict.fromkeys(self.reasons)) or 'no case has ended'}")
                continue
            values = np.array(self.values)[:, k]
            is_changed = changes(values[np.isfinite(values)])
            cut = values[np.array(self.beside["is_at_least"])[:, k] == 1]
            ends = [output.told(float(v), at_least=bool(cut.size and v >= cut.min())) for v in found.band[:, k]]
            band = f"{ends[1]}, whatever the unknowns are"
            if is_changed:
                band = band_told(ends, found.held[k], int(found.drawn[k]), self.deck.count)
            lines.append(f"{output.text}: {band}{self._spread_beside(k)}")
            lines += self._ranked(found, k) if is_changed else ()
        if n := len(self.unread):
            lines.append(f"left out of all-assumed: {n} densities and heat capacities, which a steady case does not read")
        n_lost = sum(not np.isfinite(row).all() for row in self.values)
        return lines + [f"{n_lost} of {len(self.values)} cases have no value, and were left out"] * bool(found and n_lost)

    def _spread_beside(self, k: int) -> str:
        """What chips, test inputs and mesh add to what is not known, where they do."""
        chips, meshes, inputs = (np.array(self.beside[name])[:, k] for name in BESIDE[:3])
        said, output = list[str](), self.outputs[k]
        if np.isfinite(chips).any():
            said.append(f"chips of one case differ by ± {output.told(float(np.nanmedian(chips)))}")
        if np.isfinite(inputs).any():
            said.append(f"{output.few} make ± {output.told(float(np.nanmedian(inputs)))}")
        if np.isfinite(meshes).any():
            said.append(f"the mesh makes ± {output.told(float(np.nanmax(meshes)))} at most")
        return f"; beside them {', and '.join(said)}" if said else ""

    def _independent(self) -> list[int]:
        """1 for each case that is an independent draw of all unknowns: two of every base point of the last stage."""
        if self.findings is None:
            return [0] * len(self.stages)
        is_free = self.correlation is None
        step = len(self.findings.parts) + (2 if is_free else 1)
        first = self.stages.index(max(self.stages))
        drawn = (0, step - 1) if is_free else (0, 1)
        return [int(i >= first and (i - first) % step in drawn) for i in range(len(self.stages))]

    def _ranked(self, found: Findings, k: int) -> list[str]:
        """The sentences on what to measure first."""
        is_free, text = self.correlation is None, self.outputs[k].text
        share, error = (found.total, found.total_error) if is_free else (found.shapley, found.shapley_error)
        verb = "takes part in" if is_free else "makes"
        line = ranking(text, found.parts, share[:, k], error[:, k], verb=verb, count=self.deck.count)
        if line.startswith("measure "):
            return [line]
        keys = [unknown.key for unknown in self.unknowns]
        return list(filter(None, (line, screened(text, keys, found.effect[:, k], found.effect_error[:, k]))))

    def manifest(self, until: str | None) -> dict[str, Any]:
        """With what was found so far."""
        n, rest = len(self.outputs), len(self.entries) - len(self.values)
        left = [(np.nan,) * n] * rest
        unknown: dict[str, Any] = {
            "outputs": [{"text": o.text, "unit": o.unit} for o in self.outputs],
            "unknowns": [u.key for u in self.unknowns],
            "unread": self.unread,
            "verdict": self.verdict(),
            "value": [list(row) for row in [*self.values, *left]],
            **{name: [list(row) for row in [*rows, *left]] for name, rows in self.beside.items()},
            "stage": [*self.stages, *[-1] * rest],
            "independent": [*self._independent(), *[0] * rest],
        }
        if self.findings is not None:
            unknown |= vars(self.findings)
        return {**super().manifest(until), "unknown": unknown}

    def conclude(self, folder: Path) -> Report:
        """Say what was found."""
        lines = tuple(self.verdict())
        if self.findings is None or not np.isfinite(self.findings.band).all(axis=0).any():
            ran = any(entry.digest for entry in self.entries) and "is not among" in " ".join(self.reasons)
            return Report(self.name, FAILED, None, lines, EXIT_BAD_INPUT if ran else EXIT_SOME_FAILED, is_verdict=True)
        return Report(self.name, DONE, folder, lines, is_verdict=True)
