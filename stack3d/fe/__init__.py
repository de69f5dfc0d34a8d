"""Finite elements under the physics: elements, lines, hand-over to DOLFINx, assembly, Krylov; the one home of DOLFINx."""
