"""Streams of random numbers: each use has its own, so that switching one off leaves the draws of all others alone."""

PROGRAM, READ, WRITE, REFERENCE, SPARES, MISMATCH = 1, 2, 3, 4, 5, 6
"""Second number of a seed: first writing, read noise, later writing, reads for drift compensation, faults of spare cells, and
mismatch of converters."""
SPARES_WRITTEN = 999_999
"""Event of the writing of spare columns, beyond those that epochs number."""
