"""Cheap cases first: designs pass screens one after the other, and the best of those that pass run in full."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field

from stack3d.schema.optimise import ScreenDeck
from stack3d.study.designing.asking import Asker
from stack3d.study.designing.designs import Positions
from stack3d.study.designing.judged import JudgedDesign, in_layers

MOST_PER_CASE = 20
"""Designs that are screened for one case in full, at most."""
FULL, DRAWS = -1, -2
"""Levels of the cases in full, and of the draws of what is not known beside them; screens count from zero."""

Request = tuple[int, list[Positions]]
"""A level, and the designs to run there."""
Rounds = Generator[Request, list[JudgedDesign], None]


@dataclass
class Screened:
    """The designs that came to a screen.

    Parameters
    ----------
    deck : ScreenDeck
    judged : dict
        Every design that was screened, in the order asked for.
    gone : set
        Those that went on.
    """

    deck: ScreenDeck
    judged: dict[Positions, JudgedDesign] = field(default_factory=dict)
    gone: set[Positions] = field(default_factory=set)

    def add(self, judged: Sequence[JudgedDesign]) -> None:
        """Designs that have come to it."""
        self.judged |= {one.design: one for one in judged}

    def is_ruled_out(self, judged: JudgedDesign) -> bool:
        """Whether a condition is missed by more than may be, or the case failed."""
        return any(m > self.deck.most_missed for m in judged.missed)

    def waiting(self) -> list[Positions]:
        """Designs that may go on and have not, the best first, front after front."""
        alive = [one for one in self.judged.values() if not self.is_ruled_out(one)]
        return [alive[i].design for i in in_layers(alive) if alive[i].design not in self.gone]

    def ready(self, most: float, *, all_of_them: bool = False) -> list[Positions]:
        """Designs that go on now: so many that `keep` of all that pass have gone on."""
        n_alive = sum(not self.is_ruled_out(one) for one in self.judged.values())
        room = math.inf if all_of_them else math.ceil(self.deck.keep * n_alive - 1e-9) - len(self.gone)
        chosen = self.waiting()[: max(int(min(room, most, n_alive)), 0)]
        self.gone.update(chosen)
        return chosen


def rounds(asker: Asker, screens: Sequence[ScreenDeck], *, batch: int, budget: float, room: Callable[[], int]) -> Rounds:
    """What to run next, until nothing is left to ask or there is no more room.

    Parameters
    ----------
    asker : Asker
    screens : sequence of ScreenDeck
        None: every design runs in full.
    batch : int
        Cases in full that may run side by side.
    budget : float
        Cases in full, infinite where it is a time. [-]
    room : callable
        Cases in full that may still run, up to a batch.

    Yields
    ------
    (int, list of tuple)
        The level, and designs; is sent what came of each.
    """
    levels = [Screened(deck) for deck in screens]
    width = math.ceil(batch / math.prod(deck.keep for deck in screens))
    n_asked = 0
    while (most := room()) > 0:
        asked = asker.ask(int(min(width, MOST_PER_CASE * batch, MOST_PER_CASE * budget - n_asked)) if levels else most)
        n_asked += len(asked)
        coming = asked
        for level, screened in enumerate(levels):
            if coming:
                screened.add((yield level, coming))
            coming = screened.ready(most if screened is levels[-1] else math.inf, all_of_them=not asked)
        _tell_waiting(asker, levels, [design for design in asked if design not in coming])
        if not asked and not coming:
            return
        if coming:
            asker.tell_all((yield FULL, coming))


def _tell_waiting(asker: Asker, levels: Sequence[Screened], designs: Sequence[Positions]) -> None:
    """What the last screen that they came to says of designs that do not run in full now."""
    for design in designs:
        judged = next(screened.judged[design] for screened in reversed(levels) if design in screened.judged)
        if not judged.goals and any(0.0 < m < math.inf for m in judged.missed):
            asker.rule_out(design, judged.missed)
        else:
            asker.tell(judged)
