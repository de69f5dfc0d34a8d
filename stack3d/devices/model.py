"""A device deck with its laws bound: program cells, let heat and time pass, read them, write them again."""

from stack3d.devices.ageing import Ageing
from stack3d.devices.bound import ATTRIBUTES, CLOCKS
from stack3d.devices.reading import ReadingLaws
from stack3d.devices.writing import WriteBill, Writing

__all__ = ["ATTRIBUTES", "CLOCKS", "DeviceModel", "WriteBill"]


class DeviceModel(Writing, Ageing, ReadingLaws):
    """Laws of one device at work on cells; a mechanism that is None is switched off."""
