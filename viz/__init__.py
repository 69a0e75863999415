"""Pictures of graphs, filters, features and training curves."""

from .deconvnet import deconvnet, guided_backprop, saliency
from .figures import Picture
from .graph import Graph, graph
from .pictures import confusion, curves, feature_maps, filters, images, profile
from .receptive_fields import receptive_field
from .report import report
from .top_activations import TopActivation, TopActivations, top_activations

__all__ = [
    "Graph",
    "Picture",
    "TopActivation",
    "TopActivations",
    "confusion",
    "curves",
    "deconvnet",
    "feature_maps",
    "filters",
    "graph",
    "guided_backprop",
    "images",
    "profile",
    "receptive_field",
    "report",
    "saliency",
    "top_activations",
]
