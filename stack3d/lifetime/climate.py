"""Names of version 0.1, now of `stack3d.heat.climate`."""

from stack3d.heat.climate import Climate, grouped, mean_rates, quadrature

__all__ = ["Climate", "grouped", "mean_rates", "quadrature"]
