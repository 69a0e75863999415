from .compare import Case

CASES = [
    Case("Linear", (3, 2), inputs=((5, 3),)),
    Case("Linear", (3, 2), {"bias": False}, inputs=((2, 4, 3),)),
    Case("Identity", inputs=((2, 3),)),
    Case("functional.linear", inputs=((5, 3), (2, 3), (2,))),
]
