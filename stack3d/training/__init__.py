"""A network made fit for its chip: trained with the noise of its cells, or scaled by what chips make of its columns."""

from stack3d.training.course import Course, check_output, objections, train
from stack3d.training.preparation import prepared
from stack3d.training.standing import Standing

__all__ = ["Course", "Standing", "check_output", "objections", "prepared", "train"]
