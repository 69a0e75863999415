import itertools

from .compare import Case

SPATIAL = {1: (5,), 2: (5, 6), 3: (3, 4, 2)}
LINEAR = {1: ("linear",), 2: ("bilinear", "bicubic"), 3: ("trilinear",)}
WRONG = "PyTorch's is not the derivative: its own gradcheck says so"
LENGTHS = (1, 2, 3, 5, 7, 8, 13, 24, 31)


def _sizes(d):
    return (
        {"size": 4},
        {"size": (7, 3, 6)[:d]},
        {"scale_factor": 2},
        {"scale_factor": (1.7, 0.6, 2.3)[:d]},
        {"scale_factor": 1.3, "recompute_scale_factor": True},
        {"size": 1},
    )


CASES = [
    *(
        Case(
            "functional.interpolate",
            inputs=((2, 3, *SPATIAL[d]),),
            call={"mode": mode, **size},
            no_gradient=WRONG if d == 3 and mode == "nearest" and isinstance(size.get("scale_factor"), tuple) else "",
        )
        for d in SPATIAL
        for mode, size in itertools.product(("nearest", "nearest-exact", "area", *LINEAR[d]), _sizes(d))
    ),
    *(
        Case(
            "functional.interpolate", inputs=((2, 1, *SPATIAL[d]),), call={"mode": mode, "align_corners": True, **size}
        )
        for d in SPATIAL
        for mode, size in itertools.product(LINEAR[d], _sizes(d))
    ),
    *(
        Case("functional.interpolate", inputs=((2, 1, 9, 8),), call={"mode": mode, "antialias": True, **options})
        for mode, options in itertools.product(
            ("bilinear", "bicubic", "lanczos"),
            (*_sizes(2), {"size": (3, 17)}, {"size": (4, 3), "align_corners": True}, {"scale_factor": 0.45}),
        )
        if mode != "lanczos" or "align_corners" not in options
    ),
    *(
        Case("functional.interpolate", inputs=((1, 1, n),), call={"mode": mode, "size": k})
        for mode, n, k in itertools.product(("nearest", "nearest-exact", "linear"), LENGTHS, (*LENGTHS, 49, 62))
    ),
    Case("functional.interpolate", inputs=((0, 3, 4, 5),), call={"size": (8, 9), "mode": "bilinear"}),
    Case("functional.interpolate", inputs=((1, 1, 70, 67),), call={"size": (133, 150), "mode": "bicubic"}),
    Case("functional.interpolate", inputs=((1, 1, 130, 67),), call={"size": (33, 31), "mode": "bilinear"}),
    Case("functional.interpolate", inputs=((1, 2, 1, 1),), call={"size": (3, 4), "mode": "bicubic"}),
    *(Case("Upsample", (), {"scale_factor": 2, "mode": mode}, ((2, 3, 4, 5),)) for mode in ("nearest", "bicubic")),
    Case("Upsample", ((6, 7),), inputs=((2, 3, 4, 5),)),
    Case("Upsample", (7,), {"mode": "linear", "align_corners": True}, ((2, 3, 4),)),
    Case("Upsample", (None, (2, 1.5)), {"mode": "bilinear", "recompute_scale_factor": True}, ((2, 3, 4, 5),)),
    Case("Upsample", (None, 1.5), {"mode": "trilinear"}, ((2, 3, 4, 5, 2),)),
    *(Case(f"Upsampling{kind}2d", (), {"scale_factor": 2}, ((2, 3, 4, 5),)) for kind in ("Nearest", "Bilinear")),
    *(Case(f"Upsampling{kind}2d", ((3, 9),), {}, ((2, 3, 4, 5),)) for kind in ("Nearest", "Bilinear")),
]
