"""How hot it is: meshes, conditions, the fixed point with power, placing, time, error estimates."""
