"""The one meeting place of heat, workload, devices and crossbars."""

from stack3d.lifetime.run import check, run_case

__all__ = ["check", "run_case"]
