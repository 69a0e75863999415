"""What runs below arrays: threads, memory, and machine code with the check of what it is given."""
