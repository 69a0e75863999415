"""What type checkers are told of Tensors, beside what is there."""

import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pullback
from pullback import Tensor
from pullback.autograd.core.declarations import Operations
from pullback.autograd.core.declared_in_place import InPlace
from pullback.autograd.core.declared_spellings import Spellings
from pullback.autograd.core.spellings import CLASHES, WORDS
from pullback.autograd.numpy_api.spellings import ABSENT

pytestmark = pytest.mark.skipif(
    np.lib.NumpyVersion(np.__version__) < "2.4.0", reason="declared as in NumPy 2.4, whose builtins have signatures"
)
MEMBERS = {**vars(Spellings), **vars(InPlace), **vars(Operations)}
PROGRAM = Path(__file__).with_name("program.py")
DECLARED = {name: value for name, value in MEMBERS.items() if callable(value) or isinstance(value, property)}
OPERATIONS = sorted(name for name in DECLARED if name not in vars(object) or name in ("__eq__", "__ne__", "__lt__"))


def parameters(function):
    return [p.name for p in list(inspect.signature(function).parameters.values())[1:]]


@pytest.mark.parametrize("name", OPERATIONS)
def test_what_is_declared_is_there(name):
    declared, real = DECLARED[name], inspect.getattr_static(Tensor, name)
    assert isinstance(declared, property) == isinstance(real, property)
    if isinstance(declared, property):
        assert (declared.fset is None) == (real.fset is None)
    elif not name.startswith("__"):
        assert [p for p in parameters(declared) if p in parameters(real) or p not in WORDS] == parameters(real)


WORDED = {
    (name, word): own
    for name in OPERATIONS
    if callable(DECLARED[name])
    for word in parameters(DECLARED[name])
    for own in WORDS.get(word, ())
    if own in parameters(DECLARED[name])
}


@pytest.mark.parametrize("name, word", sorted(WORDED))
def test_pytorchs_words_that_are_declared_mean_numpys(name, word):
    own = WORDED[name, word]
    value = True if own == "keepdims" else {"axis1": 2, "axis2": 3}.get(own, -1)
    x = Tensor(np.arange(12.0).reshape(2, 3, 2, 1))
    (given, *_), (wanted, *_) = ([getattr(x, name)(**{key: value})] for key in (word, own))
    assert given.shape == wanted.shape and np.array_equal(given.numpy(), wanted.numpy())
    kind = inspect.signature(DECLARED[name]).parameters[word].kind
    assert name not in CLASHES and kind is inspect.Parameter.KEYWORD_ONLY


def test_methods_that_pytorch_has_with_dim_declare_it():
    reductions = {"sum", "prod", "mean", "all", "any", "argmax", "argmin"}
    others = {"cumsum", "cumprod", "argsort", "softmax", "log_softmax", "squeeze"}
    assert {name for name, word in WORDED if word == "dim"} >= reductions | others
    assert {name for name, word in WORDED if word == "keepdim"} >= reductions


def test_what_is_there_is_declared():
    refused = {"base", "byteswap", "ctypes", "getfield", "resize", "setfield", "setflags", *ABSENT}
    own = {name for name, value in vars(Tensor).items() if getattr(value, "__module__", "").endswith(".core.tensor")}
    own |= {
        name
        for name, value in vars(Tensor).items()
        if isinstance(value, property)
        and value.fget is not None
        and "core.tensor" in getattr(value.fget, "__module__", "operator")
    }
    public = {name for name in vars(Tensor) if not name.startswith("_")} - refused - own
    assert public - DECLARED.keys() == set()


def checked(path):
    home = Path(pullback.__file__).parent
    run = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--no-error-summary"]
    run += ["--cache-dir", str(path.parent / ".mypy_cache"), str(path)]
    links = path.parent / "found"
    links.mkdir(exist_ok=True)
    if not (links / "pullback").exists():
        (links / "pullback").symlink_to(home)
    done = subprocess.run(
        run, capture_output=True, text=True, env={"MYPYPATH": str(links), "PATH": ""}, cwd=path.parent
    )
    return done.stdout + done.stderr


TYPOS = """
x.summ()
x.mean(axs=0)
x.max(dim=0)
x.sum(dims=0)
x.shape = (3,)
'a' + len(x)
pb.expp(x)
pb.exp(x, axiss=3)
pb.exp("x")
pb.exp()
pb.sum(x, axis="0")
pb.sum(x, axes=0)
pb.matmul(x)
pb.concatenate([x, "x"])
pb.reshape(x, 2.5)
pb.clip(x, minimum=0)
pb.median(x, keepdim=True)
pb.argmax(x, axis=(0, 1))
pb.zeros(3, requires_gradient=True)
pb.zeros("3")
pb.where(x > 0, x)
pb.erfcx(x)
pb.special.erf(x, x)
pb.special.errf(x)
pb.linalg.norm(x, axes=0)
pb.linalg.solve(x)
pb.fft.fft(x, axis=(0, 1))
pb.exp(x).summ()
pb.max_pool(x, 2, return_indices=True).sum()
pb.vmap(weighted)(x, scalee=2.0)
pb.override(pb.clip, "x", weighted)
nn.Conv2d(3, 4, kernel=3)
nn.Conv2d(3, 4, "3")
nn.Linear(2, out_feature=3)
nn.Linear(2, 3)(x, x)
net("x")
Pair()(x)
nn.functional.relu(x, inplce=True)
nn.functional.conv2d(x, x, strides=2)
nn.functional.reluu(x)
nn.init.normal_(x, sdt=1.0)
optim.SGD(net.parameters(), learning_rate=0.1)
optim.SGD(net.parameters(), lr="0.1")
optim.Adam(net.parameters(), betas=0.9)
optim.Adamm(net.parameters())
optim.SGD(3, lr=0.1)
pb.exp.ufuncs
pb.exp(pb.sin)
nn.LSTM(3, 6, hidden_sizes=3)
nn.LSTM("3", 6)
lstm(sequences, sequences)
lstm(sequences)[0].summ()
lstm(sequences)[1].sum()
lstm(packed)[0].sum()
nn.GRU(3, 6)(sequences, (h_n, c_n))
nn.LSTMCell(3, 6)(sequences).sum()
nn.MultiheadAttention(6, 2)(hidden)
nn.MultiheadAttention(6, 2)(hidden, hidden, hidden, mask=x)
nn.MultiheadAttention(6, 2)(hidden, hidden, hidden).sum()
nn.LayerNorm("6")
nn.LayerNorm(6)(x, x)
nn.LayerNorm(6)(x).summ()
nn.BatchNorm2d(3, momentun=0.1)
nn.Embedding(10, 3)(x).summ()
nn.functional.layer_norm(x)
nn.functional.embedding(x, x, padding="0")
nn.Transformer(activation=3)
nn.TransformerEncoder(encoder, 2)("x")
nn.ModuleList([x])
nn.ParameterDict({"a": "b"})
nn.utils.clip_grad_norm_(net.parameters(), "1.0")
nn.utils.clip_grad_norm_(3, 1.0)
nn.utils.rnn.pack_padded_sequence(x)
nn.utils.skip_init(nn.Linear, 2, out_feature=3)
nn.Conv1d(2, 3, 1).register_full_backward_hook(seen)
pb.random.normal("0", 1.0)
pb.random.normal(0.0, 1.0, shape=(3,))
pb.random.uniform(size=2.5)
pb.jacfwd(weighted)(x, scalee=2.0)
pb.grad_named(weighted, 3)
pb.default_dtype()
pb.testing.gradcheck(weighted, x, tolerance=1e-3)
pb.viz.graph(x, models=net)
pb.topk(x, 1).value
x.aminmax().minimum
pb.clamp(x, "0")
pb.randn("2")
pb.masked_fill(x, x > 0, value="0")
nn.functional.mse_loss(x, "x")
nn.MaxUnpool1d(2)(maxima)
"""


def test_a_program_passes_and_its_typos_do_not(tmp_path):
    pytest.importorskip("mypy")
    path = tmp_path / "program.py"
    text = PROGRAM.read_text()
    path.write_text(text + TYPOS)
    lines = [line for line in checked(path).splitlines() if ": error:" in line]
    typos = TYPOS.splitlines()
    first = len(text.splitlines()) + 1
    found = {int(line.split(":")[1]) - first for line in lines}
    assert sorted(at for at in found if at < 0) == [], lines
    assert [typo for at, typo in enumerate(typos) if typo and at not in found] == []


def test_the_program_runs():
    exec(compile(PROGRAM.read_text(), str(PROGRAM), "exec"), {"__name__": "program"})
