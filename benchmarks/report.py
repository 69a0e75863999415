"""What benchmarks/speed.py found, as speed.md and pictures."""

from __future__ import annotations

import math
import os
import platform
import shlex
import statistics
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from workloads import CNN, COPIED, NETS, PRODUCTS, SCALING, SECTIONS, VGG

REPORT = Path(__file__).with_name("speed.md")
OURS, EAGER, PLAIN = "Pullback", "PyTorch", "Pullback on NumPy"
FOR_ALL = list(SECTIONS)[:2]
TRAINING, _, GRID, POOLING, _, MODULES, OPTIMIZERS, SMALL, _, LIMITS = SECTIONS
RATIOS = dict(zip(NETS, (0.75, 0.7, 0.9, 0.35, 0.8), strict=True))
GEMM_MULTIPLE = 1.6


class Timed(NamedTuple):
    """Seconds of a call in each round, and the mean of what the first call returned."""

    rounds: list[float]
    value: float | None

    @property
    def seconds(self) -> float:
        return statistics.median(self.rounds)

    def ratio(self, other: Timed) -> float:
        return statistics.median(a / b for a, b in zip(self.rounds, other.rounds, strict=False))


class Results(NamedTuple):
    """With one number of threads: times by section, workload and library; versions; what failed."""

    times: dict[str, dict[str, dict[str, Timed]]]
    versions: dict[str, str]
    failures: list[str]

    def ratio(self, section: str, name: str, peer: str = EAGER) -> float | None:
        times = self.times.get(section, {}).get(name, {})
        return times[OURS].ratio(times[peer]) if OURS in times and peer in times else None

    def ratios(self, section: str) -> list[float]:
        return [r for name in self.times.get(section, {}) if (r := self.ratio(section, name)) is not None]

    def peak(self, library: str) -> float:
        """Floating-point operations a second of a library's best matrix product."""
        return max(flops / min(self.times[LIMITS][name][library].rounds) for name, flops in PRODUCTS.items())

    def bandwidth(self) -> float:
        """Bytes a second, read and written, of the best copy."""
        return 8 * COPIED / min(min(timed.rounds) for timed in self.times[LIMITS]["copy"].values())

    def multiple(self, library: str) -> float | None:
        """The seed CNN's step as a multiple of what its matrix products would take at a library's peak: the best round
        beside the best product, since the machine's own speed varies by more than what is between them."""
        if CNN not in self.times.get(TRAINING, {}) or LIMITS not in self.times:
            return None
        net, batch = NETS[CNN]
        return min(self.times[TRAINING][CNN][OURS].rounds) * self.peak(library) / net.flops(batch)


class Mark(NamedTuple):
    """What we set out for, and what was measured, by number of threads."""

    name: str
    bound: float
    values: dict[int, float]

    def verdict(self, n: int) -> str:
        excess = self.values[n] / self.bound - 1
        return f"{self.values[n]:.2f}, met" if excess <= 0 else f"**{self.values[n]:.2f}**, missed by {excess:.0%}"


Memories = dict[str, dict[str, tuple[int, int]]]


def marks(results: dict[int, Results], memories: Memories, importing: float) -> Iterator[Mark]:
    def mark(name: str, bound: float, value: Callable[[Results], float | None]) -> Mark:
        return Mark(name, bound, {n: v for n, r in results.items() if (v := value(r)) is not None})

    for name, bound in RATIOS.items():
        yield mark(f"{name}, training step", bound, lambda r, name=name: r.ratio(TRAINING, name))
    yield mark("convolutions, geometric mean", 1, lambda r: geometric_mean(r.ratios(GRID)))
    yield mark("convolutions, largest", 2, lambda r: max(r.ratios(GRID), default=None))
    for section in (POOLING, MODULES, OPTIMIZERS, SMALL):
        for name in SECTIONS[section]:
            yield mark(f"{section.split(',')[0]}: {name}", 1, lambda r, s=section, name=name: r.ratio(s, name))
    for net, needed in memories.items():
        for i, what in enumerate(("raised by training", "of the process")):
            yield Mark(f"{net}, peak memory {what}", 1, {1: needed[OURS][i] / needed[EAGER][i]})
    for peer in next(iter(results.values())).versions:
        if peer not in (OURS, EAGER, PLAIN):
            for net in (CNN, VGG):
                yield mark(f"{net}, beside {peer}", 1, lambda r, net=net, peer=peer: r.ratio(TRAINING, net, peer))
    for library, products in (OURS, "NumPy"), (EAGER, "PyTorch"):
        if 1 in results and (multiple := results[1].multiple(library)) is not None:
            yield Mark(f"{CNN}, multiple of {products}'s matrix products", GEMM_MULTIPLE, {1: multiple})
    yield Mark("import pullback, seconds over NumPy's", 0.2, {next(iter(results)): importing})


def geometric_mean(ratios: list[float]) -> float | None:
    return math.exp(statistics.fmean(map(math.log, ratios))) if ratios else None


# Text


def human(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} us"


def threads(n: int) -> str:
    return f"{n} thread{'s' * (n > 1)}"


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    heads = list(heads)
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def beside_all(section: str, n: int, result: Results) -> str:
    """A table of every library: its time, and Pullback's as a share of it."""

    def cell(name: str, library: str, times: dict[str, Timed]) -> str:
        if library not in times:
            return "-"
        ratio = "" if library == OURS else f" (**{result.ratio(section, name, library):.2f}**)"
        return human(times[library].seconds) + ratio

    cases = result.times[section]
    rows = ([name, *(cell(name, library, times) for library in result.versions)] for name, times in cases.items())
    return table([threads(n), *result.versions], rows)


def beside_eager(section: str, results: dict[int, Results]) -> str:
    """A table of Pullback's and PyTorch's times with every number of threads."""

    def cells(name: str) -> Iterator[str]:
        for result in results.values():
            times, ratio = result.times[section][name], result.ratio(section, name)
            yield from (human(times[library].seconds) if library in times else "-" for library in (OURS, EAGER))
            yield "-" if ratio is None else f"**{ratio:.2f}**"

    heads = [f"{head}, {n}" for n in results for head in (OURS, EAGER, "ratio")]
    names = next(iter(results.values())).times[section]
    text = table(["work, threads", *heads], ([name, *cells(name)] for name in names))
    for n, result in results.items():
        if ratios := result.ratios(section):
            text += (
                f"\n{threads(n)}: geometric mean of the ratios **{geometric_mean(ratios):.2f}**, "
                f"largest {max(ratios):.2f}, {sum(r <= 1 for r in ratios)} of {len(ratios)} at most 1.\n"
            )
    return text


def cpu() -> str:
    info = Path("/proc/cpuinfo")
    names = [line for line in info.read_text().splitlines() if "model name" in line] if info.exists() else []
    name = names[0].split(":")[1].strip() if names else platform.processor()
    return f"{name}, {os.cpu_count()} cores"


def limits(n: int, result: Results) -> str:
    peaks = f"{result.peak(OURS) / 1e9:.0f} GFLOP/s by NumPy, {result.peak(EAGER) / 1e9:.0f} by PyTorch"
    return f"- {threads(n)}: matrix products {peaks}; copies out of cache {result.bandwidth() / 1e9:.1f} GB/s\n"


NOTES = {
    "Scaling": "Convolutions of 3x3 with ReLU, forward and backward: batch 16, size 28x28, 32 channels, depth 2, but "
    "for what varies.\n\n![scaling](scaling.svg)\n\n",
    "Modules, training steps": "Each is to take at most as long as PyTorch's. Most are bounded by matrix products, "
    "which both libraries do at nearly the rate of the processor: five sixths of the encoder layer of width 256, two "
    "thirds of the GPT and of the LSTM step. Of ResNet-18 a seventh is the turning of weights, for the way back, and a "
    "sixth Python and small arrays, which threads do not share (log.md).\n\n",
}


def text(results: dict[int, Results], memories: Memories, importing: float, seconds: float) -> str:
    first = next(iter(results.values()))
    versions = ", ".join(f"{name} {version}" for name, version in first.versions.items())
    parts = [
        f"""# Speed

Pullback beside PyTorch eager and others, float32 (autograd computes partly in float64), plain SGD in the training
steps. Each library runs in a process of its own, bound to as many CPUs as there are threads; the processes take turns
in short rounds. Times are medians over the rounds, a ratio is the median of the rounds' ratios: Pullback's time as a
share of the other's. The first losses and outputs of all libraries were compared.

- Machine: {cpu()}; {platform.system()}, Python {platform.python_version()}
- {versions}
- Command: `{shlex.join(["python", "benchmarks/speed.py", *sys.argv[1:]])}`; it took {seconds / 60:.0f} minutes
"""
    ]
    if LIMITS in first.times:
        net, batch = NETS[CNN]
        parts += [limits(n, result) for n, result in results.items()]
        parts.append(
            f"- A training step of the seed CNN has {net.flops(batch) / 1e9:.2f} GFLOP in matrix products, counted "
            "from its shapes; two marks below are the best round as a multiple of what these take at the rates above\n"
        )
    found = [mark for mark in marks(results, memories, importing) if mark.values]
    met = sum(mark.values[n] <= mark.bound for mark in found for n in mark.values)
    rows = (
        [mark.name, f"{mark.bound:g}", *(mark.verdict(n) if n in mark.values else "" for n in results)]
        for mark in found
    )
    parts.append(
        f"\n## Marks\n\n{met} of {sum(len(mark.values) for mark in found)} met. Ratios are to PyTorch eager "
        "with as many threads, if no other library is named.\n\n"
    )
    parts.append(table(["what", "at most", *map(threads, results)], rows))
    if memories:
        parts.append("\n![ratios](speed.svg)\n")
    for section in first.times:
        if section in FOR_ALL:
            picture = "\n![times](times.svg)\n" * (section == TRAINING)
            parts.append(f"\n## {section}\n\nA library's time, and Pullback's as a share of it.\n{picture}")
            parts += ["\n" + beside_all(section, n, result) for n, result in results.items()]
        elif section != LIMITS:
            parts.append(f"\n## {section}\n\n{NOTES.get(section, '')}")
            parts.append(beside_eager(section, results))
    if memories:
        rows = (
            [net, *(f"{more / 2**20:.0f} of {peak / 2**20:.0f} MiB" for more, peak in needed.values())]
            for net, needed in memories.items()
        )
        parts.append(
            "\n## Memory\n\nBy how much ten training steps raise the peak of a fresh process over the level after "
            "import and creation of data and model, and that peak, one thread. LLVM, which is loaded when machine "
            "code is first needed, counts to what is raised; PyTorch's libraries are loaded on import.\n\n"
        )
        parts.append(table(["work", *memories[CNN]], rows))
    failures = [f"- {threads(n)}: {words}\n" for n, result in results.items() for words in result.failures]
    if failures:
        parts.append("\n## Left out\n\n" + "".join(failures))
    return "".join(parts)


# Pictures


def pyplot() -> Any:
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "speed"
    from matplotlib import pyplot

    return pyplot


def plot_ratios(results: dict[int, Results], _: Memories) -> Any:
    """All ratios to PyTorch, on a logarithmic axis."""
    sections = list(SECTIONS)[:-2]
    first = next(iter(results.values()))
    rows = [(section, name) for section in sections for name in first.times[section]]
    figure, axes = pyplot().subplots(figsize=(9, 0.2 * (len(rows) + len(sections)) + 1), layout="constrained")
    ticks: dict[float, str] = {}
    place = 0
    for section in sections:
        axes.text(0.01, place, section, transform=axes.get_yaxis_transform(), fontsize=8, weight="bold", va="center")
        place -= 1
        for name in first.times[section]:
            ticks[place] = name
            if section == TRAINING:
                axes.plot(RATIOS[name], place, "k|", markersize=8, label="mark" if len(ticks) == 1 else None)
            for i, (n, result) in enumerate(results.items()):
                if (ratio := result.ratio(section, name)) is not None:
                    label = threads(n) if len(ticks) == 1 else None
                    axes.plot(ratio, place, "os"[i % 2], color=f"C{i}", markersize=4, label=label)
            place -= 1
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set(xscale="log", xlabel="Pullback's time / PyTorch's", ylim=(place, 1))
    axes.set_xticks([0.2, 0.5, 1, 2, 4], ["0.2", "0.5", "1", "2", "4"])
    axes.set_yticks(list(ticks), list(ticks.values()), fontsize=7)
    axes.minorticks_off()
    axes.grid(axis="x", alpha=0.3)
    axes.legend()
    return figure


def plot_times(results: dict[int, Results], _: Memories) -> Any:
    """Times of training steps and inference in every library."""
    figure, grid = pyplot().subplots(2, 4, figsize=(11, 5), layout="constrained", sharey=True)
    libraries = list(next(iter(results.values())).versions)
    cases = [(section, name) for section in FOR_ALL for name in SECTIONS[section]]
    for axes, (section, name) in zip(grid.flat, cases, strict=False):
        for i, (n, result) in enumerate(results.items()):
            found = [(1e3 * timed.seconds, peer) for peer, timed in result.times[section][name].items()]
            places = [-libraries.index(peer) for _, peer in found]
            axes.plot([time for time, _ in found], places, "os"[i % 2], color=f"C{i}", markersize=5, label=threads(n))
        title = name.split(",")[0] + ("" if section == TRAINING else ", inference")
        axes.set(xscale="log", xlabel="ms", title=title)
        axes.set_yticks([-i for i in range(len(libraries))], libraries)
        axes.set_xticks([scale * 10.0**k for k in range(-2, 5) for scale in (1, 3)])
        axes.xaxis.set_major_formatter("{x:g}")
        axes.minorticks_off()
        axes.tick_params(labelsize=8)
        axes.autoscale(axis="x")
        axes.margins(x=0.1)
        axes.grid(alpha=0.3)
    grid.flat[-1].axis("off")
    grid.flat[-1].legend(*grid.flat[0].get_legend_handles_labels(), loc="center")
    return figure


def plot_scaling(results: dict[int, Results], memories: Memories) -> Any:
    """Times of the stack of convolutions by what is varied, and of whole steps by threads; memory."""
    figure, grid = pyplot().subplots(2, 3, figsize=(10, 6.5), layout="constrained")
    libraries = ((OURS, "o-"), (EAGER, "s--"))
    for axes, (axis, values) in zip(grid.flat, SCALING.items(), strict=False):
        for i, (n, result) in enumerate(results.items()):
            cases = result.times["Scaling"]
            for library, style in libraries:
                times = [1e3 * cases[f"{axis} {value}"][library].seconds for value in values]
                axes.plot(values, times, style, color=f"C{i}", markersize=4, label=f"{library}, {threads(n)}")
        axes.set(xscale="log", yscale="log", xlabel=axis, ylabel="ms")
        axes.set_xticks(values, [str(value) for value in values])
        axes.xaxis.minorticks_off()
    by_threads, memory = grid.flat[len(SCALING) :]
    for i, net in enumerate((CNN, VGG)):
        for library, style in libraries:
            times = [1e3 * result.times[TRAINING][net][library].seconds for result in results.values()]
            label = f"{library}, {net.split(',')[0]}"
            by_threads.plot(list(results), times, style, color=f"C{i + 2}", markersize=4, label=label)
    by_threads.set(xlabel="threads", ylabel="ms", ylim=(0, None), xticks=list(results))
    by_threads.legend(fontsize=7, handlelength=4)
    for i, library in enumerate((OURS, EAGER, PLAIN)):
        places = [place + 0.25 * i for place in range(len(memories))]
        needed = [needed[library][1] / 2**20 for needed in memories.values()]
        memory.bar(places, needed, 0.25, color=f"C{i + 4}", label=library)
    memory.set_xticks([0.25 + i for i in range(len(memories))], [net.split(",")[0] for net in memories])
    memory.set(ylabel="peak memory of the process, MiB")
    memory.legend(fontsize=7)
    handles = grid.flat[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=len(results) * 2, handlelength=4, fontsize=8)
    return figure


def write(text: str, results: dict[int, Results], memories: Memories) -> None:
    REPORT.write_text(text)
    for name, plot in (("speed.svg", plot_ratios), ("times.svg", plot_times), ("scaling.svg", plot_scaling)):
        plot(results, memories).savefig(REPORT.with_name(name), metadata={"Date": None})
