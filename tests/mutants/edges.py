"""A fault of each kind of docs/edges.md, by its number."""

from __future__ import annotations

from faults import Fault

EDGES = {
    7: Fault(
        'solve_sylvester.vjp("a")(lambda g, a, b, out: -solve_sylvester',
        'solve_sylvester.vjp("a")(lambda g, a, b, out: solve_sylvester',
        "linalg/test_matrix_functions",
    ),
    8: Fault("s, power = _raised(s, -each), each if", "s, power = s, 0 * each if", "test_running_products"),
    9: Fault("others = np.where(np.all(chosen < 2, axis=-1), others, 0)\n", "", "test_linalg_edges"),
    10: Fault("off_diagonal(same & (unsure | differ(gw)))", "off_diagonal(same & differ(gw))",
              "test_linalg_edges -k splits"),
    11: Fault("x=lambda g, x: np.where(x == 0, np.nan, g)\n", "x=lambda g, x: g\n", "autograd/test_edges"),
    12: Fault(
        "given.arguments[first] = x.astype(np.float32)", "given.arguments[first] = x.copy()", "core/test_half_precision"
    ),
    13: Fault("x=lambda g, x: g / _root(x))", "x=lambda g, x: g / np.sqrt(x * x + 1))", "autograd/test_range"),
    14: Fault(
        'x if x.dtype.kind in "fc" else x.astype(np.result_type(x.dtype, least))',
        'x if x.dtype.kind in "fc" else x.astype(np.result_type(x.dtype, np.float16))',
        "autograd/test_integers",
    ),
    15: Fault(
        "low + t * (np.where(alone, 0, high) - np.where(alone, 0, low))",
        "low + t * (high - low)",
        "test_infinities -k order or interpolation",
    ),
    16: Fault("left = np.real(x) < 0.5\n", "left = np.real(x) < -999\n", "special/test_special"),
    17: Fault(" or last <= gap <= np.finfo(gap.dtype).eps ** 0.75", "", "test_checkpoint -k fixed"),
    18: Fault(
        "        except NOT_AT_ONCE as error:\n            out: Any = one_by_one(function, args, kwargs, error)\n"
        "            return out\n",
        "        except NOT_AT_ONCE:\n            raise\n",
        "autograd/test_every_option",
    ),
    19: Fault("as_data(out, copy=True) if isinstance(out, Tensor)", "out if isinstance(out, Tensor)", "test_scipy"),
    20: Fault('for module, _ in places} != {"__main__"}:', "for module, _ in places}:",
              "test_primitive test_registered"),
    21: Fault('".".join(filter(None, (name, self.path))), module', "name or self.path, module", "nn/test_located"),
    22: Fault("weights = [None] * len(results) if cotangents is None", "weights = [None] * len(results) if True",
              "core/test_backward"),
    23: Fault("except (subprocess.TimeoutExpired, OSError):", "except OSError:", "viz/test_graph"),
    24: Fault("_rebuild, (type(self), self.data, self.requires", "_rebuild, (type(self), self._held, self.requires",
              "interop/test_python"),
    25: Fault('mode = _mode("save", target) if target.exists() else None', "mode = None", "nn/test_serialization"),
    26: Fault("if not math.isfinite(judged):", "if math.isinf(judged):",
              "test_trainer"),
}  # fmt: skip
