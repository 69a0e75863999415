"""Loops over arrays, in NumPy and in machine code; nothing here knows Tensors."""
