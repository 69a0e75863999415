"""The models: their sizes, that they learn in seconds what simple guesses do not know, and what they refuse."""

import math

import numpy as np
import pytest

from pullback import Tensor, nn, no_grad, optim
from pullback.nn import models
from pullback.nn.models.resnet import BasicBlock

# The published numbers, of torchvision.
PARAMETERS = {"resnet18": 11_689_512, "resnet34": 21_797_672, "resnet50": 25_557_032}
MORE_PARAMETERS = {"vit_b_16": 86_567_656, "vgg11": 132_863_336, "vgg16": 138_357_544}


def parameters(model):
    return sum(p.size for p in model.parameters())


@pytest.mark.slow
@pytest.mark.parametrize("name", PARAMETERS)
def test_as_many_parameters_as_published(name):
    assert parameters(getattr(models, name)()) == PARAMETERS[name]


@pytest.mark.thorough
@pytest.mark.parametrize("name", MORE_PARAMETERS)
def test_as_many_parameters_as_published_in_large_models(name):
    assert parameters(getattr(models, name)()) == MORE_PARAMETERS[name]


@pytest.mark.thorough
def test_as_many_parameters_as_in_gpt_2():
    assert parameters(models.GPT(models.GPTConfig(vocab_size=50257))) == 124_439_808


@pytest.mark.slow
def test_plans_of_tinyml():
    """Its layers, for its images of 224 x 224."""
    for model, convolutions, left in ((models.tinyml_vgg11, 10, 64 * 14 * 14), (models.tinyml_vgg16, 13, 256 * 7 * 7)):
        made = model(hidden=4)
        assert sum(isinstance(m, nn.Conv2d) for m in made.features) == convolutions
        assert made.classifier[0].in_features == left and made.classifier[6].out_features == 2
        made.summary((3, 224, 224))
    assert made.features(np.zeros((1, 3, 224, 224), np.float32)).shape == (1, 256, 7, 7)


# Learning


def trained(model, loss, arrays, steps, lr, batch=64):
    """The losses of each step of Adam, each on the next part of the arrays in random order."""
    optimizer, losses = optim.Adam(model.parameters(), lr), []
    rng, order = np.random.default_rng(0), []
    for _ in range(steps):
        if len(order) < batch:
            order = rng.permutation(len(arrays[0])).tolist()
        now, order = order[:batch], order[batch:]
        value = loss(model, *(x[now] for x in arrays))
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        losses.append(value.item())
    return losses


@pytest.fixture(scope="module")
def digits():
    """Images and labels to train on and to test with."""
    return tuple(t.numpy() for part in nn.datasets.mnist5k() for t in part.tensors)


@pytest.fixture(autouse=True)
def seeded():
    nn.manual_seed(0)


def nearest_mean(images, labels, others):
    """The class with the nearest mean image: the guess of a linear classifier that has learned nothing but means."""
    means = np.stack([images[labels == c].mean(0).ravel() for c in range(10)])
    return np.argmin(np.square(others.reshape(len(others), 1, -1) - means).sum(2), axis=1)


CLASSIFIERS = {
    "LeNet5": (lambda: models.LeNet5(), 1, 120, 5e-3),
    "VGG": (lambda: models.VGG([(8,), (16,), (32,)], 10, 3, 64, dropout=0.1), 3, 180, 5e-3),
    "ResNet": (lambda: models.ResNet(BasicBlock, [1, 1, 1, 1], 10, 8), 3, 60, 5e-3),
    "VisionTransformer": (lambda: models.VisionTransformer(28, 14, 2, 4, 32, 64, num_classes=10), 3, 250, 6e-3),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifiers_beat_the_nearest_mean(name, digits):
    """Of 1,000 digits which it has not seen, by five in a hundred."""
    make, channels, steps, lr = CLASSIFIERS[name]
    images, labels, others, truth = digits
    model = make()
    images, others = (np.repeat(x, channels, axis=1) for x in (images, others))
    losses = trained(model, lambda m, x, y: nn.functional.cross_entropy(m(x), y), (images, labels), steps, lr)
    with no_grad():
        model.eval()
        guesses = np.argmax(model(others).numpy(), axis=1)
    baseline = np.mean(nearest_mean(digits[0], labels, digits[2]) == truth)
    assert np.mean(losses[-20:]) < 0.4 < math.log(10) - 0.5
    assert baseline > 0.75 and np.mean(guesses == truth) > baseline + 0.05


@pytest.mark.slow
def test_an_autoencoder_beats_principal_components(digits):
    """As many of them as its code has numbers, which are the best that linear maps can do."""
    images, _, others, _ = digits
    model = models.Autoencoder(code=16, width=8)

    def loss(m, x):
        return nn.functional.mse_loss(nn.functional.sigmoid(m(x)), x)

    losses = trained(model, loss, (images,), 300, 5e-3)
    with no_grad():
        error = loss(model, others).item()
    flat, mean = images.reshape(4000, -1), images.mean(0).ravel()
    axes = np.linalg.eigh(np.cov(flat.T))[1][:, -16:]
    centered = others.reshape(1000, -1) - mean
    linear = np.mean(np.square(centered - centered @ axes @ axes.T))
    assert np.mean(losses[-20:]) < 0.025 and error < linear


@pytest.mark.slow
def test_a_vae_beats_independent_pixels(digits):
    """Its bound on the likelihood, of digits that it has not seen, and the likelihood with each pixel's mean."""
    images, others = (x.reshape(len(x), -1) for x in (digits[0], digits[2]))
    model = models.VAE(hidden=128, code=8)
    losses = trained(model, lambda m, x: models.vae_loss(m(x), x), (images,), 500, 3e-3)
    with no_grad():
        bound = models.vae_loss(model(others), others).item()
        drawn = model.generate(500).numpy()
    mean = images.mean(0).clip(1e-3, 1 - 1e-3)
    independent = -np.mean(np.sum(others * np.log(mean) + (1 - others) * np.log(1 - mean), axis=1))
    assert np.mean(losses[-20:]) < 150 and bound < independent - 40
    assert drawn.shape == (500, 784) and np.mean(np.abs(drawn.mean(0) - images.mean(0))) < 0.05


def discs(rng, count, height, width):
    """Gray images with a brighter disc in noise (N, 1, H, W), and where it is (N, H, W)."""
    y, x = np.mgrid[:height, :width]
    centers = rng.uniform(6, (height - 6, width - 6), (count, 2))
    radii = rng.uniform(3, 6, count)
    inside = np.hypot(y - centers[:, :1, None], x - centers[:, 1:, None]) < radii[:, None, None]
    noise = rng.normal(size=(count, height, width))
    return (inside + noise)[:, np.newaxis].astype(np.float32), inside.astype(np.int64)


@pytest.mark.slow
def test_a_unet_beats_a_threshold():
    """The best for each pixel alone: it is in the disc if it is brighter than a number."""
    rng = np.random.default_rng(0)
    images, masks = discs(rng, 256, 24, 22)
    others, truth = discs(rng, 100, 24, 22)
    model = models.UNet(1, 2, width=6, depth=2)
    losses = trained(model, lambda m, x, y: nn.functional.cross_entropy(m(x), y), (images, masks), 120, 1e-2, 16)
    with no_grad():
        model.eval()
        right = np.mean(np.argmax(model(others).numpy(), axis=1) == truth)
    best = max(np.mean((others[:, 0] > t) == truth) for t in np.linspace(-1, 4, 51))
    assert np.mean(losses[-20:]) < 0.15 and 1 - right < (1 - best) / 2


@pytest.mark.slow
def test_a_dcgan_draws_what_it_is_shown():
    """Bright squares of 6 x 6 at 121 places: drawn images are near to one of the real ones, and not all to the same.

    Nearer than the mean image is. The losses of a pair that learn from each other tell nothing.
    """
    rng = np.random.default_rng(0)
    images = np.full((121, 1, 16, 16), -0.9, np.float32)
    for number, image in enumerate(images):
        i, j = divmod(number, 11)
        image[0, i : i + 6, j : j + 6] = 0.9
    generator = models.DCGANGenerator(noise=8, width=8, channels=1, size=16)
    discriminator = models.DCGANDiscriminator(width=8, channels=1, size=16)
    bce = nn.functional.binary_cross_entropy_with_logits
    of_generator = optim.Adam(generator.parameters(), 4e-3, (0.5, 0.999))
    of_discriminator = optim.Adam(discriminator.parameters(), 1e-3, (0.5, 0.999))

    def noise(count):
        return rng.normal(size=(count, 8, 1, 1)).astype(np.float32)

    def distances(drawn):
        """Mean squared differences (drawn, real)."""
        return np.square(drawn[:, np.newaxis] - images).mean((2, 3, 4))

    for _ in range(250):
        made = generator(noise(32))
        loss = bce(discriminator(images[rng.integers(0, 121, 32)]), np.ones(32, np.float32))
        loss = loss + bce(discriminator(made.detach()), np.zeros(32, np.float32))
        of_discriminator.zero_grad()
        loss.backward()
        of_discriminator.step()
        loss = bce(discriminator(made), np.ones(32, np.float32))
        of_generator.zero_grad()
        loss.backward()
        of_generator.step()
    with no_grad():
        found = distances(generator(noise(256)).numpy())
    baseline = distances(images.mean(0, keepdims=True)).min()
    assert found.min(1).mean() < 0.8 * baseline
    assert len(set(found.argmin(1))) > 30


def sentences(rng, count):
    """Sentences whose verbs agree with their nouns, after some words between: 'the old dogs near me sleep.'"""
    text = []
    for _ in range(count):
        plural = rng.random() < 0.5
        noun = rng.choice(["dog", "cat", "bird", "child"])
        noun = {"child": "children"}.get(noun, noun + "s") if plural else noun
        place = rng.choice(["", " near me", " in the house", " of the king"])
        verb = rng.choice(["sleep", "run", "sing"]) + ("" if plural else "s")
        text.append(f"the {rng.choice(['old ', 'small ', ''])}{noun}{place} {verb}. ")
    return "".join(text)


def windows(numbers, length):
    """All windows, and what comes next after each of their characters."""
    cut = np.lib.stride_tricks.sliding_window_view(numbers, length + 1)
    return cut[:, :-1], cut[:, 1:]


def two_before(numbers, others, count):
    """The mean cross-entropy of guesses by how often each character came after the two before it."""
    counts = np.full((count, count, count), 0.01)
    np.add.at(counts, (numbers[:-2], numbers[1:-1], numbers[2:]), 1)
    chances = counts / counts.sum(2, keepdims=True)
    return -np.mean(np.log(chances[others[:-2], others[1:-1], others[2:]]))


LANGUAGE = {
    "CharLSTM": (lambda n: models.CharLSTM(n, 48), 250, 1e-2),
    "GPT": (lambda n: models.GPT(models.GPTConfig(32, n, 1, 2, 32)), 400, 1e-2),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LANGUAGE)
def test_language_models_beat_counting_three_characters(name):
    rng = np.random.default_rng(0)
    text, other = sentences(rng, 400), sentences(rng, 60)
    letters = sorted(set(text))
    numbers, others = (np.array([letters.index(c) for c in t]) for t in (text, other))
    make, steps, lr = LANGUAGE[name]
    model = make(len(letters))

    def loss(m, x, y):
        logits = m(x)[0] if name == "CharLSTM" else m(x, y)[0]
        return nn.functional.cross_entropy(logits.reshape(-1, len(letters)), y.reshape(-1))

    losses = trained(model, loss, windows(numbers, 32), steps, lr, 32)
    with no_grad():
        error = loss(model, *windows(others, 32)).item()
        start = [letters.index(c) for c in "the "]
        if name == "CharLSTM":
            said = model.generate(start, 300)
        else:
            said = model.generate(np.array([start]), 300, top_k=10)[0].tolist()
    said = "".join(letters[i] for i in said)
    counted = two_before(numbers, others, len(letters))
    words = said.replace(".", "").split()[:-1]
    known = np.mean([word in text.replace(".", "").split() for word in words])
    assert np.mean(losses[-20:]) < 0.4 and error < 0.8 * counted
    assert said.startswith("the ") and len(said) == 304 and known > 0.8


# What they refuse


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: models.VisionTransformer(10, 4, 1, 1, 4, 4), "patches of 4 do not fill an image of 10"),
        (lambda: models.DCGANGenerator(size=4), "DCGANGenerator: size=4; expected 8, 16, 32"),
        (lambda: models.DCGANDiscriminator(size=48), "DCGANDiscriminator: size=48; expected 8, 16, 32"),
        (lambda: models.GPT(models.GPTConfig(4, 5, 1, 1, 4))(np.zeros((1, 5), int)), "GPT: 5 tokens; block_size is 4"),
        (lambda: models.resnet18(5, 4)(np.zeros((1, 1, 32, 32), np.float32)), "conv1: .*3 channels"),
        (lambda: models.LeNet5()(np.zeros((1, 1, 32, 32), np.float32)), "classifier.1: Linear expected 400 features"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# What each alone promises


def test_gpt_looks_back_only():
    model = models.GPT(models.GPTConfig(8, 5, 2, 2, 8))
    tokens = np.array([[0, 1, 2, 3, 4, 0]])
    other = np.array([[0, 1, 2, 4, 0, 3]])
    one, two = (model(x, x)[0].numpy() for x in (tokens, other))
    np.testing.assert_allclose(one[:, :3], two[:, :3], rtol=1e-5, atol=1e-7)
    assert np.abs(one[:, 3:] - two[:, 3:]).min() > 0
    last, loss = model(tokens)
    assert loss is None
    np.testing.assert_allclose(last.numpy(), one[:, -1:], rtol=1e-5, atol=1e-7)


def test_gpt_has_one_table():
    model = models.GPT(models.GPTConfig(8, 5, 1, 2, 4))
    assert model.transformer.wte.weight is model.lm_head.weight
    assert "transformer.wte.weight" in model.state_dict() and "lm_head.weight" in model.state_dict()
    model.load_state_dict({k: v + 1 for k, v in model.state_dict().items()})
    assert model.transformer.wte.weight is model.lm_head.weight


def test_gpt_draws_as_often_as_it_says():
    model = models.GPT(models.GPTConfig(2, 3, 1, 1, 4))
    nn.init.normal_(model.lm_head.weight, std=1)
    start = np.zeros((4000, 1), int)
    with no_grad():
        logits = model(start[:1])[0].numpy()[0, 0].astype(float)
    for temperature, top in ((1.0, None), (0.5, None), (1.0, 2)):
        chances = np.exp(logits / temperature)
        if top:
            chances[np.argmin(chances)] = 0
        chances /= chances.sum()
        drawn = model.generate(start, 1, temperature, top)
        assert drawn.shape == (4000, 2) and np.all(drawn[:, 0] == 0)
        shares = np.bincount(drawn[:, 1], minlength=3) / 4000
        np.testing.assert_allclose(shares, chances, atol=4 * 0.5 / math.sqrt(4000))  # four standard deviations
        assert np.all(shares[chances == 0] == 0)


def test_char_lstm_goes_on_from_its_state():
    model = models.CharLSTM(5, 6, 2)
    numbers = np.array([[0, 3, 1, 4, 2, 2]])
    whole, (h, c) = model(numbers)
    first, state = model(numbers[:, :4])
    second, (h2, c2) = model(numbers[:, 4:], state)
    np.testing.assert_allclose(whole[:, :4].numpy(), first.numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(whole[:, 4:].numpy(), second.numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(h.numpy(), h2.numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(c.numpy(), c2.numpy(), rtol=1e-5, atol=1e-6)


def test_vae_loss_is_the_bound_of_the_article():
    """KL(N(m, s^2) || N(0, 1)) by a sum over a fine grid, and the cross-entropy by its formula."""
    logits, x = np.array([[0.5, -1.0]]), np.array([[1.0, 0.25]])
    mean, deviation = np.array([[0.3]]), 0.7
    z, step = np.linspace(-12, 12, 200_001, retstep=True)
    density = np.exp(-((z - 0.3) ** 2) / (2 * deviation**2)) / (deviation * math.sqrt(2 * math.pi))
    divergence = np.sum(density * (-((z - 0.3) ** 2) / (2 * deviation**2) - math.log(deviation) + z**2 / 2)) * step
    p = 1 / (1 + np.exp(-logits))
    ink = -np.sum(x * np.log(p) + (1 - x) * np.log(1 - p))
    outputs = tuple(map(Tensor, (logits, mean, np.array([[2 * math.log(deviation)]]))))
    np.testing.assert_allclose(models.vae_loss(outputs, Tensor(x)).item(), ink + divergence, rtol=1e-9)
    twice = tuple(Tensor(np.concatenate([v.numpy()] * 2)) for v in outputs)
    np.testing.assert_allclose(models.vae_loss(twice, Tensor(np.concatenate([x] * 2))).item(), ink + divergence)


def test_a_vae_draws_in_training_only():
    model = models.VAE(6, 4, 2)
    x = np.ones((2, 6), np.float32)
    assert not np.array_equal(model(x)[0].numpy(), model(x)[0].numpy())
    model.eval()
    assert np.array_equal(model(x)[0].numpy(), model(x)[0].numpy())
