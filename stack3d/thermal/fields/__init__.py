"""Temperature everywhere, asked by layer or region, on every kind of mesh."""
