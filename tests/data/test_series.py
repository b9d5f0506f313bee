import math

import numpy as np

from antehoc.data.drawn import KINDS, draw
from antehoc.data.series import share

CLASSES = KINDS[:4]


# Shares and roles


def test_a_share_is_uniform_and_a_matter_of_bytes_alone():
    images = np.concatenate([draw(kind, seed=0, count=500).image for kind in CLASSES])
    shares = share(images)
    assert shares.shape == (2000,)
    assert ((shares >= 0) & (shares < 1)).all()
    # Kolmogorov-Smirnov: 1.63 / sqrt(n) is passed by 1 in 100 sets of uniform numbers
    assert np.abs(np.sort(shares) - (np.arange(2000) + 0.5) / 2000).max() < 1.63 / math.sqrt(2000)
    assert len(set(shares.tolist())) == 2000
    assert np.array_equal(share(images[::-1].copy()), shares[::-1]), "whatever stands beside it"
    assert np.array_equal(share(np.ascontiguousarray(images[::2])), shares[::2])
    changed = images.copy()
    changed[:, 0, 0] -= 1
    assert (share(changed) != shares).all()
