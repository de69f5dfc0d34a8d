"""What a run tells whoever watches it: solvers emit events, observers decide how to show them."""

from stack3d.progress.observers import Observer, Silent, StudyObserver, present, watching
from stack3d.progress.of_cases import Bars, PlainLines, observer_for
from stack3d.progress.of_studies import StudyBar, StudyJson, StudyLines, Tally, study_observer
from stack3d.progress.streamed import Waiting, watched
from stack3d.progress.timing import Pace, Stopwatch, time_left

__all__ = [
    "Bars",
    "Observer",
    "Pace",
    "PlainLines",
    "Silent",
    "Stopwatch",
    "StudyBar",
    "StudyJson",
    "StudyLines",
    "StudyObserver",
    "Tally",
    "Waiting",
    "observer_for",
    "present",
    "study_observer",
    "time_left",
    "watched",
    "watching",
]
