"""Threads, memory and machine code, and the check of the arguments that machine code is given."""
