"""Modules as functions of their parameters, by the place where PyTorch first had it."""

from ..stateless import functional_call

__all__ = ["functional_call"]
