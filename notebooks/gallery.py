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
# # What viz draws
#
# Each kind of picture once: graphs of computations first, then a network that is trained for a few seconds, and looked
# into. A page with all of them is left in the folder `demo`.

# %%
import os
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # the matrix products here are too small to be worth sharing out

import numpy as np

import pullback as pb
from pullback import Tensor, nn, no_grad, optim, viz
from pullback.nn import models

folder = Path("demo")
folder.mkdir(exist_ok=True)
random = np.random.default_rng(0)
nn.manual_seed(0)
sections = []


def show(title, text, *pictures):
    """Keep a section of the page, and show its first picture."""
    sections.append((title, text, pictures))
    return pictures[0]


# %% [markdown]
# ## Graphs of computations

# %%
with viz.record() as seen:
    a, b = Tensor(2.0, requires_grad=True), Tensor(-3.0, requires_grad=True)
    c = a * b
    out = (c + a) ** 2
    out.backward()
show(
    "Numbers",
    "An expression of two numbers, from left to right, each value with the gradient of the result with respect to it. "
    "a is used twice, and its gradient is the sum of both ways.",
    seen.graph(names={"a": a, "b": b, "c": c, "out": out}),
)

# %%
x, w = Tensor(random.normal(size=(4, 3))), Tensor(random.normal(size=(3, 2)), requires_grad=True)
bias = Tensor(np.zeros(2), requires_grad=True)


def layer(x, w, bias):
    return pb.mean((pb.tanh(x @ w + bias) - 1) ** 2)


with viz.record() as seen:
    loss = layer(x, w, bias)
    loss.backward()
names = {"x": x, "w": w, "bias": bias, "loss": loss}
show(
    "Arrays",
    "A layer written by hand and its loss, from top to bottom. Light blue are leaves, green is the output, and orange "
    "what is kept for the backward pass.",
    seen.graph(names=names, title="mean((tanh(x @ w + bias) − 1) ** 2)"),
)

# %%
show(
    "Forward and backward",
    "The same with the backward pass beside it: each operation gives its result's cotangent back to its inputs.",
    seen.graph(names=names, direction="both"),
)

# %%
show(
    "The backward pass alone",
    "The way of the cotangents, from the loss to the leaves.",
    seen.graph(names=names, direction="backward"),
)

# %%
show(
    "Details",
    "Statistics, bytes, the lines of code, and what is kept for the backward pass.",
    viz.graph(
        layer, names=names, inputs=(x, w, bias), show=["names", "shapes", "statistics", "bytes", "kept", "source"]
    ),
)

# %%
t = Tensor(1.5, requires_grad=True)
slope = pb.grad(lambda t: pb.sin(t) * t)(t)
show(
    "A gradient's graph",
    "The derivative of t sin t is a computation of its own, whose graph the second derivative is taken of.",
    viz.graph(slope, names={"t": t, "slope": slope}, show=["names", "values"]),
)

# %%
net = nn.Sequential(
    nn.Conv2d(1, 16, 3),
    nn.ReLU(),
    nn.Conv2d(16, 32, 3),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Linear(4608, 64),
    nn.ReLU(),
    nn.Linear(64, 10),
)
show(
    "A network, module by module",
    "Calls of modules are boxes; shapes stand on the arrows between them.",
    viz.graph(net, inputs=Tensor(np.zeros((2, 1, 28, 28), np.float32)), show=["shapes", "parameters"]),
)

# %%
resnet = models.ResNet(models.resnet.BasicBlock, [1, 1, 1, 1], num_classes=10, width=8)
pixels = Tensor(random.normal(size=(2, 3, 32, 32)).astype(np.float32))
show(
    "A residual network",
    "Modules in frames; depth=2 says how far to look into them.",
    viz.graph(resnet, inputs=pixels, depth=2),
)

# %%
block = nn.TransformerEncoderLayer(16, 4, 32)
show(
    "A transformer's layer",
    "Attention, and the two paths around it.",
    viz.graph(block, inputs=Tensor(random.normal(size=(1, 5, 16)).astype(np.float32))),
)

# %%
cell = nn.RNNCell(3, 4)


def unrolled(steps):
    """The state after a cell has read so many random inputs."""
    h = Tensor(np.zeros((1, 4), np.float32))
    for _ in range(steps):
        h = cell(Tensor(random.normal(size=(1, 3)).astype(np.float32)), h)
    return h.sum()


show(
    "Two hundred steps",
    "What repeats itself is drawn once, in a frame that says how often it ran.",
    viz.graph(unrolled, cell, inputs=(200,), legend=True),
)

# %%
tied = Tensor(np.eye(4, dtype=np.float32), requires_grad=True)
state = Tensor(np.ones((2, 4), np.float32))
show(
    "A shared weight",
    "What many operations read is drawn once with all that is known of it, and then as a pale copy at each use.",
    viz.graph(pb.tanh(pb.tanh(pb.tanh(state @ tied) @ tied) @ tied), names={"tied": tied}, values=False, legend=True),
)

# %%
p = Tensor([0.5, 0.0], requires_grad=True)
with np.errstate(divide="ignore", invalid="ignore"), viz.record() as seen:
    entropy = -(p * pb.log(p)).sum()
show(
    "The first NaN or infinity",
    "The operation that made it of finite numbers, and its way to the output, in red. Below it the line of code.",
    seen.graph(entropy, names={"p": p}),
)

# %%
broken = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(100, 10))
try:
    with viz.record(broken) as seen:
        broken(Tensor(np.zeros((2, 1, 8, 8), np.float32)))
except ValueError as error:
    message = str(error)
show(
    "A program that fails",
    f"What ran until then, and what failed last. The message was: {message}",
    seen.graph(),
)

# %% [markdown]
# ## A network is trained

# %%
train, test = nn.datasets.mnist5k()
images, labels = (tensor.numpy() for tensor in test.tensors)
show(
    "Images",
    "Digits with their labels.",
    viz.images(images[:16], [str(label) for label in labels[:16]]),
)

# %%
criterion = nn.CrossEntropyLoss()
histograms = viz.Histograms(net, images[:50])
optimizer = optim.SGD(net.parameters(), lr=0.03, momentum=0.9)
trainer = optim.Trainer(net, criterion, optimizer, callbacks=[histograms])
trainer.fit(train, 5, validation=test, progress=False)
show(
    "Curves",
    "Loss and accuracy while training and on digits that took no part in it.",
    viz.curves(trainer.history, log=["loss"]),
)

# %%
scores = trainer.predict(images)
words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
show("Confusion", "A row is a digit, a column what it was taken for.", viz.confusion(labels, scores, words))

# %%
show(
    "Distributions over time",
    "Weights, gradients and activations after each epoch.",
    *[histograms.draw(kind) for kind in ("weights", "gradients", "activations")],
)

# %%
batch, answers = Tensor(images[:100]), Tensor(labels[:100])
show(
    "The loss around the weights",
    "How the loss of 100 digits changes in two random directions away from the weights.",
    viz.landscape(net, lambda: criterion(net(batch), answers), steps=15),
)

# %%
with pb.profile() as prof:
    criterion(net(batch), answers).backward()
show("Where the time goes", "One step of training.", viz.profile(prof))

# %% [markdown]
# ## Looking into it

# %%
show(
    "Filters",
    "The patterns that the first layer looks for, on one scale, and those of the second: a column for each.",
    viz.filters(net[0], shared=True),
    viz.filters(net[2]),
)

# %%
show(
    "Feature maps",
    "What the first layer makes of a digit, before and after ReLU; then the units of the hidden layer for five digits.",
    viz.feature_maps(net, images[:1], 0),
    viz.feature_maps(net, images[:1], 1),
    viz.feature_maps(net, images[:5], 7),
)


# %%
def strongest(layer, count):
    """The channels of a layer with the largest activations for some digits, and these digits, the best first."""
    with no_grad():
        activations = net[: layer + 1](Tensor(images[:300])).numpy()
    peaks = activations.reshape(*activations.shape[:2], -1).max(axis=2)
    channels = np.argsort(peaks.max(axis=0))[::-1][:count]
    return activations, [(int(channel), np.argsort(peaks[:, channel])[::-1][:8]) for channel in channels]


def strokes(layer, size, step, count):
    """Patches of digits, `size` wide, that excite units most, above what in them does; each unit sees one of these."""
    activations, channels = strongest(layer, count)
    for channel, best in channels:
        seen = viz.deconvnet(net, images[best], layer, channel)
        places = [np.unravel_index(activations[i, channel].argmax(), activations.shape[2:]) for i in best]
        crops = [np.s_[0, step * r : step * r + size, step * c : step * c + size] for r, c in places]
        patches = [images[i][crop] for i, crop in zip(best, crops, strict=True)]
        seen = [one[crop] for one, crop in zip(seen, crops, strict=True)]
        picture = viz.images([*patches, *seen], signed=[False] * 8 + [True] * 8)
        yield picture, f"Channel {channel}: patches above, below what in them excites it. Mid-gray is 0."


net.eval()
show(
    "Deconvolutions: strokes",
    "For some channels of the second layer, the patches that excite them most, exactly as large as what a unit sees, "
    "and under each its activation, projected back to the pixels as Zeiler and Fergus did.",
    *strokes(layer=4, size=6, step=2, count=3),
)

# %%
digit, label = images[8:9], int(labels[8])
methods = {
    "deconvnet": viz.deconvnet(net, digit, 8, label),
    "guided": viz.guided_backprop(net, digit, 8, label),
    "gradient": viz.saliency(net, digit, label),
}
show(
    "Three ways back",
    f"A {label}, and what in it speaks for it, by three rules for ReLU.",
    viz.images([digit[0], *[m[0] for m in methods.values()]], ["digit", *methods], signed=[False, True, True, True]),
)

# %%
cam = viz.grad_cam(net, digit, 3, label, upsample=True)
others = {
    "input × gradient": viz.input_x_gradient(net, digit, label)[0],
    "integrated": viz.integrated_gradients(net, digit, label)[0],
    "SmoothGrad": viz.smoothgrad(net, digit, label)[0],
    "Grad-CAM": cam,
    "occlusion": viz.occlusion(net, digit, label, window=5)[0],
}
show(
    "Five more",
    "What speaks for it when the gradient is weighed by the pixels, summed on the way from black, averaged over noise, "
    "by the maps of the second layer, and when a part is hidden.",
    viz.images([*others.values()], [*others], columns=5, signed=True),
)

# %%
ideal = viz.activation_maximization(net, np.zeros((1, 1, 28, 28), np.float32), unit=label, jitter=1)
show("What would be best", f"An image made to look as much like a {label} as this network can tell.", viz.images(ideal))

# %%
show(
    "Strongest activations",
    "Zeiler and Fergus's figure 2 in one call: for each map its nine strongest activations, projected back, and beside "
    "each the patch that its unit saw.",
    viz.top_activations(net, images[:300], 4, maps=[0, 1, 2, 3]),
)

# %%
wider = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
deeper = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Dropout(0.1), nn.Linear(4, 1))
few = Tensor(np.ones((2, 3), np.float32))
show(
    "Two graphs compared",
    "What was added, removed and changed.",
    viz.difference(viz.graph(wider, inputs=few), viz.graph(deeper, inputs=few)),
)

# %%
show("Heat", "The boxes coloured by what they take in memory.", viz.graph(net, inputs=batch[:2], color_by="bytes"))

# %%
spoilt = net[0].weight.numpy().copy()
spoilt[3, 0, 1] = np.nan
spoilt[7] = 0
show("Not a number", "NaN is red and counted, and a filter of zeros is gray, as zero is.", viz.filters(spoilt))

# %%
viz.report(folder / "gallery.html", "What viz draws", sections)
print(f"{sum(len(pictures) for _, _, pictures in sections)} pictures in {folder / 'gallery.html'}")
