"""Pictures of graphs, filters, features and training curves."""

from .deconvnet import deconvnet, guided_backprop, saliency
from .difference import Difference, difference
from .figures import Picture
from .graph import Graph, Record, first_nan, graph, record
from .pictures import confusion, curves, feature_maps, filters, images, profile
from .report import report

__all__ = [
    "Difference",
    "Graph",
    "Picture",
    "Record",
    "confusion",
    "curves",
    "deconvnet",
    "difference",
    "feature_maps",
    "filters",
    "first_nan",
    "graph",
    "guided_backprop",
    "images",
    "profile",
    "record",
    "report",
    "saliency",
]
