from .compare import Case

SHAPES = {
    "Dropout": [(3, 4), (), (0, 2)],
    "Dropout1d": [(2, 3, 4), (3, 4)],
    "Dropout2d": [(2, 3, 4, 4), (2, 3, 4), (2, 3)],
    "Dropout3d": [(2, 3, 2, 2, 2), (3, 2, 2, 2), (2, 3)],
    "AlphaDropout": [(3, 4), (5,)],
    "FeatureAlphaDropout": [(2, 3, 4, 4), (2, 3)],
}
FUNCTIONS = {
    "Dropout": "dropout",
    "Dropout1d": "dropout1d",
    "Dropout2d": "dropout2d",
    "Dropout3d": "dropout3d",
    "AlphaDropout": "alpha_dropout",
    "FeatureAlphaDropout": "feature_alpha_dropout",
}


def inner(nn, x):
    """Not a leaf, which PyTorch would not write into."""
    return (x * 1,)


CASES = [  # with the probabilities 0 and 1, where there is nothing to draw
    *(
        Case(name, (p,), options, inputs=(x,), prepare=inner)
        for name, shapes in SHAPES.items()
        for x in shapes
        for p, options in ((0.0, {}), (1.0, {"inplace": True}))
    ),
    *(
        Case(f"functional.{function}", inputs=(SHAPES[name][0],), call={"p": p, "training": training})
        for name, function in FUNCTIONS.items()
        for p, training in ((0.3, False), (1.0, True))
    ),
]
