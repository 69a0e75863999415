"""Faults of a line each. A file is found by the old text, which one alone has; tests by words in their paths and, after
`-k`, by pytest's keywords. `why` says why a fault that no test catches may stay."""

from __future__ import annotations

from typing import NamedTuple


class Fault(NamedTuple):
    """What is planted, and the tests that should fail."""

    old: str
    new: str
    tests: str
    why: str = ""


RUNTIME = [
    Fault("whole = stop - stop % code.lanes", "whole = stop + 0", "test_fused_elementwise"),
    Fault("stop = stop.if_less(size, stop, size)", "stop = stop + 0", "test_fused_elementwise"),
    Fault("launch.run(run, -(-size // _PART),", "launch.run(run, size // _PART,", "test_fused_elementwise"),
    Fault("for i in range(0, size, _BLOCK)]", "for i in range(0, size - 1, _BLOCK)]", "test_fused_elementwise"),
    Fault("simple = simple and a.flags.c_contiguous", "simple = simple and True", "test_fused_elementwise"),
    Fault("address(t) != address(a) and np.may", "address(t) < 0 and np.may", "test_fused_elementwise"),
    Fault(
        "mask = code.first(windows - p)\n\n",
        "mask = code.first(windows - p - 1)\n\n",
        "ops/test_pooling -k not pytorch and not derivatives",
    ),
    Fault(
        "larger(entry, best)\n                return",
        "larger(best, entry)\n                return",
        "ops/test_pooling -k not pytorch and not derivatives",
    ),
    Fault(
        "code.load(firsts + p, mask)",
        "code.load(firsts, mask)",
        "ops/test_pooling -k not pytorch and not derivatives",
    ),
    Fault(
        "target[place] = target[place] + y[number]",
        "target[place] = y[number]",
        "ops/test_pooling -k not pytorch and not derivatives",
    ),
    Fault(
        "mask, at = code.first(windows - p),",
        "mask, at = code.first(windows),",
        "test_arguments test_machine_code -k refuses_each or adaptive",
    ),
    Fault(
        "place = starts[p] + steps",
        "place = starts[p] - steps",
        "ops/test_pooling -k not pytorch and not derivatives",
    ),
    Fault("s + code.load(at + j, code.first(n - j))", "s + code.load(at + j, code.first(n - j - 1))", "test_sums"),
    Fault("end = (k + _FEW_ROWS).if_less(chain, k + _FEW_ROWS, chain)", "end = k + _FEW_ROWS", "test_sums"),
    Fault("total = code.load(place, known) + total", "total = total", "test_gemm"),
    Fault(
        "rows = [i.if_less(bottom, i, bottom - 1) * down",
        "rows = [i * down",
        "test_gemm",
    ),
    Fault("below), -one, x))", "below), one, x))", "test_machine_code -k edges"),
    Fault(
        "above, number = self.builder.fcmp_unordered",
        "above, number = self.builder.fcmp_ordered",
        "test_machine_code -k bit",
    ),
    Fault("    self.error = error", "    pass", "test_threads -k inside or fresh or errors or error"),
    Fault("blas.set_num_threads(1)", "blas.set_num_threads(2)", "test_threads -k inside or fresh or errors or error"),
    Fault("blas.set_num_threads(n)", "pass", "test_threads -k inside or fresh or errors or error"),
    Fault(
        "self.open, self.parts = False, iter(())",
        "self.open = False",
        "test_threads -k inside or fresh or errors or error",
    ),
    Fault(
        "%more = icmp slt i64 %part, %count", "%more = icmp sle i64 %part, %count", "test_launch -k once or small_work"
    ),
    Fault("min(parts, int(min(size / WORTH, MOST)))", "min(parts, MOST)", "test_launch -k once or small_work"),
    Fault("if idle > _IDLE:", "if idle > 0:", "test_memory"),
    Fault("not status.st_mode & others", "status.st_mode >= 0", "test_code_cache -k others or private"),
    Fault(
        "copy = _Copy(begin, end - begin, (turn",
        "copy = _Copy(begin, end - begin + 64, (turn",
        "test_arguments -k guard_pages_end",
    ),
    Fault("out.astype(np.float16) if out.dtype == np.float32 else out", "out", "test_half_precision"),
]
KERNELS = [
    Fault(
        "count -= 1\n        if count < 1",
        "count -= 0\n        if count < 1",
        "ops/test_pooling -k not pytorch and not derivatives",
    ),
    Fault("if a.flags.c_contiguous:\n", "if a.flags.aligned:\n", "test_arguments -k fit and not random"),
    Fault("2 * max(pair) > e", "max(pair) > e", "test_pooling -k errors"),
    Fault(
        "(-before, n + after) if padding else (0, n)",
        "(0, n) if padding else (-before, n + after)",
        "ops/test_pooling -k not pytorch and not derivatives",
    ),
    Fault(
        "(-before, n + after) if padding else",
        "(-before, n + after + s) if padding else",
        "ops/test_pooling -k not pytorch and not derivatives",
    ),
    Fault(
        "stride, padding, 1, ceil_mode)",
        "stride, padding, 1, False)",
        "ops/test_pooling -k not pytorch and not derivatives",
    ),
    Fault(
        "(s - 1 if ceil_mode else 0)",
        "(s if ceil_mode else 0)",
        "ops/test_pooling -k not pytorch and not derivatives",
    ),
    Fault(
        "inside = inside and bool(((numbers >= low)",
        "inside = inside and bool(((numbers >= 0)",
        "test_arguments -k choices",
    ),
    Fault(
        "better = ~(entry <= largest[has])",
        "better = ~(entry < largest[has])",
        "test_machine_code -k adaptive or registers",
    ),
    Fault("[p + stride * np.arange(n)", "[p + np.arange(n)", "test_machine_code -k large_convolutions"),
    Fault(
        "& ((place >= 0) & (place < n))",
        "& ((place > 0) & (place < n))",
        "ops/test_convolution -k naive or samples or matrix",
    ),
    Fault("code.maximum(total, floor) if rectified and not tile else total", "total", "test_fused_conv"),
    Fault(
        "known, -0.0) for total, place in zip(totals",
        "known, 0.5) for total, place in zip(totals",
        "test_machine_code -k large_convolutions",
    ),
    Fault("_LARGEST = 1 << 6", "_LARGEST = 1 << 9", "test_fused_conv test_machine_code -k tiles"),
    Fault(
        "window_place.apply(gate.apply(g, out), choice, geo=geo)",
        "window_place.apply(g, choice, geo=geo)",
        "test_fused_conv",
    ),
    Fault(
        "if np.isnan(out.max(initial=0)):",
        "if np.isinf(out.max(initial=0)):",
        "test_fused_conv -k not_a_number",
    ),
    Fault(
        "self.together, count - i, self.together) * self.wide",
        "self.together, self.together, self.together) * self.wide",
        "test_machine_code -k adaptive or registers",
    ),
    Fault("better, value, best), code", "better, best, value), code", "test_machine_code -k adaptive or registers"),
    Fault(
        "if len(phases) < math.prod(map(min, geo.stride, geo.spatial)):",
        "if not phases:",
        "ops/test_convolution test_machine_code -k transposed or trio or samples",
    ),
    Fault("x[inside] += values[:, :, *offset][met]", "x[inside] = values[:, :, *offset][met]", "test_im2col"),
]
CORE = [
    Fault("pending[node] + g if node in pending else g", "g", "core/test_backward"),
    Fault("return total if g.rest is None else g.rest + total", "return total", "core/test_graph test_indexing"),
    Fault("result(g) if before is None else before + g", "result(g)", "core/test_graph test_tensor"),
    Fault("return rule if substitute is None else", "return rule if substitute else", "core/test_graph -k override"),
    Fault(
        "for i, v in enumerate(value, len(arrays))",
        "for i, v in enumerate(value)",
        "test_matrix_functions test_matrix_calculus",
    ),
    Fault(
        "f\"    if _dispatch is _COMPUTE: {' = '.join(nodes)} = None\"",
        'f"    if _dispatch is _COMPUTE: pass"',
        "core/test_graph test_tensor",
    ),
    Fault("mode(depth=lambda depth: depth + 1,", "mode(depth=lambda depth: depth + 0,", "test_derivatives"),
    Fault("if total.shape != out.shape:", "if total.shape == ():", "test_forward"),
    Fault(
        "ndim = max([np.ndim(v) - (i in batched)",
        "ndim = max([np.ndim(v)",
        "test_batching",
    ),
    Fault(
        "if leases.get(lease.owner) is lease:",
        "if lease.owner:",
        "test_aliasing",
    ),
    Fault("self._within = False\n\n\ndef arrays", "self._within = True\n\n\ndef arrays", "test_profiling"),
    Fault("restored = [capture() for capture in captures]", "restored = []", "test_checkpoint"),
    Fault(
        "return tensor._view is not None or len(family(tensor)) > 1",
        "return tensor._view is not None",
        "test_views test_optimizer -k writes or optimizers",
    ),
    Fault('if "NaN" in made or made - set().union(*given.values()):', 'if "NaN" in made:', "test_anomaly"),
    Fault("1e6 * value, (", "1e3 * value, (", "test_profiling test_pictures"),
    Fault("near = np.finfo(new.dtype).eps ** 0.75", "near = np.finfo(new.dtype).eps ** 0.1", "test_checkpoint"),
    Fault("if len(counts) != 1 or 0 in counts:", "if 0 in counts:", "test_derivatives test_batching"),
    Fault("return [] if tree is None else [other]", "return [other]", "test_derivatives"),
    Fault(
        "def is_appropriate_type(self, tensor: Any) -> bool:\n            return isinstance(tensor, Tensor)",
        "def is_appropriate_type(self, tensor: Any) -> bool:\n            return False",
        "test_einops",
    ),
    Fault(
        "if (values.shape, values.dtype) == (self.shape, self.dtype):",
        "if (values.size, values.dtype) == (self.size, self.dtype):",
        "test_tensor test_views -k not every_function",
    ),
    Fault(
        "return base is x and primitive is getitem and _same(options[0], index)",
        "return base is x and primitive is getitem",
        "test_views -k writes",
    ),
    Fault("out[... if where is True else where] = values", "out[...] = values", "test_dispatch"),
    Fault('"max dimensions": 64', '"max dimensions": 32', "numpy_api/test_array_api test_array_api"),
]
OPERATIONS = [
    Fault('name="conj", x=lambda g: np.conj(g))', 'name="conj", x=lambda g: g)', "test_registry test_complex -k conj"),
    Fault("return passing(g, np.sign(x.real))", "return passing(g, 1)", "test_registry -k relu"),
    Fault('"jointly linear")(lambda g: g * 1j)', '"jointly linear")(lambda g: g * -1j)', "test_registry -k joined"),
    Fault("tuple(reversed(range(a.ndim))) if axes is None", "tuple(range(a.ndim)) if axes is None", "ops/test_shape"),
    Fault("last[places] = turn\n", "last[places] = turn[::-1]\n", "test_indexing test_registry -k setitem"),
    Fault(
        "order = np.concatenate([order[-1:], order, order[:1]])",
        "order = np.concatenate([order[:1], order, order[-1:]])",
        "test_sorting",
    ),
    Fault(
        "turn = (np.cumsum(mask) - 1) % np.size(vals)",
        "turn = np.cumsum(mask) % np.size(vals)",
        "test_numpy test_every_batch -k place",
    ),
    Fault("(builtins.max(count - correction, 0) if count else 1)", "(count or 1)", "test_reductions"),
    Fault(
        "np.where(out > 0, -np.log(count), out), x)",
        "np.where(out > 0, -np.log(count), out) + 1, x)",
        "test_reductions",
    ),
    Fault(
        "out = total / count_where(where, x.shape, axis, keepdims)",
        "out = total / count_where(True, x.shape, axis, keepdims)",
        "test_reductions",
    ),
    Fault("indices_or_sections, 1 if ary.ndim > 1 else 0)", "indices_or_sections, 0)", "ops/test_joining"),
    Fault("np.logical_or(f > 0.5, np.logical_and(f == 0.5, j % 2 == 1))", "f >= 0.5", "test_statistics"),
    Fault(
        "where(mask, m, zero) if lower else where(mask, zero, m)",
        "where(mask, zero, m) if lower else where(mask, m, zero)",
        "ops/test_joining",
    ),
    Fault("(slice(before), slice(-after, None))", "(slice(before), slice(after, None))", "test_padding"),
    Fault("middle = (v - u) / (u * v)", "middle = (v + u) / (u * v)", "test_differences"),
    Fault(
        "a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]",
        "a[..., 0] * b[..., 1] + a[..., 1] * b[..., 0]",
        "test_matmul",
    ),
    Fault("enumerate(term) if count[letter] == 1)", "enumerate(term) if count[letter] >= 1)", "test_einsum"),
    Fault(
        "astype((stop - start) / (num - bool(endpoint)), dtype)", "astype((stop - start) / num, dtype)", "test_creation"
    ),
    Fault("(min(n, m) - 1) // 2)", "min(n, m) // 2)", "test_correlation"),
    Fault("y = y * x + coefficient", "y = y * x - coefficient", "test_polynomials"),
    Fault("count[0] = count[n // 2 if n % 2 == 0 else 0] = 1", "count[0] = 1", "test_fft"),
    Fault(
        "el.log(_extended(x, _negative)) / el.log(_extended(n, _negative))",
        "el.log(_extended(n, _negative)) / el.log(_extended(x, _negative))",
        "test_numpy test_complex test_every_batch -k logn or emath or scimath",
    ),
    Fault(
        "np.where(x < 0, (-1) ** order, 1) * (total",
        "np.where(x < 0, 1, (-1) ** order) * (total",
        "test_registry test_special test_range -k i0",
    ),
    Fault("np.max(np.abs(v) + size, initial=0) * math.pi / 40)", "0)", "test_special -k bessel"),
    Fault("left = _log_less_psi(a, x) < 0", "left = _log_less_psi(a, x) > 0", "test_special -k incomplete"),
    Fault("g / p / (1 - p)", "g / p / (1 + p)", "test_registry -k logit"),
    Fault("np.sum(weights * terms, axis=0) * 2**halvings", "np.sum(weights * terms, axis=0)", "test_matrix_functions"),
    Fault(
        "further = np.abs(distance) > np.abs(gap)", "further = np.abs(distance) < np.abs(gap)", "test_matrix_calculus"
    ),
    Fault(
        "reciprocal(w[..., None, :] - w[..., :, None], same)",
        "reciprocal(w[..., :, None] - w[..., None, :], same)",
        "test_linalg.py",
    ),
    Fault(
        "np.conj(left - a @ (out @ left) + right",
        "np.conj(left + a @ (out @ left) + right",
        "test_linalg.py test_registry -k pinv",
    ),
    Fault("    if ord == 0:", "    if ord == 0.5:", "test_linalg"),
    Fault(
        "first, second = (0, 2) if lower else (2, 0)", "first, second = (2, 0) if lower else (0, 2)", "test_triangular"
    ),
    Fault("np.tril(low.mT @ g_low, -1)", "np.tril(low.mT @ g_low)", "test_triangular test_registry -k lu"),
    Fault("np.arange(start, start := start + array.size)", "np.arange(start, start + array.size)", "test_index_tricks"),
    Fault("return (-1) ** sum(a > b for a, b in combinations(order, 2))", "return 1", "test_linalg.py"),
]
NN = [
    Fault(
        "(1 - label_smoothing) * losses + (label_smoothing / classes) * smooth",
        "(1 - label_smoothing) * losses + label_smoothing * smooth",
        "test_loss",
    ),
    Fault(
        "smooth = -sum(log_softmax(rows, 1) * by_class, axis=1)",
        "smooth = -sum(log_softmax(rows, 1), axis=1)",
        "test_loss",
    ),
    Fault("* (g / len(x) if mean else g[:, None])", "* (g if mean else g[:, None])", "test_loss"),
    Fault(
        "(1 - label_smoothing) * target + label_smoothing / classes",
        "(1 - label_smoothing) * target + label_smoothing",
        "test_loss",
    ),
    Fault(
        "_reduce(losses, losses.shape, reduction, losses.size)",
        "_reduce(losses, losses.shape, reduction, sum(by_class))",
        "test_loss",
    ),
    Fault(
        "losses = _apply(rows, chosen[:, None] == numbers, mean=False) * weights",
        "losses = _apply(rows, chosen[:, None] == numbers, mean=False)",
        "test_loss",
    ),
    Fault(
        "    losses = losses * weights\n",
        "",
        "test_loss",
    ),
    Fault("return np.maximum(x, x * slope)", "return np.minimum(x, x * slope)", "test_activation -k by_hand"),
    Fault("passing(passing(g, slope), ~right)", "passing(g, ~right)", "test_activation -k by_hand"),
    Fault("x * (1 / 3) + 0.5, np.maximum(", "x * (1 / 3) - 0.5, np.maximum(", "test_activation -k by_hand"),
    Fault("np.maximum(x, least) * ~held", "x * ~held", "test_activation -k infinities"),
    Fault(
        "passing(g, ~((x <= low) | (x >= high)))", "passing(g, ~((x < low) | (x > high)))", "test_activation -k by_hand"
    ),
    Fault(
        "weight.reshape((-1,) + (1,) * (input.ndim - 2)",
        "weight.reshape((-1,) + (1,) * 0",
        "test_activation -k channel",
    ),
    Fault(
        "exponential.apply(floating(input), alpha, 1 / alpha)",
        "exponential.apply(floating(input), alpha, 1.0)",
        "test_activation -k by_hand",
    ),  # fmt: skip
    Fault("(normal_cdf.apply(x) + x * density(x))", "(normal_cdf.apply(x) + density(x))", "test_activation -k by_hand"),
    Fault("np.where(x < 0, tail, 1 - tail)", "np.where(x < 0, tail, 1)", "test_activation -k distribution"),
    Fault("(1 + t) * (2 / (n + 2))", "(1 - t) * (2 / (n + 2))", "test_activation -k by_hand"),
    Fault("one + (soft - stop_gradient(soft))", "one + 0 * soft", "test_activation -k gumbel"),
    Fault(
        "dim = 0 if input.ndim in (0, 1, 3) else 1", "dim = 0 if input.ndim in (0, 1) else 1", "test_activation -k dim"
    ),
    Fault("out[places] = part(places)", "out[places] = 0", "test_fused_elementwise -k blocks_are"),
    Fault("return leaky_relu(input, self.negative_slope)", "return leaky_relu(input)", "test_activation"),
    Fault(
        "np.exp(_below(x) * rate) * (height * rate))", "np.exp(_below(x) * rate) * rate)", "test_activation -k by_hand"
    ),
    Fault(
        "np.log1p(np.exp(-np.absolute(s))))) / beta",
        "np.log1p(np.exp(-np.absolute(s)))))",
        "test_activation",
    ),
    Fault("    return losses * weight\n\n\n@by_single", "    return losses\n\n\n@by_single", "test_loss.py"),
    Fault("losses = _weighted(losses, weight, name)", "weight = alike(weight, losses.dtype)", "test_losses -k weights"),
    Fault('"none" if reduce is False', '"sum" if reduce is False', "test_losses -k flags"),
    Fault("return limited * (x - 0.5 * limited)", "return limited * (x - limited)", "test_losses -k by_loops"),
    Fault("x * (1 - x), 1e-12)", "x * (1 - x), 1e-10)", "test_losses -k probabilities"),
    Fault("where(t == 0, 1, t)", "t", "test_losses -k batchmean"),
    Fault("stop_gradient(where(var < eps, eps - var, 0))", "stop_gradient(0 * var)", "test_losses -k by_loops"),
    Fault(
        "far = minimum(far, distance(positive, negative))",
        "far = distance(positive, negative)",
        "test_losses -k by_loops",
    ),
    Fault("held[:, :, None] & others[:, None, :], short", "held[:, :, None], short", "test_losses -k by_loops"),
    Fault("astype(target >= 0, np.int8), axis=1)", "astype(target >= -1, np.int8), axis=1)", "test_losses -k by_loops"),
    Fault("np.add(before[:, :-2], bar, out=ways[2])", "ways[2] = before[:, :-2]", "test_ctc -k paths"),
    Fault("labels[:, 1:] != labels[:, :-1]", "labels[:, 1:] >= 0", "test_ctc -k paths"),
    Fault("before[:, 1:-1], before[:, :-2] + bar])", "before[:, 1:-1], before[:, :-2]])", "test_ctc -k any_order"),
    Fault("if x.__class__ is not np.ndarray:  # on which they depend", "if False:", "test_ctc -k any_order"),
    Fault("np.where(never, 0, total)[:, None, None])", "total[:, None, None])", "test_ctc -k too_long"),
    Fault("losses / np.maximum(count, 1)", "losses / np.maximum(count, 9)", "test_ctc -k paths"),
    Fault("np.argsort(np.concatenate(places))", "np.concatenate(places)", "test_adaptive_softmax"),
    Fault("x / where(norm > eps, norm, eps)", "x / (norm + eps)", "test_distance"),
    Fault("input * where(kept, zero + scale, zero)", "input * where(kept, zero + 1, zero)", "test_dropout_kinds"),
    Fault("(*input.shape[:2], *(1,) * (input.ndim - 2))", "(*input.shape[:2], *input.shape[2:])", "test_dropout_kinds"),
    Fault("if differs else 1 - p, dtype", "if differs else p, dtype", "test_dropout"),
    Fault(
        "if not (alike or isinstance(a, _NUMBERS)):",
        "if isinstance(a, np.ndarray) and not alike:",
        "test_every_mode -k silu",
    ),
    Fault("return dropout(input, self.p, self.training)", "return dropout(input, self.p)", "test_dropout.py"),
    Fault("if factor < 1 and math.isfinite(total_norm):", "if factor < 1:", "test_utils"),
    Fault(
        "nll_loss(input, target, self.weight, None, self.ignore_index, None, self.reduction)",
        "nll_loss(input, target, self.weight, reduction=self.reduction)",
        "test_loss",
    ),
    Fault(
        "padding, ceil_mode, count_include_pad, divisor_override)",
        "padding, ceil_mode, True, divisor_override)",
        "test_pooling",
    ),
    Fault(
        "self.stride, self.padding, self.ceil_mode, self.count_include_pad",
        "self.stride, self.padding, False, self.count_include_pad",
        "test_pooling",
    ),
    Fault("totals = [d * (k - 1) for", "totals = [k - 1 for", "nn/test_convolution"),
    Fault(
        "flatten(input, self.start_dim, self.end_dim)",
        "flatten(input, self.start_dim)",
        "test_linear test_containers",
    ),
    Fault("if not -len(names) <= index < len(names):", "if not -len(names) <= index <= len(names):", "test_containers"),
    Fault(
        "if pool._dims != dims or pool.return_indices:", "if pool._dims != dims:", "test_lookahead -k other_poolings"
    ),
    Fault("args = changed if isinstance(changed, tuple) else (changed,)", "args = (changed,)", "test_module"),
    Fault(
        "math.sqrt(6 / sum(fan_in_and_fan_out(tensor)))", "math.sqrt(3 / sum(fan_in_and_fan_out(tensor)))", "test_init"
    ),
    Fault('"data_offsets": (end, end + array.nbytes)', '"data_offsets": (end, end + array.size)', "test_serialization"),
    Fault("places: Any = self.indices[index]", "places: Any = index", "test_data."),
    Fault("[:, np.newaxis] / np.float32(255)", "[:, np.newaxis] / np.float32(256)", "test_datasets"),
    Fault("missing = [name for name, tensor in own.items() if tensor not in places]", "missing = []", "test_stateless"),
    Fault("sum(p.size for p in parameters if p.requires_grad)", "sum(p.size for p in parameters)", "test_summary"),
]
OPTIM = [
    Fault(
        "most = [np.maximum(largest, v) for largest in most]",
        "most = [np.minimum(largest, v) for largest in most]",
        "test_adam",
    ),
    Fault("root = np.sqrt([*most, v][0])", "root = np.sqrt(v)", "test_adam"),
    Fault("g = -g\n    if decays and decoupled:", "g = g\n    if decays and decoupled:", "test_adam"),
    Fault("    elif decays:\n        g = g + decay * p", "    elif decays:\n        g = g - decay * p", "test_adam"),
    Fault("p *= kept", "p /= kept", "test_adam"),
    Fault("if begun else 1.0", "if begun else 0.5", "test_sgd"),
    Fault("g + momentum * v if nesterov else v", "v + momentum * v if nesterov else v", "test_sgd"),
    Fault("gradient = np.conj(gradient)  # see", "gradient = np.copy(gradient)  # see", "test_sgd"),
    Fault(
        '{**self.defaults, **group, "params": params}', '{**group, **self.defaults, "params": params}', "test_optimizer"
    ),
    Fault("self.loss += loss * len(target)", "self.loss += loss", "test_trainer"),
    Fault("found != expected[2]:", "False:", "optim/test_checkpoint"),
    Fault("for path in reversed(self.paths):", "for path in self.paths:", "optim/test_checkpoint"),
    Fault("        if not alone:", "        if False:", "optim/test_checkpoint"),
    Fault("copy.deepcopy(self._state(part))", "self._state(part)", "optim/test_checkpoint"),
    Fault("remove_left(self.directory, _PREFIX, age=0)", "pass", "optim/test_checkpoint -k death"),
    Fault('type(key) is str and key[:1] != "$"', "type(key) is str", "test_trees"),
    Fault("passed[name] >= number for", "passed[name] > number for", "callbacks/test_checkpoint"),
    Fault("    sync_folder(target.parent)\n", "", "nn/test_serialization optim/test_checkpoint"),
]
VIZ = [
    Fault("return np.where(x > 0, lifted, slope * lifted)", "return lifted", "test_deconvnet"),
    Fault("return np.where(g > 0, g, slope * g)", "return np.where(g > 0, g, 0 * g)", "test_rectifying"),
    Fault("if larger and not np.any(bound):", "if not np.any(bound):", "test_rectifying"),
    Fault("values.shape == out.shape and np.any(np.less(values, 0))", "False", "test_rectifying"),
    Fault("if np.any(np.less(x, 0)) and _rectified(x, out):", "if _rectified(x, 2 * out):", "test_rectifying"),
    Fault("return self.method(g * (x < high), x, 0)", "return self.method(g, x, 0)", "test_rectifying"),
    Fault("if not np.any(other) and _rectified(x, out):", "if not np.any(other):", "test_rectifying"),
    Fault('self.passed["multiply (by a mask)"] = None', "pass", "test_rectifying"),
    Fault("self.passed[name] = None\n            return self._plain", "return self._plain", "test_rectifying"),
    Fault("sample.min() < 0 or sample.max() <= 0", "sample.min() < 0", "test_rectifying"),
    Fault("calls.append(_seen(output))\n\n    return", "calls[:] = [_seen(output)]\n\n    return", "test_probing"),
    Fault("        source.state = state\n        for module, training", "        for module, training", "test_probing"),
    Fault("held.data = values", "pass", "test_probing"),
    Fault("setattr(module, name, held)", "pass", "test_probing"),
    Fault("mode(recording=record, retaining=False)", "mode(recording=record)", "test_probing"),
    Fault("[:, :strongest], True, 1)", "[:, :1], True, 1)", "test_probing"),
    Fault(
        "zip((nodes + 1) / 2, weights / 2, strict=True)", "zip(nodes, weights / 2, strict=True)", "test_attributions"
    ),
    Fault("return [*found, reached - gained]", "return [*found, gained - reached]", "test_attributions"),
    Fault("noise * spread * source", "noise * source", "test_attributions"),
    Fault("gradient.mean(places, keepdims=True) * values", "gradient * values", "test_attributions"),
    Fault("count[place] += 1", "count[place] = 1", "viz/test_attributions -k occlusion"),
    Fault("max(n - width, 0) + step, step", "n, step", "viz/test_attributions -k occlusion"),
    Fault("[-n for n in moved]", "moved", "viz/test_attributions -k jitter"),
    Fault('else ":w" if self.rightward else ":n"', 'else ":w"', "viz/test_graph"),
    Fault('"e" if self.rightward else "s"', '"s" if self.rightward else "e"', "viz/test_graph"),
    Fault('savefig(file, format="png", dpi=dpi,', 'savefig(file, format="png", dpi=DPI,', "test_pictures"),
    Fault('("left", "right")[position]', '("right", "left")[position]', "viz/test_graph"),
    Fault("PORTS * ((k + 0.5) / len(own) - 0.5)", "PORTS * (k / len(own) - 0.5)", "test_layout"),
    Fault("near[rank] + max(boxes, default=0.0)", "near[rank] + min(boxes, default=0.0)", "test_layout"),
    Fault("before += widths", "before += 0", "test_pictures"),
    Fault("axes.invert_yaxis()", "axes.set_axisbelow(True)", "test_pictures"),
    Fault("labels.astype(np.int64) * count +", "labels.astype(np.int64) +", "test_charts"),
    Fault("* 96 / DPI", "* 72 / DPI", "test_report"),
    Fault("step = height / len(box.cells)", "step = height / 2", "viz/test_graph"),
    Fault(
        "yield Polygon(_turned([end, (base, end[1] - 3)",
        "yield Polygon(_turned([end, (base, end[1] + 3)",
        "viz/test_graph",
    ),
]
TESTING = [
    Fault(
        "if not abs(left - right) <= tolerance < np.inf:", "if abs(left - right) > tolerance:", "testing/test_gradcheck"
    ),
    Fault("if not run.loss() < start:", "if run.loss() > start:", "testing/test_models"),
    Fault(
        "return apart & (2 * (high - low) > far_high - far_low)",
        "return apart",
        "testing/test_kinks testing/test_verdicts",
    ),
    Fault(
        "return np.triu(out) if upper else np.tril(out)",
        "return np.tril(out) if upper else np.triu(out)",
        "testing/test_strategies",
    ),
    Fault(
        "if actual.shape != expected.shape:\n            self.failure",
        "if actual.size != expected.size:\n            self.failure",
        "testing/test_check testing/test_foreign",
    ),
    Fault("yield at, column / scale[at]", "yield at, column * scale[at]", "testing/test_numerical"),
    Fault("if out.dtype != np.float32:\n", "if out.dtype == np.float16:\n", "testing/test_models"),
    Fault("np.flip(np.flip(x).copy())", "x.copy()", "testing/test_check testing/test_faults"),
]
FAULTS = [*NN, *OPTIM, *VIZ, *TESTING, *OPERATIONS, *CORE, *RUNTIME, *KERNELS]
