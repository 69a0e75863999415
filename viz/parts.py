"""A graph in parts, each of few members: calls of modules, and of what is still long repeats and ranges."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from . import labels
from .form import Form, Group, Operation, enclosing
from .repeats import runs

MOST = 64  # members of a part
LEAST = 4  # of a repeat that is a part of its own


@dataclass(eq=False)
class Part:
    """Operations that are looked at together: those of the module call `group`, or what `label` says."""

    label: str
    group: Group | None = None
    members: Sequence[Part | Operation] = ()


@dataclass(eq=False)
class _Open:
    """A part whose members are still coming."""

    part: Part
    members: list[Part | Operation] = field(default_factory=list)


def parts(form: Form) -> list[Part]:
    """The whole form as a part, and all parts in it, each after the one that it is in."""
    root = Part("")
    found: dict[Group | None, _Open] = {None: _Open(root)}

    def opened(place: Group | None) -> _Open:
        for group in reversed(list(enclosing(place))):
            if group not in found:
                found[group] = _Open(Part(group.name, group))
                found[group.parent].members.append(found[group].part)
        return found[place]

    for operation in form.operations:
        opened(operation.group).members.append(operation)
    for group in form.groups:
        if group.error:  # it may have failed before any operation
            opened(group)
    for own in found.values():
        own.part.members = own.members
    for own in found.values():  # from the outside inwards: what repeats itself is told by members that are all there
        if len(own.members) > MOST:
            own.part.members = _ranges(_repeats(own.members))
    parts, level = list[Part](), [root]
    while level:
        parts += level
        level = [member for part in level for member in part.members if isinstance(member, Part)]
    return parts


def _repeats(members: Sequence[Part | Operation]) -> list[Part | Operation]:
    """The members, with those that repeat themselves in a part of their own."""
    found: list[Part | Operation] = []
    end = 0
    for start, period, count in runs([_signature(member) for member in members]):
        found += members[end:start]
        end = start + period * count
        every: Sequence[Part | Operation] = members[start:end]
        if period >= LEAST:
            pieces = [every[i : i + period] for i in range(0, len(every), period)]
            every = [Part(f"{i + 1:,} of {count:,}", members=piece) for i, piece in enumerate(pieces)]
        found.append(Part(f"×{count:,}", members=_ranges(every)))
    return [*found, *members[end:]]


def _ranges(members: Sequence[Part | Operation]) -> Sequence[Part | Operation]:
    """The members, or, of many, parts of them, all with about as many members, so that there are few."""
    count = len(members)
    levels = next(levels for levels in range(1, count + 2) if MOST**levels >= count)
    size = math.ceil(count ** (1 / levels))
    for each in (size**level for level in range(1, levels)):
        members = [
            Part(f"{first + 1:,}–{min(first + each, count):,} of {count:,}", members=members[i : i + size])
            for first, i in zip(range(0, count, each), range(0, len(members), size), strict=True)
        ]
    return members


def _signature(member: Part | Operation) -> Hashable:
    """What two members have in common if one repeats the other."""
    if isinstance(member, Operation):
        options = tuple(labels.options(member)) if member.name != "getitem" else ()
        return member.name, options, tuple((value.shape, value.dtype) for value in member.results)
    group = member.group
    return member.label, len(member.members), *((group.extra, group.parameters) if group else ())
