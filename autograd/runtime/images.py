"""Machine code as bytes: made by LLVM once, and run by later processes without it.

To import LLVM takes some 20 ms and 40 MB. So on Linux and x86-64 code and its constants become one image that is
independent of its position in memory: all that it refers to lies inside it, at a fixed distance. LLVM's assembler
says whether that is so. On other systems, or if it is not so, LLVM loads the object code that it has made.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import mmap
import platform
import re
import struct
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

from .arguments import address

__all__ = ["Loaded", "assembled", "cpu", "loaded", "registers"]

_MARK = b"pullback"  # what an image begins with; then come the places of its functions
_PLAIN = sys.platform == "linux" and platform.machine() == "x86_64" and sys.maxsize > 1 << 32
_ABOUT = ("vendor_id", "cpu family", "model", "stepping", "flags")


class Loaded(NamedTuple):
    """Functions in memory, as long as their owner lives."""

    owner: Any
    addresses: list[int]


@functools.cache
def cpu() -> str:
    """The model of this CPU and its features, as Linux reports them, or else as LLVM does."""
    with contextlib.suppress(OSError):
        if _PLAIN:
            with open("/proc/cpuinfo") as file:
                first = file.read(1 << 14).partition("\n\n")[0]
            known = [line for line in first.splitlines() if line.startswith(_ABOUT)]
            if known and known[-1].startswith("flags"):
                return "\n".join(known)
    from llvmlite import binding

    features = binding.get_host_cpu_features()
    return " ".join([binding.get_host_cpu_name(), *(name for name, there in features.items() if there)])


@functools.cache
def registers() -> tuple[int, int]:
    """The bytes of a vector register of this CPU, and how many of them it has."""
    features = cpu().split()
    if "avx512f" in features:
        return 64, 32
    return (32, 16) if "avx" in features else (16, 32 if "neon" in features else 16)


def assembled(text: str, names: Sequence[str]) -> bytes:
    """Compile LLVM IR for this CPU: an image with the functions of these names, or object code."""
    from llvmlite import binding

    _initialize(binding)
    name, features = binding.get_host_cpu_name(), binding.get_host_cpu_features().flatten()
    kind = {"reloc": "pic", "codemodel": "small"} if _PLAIN else {}
    target = binding.Target.from_default_triple().create_target_machine(cpu=name, features=features, opt=3, **kind)
    parsed = binding.parse_assembly(text)
    options = binding.create_pipeline_tuning_options(speed_level=3)
    options.loop_unrolling = registers()[1] > 16  # two turns of a product's loop at once need more than 16
    passes = binding.create_pass_builder(target, options)
    passes.getModulePassManager().run(parsed, passes)
    return (_PLAIN and _image(binding, target, parsed, names)) or target.emit_object(parsed)


def _image(binding: Any, target: Any, parsed: Any, names: Sequence[str]) -> bytes:
    """A module as an image; empty if it refers to anything outside of it, or to an absolute address."""
    code = re.sub(r"(?m)^\s*\.section\s+\.rodata.*$", "", target.emit_assembly(parsed))  # constants beside the code
    places = "".join(f".quad {name} - .Limage\n" for name in names)
    whole = f'.text\n.p2align 6\n.Limage:\n.ascii "{_MARK.decode()}"\n{places}{code}'
    quoted = re.sub(r'[\\"\n]', lambda found: f"\\{ord(found[0]):02X}", whole)
    made = binding.ObjectFileRef.from_data(target.emit_object(binding.parse_assembly(f'module asm "{quoted}"')))
    sections = {section.name(): section.data() for section in made.sections() if section.size()}
    return b"" if b".rela.text" in sections else sections[b".text"]


def loaded(code: bytes, names: Sequence[str]) -> Loaded:
    """Load what `assembled` has made, so that its functions can be called."""
    if code.startswith(_MARK):
        memory = mmap.mmap(-1, len(code), mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        memory.write(code)
        begin = address(memory)
        protect = ctypes.CDLL(None, use_errno=True).mprotect
        if protect(ctypes.c_void_p(begin), ctypes.c_size_t(len(code)), mmap.PROT_READ | mmap.PROT_EXEC):
            raise OSError(ctypes.get_errno(), "mprotect")
        places = struct.unpack_from(f"{len(names)}q", code, len(_MARK))
        return Loaded(memory, [begin + place for place in places])
    from llvmlite import binding

    _initialize(binding)
    # a TargetMachine for this CPU; each engine takes ownership, so each needs its own
    target = binding.Target.from_default_triple().create_target_machine()
    engine = binding.create_mcjit_compiler(binding.parse_assembly(""), target)
    engine.add_object_file(binding.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return Loaded(engine, [engine.get_function_address(name) for name in names])


def _initialize(binding: Any) -> None:
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    binding.initialize_native_asmparser()
