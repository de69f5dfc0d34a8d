"""Frozen pydantic models of every deck; nothing here reads a file or computes physics."""
