"""NumPy's two protocols, and the methods and names that its users expect."""
