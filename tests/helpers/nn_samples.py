"""Calls of activations, dropouts, losses and distances, by which their vmap is compared with a loop."""

import numpy as np

from pullback import nn

F = nn.functional
POINTWISE = (
    "celu elu gelu glu hardshrink hardsigmoid hardswish hardtanh leaky_relu logsigmoid mish relu relu6 rrelu selu silu "
    "softplus softshrink softsign tanhshrink threshold"
)
DROPOUTS = "alpha_dropout dropout dropout1d dropout2d dropout3d feature_alpha_dropout"
ALONG = "softmax log_softmax softmin"
PAIRS = "mse_loss l1_loss smooth_l1_loss huber_loss binary_cross_entropy_with_logits soft_margin_loss"
PAIRS += " hinge_embedding_loss multilabel_soft_margin_loss poisson_nll_loss"
ACTIVATIONS = f"{POINTWISE} {ALONG} prelu"
LOSSES = f"{PAIRS} binary_cross_entropy kl_div gaussian_nll_loss margin_ranking_loss"
LOSSES += " cosine_embedding_loss triplet_margin_loss triplet_margin_with_distance_loss multi_margin_loss"
LOSSES += " multilabel_margin_loss ctc_loss cosine_similarity pairwise_distance pdist"


def functions(names):
    return [getattr(F, name) for name in names.split()]


def activations(x):
    """Samples on x, a batch of matrices (3, 4)."""
    return [
        *((lambda x, f=f: f(x, 0.25, -1.0) if f is F.threshold else f(x), x) for f in functions(POINTWISE)),
        *((lambda x, f=f: f(x, -1), x) for f in functions(ALONG)),
        (lambda x, w: F.prelu(x, w), x, x[:, 0]),
    ]


def losses(x, y):
    """Samples on x and y, batches of matrices (3, 4); labels and lengths differ, too."""
    n = len(x)
    rng = np.random.default_rng(0)
    signs = np.where(rng.uniform(size=(n, 3)) < 0.5, -1, 1)
    share = 1 / (1 + np.exp(-y))
    classes, labels = rng.integers(0, 4, (n, 3)), np.array([[[1, -1, 0, 2], [3, 2, -1, 0], [-1, 0, 1, 2]]] * n)
    labels[1, 0, 1] = 3
    targets = rng.integers(1, 4, (n, 2))
    return [
        *((lambda x, y, f=f: f(x, y), x, share) for f in functions(PAIRS)),
        (lambda x, y: F.binary_cross_entropy(x, y), share, share[::-1].copy()),
        (lambda x, y: F.kl_div(x, y, reduction="batchmean"), x, share),
        (lambda x, y, v: F.gaussian_nll_loss(x, y, v), x, y, share),
        (lambda x, y, s: F.margin_ranking_loss(x[:, 0], y[:, 0], s), x, y, signs),
        (lambda x, y, s: F.cosine_embedding_loss(x, y, s), x, y, signs),
        (lambda x, y, z: F.triplet_margin_loss(x, y, z, swap=True), x, y, share),
        (lambda x, y, z: F.triplet_margin_with_distance_loss(x, y, z), x, y, share),
        (lambda x, k: F.multi_margin_loss(x, k, p=2), x, classes),
        (lambda x, k: F.multilabel_margin_loss(x, k), x, labels),
        (lambda x, k: F.ctc_loss(F.log_softmax(x, 1), k, 3, 1), x, targets[:, :1]),
        (lambda x, y: F.ctc_loss(F.log_softmax(x, 1), np.array([1, 2]), 3, 2), x, y),
        (lambda x, y: F.cosine_similarity(x, y), x, y),
        (lambda x, y: F.pairwise_distance(x, y), x, y),
        (lambda x, y: F.pdist(x), x, y),
    ]


def dropouts(x):
    """Samples in evaluation, on x, a batch of arrays (2, 3, 4)."""
    return [(lambda x, f=f: f(x, 0.5, False), x) for f in functions(DROPOUTS) if f.__name__[7:8] not in "23"]


OPTIONS = [  # functions, their arguments and options; all options that are numbers are tried
    (F.celu, 0, {}),
    (F.hardtanh, 0, {}),
    (F.hardshrink, 0, {}),
    (F.softshrink, 0, {}),
    (F.threshold, 0, {"threshold": 0.25, "value": 1.5}),
    (F.glu, 0, {}),
    (F.smooth_l1_loss, 1, {}),
    (F.huber_loss, 1, {}),
    (F.hinge_embedding_loss, 1, {}),
    (F.poisson_nll_loss, 1, {}),
    (F.cosine_similarity, 1, {}),
    (F.pairwise_distance, 1, {}),
    (F.pdist, 0, {}),
]


def option_calls(x):
    """As the entries of OWN in test_every_option.py."""
    return [(f, (x, np.sin(x))[: 1 + pair], options) for f, pair, options in OPTIONS]
