"""From a geometry deck to layers (`stack`), lines (`grid`) and a named Gmsh mesh (`gmsh_model`)."""
