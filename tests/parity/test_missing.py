"""What torch.nn has is compared, or left out for a reason."""

import inspect
from functools import reduce

from pullback import nn

from .absent import ABSENT, CONTAINERS
from .cases import CASES
from .missing import missing

# Names whose cases are being written, by the file that will have them (cases_*.py); nothing else may be missing.
PENDING = {
    "activation": """
        CELU ELU GELU GLU Hardshrink Hardsigmoid Hardswish Hardtanh LeakyReLU LogSigmoid LogSoftmax Mish PReLU
        RReLU ReLU ReLU6 SELU SiLU Sigmoid Softmax Softmax2d Softmin Softplus Softshrink Softsign Tanh
        Tanhshrink Threshold
        functional.celu functional.elu functional.gelu functional.glu functional.gumbel_softmax
        functional.hardshrink functional.hardsigmoid functional.hardswish functional.hardtanh
        functional.leaky_relu functional.log_softmax functional.logsigmoid functional.mish functional.prelu
        functional.relu functional.relu6 functional.rrelu functional.selu functional.sigmoid functional.silu
        functional.softmax functional.softmin functional.softplus functional.softshrink functional.softsign
        functional.tanh functional.tanhshrink functional.threshold
    """,
    "convolution": """
        Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d
        functional.conv1d functional.conv2d functional.conv3d functional.conv_transpose1d
        functional.conv_transpose2d functional.conv_transpose3d
    """,
    "distance": """
        CosineSimilarity PairwiseDistance
        functional.cosine_similarity functional.pairwise_distance functional.pdist
    """,
    "dropout": """
        AlphaDropout Dropout Dropout1d Dropout2d Dropout3d FeatureAlphaDropout
        functional.alpha_dropout functional.dropout functional.dropout1d functional.dropout2d
        functional.dropout3d functional.feature_alpha_dropout
    """,
    "folding": """
        ChannelShuffle Fold PixelShuffle PixelUnshuffle Unfold
        functional.channel_shuffle functional.fold functional.pixel_shuffle functional.pixel_unshuffle
        functional.unfold
    """,
    "grid_sampling": """
        functional.affine_grid functional.grid_sample
    """,
    "loss": """
        AdaptiveLogSoftmaxWithLoss BCELoss BCEWithLogitsLoss CTCLoss CosineEmbeddingLoss CrossEntropyLoss
        GaussianNLLLoss HingeEmbeddingLoss HuberLoss KLDivLoss L1Loss MSELoss MarginRankingLoss
        MultiLabelMarginLoss MultiLabelSoftMarginLoss MultiMarginLoss NLLLoss PoissonNLLLoss SmoothL1Loss
        SoftMarginLoss TripletMarginLoss TripletMarginWithDistanceLoss
        functional.binary_cross_entropy functional.binary_cross_entropy_with_logits
        functional.cosine_embedding_loss functional.cross_entropy functional.ctc_loss
        functional.gaussian_nll_loss functional.hinge_embedding_loss functional.huber_loss functional.kl_div
        functional.l1_loss functional.margin_ranking_loss functional.mse_loss functional.multi_margin_loss
        functional.multilabel_margin_loss functional.multilabel_soft_margin_loss functional.nll_loss
        functional.poisson_nll_loss functional.smooth_l1_loss functional.soft_margin_loss
        functional.triplet_margin_loss functional.triplet_margin_with_distance_loss
    """,
    "padding": """
        CircularPad1d CircularPad2d CircularPad3d ConstantPad1d ConstantPad2d ConstantPad3d ReflectionPad1d
        ReflectionPad2d ReflectionPad3d ReplicationPad1d ReplicationPad2d ReplicationPad3d ZeroPad1d ZeroPad2d
        ZeroPad3d
        functional.pad
    """,
    "pooling": """
        AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d AdaptiveMaxPool1d AdaptiveMaxPool2d
        AdaptiveMaxPool3d AvgPool1d AvgPool2d AvgPool3d FractionalMaxPool2d FractionalMaxPool3d LPPool1d
        LPPool2d LPPool3d MaxPool1d MaxPool2d MaxPool3d MaxUnpool1d MaxUnpool2d MaxUnpool3d
        functional.adaptive_avg_pool1d functional.adaptive_avg_pool2d functional.adaptive_avg_pool3d
        functional.adaptive_max_pool1d functional.adaptive_max_pool2d functional.adaptive_max_pool3d
        functional.avg_pool1d functional.avg_pool2d functional.avg_pool3d functional.fractional_max_pool2d
        functional.fractional_max_pool3d functional.lp_pool1d functional.lp_pool2d functional.lp_pool3d
        functional.max_pool1d functional.max_pool2d functional.max_pool3d functional.max_unpool1d
        functional.max_unpool2d functional.max_unpool3d
    """,
    "resampling": """
        Upsample UpsamplingBilinear2d UpsamplingNearest2d
        functional.interpolate
    """,
}
NAMES = {name for names in PENDING.values() for name in names.split()}


def test_nothing_is_missing(torch):
    assert set(missing()) <= NAMES


def test_what_is_compared_is_no_longer_pending():
    compared = {case.name for cases in CASES.values() for case in cases}
    assert not NAMES & compared
    assert not [family for family in PENDING if family in CASES]


def test_what_is_absent_is_in_pytorch_and_not_here(torch):
    for name in ABSENT:
        *places, last = name.split(".")
        there, here = (reduce(getattr, places, library) for library in (torch.nn, nn))
        assert hasattr(there, last) or hasattr(torch.nn.modules, last), name
        assert not hasattr(here, last) or last in CONTAINERS, name


def test_initializers_and_utilities(torch):
    """By name: tests/nn holds what they do."""
    absent = []
    for place in ("init", "utils", "utils.rnn", "utils.parametrize", "utils.parametrizations"):
        there, here = (reduce(getattr, place.split("."), library) for library in (torch.nn, nn))
        for name, value in vars(there).items():
            own = inspect.isfunction(value) and value.__module__.startswith(f"torch.nn.{place}")
            if own and name[0] != "_" and not hasattr(here, name):
                absent.append(f"{place}.{name}")
    assert set(absent) <= set(ABSENT), absent
