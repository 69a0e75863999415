"""Models from the papers, written as users write theirs; weights of the layouts of torchvision and nanoGPT fit.

They are no part of `pullback.nn` until they are asked for: `from pullback.nn import models`.
"""

from .autoencoder import Autoencoder
from .char_lstm import CharLSTM
from .dcgan import DCGANDiscriminator, DCGANGenerator
from .gpt import GPT, GPTConfig
from .lenet import LeNet5
from .resnet import ResNet, resnet18, resnet34, resnet50
from .unet import UNet
from .vae import VAE, vae_loss
from .vgg import VGG, tinyml_vgg11, tinyml_vgg16, vgg11, vgg16
from .vit import VisionTransformer, vit_b_16

__all__ = [
    "Autoencoder",
    "CharLSTM",
    "DCGANDiscriminator",
    "DCGANGenerator",
    "GPT",
    "GPTConfig",
    "LeNet5",
    "ResNet",
    "UNet",
    "VAE",
    "VGG",
    "VisionTransformer",
    "resnet18",
    "resnet34",
    "resnet50",
    "tinyml_vgg11",
    "tinyml_vgg16",
    "vae_loss",
    "vgg11",
    "vgg16",
    "vit_b_16",
]
