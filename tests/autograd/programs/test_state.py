"""What compiled functions read, write and do outside of themselves, beside the same functions as they run eagerly."""

import copy
import threading

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor, compile, nn, optim
from pullback.autograd.programs.trace import TracedValueError

RNG = np.random.default_rng(0)
X = RNG.standard_normal((8, 16, 5)).astype(np.float32)
Y = RNG.integers(0, 3, (8, 16))
EPS = np.finfo(np.float32).eps


def model_of():
    pb.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 8, bias=False), nn.BatchNorm1d(8), nn.Tanh(), nn.Dropout(0.3), nn.Linear(8, 3))


def step_of(model, optimizer, scheduler=None, clipped=None):
    def step(x, y):
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        if clipped is not None:
            nn.utils.clip_grad_norm_(model.parameters(), clipped)
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
        optimizer.zero_grad()
        return loss.detach()

    return step


def near(state, expected, steps):
    """Whether two states are the same, to what rounding in float32 comes to over some steps."""
    assert state.keys() == expected.keys()
    for name, value in state.items():
        a, b = np.asarray(value), np.asarray(expected[name])
        np.testing.assert_allclose(a, b, rtol=0, atol=100 * steps * EPS * max(1, np.abs(b).max()), err_msg=name)


OPTIMIZERS = {
    "SGD": lambda p: optim.SGD(p, lr=0.1),
    "momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "Adam": lambda p: optim.Adam(p, lr=0.01, eps=1e-3),
    "AdamW": lambda p: optim.AdamW(p, lr=0.01, eps=1e-3),
    "RMSprop": lambda p: optim.RMSprop(p, lr=0.01, eps=1e-3),
    "Muon": lambda p: optim.Adagrad(p, lr=0.01),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_whole_steps(name):
    losses, states = [], []
    for compiled in (False, True):
        model = model_of()
        optimizer = OPTIMIZERS[name](model.parameters())
        scheduler = optim.lr_scheduler.StepLR(optimizer, 3, 0.5)
        step = step_of(model, optimizer, scheduler, clipped=0.5)
        step = compile(step) if compiled else step
        pb.manual_seed(1)
        losses.append([step(x, y).item() for x, y in zip(X, Y, strict=True)])
        assert all(p.grad is None for p in model.parameters())
        assert scheduler.last_epoch == 8 and optimizer.param_groups[0]["lr"] == pytest.approx(
            OPTIMIZERS[name](model_of().parameters()).param_groups[0]["lr"] * 0.25
        )
        states.append(model.state_dict())
    assert len(step.programs) == 1
    assert len(set(losses[1])) == 8
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e3 * EPS)
    near(states[1], states[0], 8)


def test_gradients_add_up():
    results = []
    for wrapped in (lambda f: f, compile):
        w = Tensor([1.0, 2.0], requires_grad=True)
        f = wrapped(lambda x, w=w: (w * x).sum().backward())
        for k in range(4):
            assert f([1.0, 10.0 * k]) is None
        results.append(w.grad.data)
    np.testing.assert_array_equal(results, [[4, 60], [4, 60]])


def test_what_changes_between_calls():
    model = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 3))
    f, x = compile(lambda x: model(x)), X[0]
    model.train()

    def same():
        before = copy.deepcopy(model.state_dict())
        pb.manual_seed(0)
        actual = f(x).data
        state = copy.deepcopy(model.state_dict())
        model.load_state_dict(before)
        pb.manual_seed(0)
        np.testing.assert_allclose(actual, model(x).data, rtol=0, atol=100 * EPS)
        near(model.state_dict(), state, 1)

    same(), same()
    assert len(f.programs) == 1
    model.eval()
    same()
    model.train()
    same()
    assert len(f.programs) == 2
    model[0].weight = nn.Parameter(np.ones((8, 5), np.float32))
    same()
    model[0].weight.data = 2 * np.ones((8, 5), np.float32)
    same()
    assert len(f.programs) == 3
    model.load_state_dict({name: 2 * value for name, value in model.state_dict().items()})
    same()
    model[2].p = 0.25
    same()
    model[3] = nn.Linear(8, 2)
    same()
    assert len(f.programs) == 5
    handle = model[3].register_forward_hook(lambda module, args, out: 2 * out)
    same()
    handle.remove()
    same()
    with nn.modules.module.register_module_forward_hook(lambda module, args, out: out + 1):
        same()
    model.requires_grad_(False)
    same()
    model[0].double(), model[1].double(), model[3].double()
    assert f(x.astype(float)).dtype == np.float64


def test_options_of_optimizers_are_read_at_each_step():
    results = []
    for wrapped in (lambda f: f, compile):
        w = Tensor([1.0, 2.0], requires_grad=True)
        optimizer = optim.SGD([w], lr=0.5, momentum=0.5)

        @wrapped
        def step(x, w=w, optimizer=optimizer):
            optimizer.zero_grad()
            ((w - x) ** 2).sum().backward()
            optimizer.step()
            return w * 1

        seen = [step([0.0, 1.0]).data for _ in range(3)]
        optimizer.param_groups[0]["lr"] = 0.125
        seen += [step([0.0, 1.0]).data for _ in range(2)]
        saved = copy.deepcopy(optimizer.state_dict())
        optimizer.load_state_dict({**saved, "state": {}})
        seen += [step([0.0, 1.0]).data for _ in range(2)]
        results.append(seen)
    np.testing.assert_array_equal(*results)


def test_parameters_are_updated_in_place():
    w = Tensor(np.ones(1000), requires_grad=True)
    optimizer = optim.SGD([w], lr=0.5)

    @compile
    def step(x):
        (w * x).sum().backward()
        optimizer.step()
        optimizer.zero_grad()

    step(np.ones(1000))
    held = w._held
    address = held.ctypes.data
    del held
    step(np.ones(1000))
    assert w._held.ctypes.data == address
    np.testing.assert_array_equal(w.data, np.zeros(1000))


def test_several_steps_in_one_function():
    results = []
    for wrapped in (lambda f: f, compile):
        w = Tensor([1.0, 2.0], requires_grad=True)
        optimizer = optim.Adam([w], lr=0.5)

        @wrapped
        def steps(x, w=w, optimizer=optimizer):
            losses = []
            for _ in range(3):
                optimizer.zero_grad()
                loss = ((w * w - x) ** 2).sum()
                loss.backward()
                optimizer.step()
                losses.append(loss.detach())
            return losses

        results.append([float(loss) for _ in range(2) for loss in steps([3.0, 4.0])])
    np.testing.assert_allclose(results[1], results[0], rtol=1e-13)


def test_writes_outside():
    results = []
    for wrapped in (lambda f: f, compile):
        total, last, count = Tensor([0.0, 0.0]), Tensor([0.0, 0.0]), Tensor(0)

        @wrapped
        def f(x, total=total, last=last, count=count):
            nonlocal_total = total
            nonlocal_total += x
            last.data = x * total
            count.__iadd__(1)
            last[0] = 7.0
            return total * count

        seen = [f(Tensor([1.0, k])).data for k in range(3)]
        results.append([*seen, total.data, last.data, [count.data] * 2])
    np.testing.assert_array_equal(*results)


def test_one_operation_of_what_is_outside_is_not_a_constant():
    w = Tensor([1.0, 2.0])
    f = compile(lambda x: x * (w * 2) + pb.sin(w)[0])
    f([1.0, 1.0])
    w.data = [10.0, 20.0]
    np.testing.assert_array_equal(f([1.0, 1.0]).data, [20 + np.sin(10), 40 + np.sin(10)])


def test_variables_outside_are_looked_at():
    scale, parameters, weights = 2.0, {"w": Tensor([1.0])}, [Tensor([1.0])]

    class Settings:
        power = 1
        unread = 0

    settings = Settings()
    settings.power = 2

    def helper(x):
        return x**settings.power * parameters["w"]

    f = compile(lambda x: helper(x) * scale * weights[0])
    assert f([3.0]).item() == 18
    settings.unread = 5
    assert f([3.0]).item() == 18 and len(f.programs) == 1
    scale = 3.0
    assert f([3.0]).item() == 27
    settings.power = 1
    assert f([3.0]).item() == 9
    parameters["w"] = Tensor([10.0])
    assert f([3.0]).item() == 90
    weights[0] = Tensor([2.0])
    assert f([3.0]).item() == 180
    scale = 2.0
    assert f([3.0]).item() == 120


def test_a_counter_outside_counts():
    class State:
        n = 0

    state = State()
    state.n = 0

    def f(x):
        state.n += 1
        return x * state.n

    compiled = compile(f)
    assert [compiled([1.0]).item() for _ in range(20)] == list(range(1, 21))
    assert len(compiled.programs) <= 16


def test_results_of_models_have_gradients():
    model = model_of()
    f = compile(model)
    other = model_of()
    x = Tensor(X[0], requires_grad=True)
    for module, net in ((f, model), (other, other)):
        pb.manual_seed(2)
        (module(x) ** 2).sum().backward()
        net.first, x.grad = x.grad, None
    near({"x": model.first}, {"x": other.first}, 1)
    near(
        {name: p.grad for name, p in model.named_parameters()},
        {name: p.grad for name, p in other.named_parameters()},
        1,
    )
    near(model.state_dict(), other.state_dict(), 1)


def test_hooks_of_tensors_from_outside():
    w = Tensor([1.0, 2.0], requires_grad=True)

    @compile
    def f(x):
        (w * x).sum().backward()

    f([1.0, 1.0])
    handle = w.register_hook(lambda g: 10 * g)
    w.grad = None
    f([1.0, 1.0])
    np.testing.assert_array_equal(w.grad.data, [10, 10])
    handle.remove()
    w.grad = None
    f([1.0, 1.0])
    np.testing.assert_array_equal(w.grad.data, [1, 1])
    with w.register_post_accumulate_grad_hook(lambda leaf: None), pytest.raises(TracedValueError, match="with hooks"):
        w.grad = None
        compile(lambda x: (w * x).sum().backward())([1.0, 1.0])


def test_hooks_of_optimizers():
    w = Tensor([1.0], requires_grad=True)
    optimizer = optim.SGD([w], lr=0.5)
    seen = []
    optimizer.register_step_post_hook(lambda optimizer, args, kwargs: seen.append(w.item()))

    @compile
    def step(x):
        (w * x).sum().backward()
        optimizer.step()

    step([1.0]), step([1.0])
    assert seen == [0.5, -0.5]


def test_averages_of_models():
    results = []
    for wrapped in (lambda f: f, compile):
        model = model_of()
        average = optim.swa_utils.AveragedModel(model)
        optimizer = optim.SGD(model.parameters(), lr=0.1)
        step = step_of(model, optimizer)
        pb.manual_seed(3)

        @wrapped
        def whole(x, y, step=step, average=average, model=model):
            step(x, y)
            average.update_parameters(model)

        for x, y in zip(X, Y, strict=True):
            whole(x, y)
        results.append(average.state_dict())
    near(results[1], results[0], 8)


def test_threads_do_not_see_what_stands_in():
    w = Tensor(np.ones(50), requires_grad=True)
    wrong, stop = [], threading.Event()

    def look():
        while not stop.is_set():
            if (w * 2).sum().item() != 100:
                wrong.append(1)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        for k in range(20):
            compile(lambda x, k=k: (pb.sin(w * x) * k).sum())(np.ones(50))
    except BaseException as error:
        wrong.append(error)
    finally:
        stop.set(), thread.join()
    assert not wrong and type(w) is Tensor


@pytest.mark.parametrize("fitted", [True, False])
def test_trainer(fitted):
    histories = []
    for compiled in (False, True):
        model = model_of()
        trainer = optim.Trainer(model, nn.CrossEntropyLoss(), optim.Adam(model.parameters(), 0.01), compile=compiled)
        data = X.reshape(-1, 5)[:100], Y.reshape(-1)[:100]
        history = trainer.fit(data, 2, data if fitted else None, batch_size=32, progress=False)
        histories.append((history, model.state_dict()))
    for name in histories[0][0].keys() - {"seconds"}:
        np.testing.assert_allclose(histories[1][0][name], histories[0][0][name], rtol=1e-4)
    assert len(trainer._pass.programs) == 2
    near(histories[1][1], histories[0][1], 100)


def test_trainer_leaves_out_what_is_not_finite():
    model = model_of()
    trainer = optim.Trainer(
        model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), 0.1), nonfinite="skip", compile=True
    )
    before = copy.deepcopy(model.state_dict())
    wrong = np.full((16, 5), np.nan, np.float32)
    with pytest.raises(FloatingPointError):
        trainer.fit([(wrong, Y[0])], 1, progress=False)
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
