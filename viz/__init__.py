"""Pictures of graphs, filters, features and training curves."""

from .ascent import activation_maximization
from .attributions import grad_cam, input_x_gradient, integrated_gradients, smoothgrad
from .deconvnet import deconvnet, guided_backprop, saliency
from .figures import Picture
from .graph import Graph, Record, graph, record
from .perturbation import occlusion
from .pictures import confusion, curves, feature_maps, filters, images, profile
from .report import report

__all__ = [
    "Graph",
    "Picture",
    "Record",
    "activation_maximization",
    "confusion",
    "curves",
    "deconvnet",
    "feature_maps",
    "filters",
    "grad_cam",
    "graph",
    "guided_backprop",
    "images",
    "input_x_gradient",
    "integrated_gradients",
    "occlusion",
    "profile",
    "record",
    "report",
    "saliency",
    "smoothgrad",
]
