"""Where numbers go wrong, and where time goes."""
