from .compare import Case

SETTINGS = [{}, {"stride": 2}, {"padding": 1, "dilation": 2}, {"padding": (1, 0), "dilation": (1, 2), "stride": (2, 1)}]

CASES = [
    *(Case("Unfold", (2,), options, (x,)) for options in SETTINGS for x in ((2, 3, 5, 6), (3, 5, 6))),
    Case("Unfold", ((3, 2),), inputs=((1, 2, 4, 4),)),
    *(
        Case("Fold", ((5, 6), 2), options, (x,))
        for options, count in zip(SETTINGS, (20, 6, 30, 12), strict=True)
        for x in ((2, 12, count), (12, count))
    ),
    Case("Fold", (4, (3, 2)), inputs=((1, 12, 6),)),
    Case("functional.unfold", inputs=((2, 3, 5, 6),), call={"kernel_size": 3, "padding": 1}),
    Case("functional.fold", inputs=((2, 12, 20),), call={"output_size": (5, 6), "kernel_size": 2}),
    *(Case("PixelShuffle", (r,), inputs=(x,)) for r in (1, 2) for x in ((2, 8, 3, 4), (4, 3, 2), (2, 1, 4, 2, 3))),
    *(Case("PixelUnshuffle", (r,), inputs=(x,)) for r in (1, 2) for x in ((2, 3, 4, 6), (1, 2, 4), (2, 1, 2, 4, 2))),
    *(Case("ChannelShuffle", (g,), inputs=(x,)) for g in (1, 2, 3) for x in ((2, 6, 3, 4), (1, 6, 2), (2, 6, 1, 2, 3))),
    Case("functional.pixel_shuffle", inputs=((1, 9, 2, 2),), call={"upscale_factor": 3}),
    Case("functional.pixel_unshuffle", inputs=((1, 1, 6, 3),), call={"downscale_factor": 3}),
    Case("functional.channel_shuffle", inputs=((1, 6, 2, 3),), call={"groups": 2}),
]
