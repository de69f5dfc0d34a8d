"""Heat in the stack: what is solved (`problem`), by whom (`grid`, `fem`), over time (`time`), against what (`analytic`)."""

from stack3d.thermal.analytic.series import CosineSeries
from stack3d.thermal.backend import SolidBackend, ThermalBackend, ThermalSolution
from stack3d.thermal.column_problem import ColumnProblem
from stack3d.thermal.compact.compact_model import CompactModel, FilmFace, check_range
from stack3d.thermal.compact.compact_solver import KeptModels
from stack3d.thermal.compact.mesh_over_time import MeshOverTime, shares_of
from stack3d.thermal.compact.model_in_time import ModelInTime
from stack3d.thermal.compact.reduced_solid import CompactErrors, CompactRanges
from stack3d.thermal.compact.reduction import steady_reduction
from stack3d.thermal.compact.solid_parts import CompactParts
from stack3d.thermal.compact.time_reduction import Taken, model_alike, time_reduction
from stack3d.thermal.cooling import ducts
from stack3d.thermal.cooling.channels import ChannelRun
from stack3d.thermal.cooling.coolant import CoolantBackend
from stack3d.thermal.cooling.flow_laws import flow_laws
from stack3d.thermal.cooling.pin_run import PinRun
from stack3d.thermal.cooling.settled import SettledBackend
from stack3d.thermal.fields.field import Field
from stack3d.thermal.grid.averages import averages_well, solves_at_once
from stack3d.thermal.grid.factors import kept_in_time
from stack3d.thermal.grid.response import thermal_response
from stack3d.thermal.grid.solver import TensorSolver
from stack3d.thermal.kept import memory_in_time
from stack3d.thermal.mesh_problem import CellProblem, MeshProblem
from stack3d.thermal.places import Box, Place, Probe
from stack3d.thermal.problem import Face, FilmLaw, HeatProblem, ThermalProblem
from stack3d.thermal.steady_rates import RATES_TOLERANCE, SteadyRates, rates_of_elements, rates_of_grid
from stack3d.thermal.time.ladders import Cauer, Foster, cauer, foster, structure
from stack3d.thermal.time.march import TakenSteps, integrate, integrate_fixed
from stack3d.thermal.time.periodic import periodic_state
from stack3d.thermal.time.portions import Portion
from stack3d.thermal.time.reduced import ReducedModel, reduced, reduced_at
from stack3d.thermal.time.schedule import PowerSchedule
from stack3d.thermal.time.system import Exact, PowerCourse, StepWatch, TransientResult, TransientSystem

__all__ = [
    "Box",
    "Cauer",
    "CompactErrors",
    "CompactModel",
    "CompactParts",
    "CompactRanges",
    "KeptModels",
    "FilmFace",
    "CellProblem",
    "ChannelRun",
    "ColumnProblem",
    "CoolantBackend",
    "CosineSeries",
    "PowerCourse",
    "Exact",
    "Face",
    "Field",
    "FilmLaw",
    "Foster",
    "HeatProblem",
    "MeshOverTime",
    "ModelInTime",
    "MeshProblem",
    "PinRun",
    "Place",
    "Portion",
    "PowerSchedule",
    "Probe",
    "ReducedModel",
    "SettledBackend",
    "RATES_TOLERANCE",
    "SolidBackend",
    "Taken",
    "SteadyRates",
    "rates_of_elements",
    "rates_of_grid",
    "TakenSteps",
    "TensorSolver",
    "ThermalBackend",
    "ThermalProblem",
    "ThermalSolution",
    "TransientResult",
    "TransientSystem",
    "StepWatch",
    "averages_well",
    "solves_at_once",
    "cauer",
    "check_range",
    "model_alike",
    "ducts",
    "flow_laws",
    "foster",
    "integrate",
    "integrate_fixed",
    "kept_in_time",
    "memory_in_time",
    "periodic_state",
    "reduced",
    "reduced_at",
    "shares_of",
    "steady_reduction",
    "structure",
    "thermal_response",
    "time_reduction",
]
