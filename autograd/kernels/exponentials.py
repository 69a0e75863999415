"""The exponential function in machine code, to a unit in the last place, and the logarithm of 1 + x, the logistic
function and the hyperbolic tangent, to about two."""

from __future__ import annotations

import math
from typing import Any

from ..runtime.llvm import IRValue, KernelBuilder

# Of each dtype: the bits of a fraction; the bits of 1; the largest |x| for exp(x); the terms of the series; ln 2 in two
# parts, the first with few bits, so that its products with integers are exact
_FORMS: dict[str, tuple[int, int, float, int, tuple[float, float]]] = {
    "float": (23, 0x3F800000, 87.0, 7, (0.693359375, -2.12194440054690581e-4)),
    "double": (52, 0x3FF0000000000000, 708.0, 13, (0.69314718036912381649, 1.90821492927058770002e-10)),
}
# Beyond these bounds exp(x) is 0 or inf
_RANGES = {"float": (-105.0, 90.0), "double": (-747.0, 711.0)}


class _Parted:
    """x as n ln 2 + r, with an integer n and |r| <= ln(2) / 2: exp(x) = 2^n exp(r).

    A number to which 1.5 times 2 to the bits of a fraction is added ends in n.
    """

    def __init__(self, code: KernelBuilder, x: IRValue) -> None:
        self.code, b = code, code.builder
        self.bits, self.one, _, self.terms, halves = _FORMS[str(code.number)]
        self.integers: Any = code.ir.VectorType(code.ir.IntType(32 if self.bits == 23 else 64), code.lanes)
        magic = code.constant(1.5 * 2.0**self.bits)
        shifted = code.fma(x, code.constant(1 / math.log(2)), magic)
        self.n, self.r = b.sub(*(b.bitcast(a.raw, self.integers) for a in (shifted, magic))), x
        for half in halves:
            before, factors = self.r, (shifted - magic, code.constant(-half))
            self.r = code.fma(*factors, before)
        self.error = code.fma(*factors, before - self.r)  # what r is too small by

    def every(self, number: int) -> Any:
        return self.code.ir.Constant(self.integers, [number] * self.code.lanes)

    def beyond(self, begin: IRValue) -> IRValue:
        """begin + exp(r) - 1 - r, by the Taylor series."""
        code, r = self.code, self.r
        series = code.constant(1 / math.factorial(self.terms))
        for k in range(self.terms - 1, 1, -1):
            series = code.fma(series, r, code.constant(1 / math.factorial(k)))
        return code.fma(r * r, series, begin)

    def power(self, n: Any) -> IRValue:
        """2^n, which has n in its exponent."""
        b = self.code.builder
        exponent = b.shl(n, self.every(self.bits))
        return IRValue(self.code, b.bitcast(b.add(exponent, self.every(self.one)), self.code.vector))


def _beyond(code: KernelBuilder, x: IRValue, sign: str, bound: IRValue) -> IRValue:
    """A mask: where x is less than a bound ("<"), larger or equal."""
    return IRValue(code, code.builder.fcmp_ordered(sign, x.raw, bound.raw))


def _bounded_expm1(code: KernelBuilder, x: IRValue) -> IRValue:
    """exp(x) - 1, of x within the range of finite results, NaN of NaN."""
    largest = _FORMS[str(code.number)][2]
    for bound, sign in ((code.constant(largest), ">"), (code.constant(-largest), "<")):
        x = code.where(_beyond(code, x, sign, bound), bound, x)
    parted = _Parted(code, x)
    power = parted.power(parted.n)
    return code.fma(power, parted.beyond(parted.r), power - code.constant(1.0))


def exp(code: KernelBuilder, x: IRValue) -> IRValue:
    """exp(x) over the whole range, from the least subnormal number to inf; 2^n in two factors, each of them normal.

    What is 0 is not computed: a product that underflows takes many times as long as another.
    """
    lowest, highest = map(code.constant, _RANGES[str(code.number)])
    nothing = _beyond(code, x, "<", lowest)
    x = code.where(nothing, code.constant(), code.where(_beyond(code, x, ">", highest), highest, x))
    b, parted = code.builder, _Parted(code, x)
    half = b.ashr(parted.n, parted.every(1))
    one = code.constant(1.0)
    begin = one + parted.r
    result = begin + (parted.beyond(parted.error) + (parted.r - (begin - one)))
    for n in (half, b.sub(parted.n, half)):
        result = result * parted.power(n)
    return code.where(nothing, code.constant(), result)


def expm1(code: KernelBuilder, x: IRValue) -> IRValue:
    """exp(x) - 1 over the whole range."""
    highest = code.constant(_FORMS[str(code.number)][2])
    result = code.where(_beyond(code, x, ">", highest), exp(code, x), _bounded_expm1(code, x))
    return code.where(_beyond(code, x, "==", code.constant()), x, result)


def sigmoid(code: KernelBuilder, x: IRValue) -> IRValue:
    """1 / (1 + exp(-x))."""
    return code.constant(1.0) / (_bounded_expm1(code, -x) + code.constant(2.0))


def tanh(code: KernelBuilder, x: IRValue) -> IRValue:
    """(exp(2 x) - 1) / (exp(2 x) + 1)."""
    e = _bounded_expm1(code, x + x)
    return e / (e + code.constant(2.0))


def log1p(code: KernelBuilder, x: IRValue) -> IRValue:
    """log(1 + x) over the whole range.

    1 + x is u (and what is lost by rounding) = 2^n (1 + f), with 1 + f between the roots of 1/2 and 2; of s = f / (2 +
    f) log(1 + f) is 2 (s + s^3 / 3 + ...), written as f less what it differs by, as in fdlibm.
    """
    b, one, two = code.builder, code.constant(1.0), code.constant(2.0)
    bits, _, _, _, (high, low) = _FORMS[str(code.number)]
    u = one + x
    rest = u - one
    lost = (one - (u - rest)) + (x - rest)
    integers: Any = code.ir.VectorType(code.ir.IntType(32 if bits == 23 else 64), code.lanes)
    root, raw = b.bitcast(code.constant(math.sqrt(0.5)).raw, integers), b.bitcast(u.raw, integers)
    width = code.ir.Constant(integers, [bits] * code.lanes)
    n = b.ashr(b.sub(raw, root), width)
    f = IRValue(code, b.bitcast(b.sub(raw, b.shl(n, width)), code.vector)) - one
    s = f / (two + f)
    w, half = s * s, f * f * code.constant(0.5)
    series = code.constant()
    for k in range(4 if bits == 23 else 11, 0, -1):
        series = code.fma(series, w, code.constant(2 / (2 * k + 1)))
    power = IRValue(code, b.sitofp(n, code.vector))
    small = code.fma(power, code.constant(low), lost / u)
    small = code.fma(s, code.fma(series, w, half), small)
    result = code.fma(power, code.constant(high), f - (half - small))
    infinite = code.constant(math.inf)
    extreme = code.where(_beyond(code, u, "==", code.constant()), -infinite, u + (u - u))
    extreme = code.where(_beyond(code, u, "==", infinite), infinite, extreme)
    extreme = code.where(_beyond(code, u, "<", code.constant()), code.constant(math.nan), extreme)
    inside = _beyond(code, u, ">", code.constant()) & _beyond(code, u, "<", infinite)
    return code.where(_beyond(code, x, "==", code.constant()), x, code.where(inside, result, extreme))
