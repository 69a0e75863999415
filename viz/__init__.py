"""Pictures of graphs, filters, features and training curves."""

from .ascent import activation_maximization
from .attributions import grad_cam, input_x_gradient, integrated_gradients, smoothgrad
from .deconvnet import deconvnet, guided_backprop, saliency
from .figures import Picture
from .graph import Graph, Record, graph, record
from .perturbation import occlusion
from .pictures import confusion, curves, feature_maps, filters, images, profile
from .receptive_fields import receptive_field
from .report import report
from .top_activations import TopActivation, TopActivations, top_activations

__all__ = [
    "Graph",
    "Picture",
    "Record",
    "TopActivation",
    "TopActivations",
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
    "receptive_field",
    "record",
    "report",
    "saliency",
    "smoothgrad",
    "top_activations",
]
