import numpy as np

from .compare import Case

SPATIAL = {1: (5,), 2: (4, 3), 3: (2, 3, 2)}
CHANNEL = np.array([0.5, -1.0, 2.0])
POSITIVE = np.array([0.5, 1.5, 2.0])
SMALL = 1e4 + np.random.default_rng(3).normal(size=(4, 3, 5))
FAR = np.where(np.arange(3)[:, None] == 1, 1e6, 1e-3) * np.random.default_rng(4).normal(size=(4, 3, 5))
NEW = "new parameters"
BATCH = [
    Case(f"BatchNorm{dims}d", (3,), options, inputs=((batch, 3, *shape),))
    for dims, spatial in SPATIAL.items()
    for batch, shape in ((4, spatial), (1, spatial), (3, (1,) * dims), (2, (1,) * dims))
    for options in (
        {},
        {"eps": 0.1},
        {"momentum": None},
        {"momentum": 0.7},
        {"momentum": 0.0},
        {"affine": False},
        {"bias": False},
        {"track_running_stats": False},
        {"affine": False, "track_running_stats": False},
    )
]
FLAT = [
    Case("BatchNorm1d", (3,), options, inputs=((5, 3),))
    for options in ({}, {"momentum": None}, {"affine": False}, {"bias": False}, {"track_running_stats": False})
]
INSTANCE = [
    Case(f"InstanceNorm{dims}d", (3,), options, inputs=((*batch, 3, *spatial),))
    for dims, spatial in SPATIAL.items()
    for batch in ((4,), (1,), ())
    for options in (
        {},
        {"affine": True},
        {"affine": True, "bias": False},
        {"track_running_stats": True},
        {"affine": True, "track_running_stats": True, "momentum": 0.3, "eps": 0.1},
        {"track_running_stats": True, "momentum": None},
    )
]
CASES = [
    *BATCH,
    *FLAT,
    Case("BatchNorm2d", (3,), inputs=((0, 3, 2, 2),)),
    Case("BatchNorm2d", (1,), inputs=((3, 1, 2, 2),)),
    Case("BatchNorm1d", (3,), inputs=(SMALL,)),
    Case("BatchNorm1d", (3,), inputs=(FAR,)),
    Case("BatchNorm2d", (64,), inputs=((4, 64, 8, 9),)),  # for machine code
    *INSTANCE,
    Case("InstanceNorm1d", (4,), inputs=((2, 3, 5),)),  # another number of channels is only a warning
    Case("InstanceNorm2d", (3,), inputs=((0, 3, 2, 2),)),
    Case("InstanceNorm2d", (8,), {"affine": True}, inputs=((4, 8, 9, 9),)),
    *[
        Case("LayerNorm", (shape,), options, inputs=(x,))
        for shape, x in ((3, (4, 3)), (3, (3,)), ((4, 3), (2, 4, 3)), ([3], (2, 4, 3)), (1, (4, 1)), ((3,), (0, 3)))
        for options in ({}, {"eps": 0.1}, {"elementwise_affine": False}, {"bias": False})
    ],
    Case("LayerNorm", (5,), inputs=(SMALL,)),
    Case("LayerNorm", ((8, 17),), inputs=((6, 8, 17),)),
    Case("LayerNorm", ((3, 8, 17),), inputs=((2, 3, 8, 17),)),
    *[
        Case("GroupNorm", (groups, 6), options, inputs=((n, 6, *shape),))
        for groups in (1, 2, 3, 6)
        for n, shape in ((4, ()), (3, (5,)), (2, (3, 4)), (1, (2, 1, 3)), (0, (2,)))
        for options in ({}, {"affine": False}, {"bias": False, "eps": 0.1})
    ],
    Case("GroupNorm", (4, 16), inputs=((3, 16, 7, 7),)),
    *[
        Case("RMSNorm", (shape,), options, inputs=(x,))
        for shape, x in ((3, (4, 3)), (3, (3,)), ((4, 3), (2, 4, 3)), ([3], (2, 4, 3)), (1, (4, 1)), ((3,), (0, 3)))
        for options in ({}, {"eps": 0.1}, {"elementwise_affine": False})
    ],
    Case("RMSNorm", (64,), inputs=((20, 64),)),
    *[
        Case("LocalResponseNorm", (size,), options, inputs=((2, 5, *shape),))
        for size in (1, 2, 3, 4, 9)
        for shape in ((3,), (2, 3), (2, 1, 3))
        for options in ({}, {"alpha": 0.5, "beta": 0.3, "k": 2.0})
    ],
    Case("LocalResponseNorm", (2,), inputs=((0, 5, 3),)),
    *[
        Case("functional.batch_norm", inputs=((4, 3, 5),), args=(CHANNEL, POSITIVE), options=options)
        for options in (
            {},
            {"weight": CHANNEL, "bias": POSITIVE},
            {"weight": CHANNEL},
            {"bias": CHANNEL, "eps": 0.1},
            {"training": True, "momentum": 0.5},
        )
    ],
    Case("functional.batch_norm", inputs=((4, 3), (3,), (3,)), prepare=lambda nn, x, w, b: (x, None, None, w, b, True)),
    *[
        Case("functional.instance_norm", inputs=((4, 3, 5),), options=options)
        for options in (
            {},
            {"weight": CHANNEL, "bias": POSITIVE, "eps": 0.1},
            {"running_mean": CHANNEL, "running_var": POSITIVE, "momentum": 0.5},
            {"running_mean": CHANNEL, "running_var": POSITIVE, "use_input_stats": False},
        )
    ],
    Case("functional.layer_norm", inputs=((4, 3), (3,), (3,)), prepare=lambda nn, x, w, b: (x, (3,), w, b)),
    Case(
        "functional.layer_norm",
        inputs=((4, 3), (3,)),
        prepare=lambda nn, x, b: (x, (3,), None, b),
        no_second="PyTorch fails without a weight",
    ),
    Case("functional.layer_norm", inputs=((4, 3),), call={"normalized_shape": [4, 3], "eps": 0.1}),
    Case("functional.group_norm", inputs=((4, 6, 2), (6,), (6,)), prepare=lambda nn, x, w, b: (x, 3, w, b)),
    Case("functional.group_norm", inputs=((4, 6),), call={"num_groups": 2, "eps": 0.1}),
    Case("functional.rms_norm", inputs=((4, 3), (3,)), prepare=lambda nn, x, w: (x, (3,), w)),
    Case("functional.rms_norm", inputs=((4, 3),), call={"normalized_shape": [3], "eps": 0.1}),
    Case("functional.local_response_norm", inputs=((2, 5, 3),), call={"size": 3, "k": 2.0}),
    *[
        Case("functional.normalize", inputs=((3, 4, 2),), call=call)
        for call in (
            {},
            {"dim": 0},
            {"dim": -1, "p": 1},
            {"p": 3.0},
            {"dim": (0, 2)},
            {"p": float("inf")},
            {"eps": 2.5},
        )
    ],
    Case("functional.normalize", inputs=(np.array([[0.0, 0.0], [3.0, 4.0]]),), no_second="PyTorch's norm at 0"),
    Case("functional.normalize", inputs=((0, 4),)),
    *[
        Case(
            "utils.fusion.fuse_conv_bn_weights",
            (None if bias is None else CHANNEL, CHANNEL, POSITIVE, 0.1, weight, bias),
            inputs=((3, 3, 2),),
            call={"transpose": transpose},
            no_gradient=NEW,
        )
        for transpose in (False, True)
        for weight, bias in ((POSITIVE, CHANNEL), (None, None))
    ],
    Case(
        "utils.fusion.fuse_linear_bn_weights",
        (CHANNEL, CHANNEL, POSITIVE, 0.1, POSITIVE, CHANNEL),
        inputs=((3, 2),),
        no_gradient=NEW,
    ),
]
