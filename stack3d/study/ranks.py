"""The processes of one MPI run: all compute, the first one decides, writes and speaks."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

LAUNCHED = ("PMI_SIZE", "PMIX_RANK", "OMPI_COMM_WORLD_SIZE")
"""Variables that MPI launchers set; without them MPI is never started."""


@dataclass(frozen=True)
class Ranks:
    """MPI communicator, or None in an ordinary process."""

    communicator: Any = None

    @classmethod
    def here(cls) -> Ranks:
        """Of this process."""
        if not any(name in os.environ for name in LAUNCHED):
            return cls()
        from stack3d.fe.library import import_mpi

        world = import_mpi().COMM_WORLD
        return cls(world) if world.size > 1 else cls()

    @property
    def is_first(self) -> bool:
        """Whether this process decides, writes and speaks."""
        return self.communicator is None or self.communicator.rank == 0

    @property
    def is_parallel(self) -> bool:
        """Whether there are others."""
        return self.communicator is not None

    def share(self, value: Any) -> Any:
        """`value` of the first process, on all."""
        return value if self.communicator is None else self.communicator.bcast(value, root=0)
