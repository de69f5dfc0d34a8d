"""stack3d: heat, ageing and accuracy of 3D resistive-memory stacks."""

__version__ = "0.1.0"
