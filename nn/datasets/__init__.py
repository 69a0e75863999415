"""Datasets that come with the package."""

from .mnist import mnist5k

__all__ = ["mnist5k"]
