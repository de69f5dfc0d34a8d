"""A compact model as an FMU, which tools of system simulation run: FMI 2.0, co-simulation, with its C sources."""

from stack3d.results.compact_file import read_compact
from stack3d.results.fmu.fmu_file import write_fmu

__all__ = ["read_compact", "write_fmu"]
