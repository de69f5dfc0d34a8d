"""Conduction in DOLFINx; the only folder that imports it."""
