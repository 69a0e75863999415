"""PyTorch's places of modules: `nn.modules.module`."""

from . import module

__all__ = ["module"]
