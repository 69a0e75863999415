"""How long a training step takes on many machines: buckets of gradients, each sent when it is ready.

A message of n bytes takes alpha + n beta seconds (Hockney, 1994); what an all-reduce makes of that is in `ALGORITHMS`
(Thakur, Rabenseifner and Gropp, Optimization of collective communication operations in MPICH, 2005).
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Link(NamedTuple):
    """A connection: seconds before a message begins to arrive, and seconds for each byte."""

    name: str
    alpha: float
    beta: float


def ring(size: float, machines: int, link: Link) -> float:
    """Each machine passes a share of the sums on to the next, around and around once more with what is summed."""
    return 2 * (machines - 1) * (link.alpha + size / machines * link.beta)


def tree(size: float, machines: int, link: Link) -> float:
    """Sums go up a binary tree, and down again, whole."""
    return 2 * math.ceil(math.log2(machines)) * (link.alpha + size * link.beta)


def halving(size: float, machines: int, link: Link) -> float:
    """Rabenseifner's: pairs at doubling distances exchange halves of what is left, and then all back."""
    return 2 * math.ceil(math.log2(machines)) * link.alpha + 2 * (machines - 1) / machines * size * link.beta


ALGORITHMS: dict[str, Callable[[float, int, Link], float]] = {"ring": ring, "tree": tree, "halving": halving}


class Job(NamedTuple):
    """A step on one machine: seconds forward and backward, and the bytes of its gradients by buckets."""

    name: str
    forward: float
    backward: float
    buckets: tuple[float, ...]


def buckets(size: float, cap: float = 25 * 2**20, first: float = 2**20) -> tuple[float, ...]:
    """The bytes of gradients in buckets as DistributedDataParallel makes them, if parameters are small."""
    if size <= first:
        return (size,)
    rest = size - first
    return (first, *[cap] * int(rest // cap), *([rest % cap] if rest % cap else []))


def step(
    job: Job, machines: int, link: Link, algorithm: str, spread: float = 0.0, overlap: bool = True, draws: int = 200
) -> float:
    """The mean time of a step, whose gradients appear evenly over the backward pass, last layer first.

    The slowest machine decides; each one's time differs at random, normally, by a share of `spread`.
    """
    if machines == 1:
        return job.forward + job.backward
    reduce = ALGORITHMS[algorithm]
    noise = np.random.default_rng(0).normal(size=(draws, machines)).max(1)
    slower = 1 + spread * float(np.maximum(noise, 0).mean())
    forward, backward = job.forward * slower, job.backward * slower
    total, sent, free = sum(job.buckets), 0.0, 0.0
    for size in job.buckets:
        sent += size
        ready = forward + backward * (sent / total if overlap else 1.0)
        free = max(free, ready) + reduce(size, machines, link)
    return max(free, forward + backward)


def best(job: Job, machines: int, link: Link, spread: float = 0.0) -> tuple[float, str]:
    """The time with the quickest algorithm, and which that is."""
    return min((step(job, machines, link, name, spread), name) for name in ALGORITHMS)
