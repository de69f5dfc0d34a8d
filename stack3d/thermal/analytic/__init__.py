"""Exact series: the oracle of the solvers, independent of them."""
