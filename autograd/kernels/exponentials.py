"""The logistic function and the hyperbolic tangent in machine code, to about two units in the last place."""

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


def expm1(code: KernelBuilder, x: IRValue) -> IRValue:
    """exp(x) - 1, of x within the range of finite results, NaN of NaN.

    x = n ln 2 + r, with an integer n and |r| <= ln(2) / 2: exp(x) - 1 = 2^n (exp(r) - 1) + (2^n - 1), and exp(r) - 1 by
    its Taylor series. A number to which 1.5 times 2 to the bits of a fraction is added ends in n; 2^n has n in its
    exponent.
    """
    b, (bits, one, largest, terms, halves) = code.builder, _FORMS[str(code.number)]
    integers: Any = code.ir.VectorType(code.ir.IntType(32 if bits == 23 else 64), code.lanes)

    def every(number: int) -> Any:
        return code.ir.Constant(integers, [number] * code.lanes)

    limit, magic = code.constant(largest), code.constant(1.5 * 2.0**bits)
    for bound, sign in ((limit, ">"), (-limit, "<")):
        x = code.where(IRValue(code, b.fcmp_ordered(sign, x.raw, bound.raw)), bound, x)
    shifted = code.fma(x, code.constant(1 / math.log(2)), magic)
    n = shifted - magic
    r = x
    for half in halves:
        r = code.fma(n, code.constant(-half), r)
    series = code.constant(1 / math.factorial(terms))
    for k in range(terms - 1, 0, -1):
        series = code.fma(series, r, code.constant(1 / math.factorial(k)))
    exponent = b.shl(b.bitcast(shifted.raw, integers), every(bits))
    power = IRValue(code, b.bitcast(b.add(exponent, every(one)), code.vector))
    return code.fma(power, series * r, power - code.constant(1.0))


def sigmoid(code: KernelBuilder, x: IRValue) -> IRValue:
    """1 / (1 + exp(-x))."""
    return code.constant(1.0) / (expm1(code, -x) + code.constant(2.0))


def tanh(code: KernelBuilder, x: IRValue) -> IRValue:
    """(exp(2 x) - 1) / (exp(2 x) + 1)."""
    e = expm1(code, x + x)
    return e / (e + code.constant(2.0))
