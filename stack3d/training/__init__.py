"""A network made fit for its chip: trained with the noise of its cells, or scaled by what chips make of its columns."""

from stack3d.training.course import Course, Standing, check_output, objections, train
from stack3d.training.preparation import prepared

__all__ = ["Course", "Standing", "check_output", "objections", "prepared", "train"]
