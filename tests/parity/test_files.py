"""The weights of each module of the cases by files, from PyTorch to here and back: the same outputs."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

from pullback import Tensor, nn

from .cases import parameters
from .compare import Case, _differences, _made, _Ours, _Torch


def differences(torch, path, case: Case) -> str:
    """What differs after either way, in evaluation; what a state holds beside arrays, files do not."""
    from safetensors.torch import load_file, save_file

    def theirs(x):
        return torch.tensor(x) if isinstance(x, np.ndarray) else x

    def ours(x):
        return Tensor(x) if isinstance(x, np.ndarray) else x

    def outputs_differ(what):
        expected = _Torch(torch, case, there.eval(), values, theirs)
        return _differences(_Ours(case, here.eval(), values, ours).outputs, expected.outputs, what)

    case = replace(case, no_gradient="outputs are enough")
    rng = np.random.default_rng(case.seed)
    values = [rng.normal(size=x) if isinstance(x, tuple) else x for x in case.inputs]
    there, here = _made(case, torch.nn, theirs).double(), _made(case, nn, ours).double()
    state = there.state_dict()
    arrays = {k: v.clone().contiguous() for k, v in state.items() if isinstance(v, torch.Tensor)}
    others = {k: v for k, v in state.items() if k not in arrays}
    if not arrays:
        return ""
    save_file(arrays, path)
    here.load_state_dict({**nn.load(path), **others}, strict=True)
    found = outputs_differ("here: output")
    nn.manual_seed(1)
    here = _made(case, nn, ours).double()
    nn.save({k: v for k, v in here.state_dict().items() if k in arrays}, path)
    there.load_state_dict({**load_file(path), **others}, strict=True)
    return found + outputs_differ("there: output")


@pytest.mark.parametrize("case", parameters(1, functions=False))
def test_weights_by_files(torch, tmp_path, case):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert differences(torch, tmp_path / "w.safetensors", case) == ""
