"""Heat in the stack: what is solved (`problem`), with what (`fem`, `tensor`), against what (`analytic`)."""
