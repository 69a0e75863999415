"""Datasets that come with the package, and those that are read from their files."""

from .cifar import CIFAR10, CIFAR100
from .folder import ImageFolder, read_image
from .idx import EMNIST, KMNIST, MNIST, FashionMNIST, read_idx
from .mnist import mnist5k
from .tables import CSV, NPZ

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "CSV",
    "EMNIST",
    "FashionMNIST",
    "ImageFolder",
    "KMNIST",
    "MNIST",
    "NPZ",
    "mnist5k",
    "read_idx",
    "read_image",
]
