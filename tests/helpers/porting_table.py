# ruff: noqa: E501 (a row is a line)
"""Makes docs/porting.md: what users of PyTorch, HIPS autograd and JAX typed, what they type here, and what differs.

    python tests/helpers/porting_table.py

`test_porting.py` runs each row and keeps the page true.
"""

from __future__ import annotations

import ast
import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import pullback as pb
from pullback import Tensor, nn, optim, special, stats

PAGE = Path(__file__).parents[2] / "docs" / "porting.md"
HEAD = """# Porting from PyTorch, HIPS autograd and JAX

What you typed, what to type here, and what differs. Each row's code in the middle is run by a test, with its value
compared with the one that mathematics gives. This page is made by `python tests/helpers/porting_table.py`.

Here `import numpy as np`, `import pullback as pb` and `from pullback import Tensor, nn, optim, special, stats`;
for data `from pullback.nn import data`. What is not in the tables: NumPy's functions take Tensors as they are
([the list](numpy.md)).
"""


class Row(NamedTuple):
    """What was typed elsewhere, what is typed here (lines; the last is an expression), its value, what differs."""

    theirs: str
    ours: str
    expected: Any
    differs: str = ""


PYTORCH = [
    Row("torch.tensor([1.0, 2.0], requires_grad=True)", "Tensor([1.0, 2.0], requires_grad=True)", [1, 2], "float64, as NumPy; `pb.set_default_dtype(np.float32)` for float32"),
    Row("torch.from_numpy(a)", "a = np.ones(2); pb.asarray(a)", [1, 1], "copied when it is written into"),
    Row("t.detach().numpy()", "t = Tensor([3.0], requires_grad=True); t.detach().numpy()", [3], "`t.numpy()` raises where t requires a gradient, in both"),
    Row("y.backward(); x.grad", "x = Tensor(3.0, requires_grad=True); y = x * x; y.backward(); x.grad", 6, "gradients add up until `x.grad = None`, in both"),
    Row("torch.autograd.grad(y, x)", "x = Tensor(3.0, requires_grad=True); y = x**3; pb.grads(y, [x])[0]", 27, "`pb.grad` transforms a function, as in JAX; for what was computed it is `pb.grads`"),
    Row("torch.autograd.grad(y, x, create_graph=True)", "x = Tensor(2.0, requires_grad=True); g = pb.grads(x**3, [x], create_graph=True)[0]; pb.grads(g, [x])[0]", 12),
    Row("torch.autograd.functional.jacobian(f, x)", "pb.jacobian(lambda x: x**2)([1.0, 2.0])", [[2, 0], [0, 4]], "gives a function"),
    Row("torch.autograd.functional.hessian(f, x)", "pb.hessian(lambda x: x[0] * x[1])([1.0, 2.0])", [[0, 1], [1, 0]], "gives a function"),
    Row("with torch.no_grad(): ...", "x = Tensor(1.0, requires_grad=True)\nwith pb.no_grad():\n    y = 2 * x\ny.requires_grad", False),
    Row("torch.autograd.detect_anomaly()", "with pb.detect_anomaly():\n    y = Tensor(2.0) * 3\ny", 6),
    Row("torch.utils.checkpoint.checkpoint(f, x)", "x = Tensor(2.0, requires_grad=True); pb.checkpoint(lambda x: x**3)(x).backward(); x.grad", 12, "gives a function"),
    Row("torch.autograd.gradcheck(f, (x,))", "bool(pb.testing.gradcheck(lambda x: x**2, [Tensor([1.0, 2.0], requires_grad=True)]))", True),
    Row("torch.func.vmap(f)", "pb.vmap(lambda x: x.sum())(np.ones((2, 3)))", [3, 3]),
    Row("torch.func.grad(f)", "pb.grad(lambda x: x**2)(3.0)", 6),
    Row("torch.func.jvp(f, (x,), (t,))", "pb.jvp(lambda x: x**2, (3.0,), (10.0,))[1]", 60),
    Row("torch.func.vjp(f, x)", "value, back = pb.vjp(lambda x: x**2, 3.0); back(10.0)[0]", 60, "`back` gives a tuple, of one entry for each argument"),
    Row("torch.cat([a, b], dim=0)", "pb.concat([Tensor([1.0]), Tensor([2.0])])", [1, 2], "NumPy's and the Array API's names"),
    Row("x.clamp(0, 1)", "Tensor([-1.0, 0.5, 2.0]).clip(0, 1)", [0, 0.5, 1], "at the ends the gradient is shared, as of `maximum`"),
    Row("x.max(dim=1)", "x = Tensor([[1.0, 3.0], [5.0, 2.0]]); x.max(axis=1)", [3, 5], "values alone; `x.argmax(axis=1)` has the places, tied entries share the gradient"),
    Row("x.std()", "np.std(Tensor([1.0, 2.0, 3.0]), ddof=1)", 1, "divides by n, as NumPy does, without `ddof=1`"),
    Row("torch.manual_seed(0); torch.randn(2)", "pb.manual_seed(0); pb.random.normal(size=2).shape", (2,), "NumPy's distributions, other numbers than PyTorch's"),
    Row("torch.distributions.Normal(m, s).log_prob(x)", "stats.norm.logpdf(1.0, 1.0, 2.0)", -math.log(2 * math.sqrt(2 * math.pi)), "SciPy's names and order"),
    Row("nn.Linear(3, 2)", "sum(p.size for p in nn.Linear(3, 2).parameters())", 8),
    Row("model.state_dict()", "sorted(nn.Sequential(nn.Linear(1, 1), nn.ReLU()).state_dict())", ["0.bias", "0.weight"], "`nn.save` and `nn.load` write safetensors, no pickles"),
    Row("F.cross_entropy(logits, y)", "nn.functional.cross_entropy(Tensor([[0.0, 0.0]]), np.array([1]))", math.log(2)),
    Row("opt = torch.optim.SGD(ps, lr=0.1); opt.step()", "w = nn.Parameter([1.0]); opt = optim.SGD([w], lr=0.1); (w * w).sum().backward(); opt.step(); w.detach()", [0.8]),
    Row("torch.optim.lr_scheduler.StepLR(opt, 10)", "opt = optim.SGD([nn.Parameter(1.0)], lr=0.5); s = optim.lr_scheduler.StepLR(opt, 10); s.step(25); s.get_last_lr()", [0.005], "`state_dict()` is plain data; `step(epoch)` gives no warning"),
    Row("torch.optim.swa_utils.AveragedModel(model)", "model = nn.Linear(1, 1); a = optim.swa_utils.AveragedModel(model); a.update_parameters(model); a.n_averaged", 1),
    Row("@staticmethod forward/backward of autograd.Function", "cube = pb.primitive(lambda x: x**3, name='porting_cube'); cube.vjp('x')(lambda g, x: 3 * x**2 * g); pb.grad(pb.grad(cube))(2.0)", 12, "the rule names what it needs; derivatives of all orders follow"),
]  # fmt: skip
DATA = [
    Row("class D(torch.utils.data.Dataset): __len__, __getitem__", "class Squares(data.Dataset):\n    def __len__(self):\n        return 4\n    def __getitem__(self, i):\n        return i**2\n[Squares()[3], len(Squares() + [7])]", [9, 5], "a list, or anything with these two, is a dataset, too"),
    Row("class S(torch.utils.data.IterableDataset): __iter__", "class Naturals(data.IterableDataset):\n    def __iter__(self):\n        return iter([0.0, 1.0, 2.0, 3.0])\n[b.tolist() for b in data.DataLoader(Naturals(), 2)]", [[0, 1], [2, 3]], "one worker reads a stream, so that none reads it twice"),
    Row("torch.utils.data.TensorDataset(x, y)", "data.TensorDataset([1.0, 2.0], [0, 1])[1]", (2, 1)),
    Row("torch.utils.data.Subset(ds, [2, 0])", "data.Subset([10, 20, 30], [2, 0])[0]", 30),
    Row("torch.utils.data.ConcatDataset([a, b])", "data.ConcatDataset([[1, 2], [3]])[-1]", 3),
    Row("torch.utils.data.ChainDataset([a, b])", "list(data.ChainDataset([[1, 2], [3]]))", [1, 2, 3]),
    Row("torch.utils.data.StackDataset(a, b)", "data.StackDataset([1, 2], [3, 4])[1]", (2, 4)),
    Row("torch.utils.data.random_split(ds, [0.75, 0.25], torch.Generator().manual_seed(0))", "[len(part) for part in data.random_split([1, 2, 3, 4], [0.75, 0.25], generator=0)]", [3, 1], "`generator` is a seed or a NumPy generator"),
    Row("DataLoader(ds, batch_size=2, shuffle=True)", "sorted(x.sum().item() for (x,) in data.DataLoader(data.TensorDataset(np.ones(5)), batch_size=2, shuffle=True))", [1, 2, 2], "floats come as float32; `dtype=None` leaves them as they are"),
    Row("DataLoader(ds, num_workers=2, worker_init_fn=f)", "[b.tolist() for b in data.DataLoader([1, 2, 3, 4], 2, num_workers=2, workers='thread')]", [[1, 2], [3, 4]], "processes, or threads by `workers='thread'`; the same batches for any number of workers, without an init function"),
    Row("DataLoader(ds, collate_fn=f)", "[b for b in data.DataLoader([1, 2, 3], 2, collate_fn=sum)]", [3, 3]),
    Row("torchdata's StatefulDataLoader(ds, 1)", "loader = data.DataLoader([1, 2, 3]); it = iter(loader); next(it); state = loader.state_dict(); loader.load_state_dict(state); [b.item() for b in loader]", [2, 3], "each loader goes on where it was"),
    Row("torch.utils.data.get_worker_info()", "data.get_worker_info() is None", True),
    Row("torch.utils.data.default_collate(batch)", "data.default_collate([(1, 2), (3, 4)])", [[1, 3], [2, 4]]),
    Row("RandomSampler(ds), SequentialSampler(ds)", "sorted(data.RandomSampler([7, 8, 9])) == list(data.SequentialSampler([7, 8, 9]))", True),
    Row("WeightedRandomSampler(weights, 3)", "list(data.WeightedRandomSampler([0.0, 1.0], 3))", [1, 1, 1]),
    Row("SubsetRandomSampler([4, 5])", "sorted(data.SubsetRandomSampler([4, 5]))", [4, 5]),
    Row("BatchSampler(sampler, 2, drop_last=True)", "list(data.BatchSampler([1, 2, 3], 2, drop_last=True))", [[1, 2]]),
    Row("DistributedSampler(ds, num_replicas=2, rank=1)", "list(data.DistributedSampler([7, 8, 9, 10], num_replicas=2, rank=1, shuffle=False))", [1, 3], "both numbers are given; nothing is asked of a process group"),
    Row("v2.Compose([v2.RandomCrop(28, padding=4), v2.RandomHorizontalFlip()])", "t = data.transforms; t.Compose([t.RandomCrop(28, padding=4), t.RandomHorizontalFlip()])(np.ones((5, 1, 28, 28))).shape", (5, 1, 28, 28), "of an image (C, H, W), or of a whole batch, each image with a draw of its own"),
    Row("v2.Normalize([0.5], [0.25])", "data.transforms.Normalize([0.5], [0.25])(np.ones((1, 1, 1)))", [[[2]]]),
    Row("v2.CenterCrop(1), v2.RandomErasing(), v2.RandomRotation(15), v2.RandomVerticalFlip()", "data.transforms.CenterCrop(1)(np.arange(9.0).reshape(1, 3, 3))", [[[4]]], "the others by the same names, and `Cutout`"),
    Row("v2.MixUp(num_classes=2)(x, y), v2.CutMix(num_classes=2)(x, y)", "x, y = data.transforms.MixUp(num_classes=2)((np.ones((3, 1, 2, 2)), np.array([0, 1, 1]))); y.sum(1)", [1, 1, 1], "takes the pair; in a loader `collate_fn=Compose([default_collate, MixUp(num_classes=2)])`"),
    Row("v2.ToDtype(torch.float32, scale=True)", "np.array([0, 255], np.uint8) / np.float32(255)", [0, 1], "the data sets give floats from 0 to 1"),
    Row("torchvision.datasets.MNIST(root, train, transform), CIFAR10, EMNIST, ImageFolder", "nn.datasets.mnist5k()[0][0][0].shape", (1, 28, 28), "`nn.datasets` has the same names and looks for the same files; there are no downloads, and 5,000 digits come with the package"),
]  # fmt: skip
HIPS = [
    Row("from autograd import grad; grad(f)(x)", "pb.grad(lambda x: x**3)(2.0)", 12),
    Row("import autograd.numpy as np", "pb.grad(lambda x: np.sum(np.sin(x)))(np.zeros(2))", [1, 1], "NumPy itself takes Tensors; there is no second NumPy"),
    Row("grad(f, 1)", "pb.grad(lambda x, y: x * y, 1)(2.0, 5.0)", 2),
    Row("grad(f, argnum=[0, 1])", "[g.item() for g in pb.grad(lambda x, y: x * y, (0, 1))(2.0, 5.0)]", [5, 2], "a tuple of numbers, not a list"),
    Row("value_and_grad(f)(x)", "value, slope = pb.value_and_grad(lambda x: x**2)(3.0); (value.item(), slope.item())", (9, 6)),
    Row("elementwise_grad(f)(x)", "pb.elementwise_grad(np.exp)([0.0, 0.0])", [1, 1]),
    Row("jacobian(f)(x)", "pb.jacobian(lambda x: 3 * x)([1.0, 2.0])", [[3, 0], [0, 3]]),
    Row("hessian(f)(x)", "pb.hessian(lambda x: x @ x)([1.0, 2.0])", [[2, 0], [0, 2]]),
    Row("make_vjp(f)(x)", "back, value = pb.make_vjp(lambda x: x**2)(3.0); back(1.0)", 6),
    Row("make_jvp(f)(x)(v)", "pb.make_jvp(lambda x: x**2)(3.0)(1.0)[1]", 6),
    Row("make_hvp(f)(x)", "times, slope = pb.make_hvp(lambda x: (x**3).sum())([1.0, 2.0]); times([1.0, 0.0])", [6, 0]),
    Row("hessian_vector_product(f)(x, v)", "pb.hessian_vector_product(lambda x: (x**3).sum())([1.0, 2.0], [1.0, 10.0])", [6, 120]),
    Row("vector_jacobian_product(f)(x, v)", "pb.vector_jacobian_product(lambda x: x**2)([1.0, 2.0], [1.0, 10.0])", [2, 40]),
    Row("grad_and_aux(f)(x)", "pb.grad_and_aux(lambda x: (x**2, 'aux'))(3.0)[1]", "aux"),
    Row("grad_named(f, 'y')", "pb.grad_named(lambda x, y: x * y, 'y')(2.0, 5.0)", 2),
    Row("checkpoint(f)", "pb.grad(pb.checkpoint(lambda x: x**3))(2.0)", 12),
    Row("from autograd.misc import flatten; flatten(tree)", "vector, unflatten = pb.ravel_pytree({'a': 1.0, 'b': [2.0, 3.0]}); vector", [1, 2, 3]),
    Row("from autograd.misc.fixed_points import fixed_point", "a = Tensor(4.0, requires_grad=True); x = pb.fixed_point(lambda x: (x + a / x) / 2, 1.0); x.backward(); a.grad", 0.25, "`fixed_point(f, start)`: f closes over what is differentiated"),
    Row("from autograd.scipy.integrate import odeint", "pb.odeint(lambda y, t, r: -r * y, 1.0, [0.0, 1.0], 2.0)[1]", math.exp(-2), "args one by one, not as a tuple"),
    Row("autograd.scipy.stats.norm.logcdf(x)", "stats.norm.logcdf(0.0)", -math.log(2)),
    Row("autograd.scipy.special.gammaln(x)", "special.gammaln(Tensor(5.0))", math.log(24), "`scipy.special.gammaln` of a Tensor is the same"),
    Row("@primitive; defvjp(f, lambda ans, x: lambda g: ...)", "f = pb.primitive(lambda x: np.exp(x), name='porting_exp'); f.vjp('x')(lambda g, out: g * out); pb.grad(f)(0.0)", 1, "the rule takes the cotangent, and by name what it needs"),
    Row("A[0] = x  (an error)", "def f(x):\n    a = pb.zeros(2)\n    a[0] = x\n    return (a * a).sum()\npb.grad(f)(3.0)", 6, "writes into Tensors are differentiated"),
    Row("check_grads(f)(x)", "bool(pb.testing.gradcheck(np.tanh, [Tensor([0.5], requires_grad=True)]))", True),
]  # fmt: skip
JAX = [
    Row("jnp.array([1.0, 2.0])", "pb.asarray([1.0, 2.0]).dtype == np.float64", True, "float64 from the start; `pb.set_default_dtype(np.float32)` for JAX's default"),
    Row("jax.grad(f)(x)", "pb.grad(lambda x: x**2)(3.0)", 6),
    Row("jax.grad(f, argnums=(0, 1))", "[g.item() for g in pb.grad(lambda x, y: x * y, (0, 1))(2.0, 5.0)]", [5, 2]),
    Row("jax.value_and_grad(f, has_aux=True)", "(value, aux), slope = pb.value_and_grad(lambda x: (x**2, 'aux'), has_aux=True)(3.0); slope", 6),
    Row("jax.jit(f)", "(lambda x: x * 2)(Tensor(3.0))", 6, "there is no `jit`: operations run as they are called"),
    Row("jax.vmap(f, in_axes=(None, 0))", "pb.vmap(lambda w, x: w * x, in_axes=(None, 0))(3.0, [1.0, 2.0])", [3, 6]),
    Row("jax.jacfwd(f), jax.jacrev(f)", "pb.jacfwd(pb.jacrev(lambda x: x @ x))([1.0, 2.0])", [[2, 0], [0, 2]]),
    Row("jax.hessian(f)", "pb.hessian(lambda x: x[0] * x[1])([1.0, 2.0])", [[0, 1], [1, 0]]),
    Row("jax.jvp(f, (x,), (t,))", "pb.jvp(np.sin, (0.0,), (2.0,))[1]", 2),
    Row("jax.vjp(f, x)", "pb.vjp(np.sin, 0.0)[1](2.0)[0]", 2),
    Row("jax.lax.stop_gradient(x)", "pb.grad(lambda x: x * pb.stop_gradient(x))(3.0)", 3),
    Row("jax.checkpoint(f)", "pb.grad(pb.checkpoint(np.sin))(0.0)", 1),
    Row("x.at[0].set(5.0)", "x = Tensor([1.0, 2.0]); x[0] = 5.0; x", [5, 2], "in place, recorded, and differentiated"),
    Row("x.at[i].add(y)", "np.add.at(x := Tensor([1.0, 2.0]), np.array([0, 0]), 1.0) or x", [3, 2]),
    Row("jax.random.normal(key, (2,))", "pb.random.normal(size=(2,)).shape", (2,), "one generator, started by `pb.manual_seed`; no keys"),
    Row("jax.tree_util.tree_map(f, tree)", "pb.tree_map(lambda x: 2 * x, {'w': 1.0, 'b': (2.0,)})", {"w": 2, "b": (4,)}),
    Row("jax.tree_util.tree_leaves(tree)", "pb.tree_leaves({'w': 1.0, 'b': (2.0, None)})", [1, 2], "a list of nothing but numbers is one leaf, an array"),
    Row("jax.flatten_util.ravel_pytree(tree)", "pb.ravel_pytree({'w': 1.0, 'b': 2.0})[0]", [1, 2], "dictionaries in their own order, not sorted"),
    Row("jax.nn.softmax(x)", "pb.softmax(Tensor([0.0, 0.0]))", [0.5, 0.5]),
    Row("jax.scipy.special.logsumexp(x)", "pb.logsumexp(Tensor([0.0, 0.0]))", math.log(2)),
    Row("jax.scipy.stats.gamma.logpdf(x, a)", "pb.grad(stats.gamma.logpdf)(2.0, 3.0)", 0, "its cdf, sf and ppf have gradients in `a`, too"),
    Row("jax.experimental.ode.odeint(f, y0, t, *args)", "pb.grad(lambda r: pb.odeint(lambda y, t, r: -r * y, 1.0, [0.0, 1.0], r)[1])(2.0)", -math.exp(-2), "gradients in t, too, and of any order"),
    Row("jax.custom_vjp", "f = pb.primitive(lambda x: x**2, name='porting_square'); f.vjp('x')(lambda g, x: 100 * g); pb.grad(f)(1.0)", 100, "the rule takes the cotangent, and by name what it needs"),
    Row("jax.lax.scan, jax.lax.cond, while_loop", "def f(x):\n    while x < 10:\n        x = 2 * x\n    return x\npb.grad(f)(3.0)", 4, "Python's own loops and conditions"),
    Row("jax.config.update('jax_debug_nans', True)", "with pb.detect_anomaly():\n    y = Tensor(1.0) + 1\ny", 2),
]  # fmt: skip
TABLES = {"PyTorch": PYTORCH, "PyTorch's data": DATA, "HIPS autograd": HIPS, "JAX": JAX}


def value(code: str) -> Any:
    """What the last line of a row's code gives."""
    names: dict[str, Any] = {"np": np, "pb": pb, "Tensor": Tensor, "nn": nn, "data": nn.data, "optim": optim}
    names |= {"special": special, "stats": stats}
    tree = ast.parse(code)
    last = tree.body.pop()
    if not isinstance(last, ast.Expr):
        raise ValueError(f"the last line of {code!r} is no expression")
    exec(compile(tree, "<porting>", "exec"), names)
    return eval(compile(ast.Expression(last.value), "<porting>", "eval"), names)


def page() -> list[str]:
    """The lines of docs/porting.md."""
    lines = HEAD.splitlines()
    for library, rows in TABLES.items():
        lines += ["", f"## {library}", "", f"| {library} | Here | What differs |", "|---|---|---|"]
        lines += [f"| {_code(row.theirs)} | {_code(row.ours)} | {row.differs} |" for row in rows]
    return lines


def _code(text: str) -> str:
    return "<br>".join(f"`{line}`" for line in text.replace("|", "\\|").replace("    ", "\u00a0\u00a0").splitlines())


if __name__ == "__main__":
    PAGE.write_text("\n".join(page()) + "\n", encoding="utf-8")
