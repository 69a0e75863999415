"""Modules, losses, data and weights on disk."""
