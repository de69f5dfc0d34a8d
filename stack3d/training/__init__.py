"""A network made fit for its chip: trained with the noise of its cells, or scaled by what chips make of its columns."""

from stack3d.training.course import Course, Standing, check_output, train

__all__ = ["Course", "check_output", "Standing", "train"]
