"""Temperature scaling: a probability stated as a confidence that comes true as often as it says.

Reference: Guo, Pleiss, Sun, Weinberger, "On calibration of modern neural networks", ICML 2017, section 4.2; here of
one sigmoid, where the softmax of two classes has the same form.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def tempered(probability: NDArray[np.floating[Any]], temperature: float) -> NDArray[np.float64]:
    """Probabilities whose log-odds are divided by the temperature; above 1 they move towards one half.

    The order stays, and so do 0, 1/2 and 1.

    Args:
        probability: any shape, 0 to 1; what lies outside is clipped.
        temperature: above 0; 1 changes nothing.

    Example:
        >>> tempered(np.array([0.2, 0.5, 0.8]), 2.0)
        array([0.33333333, 0.5       , 0.66666667])
    """
    bounded = np.clip(np.asarray(probability, np.float64), 0, 1)
    if temperature == 1:
        return bounded
    with np.errstate(divide="ignore", over="ignore"):  # 0 and 1 have endless log-odds, and come back as themselves
        return np.asarray(1 / (1 + np.exp((np.log1p(-bounded) - np.log(bounded)) / temperature)))
