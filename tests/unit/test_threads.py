"""Threads of a case: one, or what the environment says."""

from __future__ import annotations

from typing import Any

import pytest
from threadpoolctl import threadpool_info

from stack3d import decks
from stack3d.case import run_case, threads
from stack3d.progress import Silent


class Watch(Silent):
    """Notes the largest number of threads that a BLAS may take at each stage."""

    def __init__(self) -> None:
        self.threads: set[int] = set()

    def stage(self, name: str, **facts: Any) -> None:
        self.threads |= {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


@pytest.mark.parametrize("named", [False, True])
def test_a_case_takes_one_blas_thread_unless_the_environment_names_a_number(
    named: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from threadpoolctl import threadpool_limits

    for name in threads.THREADS:
        monkeypatch.delenv(name, raising=False)
    if named:
        monkeypatch.setenv(threads.THREADS[0], "3")
    watch = Watch()
    with threadpool_limits(3):
        run_case(decks.load("quickstart").scenario, watch, until="thermal")
    assert (3 in watch.threads) if named else watch.threads == {1}  # a BLAS that is loaded on the way has its own number
