"""SciPy's functions that take array API input: the value is that on arrays, and the gradient is right.

Run by test_array_api.py, with SCIPY_ARRAY_API=1.
"""

import numpy as np
import pytest
import scipy
import scipy.cluster.vq as vq
import scipy.fft as fft
import scipy.integrate as integrate
import scipy.linalg as linalg
import scipy.ndimage as ndimage
import scipy.optimize as optimize
import scipy.signal as signal
import scipy.spatial.distance as distance
import scipy.special as special
import scipy.stats as stats
from scipy.spatial.transform import Rotation

from pullback import Tensor, real, testing

RNG = np.random.default_rng(0)
X, Y = RNG.uniform(0.2, 1.0, (2, 3, 5))
V, W = RNG.uniform(0.2, 1.0, (2, 12))

SLOPE = {"stats.linregress": lambda x: stats.linregress(x[0], x[1]).slope}
BY_ARRAY_API = np.lib.NumpyVersion(scipy.__version__) >= "1.18.0"  # and before by NumPy

OF_ONE = (SLOPE if BY_ARRAY_API else {}) | {
    "special.logsumexp": lambda x: special.logsumexp(x, axis=1),
    "special.logsumexp with weights": lambda x: special.logsumexp(x, axis=0, b=2.0),
    "special.softmax": lambda x: special.softmax(x, axis=0),
    "special.log_softmax": lambda x: special.log_softmax(x, axis=1),
    "special.erf": special.erf,
    "special.gammaln": special.gammaln,
    "special.expit": special.expit,
    "special.logit": lambda x: special.logit(x * 0.9),
    "special.entr": special.entr,
    "special.i0": special.i0,
    "special.ndtr": special.ndtr,
    "special.log_ndtr": special.log_ndtr,
    "special.gammainc": lambda x: special.gammainc(2.0, x),
    "special.betainc": lambda x: special.betainc(2.0, 3.0, x * 0.9),
    "stats.zscore": lambda x: stats.zscore(x, axis=1),
    "stats.gmean": lambda x: stats.gmean(x, axis=1),
    "stats.hmean": lambda x: stats.hmean(x, axis=1),
    "stats.pmean": lambda x: stats.pmean(x, 3, axis=1),
    "stats.skew": lambda x: stats.skew(x, axis=1),
    "stats.kurtosis": lambda x: stats.kurtosis(x, axis=1),
    "stats.moment": lambda x: stats.moment(x, 3, axis=1),
    "stats.variation": lambda x: stats.variation(x, axis=1),
    "stats.sem": lambda x: stats.sem(x, axis=1),
    "stats.entropy": lambda x: stats.entropy(x, axis=1),
    "stats.tmean": lambda x: stats.tmean(x, axis=1),
    "stats.tstd": lambda x: stats.tstd(x, axis=1),
    "stats.describe": lambda x: stats.describe(x, axis=1).skewness,
    "stats.circmean": lambda x: stats.circmean(x, axis=1),
    "stats.circvar": lambda x: stats.circvar(x, axis=1),
    "stats.gstd": lambda x: stats.gstd(x, axis=1),
    "stats.power_divergence": lambda x: stats.power_divergence(x, axis=1).statistic,
    "stats.iqr": lambda x: stats.iqr(x, axis=1),
    "stats.kstat": lambda x: stats.kstat(x[0], 2),
    "stats.boxcox_llf": lambda x: stats.boxcox_llf(0.5, x[0]),
    "stats.bartlett": lambda x: stats.bartlett(x[0], x[1]).statistic,
    "stats.ttest_1samp": lambda x: stats.ttest_1samp(x, 0.5, axis=1).pvalue,
    "stats.pearsonr": lambda x: stats.pearsonr(x, x**2, axis=1).statistic,
    "integrate.trapezoid": lambda x: integrate.trapezoid(x, axis=1),
    "integrate.cumulative_trapezoid": lambda x: integrate.cumulative_trapezoid(x, axis=1),
    "integrate.cumulative_simpson": lambda x: integrate.cumulative_simpson(x, axis=1),
    "integrate.romb": lambda x: integrate.romb(x, axis=1),
    "integrate.fixed_quad": lambda x: integrate.fixed_quad(lambda t: t**2 * x[0, 0], 0, 1)[0],
    "signal.hilbert": lambda x: signal.hilbert(x).imag,
    "signal.resample": lambda x: signal.resample(x, 7, axis=1),
    "signal.envelope": lambda x: signal.envelope(x[0]),
    "fft.fft": lambda x: real(fft.fft(x) * (1 + 2j)) if isinstance(x, Tensor) else (fft.fft(x) * (1 + 2j)).real,
    "fft.irfft": fft.irfft,
    "fft.irfft2": fft.irfft2,
    "fft.fftshift": fft.fftshift,
    "linalg.block_diag": lambda x: linalg.block_diag(x, x),
    "optimize.rosen": lambda x: optimize.rosen(x[0]),
    "optimize.rosen_der": lambda x: optimize.rosen_der(x[0]),
    "cluster.vq.whiten": vq.whiten,
    "spatial.transform.Rotation": lambda x: Rotation.from_rotvec(x[0, :3]).as_matrix(),
}

OF_TWO = {
    "special.xlogy": special.xlogy,
    "special.rel_entr": special.rel_entr,
    "special.kl_div": special.kl_div,
    "special.betaln": special.betaln,
    "stats.entropy": lambda x, y: stats.entropy(x, y, axis=1),
    "stats.zmap": lambda x, y: stats.zmap(x, y, axis=1),
    "signal.fftconvolve": lambda x, y: signal.fftconvolve(x, y, axes=1),
    "signal.oaconvolve": lambda x, y: signal.oaconvolve(x, y, mode="same"),
    "integrate.trapezoid": lambda x, y: integrate.trapezoid(x, y, axis=1),
}


@pytest.mark.parametrize("name", OF_ONE)
def test_function_of_one_array(name):
    check(OF_ONE[name], X)


@pytest.mark.parametrize("name", OF_TWO)
def test_function_of_two_arrays(name):
    check(OF_TWO[name], X, Y)


def check(f, *arrays):
    tensors = tuple(Tensor(a, requires_grad=True) for a in arrays)
    out = f(*tensors)
    assert isinstance(out, Tensor) and out.requires_grad
    np.testing.assert_allclose(out.numpy(), f(*arrays), rtol=1e-12, atol=1e-13)
    testing.gradcheck(f, tensors)


# SciPy computes them in C on NumPy's arrays.
REFUSED = ({} if BY_ARRAY_API else SLOPE) | {
    "special.huber": lambda x: special.huber(0.5, x),
    "special.ellipk": special.ellipk,
    "special.hyp2f1": lambda x: special.hyp2f1(1.0, 2.0, 3.0, x),
    "fft.dct": fft.dct,
    "signal.savgol_filter": lambda x: signal.savgol_filter(x, 5, 2),
    "signal.welch": lambda x: signal.welch(x, nperseg=4)[1],
    "signal.detrend": signal.detrend,
    "ndimage.gaussian_filter": lambda x: ndimage.gaussian_filter(x, 1.0),
    "ndimage.zoom": lambda x: ndimage.zoom(x, 2),
    "spatial.distance.pdist": distance.pdist,
    "spatial.distance.euclidean": lambda x: distance.euclidean(x[0], x[1]),
    "linalg.inv": lambda x: linalg.inv(x[:, :3]),
    "linalg.expm": lambda x: linalg.expm(x[:, :3]),
    "stats.norm.logpdf": stats.norm.logpdf,
    "stats.f_oneway": lambda x: stats.f_oneway(x, x**2, axis=1).statistic,
    "signal.convolve, direct": lambda x: signal.convolve(x[0], x[1], method="direct"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_lose_the_gradient_is_refused(name):
    f = REFUSED[name]
    with pytest.raises(TypeError, match="requires a gradient would lose it|has no rule on Tensors"):
        f(Tensor(X, requires_grad=True))


@pytest.mark.parametrize("name", sorted(REFUSED.keys() - {"special.hyp2f1"}))
def test_but_computed_on_tensors_without_gradient(name):
    f = REFUSED[name]
    np.testing.assert_allclose(np.asarray(f(Tensor(X))), f(X), rtol=1e-13)


def test_ranks_are_constants():
    ranks = stats.rankdata(Tensor(V, requires_grad=True))
    np.testing.assert_array_equal(ranks.numpy(), stats.rankdata(V))
    assert not ranks.requires_grad
