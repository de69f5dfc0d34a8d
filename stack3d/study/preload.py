"""All that a case needs, imported once: local workers are forked from a process that has it. No solver with MPI below."""

import distributed  # noqa: F401
import netCDF4  # noqa: F401
import onnx.reference  # noqa: F401
import scipy.linalg
import scipy.optimize
import scipy.sparse.linalg
import scipy.special  # noqa: F401
import xarray  # noqa: F401

import stack3d.study.dispatching
import stack3d.thermal.grid.solver
import stack3d.workload.network  # noqa: F401
