"""Functions made of functions: derivatives, checkpoints, implicit functions."""
