"""How functions of this package are compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from numba import njit

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def compiled(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Machine code at the first call: without the interpreter's lock, division by zero as numpy has it.

    No `fastmath`: results are to be those of numpy, to the last bit where sums are taken in the same order.
    """
    machine_code: Callable[Arguments, Result] = njit(nogil=True, error_model="numpy")(function)
    return machine_code


def kept(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Like `compiled`, and kept on disk with all that it calls: for what is called from Python.

    Raises:
        RuntimeError: no folder can be written to.
    """
    machine_code: Callable[Arguments, Result] = njit(nogil=True, error_model="numpy", cache=True)(function)
    return machine_code
