"""The models of `nn.models` in plain PyTorch, with the names of torchvision, nanoGPT and PyTorch's examples.

Written apart from ours and, where there is another way to compute the same, in that other way.
"""

from collections import OrderedDict

import torch
from torch import nn
from torch.nn import functional as F


class LeNet5(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.ModuleDict({"0": nn.Conv2d(1, 6, 5, padding=2), "3": nn.Conv2d(6, 16, 5)})
        self.classifier = nn.ModuleDict({"1": nn.Linear(400, 120), "3": nn.Linear(120, 84), "5": nn.Linear(84, 10)})

    def forward(self, x):
        for layer in self.features.values():
            x = F.avg_pool2d(torch.tanh(layer(x)), 2)
        x = x.reshape(len(x), -1)
        for layer in list(self.classifier.values())[:-1]:
            x = torch.tanh(layer(x))
        return self.classifier["5"](x)


class VGG(nn.Module):
    def __init__(self, plan, pooled, hidden, num_classes, dropout=0.5):
        super().__init__()
        layers, channels = [], 3
        for width in plan:
            if width == "M":
                layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
            else:
                layers += [nn.Conv2d(channels, width, kernel_size=3, padding=1), nn.ReLU(inplace=True)]
                channels = width
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d((pooled, pooled))
        sizes = [nn.Linear(channels * pooled * pooled, hidden), nn.ReLU(True), nn.Dropout(dropout)]
        sizes += [nn.Linear(hidden, hidden), nn.ReLU(True), nn.Dropout(dropout), nn.Linear(hidden, num_classes)]
        self.classifier = nn.Sequential(*sizes)

    def forward(self, x):
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


class ResNetBlock(nn.Module):
    def __init__(self, channels, width, stride, bottleneck):
        super().__init__()
        out = 4 * width if bottleneck else width
        plan = [(width, 1, 1), (width, 3, stride), (out, 1, 1)] if bottleneck else [(width, 3, stride), (width, 3, 1)]
        given = channels
        for i, (n, kernel, step) in enumerate(plan, 1):
            setattr(self, f"conv{i}", nn.Conv2d(given, n, kernel, step, kernel // 2, bias=False))
            setattr(self, f"bn{i}", nn.BatchNorm2d(n))
            given = n
        self.count = len(plan)
        self.downsample = None
        if stride > 1 or channels != out:
            self.downsample = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x):
        identity = x if self.downsample is None else self.downsample(x)
        for i in range(1, self.count + 1):
            x = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(x))
            x = torch.relu(x if i < self.count else x + identity)
        return x


class ResNet(nn.Module):
    def __init__(self, depths, bottleneck, num_classes, width):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        channels = width
        for i, depth in enumerate(depths):
            blocks = []
            for j in range(depth):
                blocks.append(ResNetBlock(channels, width << i, 2 if i > 0 and j == 0 else 1, bottleneck))
                channels = (width << i) * (4 if bottleneck else 1)
            setattr(self, f"layer{i + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(channels, num_classes)

    def forward(self, x):
        x = F.max_pool2d(torch.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        for i in range(1, 5):
            x = getattr(self, f"layer{i}")(x)
        return self.fc(x.mean((2, 3)))


class EncoderBlock(nn.Module):
    def __init__(self, heads, width, hidden):
        super().__init__()
        self.ln_1 = nn.LayerNorm(width, eps=1e-6)
        self.self_attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.ln_2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.Sequential(
            nn.Linear(width, hidden), nn.GELU(), nn.Dropout(0.0), nn.Linear(hidden, width), nn.Dropout(0.0)
        )

    def forward(self, x):
        y = self.ln_1(x)
        x = self.self_attention(y, y, y, need_weights=True)[0] + x
        return x + self.mlp(self.ln_2(x))


class Encoder(nn.Module):
    def __init__(self, length, layers, heads, width, hidden):
        super().__init__()
        self.pos_embedding = nn.Parameter(torch.randn(1, length, width))
        names = [f"encoder_layer_{i}" for i in range(layers)]
        self.layers = nn.Sequential(OrderedDict((name, EncoderBlock(heads, width, hidden)) for name in names))
        self.ln = nn.LayerNorm(width, eps=1e-6)

    def forward(self, x):
        return self.ln(self.layers(x + self.pos_embedding))


class VisionTransformer(nn.Module):
    def __init__(self, image, patch, layers, heads, width, hidden, num_classes):
        super().__init__()
        self.conv_proj = nn.Conv2d(3, width, kernel_size=patch, stride=patch)
        self.class_token = nn.Parameter(torch.randn(1, 1, width))
        self.encoder = Encoder((image // patch) ** 2 + 1, layers, heads, width, hidden)
        self.heads = nn.Sequential(OrderedDict(head=nn.Linear(width, num_classes)))

    def forward(self, x):
        n, _, h, w = x.shape
        p = self.conv_proj.kernel_size[0]
        x = self.conv_proj(x).reshape(n, -1, (h // p) * (w // p)).permute(0, 2, 1)
        x = torch.cat([self.class_token.expand(n, -1, -1), x], dim=1)
        return self.heads(self.encoder(x)[:, 0])


class CharLSTM(nn.Module):
    def __init__(self, vocab, hidden, layers):
        super().__init__()
        self.embedding = nn.Embedding(vocab, hidden)
        self.lstm = nn.LSTM(hidden, hidden, layers, batch_first=True)
        self.head = nn.Linear(hidden, vocab)

    def forward(self, x):
        output, (h, c) = self.lstm(self.embedding(x))
        return self.head(output), h, c


class Attention(nn.Module):
    def __init__(self, width, heads, bias):
        super().__init__()
        self.c_attn = nn.Linear(width, 3 * width, bias=bias)
        self.c_proj = nn.Linear(width, width, bias=bias)
        self.heads = heads

    def forward(self, x):
        n, length, width = x.shape
        q, k, v = (
            part.view(n, length, self.heads, width // self.heads).transpose(1, 2)
            for part in self.c_attn(x).split(width, dim=2)
        )
        scores = q @ k.transpose(-2, -1) / (width // self.heads) ** 0.5
        scores = scores.masked_fill(torch.ones(length, length).triu(1).bool(), float("-inf"))
        return self.c_proj((F.softmax(scores, dim=-1) @ v).transpose(1, 2).contiguous().view(n, length, width))


class MLP(nn.Module):
    def __init__(self, width, bias):
        super().__init__()
        self.c_fc = nn.Linear(width, 4 * width, bias=bias)
        self.c_proj = nn.Linear(4 * width, width, bias=bias)

    def forward(self, x):
        return self.c_proj(F.gelu(self.c_fc(x)))


class GPTBlock(nn.Module):
    def __init__(self, width, heads, bias):
        super().__init__()
        self.ln_1 = nn.LayerNorm(width, bias=bias)
        self.attn = Attention(width, heads, bias)
        self.ln_2 = nn.LayerNorm(width, bias=bias)
        self.mlp = MLP(width, bias)

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class GPT(nn.Module):
    def __init__(self, length, vocab, layers, heads, width, bias):
        super().__init__()
        self.transformer = nn.ModuleDict(
            dict(
                wte=nn.Embedding(vocab, width),
                wpe=nn.Embedding(length, width),
                h=nn.ModuleList([GPTBlock(width, heads, bias) for _ in range(layers)]),
                ln_f=nn.LayerNorm(width, bias=bias),
            )
        )
        self.lm_head = nn.Linear(width, vocab, bias=False)
        self.transformer.wte.weight = self.lm_head.weight

    def forward(self, idx, targets):
        x = self.transformer.wte(idx) + self.transformer.wpe(torch.arange(idx.shape[1]))
        for block in self.transformer.h:
            x = block(x)
        logits = self.lm_head(self.transformer.ln_f(x))
        return logits, F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1), ignore_index=-1)


class Autoencoder(nn.Module):
    def __init__(self, code, width):
        super().__init__()
        down = [nn.Conv2d(1, width, 3, 2, 1), nn.ReLU(), nn.Conv2d(width, 2 * width, 3, 2, 1), nn.ReLU()]
        self.encoder = nn.Sequential(*down, nn.Flatten(), nn.Linear(2 * width * 49, code))
        up = [nn.ConvTranspose2d(2 * width, width, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(width, 1, 4, 2, 1)]
        first = [nn.Linear(code, 2 * width * 49), nn.ReLU(), nn.Unflatten(1, (2 * width, 7, 7))]
        self.decoder = nn.Sequential(*first, *up)

    def forward(self, x):
        return self.decoder(self.encoder(x))


class VAE(nn.Module):
    """Takes the noise that ours draws."""

    def __init__(self, pixels, hidden, code):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(pixels, hidden))
        self.mean = nn.Linear(hidden, code)
        self.log_variance = nn.Linear(hidden, code)
        self.decoder = nn.ModuleDict({"0": nn.Linear(code, hidden), "2": nn.Linear(hidden, pixels)})

    def forward(self, x, noise=0):
        h = torch.relu(self.encoder(x))
        mean, log_variance = self.mean(h), self.log_variance(h)
        code = mean + noise * log_variance.exp().sqrt()
        return self.decoder["2"](torch.relu(self.decoder["0"](code))), mean, log_variance


def dcgan_generator(noise, width, channels):
    """For images of 32 x 32."""
    main = nn.Sequential(
        nn.ConvTranspose2d(noise, width * 4, 4, 1, 0, bias=False),
        nn.BatchNorm2d(width * 4),
        nn.ReLU(True),
        nn.ConvTranspose2d(width * 4, width * 2, 4, 2, 1, bias=False),
        nn.BatchNorm2d(width * 2),
        nn.ReLU(True),
        nn.ConvTranspose2d(width * 2, width, 4, 2, 1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(True),
        nn.ConvTranspose2d(width, channels, 4, 2, 1, bias=False),
        nn.Tanh(),
    )
    return nn.Sequential(OrderedDict(main=main))


def dcgan_discriminator(width, channels):
    """For images of 32 x 32."""
    main = nn.Sequential(
        nn.Conv2d(channels, width, 4, 2, 1, bias=False),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(width, width * 2, 4, 2, 1, bias=False),
        nn.BatchNorm2d(width * 2),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(width * 2, width * 4, 4, 2, 1, bias=False),
        nn.BatchNorm2d(width * 4),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(width * 4, 1, 4, 1, 0, bias=False),
    )
    return nn.Sequential(OrderedDict(main=main, flat=nn.Flatten(0)))


def conv_pair(channels, out):
    return nn.Sequential(
        nn.Conv2d(channels, out, 3, padding=1, bias=False),
        nn.BatchNorm2d(out),
        nn.ReLU(),
        nn.Conv2d(out, out, 3, padding=1, bias=False),
        nn.BatchNorm2d(out),
        nn.ReLU(),
    )


class UNet(nn.Module):
    """Of depth 2."""

    def __init__(self, channels, num_classes, width):
        super().__init__()
        self.down = nn.ModuleList(
            [conv_pair(channels, width), conv_pair(width, 2 * width), conv_pair(2 * width, 4 * width)]
        )
        self.narrow = nn.ModuleList([nn.Conv2d(2 * width, width, 1), nn.Conv2d(4 * width, 2 * width, 1)])
        self.up = nn.ModuleList([conv_pair(2 * width, width), conv_pair(4 * width, 2 * width)])
        self.head = nn.Conv2d(width, num_classes, 1)

    def forward(self, x):
        first = self.down[0](x)
        pooled, places = F.max_pool2d(first, 2, return_indices=True)
        second = self.down[1](pooled)
        pooled, deeper = F.max_pool2d(second, 2, return_indices=True)
        x = self.narrow[1](self.down[2](pooled))
        x = F.max_unpool2d(x, deeper, 2, output_size=second.shape[2:])
        x = self.up[1](torch.cat([second, x], 1))
        x = F.max_unpool2d(self.narrow[0](x), places, 2, output_size=first.shape[2:])
        return self.head(self.up[0](torch.cat([first, x], 1)))
