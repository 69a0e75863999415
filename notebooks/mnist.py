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
# # A network that reads digits, and what it looks for
#
# We train a small convolutional network on 4,000 handwritten digits, test it on 1,000 others, write its weights to
# disk, and then look inside: at its filters, at what they make of a digit, and at what in a digit excites them.
# Everything runs on NumPy. What is left in the folder `demo` is a report to read, a picture of the computation graph,
# and the weights.

# %%
import os
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # the matrix products here are too small to be worth sharing out

import numpy as np

from pullback import Tensor, nn, no_grad, optim, viz

folder = Path("demo")
folder.mkdir(exist_ok=True)

# %% [markdown]
# ## The digits
#
# Images are arrays of shape (N, 1, 28, 28), one channel with ink as 1 and paper as 0; labels are the numbers 0 to 9.
# Your own images of shape (N, C, H, W) would do as well.

# %%
train, test = nn.datasets.mnist5k()
images, labels = (tensor.numpy() for tensor in test.tensors)
digits = viz.images(images[:16], [str(label) for label in labels[:16]])
digits

# %% [markdown]
# ## The network
#
# Two convolutions look for strokes and for combinations of strokes, max-pooling keeps the strongest of each four
# neighbours, and two linear layers weigh the evidence for each digit. Dropout, in training only, silences units at
# random, so that none relies on a single other.

# %%
nn.manual_seed(0)
model = nn.Sequential(
    nn.Conv2d(1, 32, 3),
    nn.ReLU(),
    nn.Conv2d(32, 64, 3),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Dropout(0.25),
    nn.Flatten(),
    nn.Linear(9216, 128),
    nn.ReLU(),
    nn.Dropout(0.5),
    nn.Linear(128, 10),
)
loss = nn.CrossEntropyLoss()
print(model.summary((1, 28, 28)))

# %% [markdown]
# A forward pass records the operations that lead to the loss. Backward walks this graph from the loss to the
# parameters, and at each operation a rule pulls the gradient of its result back to its inputs.

# %%
graph = viz.graph(loss(model(test.tensors[0][:2]), test.tensors[1][:2]), model)
graph.render(folder / "graph.svg")
graph

# %% [markdown]
# ## Training
#
# Four thousand digits are few, but a digit that is moved by a pixel is still the same digit. A dataset is
# anything with a length and samples, so this one moves each digit another way every time.


# %%
class Shifted:
    """Digits moved by up to a pixel each way; what leaves the picture is blank margin."""

    def __init__(self, dataset, seed):
        self.dataset, self.random = dataset, np.random.default_rng(seed)

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, index):
        image, label = self.dataset[index]
        return np.roll(image.numpy(), self.random.integers(-1, 2, size=2), axis=(1, 2)), label


loader = nn.data.DataLoader(Shifted(train, seed=0), batch_size=32, shuffle=True, generator=0)

# %% [markdown]
# Stochastic gradient descent takes 32 digits at a time and moves all parameters a little against their gradient;
# momentum lets it remember where it was heading. A callback makes the steps smaller from epoch to epoch. The same
# seeds give the same weights, to the last bit.

# %%
epochs = 12
optimizer = optim.SGD(model.parameters(), lr=0.03, momentum=0.9)


class SmallerSteps:
    def on_epoch_start(self, trainer):
        optimizer.param_groups[0]["lr"] = 0.03 * (1 - (trainer.epoch - 1) / epochs)


trainer = optim.Trainer(model, loss, optimizer, callbacks=[SmallerSteps()])
trainer.fit(loader, epochs, validation=test)
loss_curve = viz.curves(trainer.history)
loss_curve

# %% [markdown]
# ## The test
#
# The test digits took no part in training. In the confusion matrix a row is a digit, and a column what it was
# taken for.

# %%
scores = trainer.predict(images)
accuracy = float(np.mean(scores.argmax(1) == labels))
confusion = viz.confusion(labels, scores)
confusion

# %% [markdown]
# ## Weights on disk
#
# Weights are saved as plain arrays by name. Loaded into a new network, they predict the same to the last bit.

# %%
nn.save(model, folder / "weights.safetensors")
model.apply(lambda module: [p.data.fill(0) for p in module.parameters()])
model.load_state_dict(nn.load(folder / "weights.safetensors"))
if trainer.predict(images).tobytes() != scores.tobytes():
    raise RuntimeError("the network with the loaded weights predicts something else")

# %% [markdown]
# ## What the first layer looks for
#
# Each filter of the first layer is a pattern of 3 by 3 weights: white counts for, black against. Many answer to an
# edge of some direction. Below, what they make of a digit.

# %%
filters = viz.filters(model[0])
filters

# %%
feature_maps = viz.feature_maps(model, images[:1], 1)
feature_maps

# %% [markdown]
# ## What excites a unit
#
# For some channels of a layer we find the digits that excite them most, and project that activation back to the
# pixels with a deconvolution network. It is the ordinary backward pass, in which only ReLU has another rule: to let
# pass what is positive. Each picture belongs to one channel: the digits above, and under each what in it the most
# active unit saw. After the max-pooling a unit sees 6 by 6 pixels, and moves by 2 from one unit to the next; of each
# digit that patch is drawn, and in it a stroke or a corner is found. Before the last layer it is most of a digit.


# %%
def what_excites(layer, channels, size=28, step=0):
    """A picture for each of the channels that have the strongest activations, of units that see `size` pixels."""
    with no_grad():
        activations = model[: layer + 1](Tensor(images[:200])).numpy()
    activations = activations.reshape(*activations.shape, *[1] * (4 - activations.ndim))
    peaks = activations.max(axis=(2, 3))
    strongest = np.argsort(peaks.max(axis=0))[::-1][:channels]
    pictures = []
    for channel in strongest:
        best = np.argsort(peaks[:, channel])[::-1][:8]
        seen = viz.deconvnet(model, images[best], layer, int(channel))
        units = [np.unravel_index(activations[i, channel].argmax(), activations.shape[2:]) for i in best]
        fields = [
            np.s_[0, step * row : step * row + size, step * column : step * column + size] for row, column in units
        ]
        above = [images[i][field] for i, field in zip(best, fields, strict=True)]
        below = [one[field] for one, field in zip(seen, fields, strict=True)]
        picture = viz.images([*above, *below], signed=[False] * 8 + [True] * 8)
        pictures.append(
            (picture, f"Channel {channel}: what excites it most, and below what in it does. Mid-gray is 0.")
        )
    return pictures


model.eval()
strokes, shapes = what_excites(layer=4, channels=3, size=6, step=2), what_excites(layer=8, channels=3)
strokes[0][0]

# %%
shapes[0][0]

# %% [markdown]
# ## The report

# %%
viz.report(
    folder / "report.html",
    "A network that reads digits",
    [
        (
            "Accuracy",
            f"{accuracy:.1%} of {len(test):,} digits that took no part in training are read rightly, after "
            f"{trainer.epoch} passes over {len(train):,} others, which took {sum(trainer.history['seconds']):.0f} "
            "seconds. Here are some of them, with their labels.",
            [digits],
        ),
        (
            "Loss and accuracy",
            "While training, on moved digits and with dropout, and on the test digits after each epoch.",
            [loss_curve],
        ),
        ("Confusion", "A row is a digit, a column what it was taken for.", [confusion]),
        ("Filters", "The patterns that the first layer looks for: white counts for, black against.", [filters]),
        ("Feature maps", "What the first layer makes of the first digit, a tile for each filter.", [feature_maps]),
        (
            "Deconvolutions: strokes",
            "Each picture belongs to a channel of the second layer: the patches of digits that excite it most, exactly "
            "as large as what a unit sees, and under each what in it does, projected back to the pixels by a "
            "deconvolution network.",
            strokes,
        ),
        ("Deconvolutions: shapes", "The same for units of the layer of 128, just before the last.", shapes),
        ("Computation graph", "The operations from the parameters to the loss of two digits.", [graph]),
    ],
)
print(f"test accuracy {accuracy:.3f}")
