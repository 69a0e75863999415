"""What training by several processes costs: the all-reduce, how much of it hides, the step, and what comes of more.

Steps are those of the network of `make demo`, and of an MLP with large gradients, in 1, 2 and 4 processes of one
thread, beside PyTorch's DistributedDataParallel on gloo; `simulator.py` is fed with what is measured, checked, and
asked for more machines than there are.

    python benchmarks/scaling.py

It needs the extra `mpi`, and leaves PyTorch out where there is none. It writes scaling.md beside itself.
"""

import argparse
import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import simulator
from first_figures import cpu
from simulator import Job, Link

REPORT = Path(__file__).with_suffix(".md")
RANKS, ROUNDS = (1, 2, 4), 3
SIZES = [1 << k for k in range(10, 26, 3)]
MACHINES = (2, 4, 16, 64, 256, 1024, 4096, 10_000)
NETS = [Link("10 Gb/s Ethernet", 50e-6, 0.8e-9), Link("100 Gb/s with RDMA", 3e-6, 0.08e-9)]
SPREAD = 0.05
PORT = 29_511
HEAD = """# Training by several processes

All processes are on one machine, of one thread each, and MPI (MPICH) goes through its memory: with more processes than
cores they wait for each other's turn. Medians of three rounds, in which the libraries take turns.

- Machine: {machine}, load {load:.1f} at the start
- Command: `python benchmarks/scaling.py`

"""
REDUCES = """## All-reduce

Median times in the slowest process; the last rows are the fit of alpha + n beta to them.

"""
STEPS = """## Steps

Forward, backward and SGD, batches of 64 in each process. *Alone* is without averaging, *reduce* an all-reduce of all
gradients at once, *after* both in turn; *hidden* is the share of the reduce that overlap takes away,
(after - step) / reduce. The simulator knows *alone* and *forward* as measured in so many processes, and the fit above.

"""
MORE = """
## More machines

Efficiency: the time of a step on one machine as a share of that on so many, each with a batch of its own, whose times
differ by {spread:.0%} at random. One machine does the network of the demo as measured, the others at {rate:.0f} GFLOP/s
(0.7 of its matrix product). In brackets the quickest algorithm of ring, tree, halving.

"""


def timed(run: Callable[[], object], barrier: Callable[[], object], runs: int) -> float:
    """The median time of so many runs after two more, each begun by all processes together."""
    times = []
    for _ in range(runs + 2):
        barrier()
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times[2:])


def demo_network(nn: Any) -> Any:
    return nn.Sequential(
        *(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(9216, 128), nn.ReLU(), nn.Linear(128, 10)),
    )


def wide_network(nn: Any) -> Any:
    hidden = (part for _ in range(3) for part in (nn.ReLU(), nn.Linear(1024, 1024)))
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 1024), *hidden, nn.Linear(1024, 10))


WORKS: dict[str, tuple[Callable[[Any], Any], int]] = {
    "network of the demo": (demo_network, 64),
    "MLP 784-1024-1024-1024-1024-10": (wide_network, 64),
}


# What a process does


def pullback_rank(work: str) -> dict[str, Any]:
    """The times of steps, and of an all-reduce of the gradients alone, by the slowest process."""
    import pullback as pb
    from pullback.optim.distributed import DistributedDataParallel, world

    comm = world()
    build, batch = WORKS[work]
    pb.nn.manual_seed(0)
    model = DistributedDataParallel(build(pb.nn))
    optimizer = pb.optim.SGD(model.parameters(), lr=1e-3)
    x, y = data(batch, comm.rank)
    loss = pb.nn.CrossEntropyLoss()
    labels, images = pb.asarray(y), pb.asarray(x)

    def forward() -> Any:
        return loss(model(images), labels)

    def step() -> None:
        optimizer.zero_grad()
        forward().backward()
        optimizer.step()

    def alone() -> None:
        with model.no_sync():
            step()

    def local_then_reduced() -> None:
        alone()
        comm.iallreduce(gradients).wait()

    gradients = np.zeros(sum(p.size for p in model.parameters()), np.float32)
    runs = {"step": step, "alone": alone, "after": local_then_reduced}
    runs |= {"forward": forward, "reduce": lambda: comm.iallreduce(gradients).wait()}
    found = {name: timed(run, comm.barrier, 12) for name, run in runs.items()}
    reducer = model.reducer
    sizes = [b.buffer.nbytes for b in reducer.buckets] if reducer else [gradients.nbytes]
    everywhere = comm.allgather(found)
    slowest = {name: max(each[name] for each in everywhere) for name in found}
    return {**slowest, "buckets": sizes}


def torch_rank(work: str) -> dict[str, Any]:
    """The same steps by PyTorch, on gloo."""
    import torch
    import torch.distributed

    torch.set_num_threads(1)
    rank, size = int(os.environ.get("PMI_RANK", 0)), int(os.environ.get("PMI_SIZE", 1))
    torch.distributed.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{PORT}", rank=rank, world_size=size)
    build, batch = WORKS[work]
    torch.manual_seed(0)
    module = build(torch.nn)
    model = torch.nn.parallel.DistributedDataParallel(module) if size > 1 else module
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    images, labels = map(torch.from_numpy, data(batch, rank))
    loss = torch.nn.CrossEntropyLoss()

    def step() -> None:
        optimizer.zero_grad()
        loss(model(images), labels).backward()
        optimizer.step()

    found = torch.tensor([timed(step, torch.distributed.barrier, 12)])
    torch.distributed.all_reduce(found, torch.distributed.ReduceOp.MAX)
    torch.distributed.destroy_process_group()
    return {"step": float(found), "rank": rank}


def reduce_rank(_: str) -> dict[str, Any]:
    """The times of an all-reduce by bytes."""
    from pullback.optim.distributed import world

    comm = world()
    found = {}
    for size in SIZES:
        array = np.zeros(size // 4, np.float32)
        runs = 200 if size < 1 << 20 else 20
        found[size] = max(comm.allgather(timed(lambda array=array: comm.iallreduce(array).wait(), comm.barrier, runs)))
    return found


KINDS = {"Pullback": pullback_rank, "PyTorch": torch_rank, "all-reduce": reduce_rank}


def data(batch: int, rank: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    rng = np.random.default_rng(rank)
    return rng.normal(size=(batch, 1, 28, 28)).astype(np.float32), rng.integers(0, 10, batch)


def launched(size: int, kind: str, work: str = "") -> Any:
    """What process 0 of so many says."""
    run = [sys.executable, *(["-m", "mpi4py"] if kind != "PyTorch" else []), __file__, kind, work]
    mpiexec = shutil.which("mpiexec", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    env = os.environ | dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    args = run if size == 1 else [mpiexec or "mpiexec", "-n", str(size), *run]
    done = subprocess.run(args, capture_output=True, text=True, check=False, env=env, timeout=600)
    if done.returncode:
        raise RuntimeError(f"{' '.join(args)}:\n{done.stderr[-2000:]}")
    return json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))


def repeated(size: int, kinds: list[str], work: str = "") -> dict[str, dict[str, Any]]:
    """Medians over rounds, in which the kinds take turns."""
    rounds = [{kind: launched(size, kind, work) for kind in kinds} for _ in range(ROUNDS)]
    middle = lambda values: statistics.median(values) if not isinstance(values[0], list) else values[0]  # noqa: E731
    return {k: {name: middle([r[k][name] for r in rounds]) for name in rounds[0][k]} for k in kinds}


# The report


def fitted(times: dict[str, float], size: int) -> Link:
    """The connection by which Rabenseifner's all-reduce would take these times; relative errors count."""
    rows = [(2 * np.ceil(np.log2(size)), 2 * (size - 1) / size * int(n)) for n in times]
    seconds = np.array(list(times.values()))
    scaled = np.array(rows) / seconds[:, None]
    alpha, beta = np.linalg.lstsq(scaled, np.ones(len(rows)), rcond=None)[0]
    return Link(f"this machine, {size} processes", max(float(alpha), 1e-9), float(beta))


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:.3g} ms"


def reduces(links: dict[int, Link]) -> Iterator[str]:
    yield REDUCES
    found = {size: repeated(size, ["all-reduce"])["all-reduce"] for size in RANKS[1:]}
    yield f"| bytes | {' | '.join(f'{size} processes' for size in found)} |\n{'|---' * (len(found) + 1)}|\n"
    for n in SIZES:
        yield f"| {n:,} | {' | '.join(f'{times[str(n)] * 1e6:.0f} us' for times in found.values())} |\n"
    links.update({size: fitted(times, size) for size, times in found.items()})
    yield f"| alpha | {' | '.join(f'{link.alpha * 1e6:.1f} us' for link in links.values())} |\n"
    yield f"| 1 / beta | {' | '.join(f'{1e-9 / link.beta:.2f} GB/s' for link in links.values())} |\n\n"


def steps(links: dict[int, Link], jobs: dict[str, Job], peers: list[str]) -> Iterator[str]:
    yield STEPS
    yield "| work | processes | alone | reduce | after | step | hidden | simulated | off by | PyTorch, gloo | ratio |\n"
    yield "|---" * 11 + "|\n"
    for work in WORKS:
        for size in RANKS:
            found = repeated(size, peers, work)
            ours, theirs = found["Pullback"], found.get("PyTorch")
            job = Job(work, ours["forward"], ours["alone"] - ours["forward"], tuple(ours["buckets"]))
            jobs.setdefault(work, job)
            row = [work, str(size), milliseconds(ours["alone"])]
            if size == 1:
                row += ["", "", milliseconds(ours["step"]), "", "", ""]
            else:
                said = simulator.step(job, size, links[size], "halving")
                row += map(milliseconds, (ours["reduce"], ours["after"], ours["step"]))
                row += [f"{(ours['after'] - ours['step']) / ours['reduce']:.0%}"]
                row += [milliseconds(said), f"{said / ours['step'] - 1:+.0%}"]
            row += [milliseconds(theirs["step"]), f"**{ours['step'] / theirs['step']:.2f}**"] if theirs else ["", ""]
            print(" | ".join(row), flush=True)
            yield f"| {' | '.join(row)} |\n"


def rate() -> float:
    """Floating-point operations a second of this machine in a matrix product."""
    a = np.ones((1024, 1024), np.float32)
    return 2 * 1024**3 / timed(lambda: a @ a, lambda: None, 20)


def predicted(jobs: dict[str, Job]) -> Iterator[str]:
    speed = 0.7 * rate()
    resnet, gpt = 32 * 24.6e9, 2048 * 6 * 1e9  # operations of a step: 32 images; 2,048 words
    asked = [
        jobs["network of the demo"],
        Job("ResNet-50, batch 32", resnet / speed / 3, resnet / speed * 2 / 3, simulator.buckets(25.6e6 * 4)),
        Job("GPT of 1e9 parameters, 2,048 words", gpt / speed / 3, gpt / speed * 2 / 3, simulator.buckets(4e9)),
    ]
    yield MORE.format(spread=SPREAD, rate=speed / 1e9)
    for net in NETS:
        yield f"{net.name}: alpha {net.alpha * 1e6:.0f} us, {1e-9 / net.beta:.2f} GB/s\n\n"
        yield f"| work, its step | {' | '.join(f'{n:,}' for n in MACHINES)} |\n{'|---' * (len(MACHINES) + 1)}|\n"
        for job in asked:
            once = job.forward + job.backward
            cells = [simulator.best(job, n, net, SPREAD) for n in MACHINES]
            shown = (f"{once / seconds:.0%} ({name})" for seconds, name in cells)
            yield f"| {job.name}, {once:.3g} s | {' | '.join(shown)} |\n"
        yield "\n"
    yield from broken(asked)


def broken(asked: list[Job]) -> Iterator[str]:
    """What takes the time at the most machines, by leaving each cause out."""
    most = MACHINES[-1]
    yield f"What it would be at {most:,} machines without one cause each, over {NETS[0].name}:\n\n"
    yield "| work | all causes | no latency | no bandwidth limit | no spread | buckets of 1 MB |\n"
    yield "|---|---|---|---|---|---|\n"
    net = NETS[0]
    for job in asked:
        once, small = job.forward + job.backward, job._replace(buckets=simulator.buckets(sum(job.buckets), 2**20))
        cases = [(job, net, SPREAD), (job, net._replace(alpha=0.0), SPREAD), (job, net._replace(beta=0.0), SPREAD)]
        cases += [(job, net, 0.0), (small, net, SPREAD)]
        cells = (f"{once / simulator.best(j, most, link, spread)[0]:.0%}" for j, link, spread in cases)
        yield f"| {job.name} | {' | '.join(cells)} |\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("one", nargs="*", help=argparse.SUPPRESS)
    one = parser.parse_args().one
    if one:
        found = KINDS[one[0]](*one[1:])
        if not int(os.environ.get("PMI_RANK", 0)):
            print(json.dumps(found))
        return
    peers = ["Pullback", *(["PyTorch"] if importlib.util.find_spec("torch") else [])]
    links: dict[int, Link] = {}
    jobs: dict[str, Job] = {}
    load = os.getloadavg()[0]
    text = [*reduces(links), *steps(links, jobs, peers), *predicted(jobs)]
    notes = REPORT.read_text().partition("\n## What breaks first\n") if REPORT.exists() else ("", "", "")
    REPORT.write_text(HEAD.format(machine=cpu(), load=load) + "".join(text) + "".join(notes[1:]))


if __name__ == "__main__":
    main()
