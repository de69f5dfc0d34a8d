"""How it ages: chips through their epochs, what keeps them accurate, what is read out of them."""

from stack3d.life import policies  # fills the registry

__all__ = ["policies"]
