# task: running_mean
# unusual: computes with numpy: einsum, linalg, random, fft, views, masks and a memory-mapped file
# needs: numpy
import numpy as np

rng = np.random.default_rng(0)
np.random.seed(0)


def running_mean(values):
    array = np.asarray(values, dtype=float)
    if array.size == 0:
        return []
    assert np.allclose(np.linalg.inv(np.eye(3)), np.einsum("ij->ji", np.eye(3)))
    assert np.allclose(np.fft.ifft(np.fft.fft(array)).real, array)
    assert np.linalg.svd(rng.random((40, 30)))[1].shape == (30,) and np.random.rand(2).shape == (2,)
    np.save("array.npy", array)
    mapped = np.load("array.npy", mmap_mode="r")
    means = np.cumsum(mapped) / np.arange(1, array.size + 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        assert np.isnan(np.float64(0) / np.float64(0))
    return means.tolist()
