"""Heat in the stack: what is solved (`problem`), by whom (`grid`, `fem`), over time (`time`), against what (`analytic`)."""
