"""Streams of random numbers: each use has its own, so that switching one off leaves the draws of all others alone."""

PROGRAM, READ, WRITE, REFERENCE, SPARES, MISMATCH, PLACE = 1, 2, 3, 4, 5, 6, 7
"""Second number of a seed: first writing, read noise, later writing, reads for drift compensation, faults of spare cells,
mismatch of converters, and chips that a placement is chosen on."""
SPARES_WRITTEN = 999_999
"""Event of the writing of spare columns, beyond those that epochs number."""
