"""The engine: tensors, primitives and their rules, the graph, and the passes over it."""
