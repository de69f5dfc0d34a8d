"""Frozen pydantic models of every deck; nothing here reads a file or computes physics."""

from stack3d.schema.cooling import CoolingDeck, FaceDeck, PumpDeck
from stack3d.schema.device import BANDS, Band, DeviceDeck
from stack3d.schema.fabrication import FabricationDeck
from stack3d.schema.life import HybridTiersDeck, LifetimeDeck, MonteCarloDeck
from stack3d.schema.material_laws import celsius
from stack3d.schema.mission import PhaseDeck
from stack3d.schema.mvm import MvmDeck
from stack3d.schema.numerics import (
    OF_A_FILE,
    AccuracyDeck,
    CompactDeck,
    EarlierDeck,
    ImpedanceDeck,
    MeshDeck,
    SolverDeck,
    SurroundingsDeck,
    TransientDeck,
    mesh_kinds,
)
from stack3d.schema.scenario import JedecDeck, Scenario
from stack3d.schema.train import TrainDeck
from stack3d.schema.workload import DataDeck, PeripheryDeck, WorkloadDeck

__all__ = [
    "AccuracyDeck",
    "BANDS",
    "Band",
    "CompactDeck",
    "CoolingDeck",
    "DataDeck",
    "EarlierDeck",
    "DeviceDeck",
    "FabricationDeck",
    "FaceDeck",
    "HybridTiersDeck",
    "ImpedanceDeck",
    "JedecDeck",
    "LifetimeDeck",
    "MeshDeck",
    "MonteCarloDeck",
    "MvmDeck",
    "OF_A_FILE",
    "PeripheryDeck",
    "PhaseDeck",
    "PumpDeck",
    "Scenario",
    "SolverDeck",
    "SurroundingsDeck",
    "TrainDeck",
    "TransientDeck",
    "WorkloadDeck",
    "celsius",
    "mesh_kinds",
]
