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
# # Models from the papers
#
# `nn.models` holds small files that show how models are written here: each is a class whose `__init__` makes layers
# and whose `forward` uses them. In this notebook small ones of each are trained for some seconds on digits, or on data
# that we make, and what they have learned is shown. A report with all curves is left in the folder `demo`.

# %%
import os
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # the matrix products here are too small to be worth sharing out

import numpy as np

from pullback import nn, no_grad, optim, viz
from pullback.nn import models
from pullback.nn.models.resnet import BasicBlock

folder = Path("demo")
folder.mkdir(exist_ok=True)
nn.manual_seed(0)
train, test = nn.datasets.mnist5k()
(images, labels), (others, truth) = ([t.numpy() for t in part.tensors] for part in (train, test))
sections = []


def fit(title, model, loss, data, epochs, lr, validation=None, batch_size=64):
    """Train with Adam, and return a picture of the losses."""
    trainer = optim.Trainer(model, loss, optim.Adam(model.parameters(), lr))
    history = trainer.fit(data, epochs, validation, batch_size=batch_size, progress=False)
    last = ", ".join(f"{name} {values[-1]:.3f}" for name, values in history.items() if name != "seconds")
    text = f"{sum(p.size for p in model.parameters()):,} parameters, {sum(history['seconds']):.0f} seconds: {last}"
    print(f"{title}: {text}")
    picture = viz.curves(history)
    sections.append((title, text, [picture]))
    return picture


# %% [markdown]
# ## Digits are read
#
# LeNet-5 was made for them. VGG, ResNet and ViT take images in three colours; here they are the same.
# (`models.vgg16()`, `models.resnet50()` and `models.vit_b_16()` make the large ones, whose weights fit torchvision's.)

# %%
cross_entropy = nn.CrossEntropyLoss()
fit("LeNet-5", models.LeNet5(), cross_entropy, (images, labels), 6, 3e-3, (others, truth))

# %%
coloured, coloured_others = (np.repeat(x, 3, axis=1) for x in (images, others))
vgg = models.VGG([(8,), (16,), (32, 32)], num_classes=10, pooled=3, hidden=64, dropout=0.1)
fit("VGG", vgg, cross_entropy, (coloured, labels), 6, 3e-3, (coloured_others, truth))

# %%
resnet = models.ResNet(BasicBlock, [1, 1, 1, 1], num_classes=10, width=8)
fit("ResNet", resnet, cross_entropy, (coloured, labels), 5, 3e-3, (coloured_others, truth))

# %% [markdown]
# A transformer sees an image as a sequence of patches, here of 7 x 7 pixels; nothing tells it that patches lie side by
# side, so it learns more slowly than convolutions from so few digits.

# %%
vit = models.VisionTransformer(28, 7, num_layers=2, num_heads=4, hidden_dim=32, mlp_dim=64, num_classes=10)
fit("Vision transformer", vit, cross_entropy, (coloured, labels), 6, 3e-3, (coloured_others, truth))

# %% [markdown]
# ## Digits are squeezed and drawn again
#
# The autoencoder keeps 16 numbers of each digit. Above are digits that it has not seen, below what it draws of them.

# %%
autoencoder = models.Autoencoder(code=16, width=8)
ink = nn.BCEWithLogitsLoss()
fit("Autoencoder", autoencoder, ink, (images, images), 6, 4e-3, (others, others))

# %%
with no_grad():
    drawn = nn.functional.sigmoid(autoencoder(others[:8])).numpy()
viz.images([*others[:8], *drawn])

# %% [markdown]
# The codes of a variational autoencoder follow the standard normal distribution, so that it can draw digits that
# nobody wrote.

# %%
vae = models.VAE(hidden=256, code=12)
flat, flat_others = images.reshape(-1, 784), others.reshape(-1, 784)
fit("Variational autoencoder", vae, models.vae_loss, (flat, flat), 15, 2e-3, (flat_others, flat_others))

# %%
with no_grad():
    imagined = vae.generate(16).numpy().reshape(16, 28, 28)
viz.images(imagined)

# %% [markdown]
# ## Two networks learn from each other
#
# The discriminator learns to tell drawn digits from real ones, the generator to draw what it takes for real. Here they
# are threes of 16 x 16 pixels.

# %%
threes = images[labels == 3].reshape(-1, 14, 2, 14, 2).mean((2, 4))
threes = (2 * np.pad(threes, ((0, 0), (1, 1), (1, 1)))[:, np.newaxis] - 1).astype(np.float32)
generator = models.DCGANGenerator(noise=16, width=16, channels=1, size=16)
discriminator = models.DCGANDiscriminator(width=16, channels=1, size=16)
of_generator = optim.Adam(generator.parameters(), 2e-3, (0.5, 0.999))
of_discriminator = optim.Adam(discriminator.parameters(), 5e-4, (0.5, 0.999))
rng = np.random.default_rng(0)
real, fake = np.ones(32, np.float32), np.zeros(32, np.float32)
history = {"generator": [], "discriminator": []}


def noise(count):
    return rng.normal(size=(count, 16, 1, 1)).astype(np.float32)


def step(optimizer, loss, name):
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    history[name].append(loss.item())


for _ in range(300):
    made = generator(noise(32))
    shown = threes[rng.integers(0, len(threes), 32)]
    told_apart = ink(discriminator(shown), real) + ink(discriminator(made.detach()), fake)
    step(of_discriminator, told_apart, "discriminator")
    step(of_generator, ink(discriminator(made), real), "generator")
averaged = {name: np.reshape(values, (-1, 10)).mean(1) for name, values in history.items()}
gan_curves = viz.curves(averaged)
gan_curves

# %%
with no_grad():
    forged = viz.images(generator(noise(16)).numpy())
sections.append(("DCGAN", "Losses, of ten steps each, and what the generator draws.", [gan_curves, forged]))
forged

# %% [markdown]
# ## Each pixel is told what it belongs to
#
# Discs in as much noise that no pixel alone tells: the network must look around. Max-pooling remembers where its maxima
# were, and unpooling puts them back there.


# %%
def discs(count):
    y, x = np.mgrid[:24, :24]
    centers, radii = rng.uniform(6, 18, (2, count, 1, 1)), rng.uniform(3, 6, (count, 1, 1))
    inside = np.hypot(y - centers[0], x - centers[1]) < radii
    return (inside + rng.normal(size=inside.shape))[:, np.newaxis].astype(np.float32), inside.astype(int)


unet = models.UNet(channels=1, num_classes=2, width=8, depth=2)
fit("U-Net", unet, cross_entropy, discs(256), 8, 5e-3, discs(64), batch_size=16)

# %%
noisy, masks = discs(8)
with no_grad():
    found = unet(noisy).numpy().argmax(1)
viz.images([*noisy, *masks.astype(float), *found.astype(float)])

# %% [markdown]
# ## Text is continued
#
# Sentences whose verbs agree with their nouns, though words stand between. Both models see 32 characters and learn to
# tell the next one, at each place.


# %%
def sentence():
    plural = rng.random() < 0.5
    noun = rng.choice(["dog", "cat", "bird", "king"]) + ("s" if plural else "")
    verb = rng.choice(["sleep", "run", "sing"]) + ("" if plural else "s")
    return f"the {rng.choice(['', 'old ', 'small '])}{noun}{rng.choice(['', ' near me', ' of the king'])} {verb}. "


text = "".join(sentence() for _ in range(400))
letters = sorted(set(text))
windows = np.lib.stride_tricks.sliding_window_view([letters.index(c) for c in text], 33)[::3]
before, after = windows[:, :-1], windows[:, 1:]


def of_characters(outputs, targets):
    return cross_entropy(nn.functional.flatten(outputs[0], 0, 1), targets.reshape(-1))


def said(numbers):
    return "".join(letters[int(i)] for i in numbers)


lstm = models.CharLSTM(len(letters), hidden_size=48)
fit("Character LSTM", lstm, of_characters, (before, after), 4, 1e-2)

# %%
print(said(lstm.generate([letters.index("t")], 200, temperature=0.7)))

# %%
gpt = models.GPT(models.GPTConfig(block_size=32, vocab_size=len(letters), n_layer=1, n_head=2, n_embd=32))
fit("GPT", gpt, lambda outputs, targets: outputs[1], (before, after, after), 4, 1e-2)

# %%
print(said(gpt.generate(np.array([[letters.index("t")]]), 200, temperature=0.7)[0]))

# %% [markdown]
# ## The report

# %%
viz.report(folder / "models.html", "Models from the papers", sections)
