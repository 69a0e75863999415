"""Pictures of graphs, filters, features and training curves."""
