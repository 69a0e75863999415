"""A user's program, as `mypy --strict` sees it."""

import numpy as np

import pullback as pb
from pullback import Tensor, nn, optim

x = Tensor(np.ones((3, 2)), requires_grad=True)
columns: Tensor = (x * 2 + 1).sum(axis=0, keepdims=True).reshape(2, 1)
product: Tensor = 2 - x @ np.ones((2, 4))
product[0] = columns[0] / 3
(-(product.mT**2)).mean().backward()
slope: Tensor | None = x.grad
values: np.ndarray[tuple[int, ...], np.dtype[np.float64]] = x.numpy()
above: Tensor = x > 0
largest: Tensor = x.argmax(axis=1)
scalar = float(x.max().item())
length: int = len(x)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(2, 8), nn.ReLU())
        self.scale = nn.Parameter([1.0])

    def forward(self, input: Tensor) -> Tensor:
        out: Tensor = self.body(input)
        return out.relu() * self.scale


net = Net()
optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
for _ in range(2):
    optimizer.zero_grad()
    loss = (net.forward(x.astype("float32")) ** 2).mean()
    loss.backward()
    optimizer.step()
with pb.no_grad():
    predictions: Tensor = net(x)
