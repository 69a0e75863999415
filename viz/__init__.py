"""Pictures of graphs, filters, features and training curves."""

from .charts import confusion, curves, profile
from .deconvnet import deconvnet, guided_backprop, saliency
from .figures import Picture
from .graph import Graph, Record, graph, record
from .histograms import Histograms
from .landscape import landscape
from .pictures import feature_maps, filters, images
from .report import report

__all__ = [
    "Graph",
    "Histograms",
    "Picture",
    "Record",
    "confusion",
    "curves",
    "deconvnet",
    "feature_maps",
    "filters",
    "graph",
    "guided_backprop",
    "images",
    "landscape",
    "profile",
    "record",
    "report",
    "saliency",
]
