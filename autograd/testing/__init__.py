"""Numerical differentiation and property tests of gradients."""
