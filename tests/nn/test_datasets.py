from pathlib import Path

import numpy as np

from pullback import nn
from pullback.nn import datasets


def test_mnist5k_is_the_shipped_file():
    with np.load(Path(datasets.__file__).with_name("mnist5k.npz")) as file:
        images, labels = file["images"], file["labels"]
    train, test = datasets.mnist5k()
    assert len(train) == 4000 and len(test) == 1000
    x = np.concatenate([train.tensors[0].data, test.tensors[0].data])
    y = np.concatenate([train.tensors[1].data, test.tensors[1].data])
    assert x.shape == (5000, 1, 28, 28) and x.dtype == np.float32 and y.dtype == np.int64
    np.testing.assert_array_equal(np.rint(x[:, 0] * 255).astype(np.uint8), images)
    np.testing.assert_array_equal(y, labels)
    assert x.min() == 0 and x.max() == 1
    assert np.bincount(y).tolist() == [500] * 10


def test_every_digit_is_in_both_parts():
    for part in nn.datasets.mnist5k():
        assert np.bincount(part.tensors[1].data).min() > len(part) / 20
