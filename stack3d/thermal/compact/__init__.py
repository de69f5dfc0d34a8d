"""Heat of few unknowns: a body projected on its answers, steady with a bound, over time with an estimate."""
