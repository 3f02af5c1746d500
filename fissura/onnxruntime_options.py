"""What every session of ONNX Runtime must be given for a graph to run at the precision that it was proven at.

Kept apart from the library: vehicle and calibration open sessions of their own, which must run the same kernels.
"""

from __future__ import annotations

from fissura.bundle import Precision

# It merges the pairs around quantised layers that read the same tensor, and the layers then run in fp32.
MERGES_PAIRS = "CommonSubexpressionElimination"


def disabled_optimizers(precision: Precision) -> list[str] | None:
    """The optimisers that a session leaves out for a graph of this precision; None: none."""
    return [MERGES_PAIRS] if precision == "int8" else None
