"""Conduction in DOLFINx."""
