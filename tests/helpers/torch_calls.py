"""Calls of what is spelled as in PyTorch, of the namespace (torch or pullback) and of Tensors made of the arrays."""

import numpy as np

rng = np.random.default_rng(3)
X = rng.standard_normal((3, 4))
Y = rng.standard_normal((3, 4))
V = rng.standard_normal(4)
P = np.abs(X) + 0.3
C = rng.standard_normal((2, 3, 4))
D = rng.standard_normal((2, 4, 3))
S = rng.standard_normal((3, 3)) + 3 * np.eye(3)
TIES = np.array([[1.0, 2.0, 2.0, 0.0], [3.0, 3.0, 1.0, 3.0], [0.0, 0.0, 0.0, 0.0]])
NANS = np.array([1.0, np.nan, 3.0, 2.0, np.nan])
ROWS = np.array([[0, 2, 1, 0], [1, 1, 0, 2]])  # along axis 0, and shorter than X
COLUMNS = np.array([[0, 3], [1, 1], [2, 0]])  # along axis 1
K = np.array([2, 0, 2])
M = X > 0.2
WHOLE = np.array([[7, -7, 3], [-2, 9, 0]])
NUMBER = np.array(1.5)
EMPTY = np.zeros((0, 4))
FUNCTIONS = (
    "abs acos asin asinh atan ceil cos cosh deg2rad erf erfc erfinv exp exp2 expm1 floor frac lgamma digamma log log10 "
    "log1p log2 logit neg reciprocal rsqrt sigmoid sign sin sinc sinh sqrt square tan tanh trunc i0"
)

CASES = {
    "view": [
        (lambda t, x: x.view(4, 3), X),
        (lambda t, x: x.view(-1), X),
        (lambda t, x: x.view((2, -1)), X),
        (lambda t, x, y: x.view_as(y), X, X.reshape(2, 6)),
        (lambda t, x, y: x.reshape_as(y), X, X.reshape(2, 6)),
    ],
    "unsqueeze": [(lambda t, x, d=d: x.unsqueeze(d), X) for d in (0, 1, 2, -1, -3)]
    + [(lambda t, x: t.unsqueeze(x, dim=1), X), (lambda t, x: t.unsqueeze(input=x, dim=0), NUMBER)],
    "permute": [
        (lambda t, x: x.permute(2, 0, 1), C),
        (lambda t, x: x.permute((0, -1, 1)), C),
        (lambda t, x: t.permute(x, (1, 0, 2)), C),
    ],
    "t": [(lambda t, x: x.t(), X), (lambda t, x: t.t(x), V), (lambda t, x: x.t(), NUMBER)],
    "expand": [
        (lambda t, x: x.expand(2, 3, 4), X),
        (lambda t, x: x[:, :1].expand(-1, 5), X),
        (lambda t, x: x.expand((2, -1, -1)), X),
        (lambda t, x: x.expand(3), NUMBER),
        (lambda t, x, y: x.expand_as(y), V, X),
    ],
    "flatten": [
        (lambda t, x: x.flatten(1), C),
        (lambda t, x: x.flatten(), C),
        (lambda t, x: x.flatten(0, 1), C),
        (lambda t, x: x.flatten(start_dim=-2), C),
        (lambda t, x: t.flatten(x, 1, -1), C),
        (lambda t, x: x.flatten(), NUMBER),
        (lambda t, x: x.flatten(1), EMPTY),
    ],
    "unflatten": [
        (lambda t, x: x.unflatten(1, (2, 2)), X),
        (lambda t, x: x.unflatten(-1, (-1, 2)), X),
        (lambda t, x: t.unflatten(x, dim=0, sizes=(3, 1)), X),
    ],
    "movedim": [
        (lambda t, x: x.movedim(0, -1), C),
        (lambda t, x: t.movedim(x, (0, 1), (1, 2)), C),
        (lambda t, x: x.swapdims(0, 2), C),
    ],
    "adjoint": [(lambda t, x: x.adjoint() + t.adjoint(x), C)],
    "unfold": [(lambda t, x: x.unfold(1, 2, 1), X), (lambda t, x: x.unfold(-1, 3, 2), rng.standard_normal((2, 8)))],
    "split_with_sizes": [
        (lambda t, x: x.split_with_sizes([1, 0, 3], -1), X),
        (lambda t, x: t.split_with_sizes(x, [2, 1], dim=0), X),
    ],
    "tensor_split": [(lambda t, x: x.tensor_split(2), X), (lambda t, x: t.tensor_split(x, (1, 3), dim=1), X)],
    "clone": [(lambda t, x: x.clone() * 2, X), (lambda t, x: x.t().contiguous(), X)],
    "diag_embed": [
        (lambda t, x: t.diag_embed(x), X),
        (lambda t, x: x.diag_embed(1), X),
        (lambda t, x: x.diag_embed(-2, 0, 2), X),
    ],
    "narrow": [
        (lambda t, x: x.narrow(1, 1, 2), X),
        (lambda t, x: t.narrow(x, -1, -3, 3), X),
        (lambda t, x: x.narrow(0, 3, 0), X),
    ],
    "select": [(lambda t, x: x.select(1, 2), X), (lambda t, x: x.select(-1, -1), C)],
    "chunk": [
        (lambda t, x, n=n, d=d: x.chunk(n, d), rng.standard_normal((7, 4))) for n in (1, 2, 3, 4, 9) for d in (0, -1)
    ]
    + [(lambda t, x: t.chunk(x, 2, dim=1), X), (lambda t, x: x.chunk(3), EMPTY)],
    "unbind": [(lambda t, x: x.unbind(), X), (lambda t, x: t.unbind(x, dim=-1), X)],
    "cat": [
        (lambda t, x, y: t.cat([x, y]), X, Y),
        (lambda t, x, y: t.cat((x, y), dim=1), X, Y),
        (lambda t, x, y: t.cat((x, y), -1), X, Y[:, :1]),
    ],
    "gather": [
        (lambda t, x, i: x.gather(0, i), X, ROWS),
        (lambda t, x, i: t.gather(x, 1, i), X, COLUMNS),
        (lambda t, x, i: t.gather(x, dim=-1, index=i), X, COLUMNS),
        (lambda t, x, i: x.gather(0, i), V, K),
        (lambda t, x, i: x.gather(0, i), X, np.zeros((0, 4), int)),
        (lambda t, x, i: x.gather(0, i), NUMBER, np.array(0)),
    ],
    "take_along_dim": [
        (lambda t, x, i: x.take_along_dim(i, 1), X, COLUMNS),
        (lambda t, x, i: t.take_along_dim(x, i, dim=0), X, ROWS),
        (lambda t, x, i: t.take_along_dim(x, i), X, K),
    ],
    "index_select": [
        (lambda t, x, i: x.index_select(0, i), X, K),
        (lambda t, x, i: t.index_select(x, dim=-1, index=i), X, K),
    ],
    "scatter": [
        (lambda t, x, i, y: x.scatter(0, i, y), X, np.array([[0, 2, 1, 0]]), Y[:1]),
        (lambda t, x, i, y: x.scatter(1, i, y), X, np.array([[0, 3], [1, 2], [2, 0]]), Y[:, :2]),
        (lambda t, x, i: x.scatter(1, i, 9.0), X, COLUMNS),
        (lambda t, x, i: x.detach().scatter(0, i, 2.0, reduce="add"), X, ROWS),
        (lambda t, x, i, y: x.detach().scatter(0, i, y.detach(), reduce="multiply"), X, ROWS, Y),
    ],
    "scatter_add": [
        (lambda t, x, i, y: x.scatter_add(0, i, y), X, ROWS, Y[:2]),
        (lambda t, x, i, y: x.detach().scatter_add(0, i, y.detach()), X, ROWS, Y),
        (lambda t, x, i, y: t.scatter_add(x, -1, i, y), X, COLUMNS, Y[:, :2]),
        (lambda t, x, i, y: t.scatter_add(x, 0, i, y), V, K, rng.standard_normal(3)),
        (lambda t, x, i, y: x.scatter_add(0, i, y), X, np.zeros((0, 4), int), Y[:0]),
    ],
    "scatter_reduce": [
        (lambda t, x, i, y, r=r, s=s: x.scatter_reduce(0, i, y, r, include_self=s), x, ROWS, Y[:2])
        for r in ("sum", "prod", "mean", "amax", "amin")
        for s in (True, False)
        for x in (X, P * 9)
    ]
    + [
        (
            lambda t, x, i, y, r=r, s=s: t.scatter_reduce(x, 1, i, y, reduce=r, include_self=s),
            X * 0 + 1,
            COLUMNS,
            Y[:, :2] * 0 + 1,
        )
        for r, s in (("prod", True), ("prod", False), ("amax", True), ("amin", True))
    ],
    "index_add": [
        (lambda t, x, i, y: x.index_add(0, i, y), X, K, Y),
        (lambda t, x, i, y: t.index_add(x, 1, i, y, alpha=2), X, K, Y[:, :3]),
    ],
    "index_copy": [(lambda t, x, i, y: x.index_copy(-1, i, y), X, np.array([3, 0]), Y[:, :2])],
    "index_fill": [(lambda t, x, i: x.index_fill(1, i, 7.0), X, K)],
    "index_put": [
        (lambda t, x, i, y: x.index_put((i,), y, accumulate=True), X, K, Y),
        (lambda t, x, i, j, y: t.index_put(x, (i, j), y), X, np.array([0, 2]), np.array([1, 1]), V[:2]),
    ],
    "masked_select": [
        (lambda t, x, m: x.masked_select(m), X, M),
        (lambda t, x, m: t.masked_select(x, m), X, M[0]),
    ],
    "masked_fill": [
        (lambda t, x, m: x.masked_fill(m, -np.inf), X, M),
        (lambda t, x, m: x.masked_fill(m, 2), X, M[0]),
        (lambda t, x, m, v: t.masked_fill(x, m, v), X, M, NUMBER),
    ],
    "masked_scatter": [(lambda t, x, m, y: x.masked_scatter(m, y), X, M, Y)],
    "where": [(lambda t, x, m, y: x.where(m, y), X, M, Y), (lambda t, x, m: t.where(m, x, 0.0), X, M)],
    "repeat_interleave": [
        (lambda t, x: x.repeat_interleave(2), X),
        (lambda t, x: t.repeat_interleave(x, 3, dim=1), X),
        (lambda t, x, r: x.repeat_interleave(r, 0), X, np.array([2, 0, 1])),
    ],
    "topk": [
        (lambda t, x, k=k, d=d, g=g: x.topk(k, d, g), X) for k in (0, 1, 3) for d in (0, 1, -1) for g in (True, False)
    ]
    + [
        (lambda t, x: t.topk(x, k=2, dim=0, largest=False), X),
        (lambda t, x: x.topk(3)[0], NANS),
        (lambda t, x: x.topk(1), NUMBER),
    ],
    "kthvalue": [(lambda t, x, k=k, d=d: x.kthvalue(k, d, keepdim=k > 1), X) for k in (1, 3) for d in (0, -1)]
    + [(lambda t, x: t.kthvalue(x, 2), X), (lambda t, x: x.kthvalue(1), NUMBER)],
    "cummax": [
        (lambda t, x, f=f, d=d: getattr(x, f)(d), x) for f in ("cummax", "cummin") for d in (0, -1) for x in (X, TIES)
    ]
    + [(lambda t, x, f=f: getattr(t, f)(x, dim=0), x) for f in ("cummax", "cummin") for x in (NANS, NUMBER)],
    "arithmetic": [
        (lambda t, x, y: x.add(y, alpha=2), X, Y),
        (lambda t, x, y: x.sub(y), X, Y),
        (lambda t, x, y: t.sub(x, y, alpha=0.5), X, V),
        (lambda t, x, y: t.rsub(x, y), X, Y),
        (lambda t, x, y: x.mul(y).div(y * y + 1), X, Y),
        (lambda t, x: t.neg(x).mul(3), X),
        (lambda t, x, y: t.div(x, y, rounding_mode="trunc"), 9 * X, Y),
        (lambda t, x, y: x.div(y, rounding_mode="floor"), 9 * X, Y),
        (lambda t, x, y: x.div(other=y), X, Y),
        (lambda t, x: x.div(4, rounding_mode="trunc"), WHOLE),
        (lambda t, x: x.div(-4, rounding_mode="floor"), WHOLE),
        (lambda t, x, y: x.true_divide(y), X, P),
        (lambda t, x: t.rsqrt(x), P),
        (lambda t, x: x.frac(), 3 * X),
        (lambda t, x, y: t.lerp(x, y, 0.3), X, Y),
        (lambda t, x, y, w: x.lerp(y, w), X, Y, P),
        (lambda t, x, y, z: t.addcmul(x, y, z, value=0.5), X, Y, P),
        (lambda t, x, y, z: x.addcdiv(y, z), X, Y, P),
        (lambda t, x: x.pow(2) + x.square(), X),
        (lambda t, x: t.sgn(x) + x.sign(), X),
        (lambda t, x, y: t.xlogy(x, y), X, P),
        (lambda t, x, y: x.eq(y) | x.ne(y) & x.lt(y), TIES, TIES.T[:3, :1]),
        (lambda t, x, y: t.ge(x, y) & t.gt(x, 1) | t.le(x, 0), TIES, TIES[:, :1]),
        (lambda t, x, y: x.maximum(y) + t.minimum(x, other=y), X, Y),
        (lambda t, x, y: x.logical_and(y), WHOLE, WHOLE[:1]),
    ],
    "clamp": [
        (lambda t, x: x.clamp(-0.5, 0.5), X),
        (lambda t, x: t.clamp(x, min=0.0), X),
        (lambda t, x: x.clamp(1.0, 2.0), TIES),
        (lambda t, x: x.clamp(max=2.0), TIES),
        (lambda t, x: x.clamp(2.0, 1.0), X),
        (lambda t, x, y, z: t.clamp(x, y, z), X, Y - 0.5, Y + 0.5),
        (lambda t, x: x.clamp_min(0.1) + t.clamp_max(x, 0.2), X),
    ],
    "functions": [(lambda t, x, f=f: getattr(x, f)() + getattr(t, f)(x), P / 4) for f in FUNCTIONS.split()],
    "products": [
        (lambda t, x, y: x.mm(y), X, Y.T),
        (lambda t, x, y: t.mv(x, y), X, V),
        (lambda t, x, y: x.bmm(y), C, D),
        (lambda t, x, y: t.ger(x, y), V, V[:3]),
        (lambda t, x, y: t.outer(x, y).matmul(y), V, V[:3]),
        (lambda t, x, y, z: t.addmm(x, y, z, beta=0.5, alpha=2), V[:3], X, Y.T),
        (lambda t, x, y, z: x.addmm(y, z), S, X, Y.T),
        (lambda t, x, y, z: t.addmm(x, y, z, beta=0), S * np.nan, X, Y.T),
        (lambda t, x, y, z: x.addmv(y, z), V[:3], X, V),
        (lambda t, x, y, z: x.addr(y, z), X, V[:3], V),
        (lambda t, x, y, z: t.baddbmm(x, y, z), S, C, D),
        (lambda t, x, y, z: t.addbmm(x, y, z, alpha=3), S, C, D),
        (lambda t, x: x.inverse() + t.pinverse(x), S),
        (lambda t, x: x.det() + t.logdet(x @ x.T) + x.slogdet()[1], S),
        (lambda t, x: x.matrix_power(3), S),
    ],
    "norm": [
        (lambda t, x: x.norm(), X),
        (lambda t, x: t.norm(x, p=1, dim=1), X),
        (lambda t, x: x.norm(3, 0, keepdim=True), X),
        (lambda t, x: x.norm(np.inf, -1), X),
        (lambda t, x: x.norm("fro", (0, 1)), C),
        (lambda t, x: t.norm(x, "nuc"), X),
        (lambda t, x: t.norm(x, "nuc", (0, 2), keepdim=True), C),
        (lambda t, x: t.norm(x), 0 * X),
        (lambda t, x, y: t.dist(x, y, 3), X, Y),
        (lambda t, x, y: t.cdist(x, y), X, Y[:2]),
        (lambda t, x, y: t.cdist(x, y, p=1.0), C, C[:, :2] + 1),
        (lambda t, x: t.cdist(x, x), X),
        (lambda t, x, y: t.cdist(x, y, float("inf")), X, Y),
    ],
    "extrema": [
        (lambda t, x: x.amax(1), X),
        (lambda t, x: x.amax(1, True) + t.amin(x, dim=0), X),
        (lambda t, x: x.amin(dim=(0, 1)), TIES),
        (lambda t, x: t.amax(x, dim=-1, keepdim=True), TIES),
        (lambda t, x: tuple(t.aminmax(x, dim=0)), X),
        (lambda t, x: x.aminmax().max, X),
    ],
    "dim=": [
        (lambda t, x, f=f, k=k: getattr(t, f)(x, dim=1, keepdim=k) + getattr(x, f)(dim=0, keepdim=k).sum(), X)
        for f in ("sum", "mean", "prod", "logsumexp", "amax", "nansum", "nanmean")
        for k in (False, True)
        if f not in ("prod",) or not k
    ]
    + [
        (lambda t, x: t.cumsum(x, dim=1) + x.cumprod(dim=-1), X),
        (lambda t, x: x.softmax(dim=0) + t.log_softmax(x, dim=1), X),
        (lambda t, x: t.stack([x[:1], x[:1]], dim=1).squeeze(dim=0), X),
        (lambda t, x: t.argmax(x, dim=1, keepdim=True) + x.argmin(dim=0), X),
        (lambda t, x: x.argsort(dim=0, descending=True), X),
        (lambda t, x: t.all(x > 0, dim=1) | (x > 1).any(dim=1), X),
        (lambda t, x: t.count_nonzero(x, dim=0), TIES),
        (lambda t, x: x.flip(dims=(0, 1)) + t.flip(x, dims=[0]), X),
        (lambda t, x: t.roll(x, shifts=1, dims=0) + x.roll(2, 1), X),
        (lambda t, x: t.rot90(x, 1, dims=(0, 1)), X),
        (lambda t, x: x.tile((2, 2)) + t.tile(x, dims=(2, 2)), X),
        (lambda t, x: t.diff(x, dim=0), X),
        (lambda t, x: t.quantile(x, 0.3, dim=1, keepdim=True), X),
        (lambda t, x: x.var(dim=1, correction=1) + t.std(x, dim=1, correction=0), X),
        (lambda t, x: t.triu(x, diagonal=1) + x.tril(-1), X),
        (lambda t, x: x.diagonal(dim1=0, dim2=2), C),
        (lambda t, x: t.unique(x, dim=0), WHOLE[[0, 1, 0]]),
        (lambda t, x, y: t.cross(x, y, dim=1), C, C + 1),
    ],
}


def names():
    """The names of the functions that are called."""
    calls = [call for calls in CASES.values() for call, *_ in calls]
    given = [value for call in calls for value in call.__defaults__ or () if isinstance(value, str)]
    return {name for call in calls for name in call.__code__.co_names}.union(given)
