"""Names of version 0.1; what was here lives in `chip`, `heat`, `life` and `case`."""

from stack3d.case import check, run_case

__all__ = ["check", "run_case"]
