from .compare import Case

CASES = [
    Case("Flatten", inputs=((2, 3, 4),)),
    Case("Flatten", (0,), inputs=((2, 3, 4),)),
    Case("Flatten", (), {"start_dim": -2, "end_dim": -1}, ((2, 3, 4, 5),)),
    Case("Flatten", inputs=((0, 3, 4),)),
    Case("Unflatten", (1, (2, 3)), inputs=((4, 6),)),
    Case("Unflatten", (-1, (2, -1)), inputs=((4, 6),)),
    Case("Unflatten", (), {"dim": 0, "unflattened_size": (2, 2, 1)}, ((4, 6),)),
]
