"""Runs that take one input each, side by side, so that the products they all come to are computed together."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from stack3d.errors import ArrayError
from stack3d.layout import Floats
from stack3d.workload.program import Product


def side_by_side(count: int, run: Callable[[int, Product], Any], product: Product) -> list[Any]:
    """Return what `run` gives for each number below `count`.

    Parameters
    ----------
    count : int
        Runs; each has a thread of its own, which waits while others come to the same product.
    run : callable
        (number, product) → result. All runs ask for the same products in the same order.
    product : callable
        (layer, x) → x @ W. Gets the vectors of all runs, one run after the other, in the thread of the caller.

    Raises
    ------
    ArrayError
        Runs that ask for different products.
    """
    asked: list[tuple[str, Floats] | None] = [None] * count
    given: list[Any] = [None] * count
    found: list[Any] = [None] * count
    failed: list[BaseException] = []
    gate = threading.Barrier(count + 1)

    def one(number: int) -> None:
        def ask(name: str, x: Floats) -> Floats:
            asked[number] = name, x
            gate.wait()
            gate.wait()
            answer: Floats = given[number]
            return answer

        try:
            found[number] = run(number, ask)
            asked[number] = None
            gate.wait()
        except threading.BrokenBarrierError:
            return  # another one failed
        except BaseException as error:
            failed.append(error)
            gate.abort()

    threads = [threading.Thread(target=one, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    try:
        while True:
            gate.wait()
            wanted = [one for one in asked if one is not None]
            if not wanted:
                break
            if len(wanted) < count or len({name for name, _ in wanted}) > 1:
                raise ArrayError("inputs of the network take different ways through it; they cannot be run side by side")
            y = product(wanted[0][0], np.concatenate([x for _, x in wanted]))
            given[:] = np.split(y, np.cumsum([len(x) for _, x in wanted])[:-1])
            gate.wait()
    except threading.BrokenBarrierError:
        pass
    finally:
        gate.abort()
        for thread in threads:
            thread.join()
    if failed:
        raise failed[0]
    return found
