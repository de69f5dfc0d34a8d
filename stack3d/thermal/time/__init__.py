"""Temperature over time: systems, steps, periods; no scheme knows a solver."""
