"""`pullback train` and `pullback evaluate`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from .. import optim
from ..nn import CrossEntropyLoss, Module, manual_seed, save
from ..nn.data import DataLoader
from ..nn.data.dataset import Samples
from ..optim import Optimizer, Trainer, callbacks, lr_scheduler
from .augmentation import augmentations, augmented
from .data import Images, arrays, chosen_images
from .mistakes import Mistake, nearest
from .models import kind_of, loaded
from .report import write_report

__all__ = ["OPTIMIZERS", "SCHEDULERS", "evaluate", "train"]

_LEFT_OUT = ("Optimizer", "Muon", "SparseAdam")  # they are for matrices, and for rows, alone
OPTIMIZERS = {
    name.lower(): kind
    for name in optim.__all__
    if isinstance(kind := getattr(optim, name), type) and issubclass(kind, Optimizer) and name not in _LEFT_OUT
}
SCHEDULERS = ("none", "cosine", "step", "onecycle", "plateau")


class _Interrupted(callbacks.Callback):
    """Knows whether Ctrl-C was pressed."""

    here = False

    def on_interrupt(self, trainer: callbacks.Training) -> None:
        self.here = True


def train(options: argparse.Namespace) -> int:
    """Train a model, and write weights, history and report; 130 if that was interrupted."""
    if options.resume and not options.checkpoint:
        raise Mistake("--resume goes with --checkpoint DIR, which says where from")
    names = augmentations(options.augment)
    data, model = _begun(options)
    dataset, collate = augmented(data.train, np.shape(data.train[0][0]), len(data.classes), names)
    loader = _loader(dataset, options, shuffle=True, collate_fn=collate)
    folder = Path(options.out)
    folder.mkdir(parents=True, exist_ok=True)
    optimizer = _optimizer(options, model)
    interrupted = _Interrupted()
    more: list[Any] = [interrupted, callbacks.HistoryFile(folder / "history.json")]
    more += _schedule(options, optimizer, len(loader))
    stopping = [callbacks.EarlyStopping(patience=n, restore_best=True)] if (n := options.early_stopping) else []
    more += stopping
    saving = [callbacks.Checkpointing(options.checkpoint)] if options.checkpoint else []
    trainer = Trainer(model, CrossEntropyLoss(), optimizer, [*more, *saving], nonfinite=options.nonfinite)
    if options.resume:
        print("resumed" if saving[0].resume(trainer) else "no checkpoint yet: training begins")
    validation = _loader(data.test, options)
    shown = {"progress": options.progress, "verbose": not options.progress and not options.quiet}
    history = trainer.fit(loader, options.epochs, validation, **shown)
    weights = folder / "weights.safetensors"
    save(model, weights)
    print(f"{weights} written")
    if interrupted.here:
        return 130
    if stopping and trainer.stop:
        print(f"stopped after epoch {trainer.epoch}: epoch {stopping[0].best_epoch} was the best, its weights are kept")
    scores = trainer.evaluate(validation)
    _say(scores)
    if options.report:
        title = f"{options.model} on {options.data}"
        write_report(folder, title, model, data, scores, history)
        print(f"{folder / 'report.html'} written")
    return 0


def evaluate(options: argparse.Namespace) -> int:
    """Measure a model on the images to test with."""
    data = chosen_images(options)
    model = loaded(options.model, len(data.classes), options.weights)
    metrics = callbacks.Metrics(f1=callbacks.F1(), **({"top5": callbacks.TopK(5)} if len(data.classes) > 5 else {}))
    _try(model, data, options.model)
    _say(Trainer(model, CrossEntropyLoss(), callbacks=[metrics]).evaluate(_loader(data.test, options)))
    return 0


def _begun(options: argparse.Namespace) -> tuple[Images, Module]:
    """The data, and a new model that takes them."""
    data = chosen_images(options)
    manual_seed(options.seed)
    model = kind_of(options.model).make(len(data.classes))
    _try(model, data, options.model)
    return data, model


def _try(model: Module, data: Images, name: str) -> None:
    """Mistake where the model cannot take the images."""
    images = arrays(data.test, 1)[0]
    try:
        Trainer(model, CrossEntropyLoss()).predict(images)
    except ValueError as error:
        raise Mistake(f"{name} cannot take images of shape {images.shape[1:]}: {error}; give --size") from error


def _loader(dataset: Samples[Any], options: argparse.Namespace, shuffle: bool = False, **more: Any) -> DataLoader:
    seed = options.seed if shuffle else None
    return DataLoader(
        dataset, options.batch_size, shuffle, num_workers=options.workers, workers="thread", generator=seed, **more
    )


def _optimizer(options: argparse.Namespace, model: Module) -> Optimizer:
    name = options.optimizer.lower()
    if name not in OPTIMIZERS:
        raise Mistake(f"there is no optimizer {options.optimizer!r}{nearest(name, OPTIMIZERS)}")
    kind: Any = OPTIMIZERS[name]
    given = {} if options.lr is None else {"lr": options.lr}
    if name == "sgd":
        given = {"lr": 0.01, "momentum": 0.9, **given}
    return kind(model.parameters(), **given)


def _schedule(options: argparse.Namespace, optimizer: Any, batches: int) -> list[callbacks.Schedule]:
    """The callback that steps the scheduler of this name, if any."""
    name, epochs = options.scheduler, max(1, options.epochs)
    if name == "cosine":
        return [callbacks.Schedule(lr_scheduler.CosineAnnealingLR(optimizer, epochs))]
    if name == "step":
        return [callbacks.Schedule(lr_scheduler.StepLR(optimizer, max(1, epochs // 3)))]
    if name == "plateau":
        return [callbacks.Schedule(lr_scheduler.ReduceLROnPlateau(optimizer))]
    if name == "onecycle":
        rate = optimizer.param_groups[0]["lr"]
        momentum = any(key in optimizer.defaults for key in ("momentum", "betas"))
        cycle = lr_scheduler.OneCycleLR(optimizer, rate, epochs * batches, cycle_momentum=momentum)
        return [callbacks.Schedule(cycle, "step")]
    return []


def _say(scores: dict[str, float]) -> None:
    print(", ".join(f"{name} {value:.4f}" for name, value in scores.items()))
