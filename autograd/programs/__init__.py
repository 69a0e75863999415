"""Programs: the operations of a function as a straight list, to be read, changed and run."""
