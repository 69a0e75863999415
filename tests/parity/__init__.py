"""Every module, functional, loss and initializer of torch.nn beside ours; `python -m pullback.tests.parity` prints it.

A family of modules has a file `cases_*.py` here with a list `CASES`; what PyTorch has and is left out stands, with the
reason, in `absent.py`. Optimizers and schedulers have a command of their own, `python -m pullback.tests.parity.optim`.
"""
