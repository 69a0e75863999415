"""The models beside the same ones written in PyTorch: names, outputs and gradients.

In float32 in evaluation; in float64 in training, where normalization by few values makes much of rounding.
"""

import numpy as np
import pytest

from pullback import Tensor, nn
from pullback.nn import models
from pullback.nn.models.resnet import BasicBlock, Bottleneck

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(3, 3, 32, 32)).astype(np.float32)
DIGITS = RNG.random((3, 1, 28, 28)).astype(np.float32)
GRAY = RNG.normal(size=(3, 1, 32, 32)).astype(np.float32)
NOISE = RNG.normal(size=(5, 6, 1, 1)).astype(np.float32)
ODD = RNG.normal(size=(3, 2, 13, 18)).astype(np.float32)
TOKENS = RNG.integers(0, 11, (3, 8))
TARGETS = np.where(RNG.random((3, 8)) < 0.2, -1, RNG.integers(0, 11, (3, 8)))

# By name: our model, PyTorch's from the module that holds them, and the inputs.
CASES = {
    "LeNet5": (models.LeNet5, lambda m: m.LeNet5(), (DIGITS,)),
    "VGG": (
        lambda: models.VGG([(4,), (8, 8), (6,)], 7, 2, 16, dropout=0),
        lambda m: m.VGG([4, "M", 8, 8, "M", 6, "M"], 2, 16, 7, dropout=0.0),
        (IMAGES,),
    ),
    "tinyml_vgg11": (
        lambda: models.tinyml_vgg11(5, 0, 16),
        lambda m: m.VGG([8, 8, "M", 16, 16, "M", 32, 32, 32, "M", 64, 64, 64, "M"], 14, 16, 5, 0.0),
        (IMAGES[:, :, :19],),
    ),
    "tinyml_vgg16": (
        lambda: models.tinyml_vgg16(5, 0, 16),
        lambda m: m.VGG(
            [16, 16, "M", 32, 32, "M", 64, 64, 64, "M", 128, 128, 128, "M", 256, 256, 256, "M"], 7, 16, 5, 0.0
        ),
        (IMAGES,),
    ),
    "resnet18": (lambda: models.resnet18(7, 8), lambda m: m.ResNet([2, 2, 2, 2], False, 7, 8), (IMAGES,)),
    "resnet34": (lambda: models.resnet34(7, 4), lambda m: m.ResNet([3, 4, 6, 3], False, 7, 4), (IMAGES,)),
    "resnet50": (lambda: models.resnet50(7, 4), lambda m: m.ResNet([3, 4, 6, 3], True, 7, 4), (IMAGES,)),
    "ResNet": (
        lambda: models.ResNet(Bottleneck, [1, 2, 1, 1], 5, 4),
        lambda m: m.ResNet([1, 2, 1, 1], True, 5, 4),
        (IMAGES[:, :, 1:, :30],),
    ),
    "ResNet of basic blocks": (
        lambda: models.ResNet(BasicBlock, [1, 1, 2, 1], 5, 4),
        lambda m: m.ResNet([1, 1, 2, 1], False, 5, 4),
        (IMAGES,),
    ),
    "VisionTransformer": (
        lambda: models.VisionTransformer(32, 8, 2, 4, 16, 24, num_classes=5),
        lambda m: m.VisionTransformer(32, 8, 2, 4, 16, 24, 5),
        (IMAGES,),
    ),
    "CharLSTM": (lambda: models.CharLSTM(11, 6, 2), lambda m: m.CharLSTM(11, 6, 2), (TOKENS,)),
    "GPT": (
        lambda: models.GPT(models.GPTConfig(9, 11, 2, 2, 8)),
        lambda m: m.GPT(9, 11, 2, 2, 8, True),
        (TOKENS, TARGETS),
    ),
    "GPT without biases": (
        lambda: models.GPT(models.GPTConfig(8, 11, 1, 4, 8, bias=False)),
        lambda m: m.GPT(8, 11, 1, 4, 8, False),
        (TOKENS, TARGETS),
    ),
    "Autoencoder": (lambda: models.Autoencoder(5, 4), lambda m: m.Autoencoder(5, 4), (DIGITS,)),
    "DCGANGenerator": (
        lambda: models.DCGANGenerator(6, 4, 2, 32),
        lambda m: m.dcgan_generator(6, 4, 2),
        (NOISE,),
    ),
    "DCGANDiscriminator": (
        lambda: models.DCGANDiscriminator(4, 1, 32),
        lambda m: m.dcgan_discriminator(4, 1),
        (GRAY,),
    ),
    "UNet": (lambda: models.UNet(2, 3, 4, 2), lambda m: m.UNet(2, 3, 4), (ODD,)),
    "VAE": (lambda: models.VAE(28, 8, 3), lambda m: m.VAE(28, 8, 3), (DIGITS[0, 0],)),
}


@pytest.fixture
def written(torch, tmp_path):
    """A pair of ours and PyTorch's, whose weights and statistics ours read from a file that PyTorch's wrote."""
    from safetensors.torch import save_file

    from pullback.tests.helpers import torch_models

    torch.manual_seed(0)

    def pair(name):
        ours, theirs = CASES[name][0](), CASES[name][1](torch_models)
        with torch.no_grad():
            for key, value in theirs.state_dict().items():
                if "running" in key:
                    value += 0.5 * torch.rand_like(value)
        save_file({key: value.clone() for key, value in theirs.state_dict().items()}, tmp_path / "w")
        assert ours.load_state_dict(nn.load(tmp_path / "w"), strict=True) == ([], [])
        return ours, theirs

    return pair


def flat(outputs):
    if isinstance(outputs, (tuple, list)):
        return [x for part in outputs for x in flat(part)]
    return [outputs]


def near(ours, theirs, tolerance, what):
    """Within the tolerance times the largest entry; where all are next to nothing, next to it."""
    assert ours.shape == theirs.shape and ours.dtype == theirs.dtype, what
    error, largest = (float(np.max(np.abs(x), initial=0)) for x in (ours - theirs, theirs))
    assert error <= tolerance * max(1e-3, largest), f"{what}: off by {error:.2g} of {largest:.2g}"


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_same_outputs_and_gradients(torch, written, name, training):
    ours, theirs = written(name)
    dtype, of_outputs, of_gradients = (np.float64, 1e-12, 1e-10) if training else (np.float32, 1e-6, 1e-5)
    for model in ours, theirs:
        model.train(training)
        if training:
            model.double()
    inputs = [x.astype(dtype) if x.dtype.kind == "f" else x for x in CASES[name][2]]
    here = [Tensor(x, requires_grad=x.dtype.kind == "f") for x in inputs]
    there = [torch.tensor(x, requires_grad=x.dtype.kind == "f") for x in inputs]
    noise = []
    if name == "VAE" and training:
        nn.manual_seed(5)
        noise = [torch.tensor(nn.init.generator().standard_normal((28, 3)))]
        nn.manual_seed(5)
    got, expected = flat(ours(*here)), flat(theirs(*there, *noise))
    for y, t in zip(got, expected, strict=True):
        near(y.numpy(), t.detach().numpy(), of_outputs, "output")
    weights = [np.random.default_rng(i).normal(size=y.shape).astype(dtype) for i, y in enumerate(got)]
    sum((y * w).sum() for y, w in zip(got, weights, strict=True)).backward()
    sum((t * torch.tensor(w)).sum() for t, w in zip(expected, weights, strict=True)).backward()
    gradients = {key: p.grad.numpy() for key, p in theirs.named_parameters()}
    assert {key for key, _ in ours.named_parameters()} == set(gradients)
    for key, p in ours.named_parameters():
        near(p.grad.numpy(), gradients[key], of_gradients, key)
    for x, t in zip(here, there, strict=True):
        if x.requires_grad:
            near(x.grad.numpy(), t.grad.numpy(), of_gradients, "input")
    for key, buffer in theirs.named_buffers():
        near(ours.get_buffer(key).numpy(), buffer.numpy(), of_outputs, key)


@pytest.mark.parametrize("name", CASES)
def test_weights_go_back_strictly(torch, written, name, tmp_path):
    """Those of a new model of ours, by a file; in float64, for without statistics numbers grow from layer to layer."""
    from safetensors.torch import load_file

    theirs = written(name)[1].eval()
    nn.manual_seed(3)
    ours = CASES[name][0]().eval()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    nn.save(ours, tmp_path / "back")
    assert theirs.load_state_dict(load_file(tmp_path / "back"), strict=True) == ([], [])
    inputs = [x.astype(np.float64) if x.dtype.kind == "f" else x for x in CASES[name][2]]
    expected = flat(theirs.double()(*map(torch.tensor, inputs)))
    for y, t in zip(flat(ours.double()(*map(Tensor, inputs))), expected, strict=True):
        near(y.numpy(), t.detach().numpy(), 1e-11, "output")
