"""Fewer points of a curve, with nothing lost that the eye would miss."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np


def keep_extremes(values: Sequence[float], most: int) -> list[int]:
    """Indices, rising, of at most ``most`` points: first, last, and each stretch's extremes.

    The interior is cut into equal stretches, and of each the lowest and the highest point stay,
    so the curve's own minimum and maximum are always among them. ``most`` is at least 2.
    """
    count = len(values)
    if most < 2:
        raise ValueError("a curve needs two points")
    if count <= most:
        return list(range(count))
    column = np.asarray(values, dtype=np.float64)
    kept = {0, count - 1}
    stretches = (most - 2) // 2
    if stretches == 0:
        return sorted(kept)
    edges = [1 + (count - 2) * edge // stretches for edge in range(stretches + 1)]
    for start, end in pairwise(edges):
        stretch = column[start:end]
        kept.add(start + int(np.argmin(stretch)))
        kept.add(start + int(np.argmax(stretch)))
    return sorted(kept)
