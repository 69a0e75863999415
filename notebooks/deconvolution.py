# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # What the layers of a network look for
#
# Zeiler and Fergus attached to a convolutional network its deconvolution network: the same layers in reverse, which
# project an activation back to the pixels that caused it. Their figure 2 shows, layer by layer, what feature maps
# answer to. In this notebook we make that network for the two VGGs of tinyml, and then that figure for a small VGG that
# we train for some seconds on shapes in many colours. A report is left in the folder `demo`.

# %%
import os
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # the matrix products here are too small to be worth sharing out

import numpy as np

from pullback import nn, optim, viz
from pullback.nn import models

folder = Path("demo")
folder.mkdir(exist_ok=True)
nn.manual_seed(0)
rng = np.random.default_rng(0)

# %% [markdown]
# ## A network and its inverse
#
# `nn.invert(model, layer)` runs the model, sees which operations lead to the layer, and puts for each of them what
# undoes it: for a convolution the transposed one with the very same weight, for ReLU again ReLU, for max-pooling the
# unpooling that puts entries back to where the largest were.

# %%
photograph = rng.normal(size=(1, 3, 224, 224)).astype(np.float32)
vgg11, vgg16 = models.tinyml_vgg11().eval(), models.tinyml_vgg16().eval()
print(nn.invert(vgg11, "features").network(photograph))

# %% [markdown]
# The same picture is the model's ordinary backward pass, in which only ReLU has another rule; that is how
# `viz.deconvnet` makes it. It works where branches meet, too, where there is no network that undoes the layers one by
# one. For a chain of layers the two agree.

# %%
for name, model in [("vgg11", vgg11), ("vgg16", vgg16)]:
    activations = model.features(photograph).numpy()
    strongest = np.where(activations == activations.max(), activations, 0)
    by_layers = nn.invert(model, "features")(photograph, strongest).numpy()
    by_override = viz.deconvnet(model, photograph, "features")
    furthest = np.abs(by_layers - by_override).max() / np.abs(by_override).max()
    print(f"{name}: {len(nn.invert(model, 'features').network(photograph))} layers, largest difference {furthest:.1e}")
    if furthest > 1e-5:
        raise RuntimeError(f"{name}: the network of transposed layers gives another picture")

# %% [markdown]
# A unit sees a part of the image only. How large that is follows from kernels, strides and padding.

# %%
for layer in (0, 2, 4, 9, 16, 23, 30):
    _, rows, columns = viz.receptive_field(vgg16, photograph.shape, f"features.{layer}", (0, 3, 3))
    print(f"features.{layer} of vgg16, unit (0, 3, 3): rows {rows.start} to {rows.stop}, columns the same")

# %% [markdown]
# ## Shapes in many colours
#
# Discs, rings, squares, frames, crosses and triangles, of any size and place, in a bright colour before a dark one.

# %%
KINDS = ["disc", "ring", "square", "frame", "cross", "triangle"]


def shapes(count, size=32):
    y, x = np.mgrid[:size, :size]
    kinds = rng.integers(len(KINDS), size=count)
    pictures = np.empty((count, 3, size, size), np.float32)
    for picture, kind in zip(pictures, kinds, strict=True):
        radius = rng.uniform(6, 11)
        dy, dx = y - rng.uniform(radius, size - radius), x - rng.uniform(radius, size - radius)
        distance, box = np.hypot(dy, dx), np.maximum(abs(dy), abs(dx))
        inside = {
            "disc": distance < radius,
            "ring": (distance < radius) & (distance > radius - 3),
            "square": box < radius * 0.9,
            "frame": (box < radius * 0.9) & (box > radius * 0.9 - 3),
            "cross": (np.minimum(abs(dy), abs(dx)) < 2) & (box < radius),
            "triangle": (dy < radius * 0.8) & (2 * abs(dx) < dy + radius),
        }[KINDS[kind]]
        ink, paper = rng.uniform((0.4, 0), (1, 0.4), size=(3, 2)).T.reshape(2, 3, 1, 1)
        picture[:] = np.where(inside, ink, paper) + rng.normal(size=(3, size, size)) * 0.03
    return pictures.clip(0, 1), kinds


images, labels = shapes(2400)
others, truth = shapes(600)
examples = viz.images(images[:16], [KINDS[kind] for kind in labels[:16]])
examples

# %% [markdown]
# ## A small VGG
#
# Its linear layers are narrow, so that they begin with larger weights than those of the paper's.

# %%
images, others = 2 * images - 1, 2 * others - 1
vgg = models.VGG([(12,), (24,), (32, 32)], num_classes=len(KINDS), pooled=4, hidden=64, dropout=0.0)
for layer in vgg.classifier:
    if isinstance(layer, nn.Linear):
        nn.init.kaiming_normal_(layer.weight)
trainer = optim.Trainer(vgg, nn.CrossEntropyLoss(), optim.Adam(vgg.parameters(), 2e-3))
trainer.fit((images, labels), 8, (others, truth), batch_size=48, progress=False)
accuracy = trainer.history["val_accuracy"][-1]
losses = viz.curves(trainer.history)
if accuracy < 0.9:
    raise RuntimeError(f"the network names only {accuracy:.1%} of the shapes rightly")
print(f"{accuracy:.1%} of {len(others)} others are named rightly")
losses

# %% [markdown]
# ## Figure 2
#
# For each of eight maps of a layer: at the right the patches of the images in which it is most active, each cropped to
# what the unit sees; at the left what in the patch the activation came from. The first layer answers to colours and
# edges, the second to ends, corners and bends, the fourth to parts of a shape. A map may well never be active.

# %%
figures = {}
for layer in ("features.1", "features.4", "features.9"):
    found = viz.top_activations(vgg, others, layer, maps=range(8))
    figures[layer] = found.picture
figures["features.1"]

# %%
figures["features.4"]

# %%
figures["features.9"]

# %% [markdown]
# ## The report

# %%
seconds = sum(trainer.history["seconds"])
text = {
    "features.1": "The first layer: colours and edges.",
    "features.4": "The second: ends, corners and bends, whatever their place.",
    "features.9": "The fourth: parts of shapes. The patches differ; what they share stands out at the left.",
}
viz.report(
    folder / "deconvolution.html",
    "What the layers of a network look for",
    [
        ("Shapes", "The network learns to name these.", [examples]),
        ("Training", f"{seconds:.0f} seconds; {accuracy:.1%} of {len(others)} others are named rightly.", [losses]),
        *((f"Layer {layer}", text[layer], [picture]) for layer, picture in figures.items()),
    ],
)
