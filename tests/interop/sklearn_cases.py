"""scikit-learn with array API dispatch: the value is that on arrays, and the gradient is right.

Run by test_array_api.py, with SCIPY_ARRAY_API=1.
"""

import numpy as np
import pytest
import sklearn
import sklearn.decomposition as decomposition
import sklearn.discriminant_analysis as discriminant
import sklearn.linear_model as linear_model
import sklearn.metrics as metrics
import sklearn.metrics.pairwise as pairwise
import sklearn.model_selection as model_selection
import sklearn.naive_bayes as naive_bayes
import sklearn.preprocessing as preprocessing
from sklearn.utils._array_api import get_namespace

import pullback
from pullback import Tensor, testing

RNG = np.random.default_rng(0)
X = RNG.normal(size=(8, 3))
TARGETS = X @ RNG.normal(size=(3, 2)) + 0.1 * RNG.normal(size=(8, 2))
Z = TARGETS + 0.1 * RNG.normal(size=(8, 2))
LABELS, GUESSES = (TARGETS[:, 0] > 0).astype(np.int64), (RNG.random(8) > 0.5).astype(np.int64)
PROBABILITIES = RNG.uniform(0.1, 0.9, 8)


@pytest.fixture(autouse=True)
def _dispatch():
    with sklearn.config_context(array_api_dispatch=True):
        yield


def like(values, x):
    """The fixed values as what x is."""
    return Tensor(values) if isinstance(x, Tensor) else values


def test_its_namespace_is_ours():
    assert get_namespace(Tensor(X)) == (pullback, True)


pytestmark = pytest.mark.filterwarnings("ignore:invalid value encountered in divide")  # 0 / 0 before the first sample

TRANSFORMS = {
    "MinMaxScaler": lambda x: preprocessing.MinMaxScaler().fit_transform(x),
    "MaxAbsScaler": lambda x: preprocessing.MaxAbsScaler().fit_transform(x),
    "StandardScaler, fitted": lambda x: preprocessing.StandardScaler().fit(like(X, x)).transform(x),
    "Normalizer": lambda x: preprocessing.Normalizer().fit_transform(x),
    "normalize l1": lambda x: preprocessing.normalize(x, "l1"),
    "PolynomialFeatures": lambda x: preprocessing.PolynomialFeatures(2).fit_transform(x),
    "KernelCenterer": lambda x: preprocessing.KernelCenterer().fit_transform(x @ x.T),
    "cosine_similarity": lambda x: pairwise.cosine_similarity(x),
    "euclidean_distances": lambda x: pairwise.euclidean_distances(x, like(X + 1, x)),
    "rbf_kernel": lambda x: pairwise.rbf_kernel(x, like(X + 1, x)),
    "laplacian_kernel": lambda x: pairwise.laplacian_kernel(x, like(X + 1, x)),
    "polynomial_kernel": lambda x: pairwise.polynomial_kernel(x),
    "PCA, full": lambda x: decomposition.PCA(2, svd_solver="full").fit(x).explained_variance_,
    "PCA, covariance_eigh": lambda x: decomposition.PCA(2, svd_solver="covariance_eigh").fit_transform(x),
    "Ridge": lambda x: linear_model.Ridge(solver="svd").fit(x, like(TARGETS, x)).coef_,
    "Ridge in its targets": lambda y: linear_model.Ridge(solver="svd").fit(like(X, y), y).predict(like(X, y)),
    "LinearDiscriminantAnalysis": lambda x: (
        discriminant.LinearDiscriminantAnalysis().fit(x, like(LABELS, x)).decision_function(x)
    ),
    "GaussianNB": lambda x: naive_bayes.GaussianNB().fit(x, like(LABELS, x)).predict_proba(x),
    "train_test_split": lambda x: model_selection.train_test_split(x, random_state=0)[0],
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_transformations_and_fits(name):
    check(TRANSFORMS[name], X)


def check(f, values):
    x = Tensor(values, requires_grad=True)
    out = f(x)
    assert isinstance(out, Tensor) and out.requires_grad
    np.testing.assert_allclose(out.numpy(), f(values), rtol=1e-9, atol=1e-12)
    testing.gradcheck(f, x, atol=1e-5)


@pytest.mark.parametrize(
    "metric",
    [
        metrics.mean_squared_error,
        metrics.root_mean_squared_error,
        metrics.mean_absolute_error,
        metrics.mean_absolute_percentage_error,
        metrics.r2_score,
        metrics.explained_variance_score,
        metrics.mean_pinball_loss,
    ],
    ids=lambda metric: metric.__name__,
)
def test_metrics_of_regression(metric):
    """Of each target apart they keep the graph; their mean is made a float, where it would end."""
    check(lambda z: metric(like(TARGETS, z), z, multioutput="raw_values"), Z)
    mean = metric(Tensor(TARGETS), Tensor(Z))
    assert type(mean) is float and mean == pytest.approx(metric(TARGETS, Z), rel=1e-14)
    with pytest.raises(TypeError, match="would lose it"):
        metric(Tensor(TARGETS), Tensor(Z, requires_grad=True))


@pytest.mark.parametrize(
    "metric",
    [
        metrics.accuracy_score,
        metrics.zero_one_loss,
        metrics.f1_score,
        metrics.precision_score,
        metrics.recall_score,
        metrics.jaccard_score,
        metrics.hamming_loss,
        metrics.balanced_accuracy_score,
        metrics.cohen_kappa_score,
        metrics.matthews_corrcoef,
    ],
    ids=lambda metric: metric.__name__,
)
def test_metrics_of_classes(metric):
    assert metric(Tensor(LABELS), Tensor(GUESSES)) == pytest.approx(metric(LABELS, GUESSES), rel=1e-14)


@pytest.mark.parametrize(
    "metric", [metrics.log_loss, metrics.brier_score_loss, metrics.roc_auc_score], ids=lambda metric: metric.__name__
)
def test_metrics_of_probabilities(metric):
    assert metric(Tensor(LABELS), Tensor(PROBABILITIES)) == pytest.approx(metric(LABELS, PROBABILITIES), rel=1e-14)


def test_confusion_matrix():
    counts = metrics.confusion_matrix(Tensor(LABELS), Tensor(GUESSES))
    np.testing.assert_array_equal(np.asarray(counts), metrics.confusion_matrix(LABELS, GUESSES))


def test_standard_scaler():
    x = Tensor(X)
    out = preprocessing.StandardScaler().fit_transform(x)
    np.testing.assert_allclose(out.numpy(), (X - X.mean(0)) / X.std(0), rtol=1e-12)


def test_logistic_regression():
    fitted = linear_model.LogisticRegression().fit(Tensor(X), Tensor(LABELS))
    expected = linear_model.LogisticRegression().fit(X, LABELS)
    np.testing.assert_allclose(np.asarray(fitted.coef_), expected.coef_, rtol=1e-3)


@pytest.mark.parametrize(
    "fit",
    [
        lambda x: linear_model.LogisticRegression().fit(x, Tensor(LABELS)),
        lambda x: linear_model.LinearRegression().fit(x, Tensor(TARGETS)),
        lambda x: preprocessing.RobustScaler().fit(x),
    ],
)
def test_what_leaves_for_numpy_refuses_a_gradient(fit):
    with pytest.raises(TypeError, match="would lose it"):
        fit(Tensor(X, requires_grad=True))
