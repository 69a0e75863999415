"""Pictures of graphs, filters, features and training curves."""

from .ascent import activation_maximization
from .attributions import grad_cam, input_x_gradient, integrated_gradients, smoothgrad
from .charts import confusion, curves, profile
from .deconvnet import deconvnet, guided_backprop, saliency
from .difference import Difference, difference
from .figures import Picture
from .graph import Graph, Record, first_nan, graph, record
from .histograms import Histograms
from .landscape import landscape
from .perturbation import occlusion
from .pictures import feature_maps, filters, images
from .receptive_fields import receptive_field
from .report import report
from .top_activations import TopActivation, TopActivations, top_activations

__all__ = [
    "Difference",
    "Graph",
    "Histograms",
    "Picture",
    "Record",
    "TopActivation",
    "TopActivations",
    "activation_maximization",
    "confusion",
    "curves",
    "deconvnet",
    "difference",
    "feature_maps",
    "filters",
    "first_nan",
    "grad_cam",
    "graph",
    "guided_backprop",
    "images",
    "input_x_gradient",
    "integrated_gradients",
    "landscape",
    "occlusion",
    "profile",
    "receptive_field",
    "record",
    "report",
    "saliency",
    "smoothgrad",
    "top_activations",
]
