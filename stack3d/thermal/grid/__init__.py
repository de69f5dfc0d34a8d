"""The tensor grid: elements without a matrix, diagonalisation, multigrid, modes."""
