"""What torch.nn has and is left out here, with the reason."""

LAZY = "lazy modules learn their shapes from data; write the shape"
OLD = "deprecated in PyTorch"
INSIDE = "inner part of PyTorch"
NEW = "new in PyTorch 2.13, not settled"

HELD_ELSEWHERE = (
    *("Module", "ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential"),  # in tests/nn
    "SyncBatchNorm",  # in tests/optim/distributed
)
INPLACE = ("celu", "elu", "hardtanh", "leaky_relu", "relu", "rrelu", "selu", "threshold")

ABSENT = {
    **dict.fromkeys(
        [f"Lazy{kind}{d}d" for kind in ("BatchNorm", "Conv", "ConvTranspose", "InstanceNorm") for d in (1, 2, 3)], LAZY
    ),
    "LazyLinear": LAZY,
    "Container": OLD,
    "NLLLoss2d": OLD,
    "CrossMapLRN2d": "the Lua form of LocalResponseNorm",
    "RNNBase": INSIDE,
    "RNNCellBase": INSIDE,
    **dict.fromkeys(HELD_ELSEWHERE, "held by tests of its own"),
    **dict.fromkeys(("LinearCrossEntropyLoss", "LinearCrossEntropyOptions", "functional.linear_cross_entropy"), NEW),
    **{f"functional.{name}_": "writes into its input" for name in INPLACE},
    **{f"functional.{name}": INSIDE for name in ("grouped_mm", "scaled_grouped_mm", "scaled_mm", "conv_tbc")},
    "functional.native_channel_shuffle": INSIDE,
    "utils.clip_grad_norm": OLD,
    "utils.rnn.bind": INSIDE,
    **{f"utils.convert_conv{d}d_weight_memory_format": "arrays have strides of their own" for d in (2, 3)},
    **{f"functional.{name}": OLD for name in ("upsample", "upsample_bilinear", "upsample_nearest")},
}
