"""NumPy's two protocols on Tensors, and the methods and names that NumPy's users expect."""
