"""Optimizers and the training loop."""
