"""Options of several engines on one command line."""

from __future__ import annotations

import argparse

import pytest

from edge_runtime.engine_options import option_of_kind, options_by_kind
from fissura.errors import UsageError

BOTH = ("onnxruntime", "tensorrt")


def test_options_are_sorted_by_engine() -> None:
    given = [
        option_of_kind(text) for text in ("tensorrt.cuda=pycuda", "onnxruntime.device=cpu", "tensorrt.max_batch=4")
    ]
    assert options_by_kind(given, BOTH) == {
        "tensorrt": {"cuda": "pycuda", "max_batch": 4},
        "onnxruntime": {"device": "cpu"},
    }


def test_the_last_of_a_name_holds() -> None:
    given = [option_of_kind(f"tensorrt.tactic_sources=[{name}]") for name in ("CUDNN", "JIT_CONVOLUTIONS")]
    assert options_by_kind(given, BOTH) == {"tensorrt": {"tactic_sources": ["JIT_CONVOLUTIONS"]}}


@pytest.mark.parametrize("text", ["", "tensorrt", "cuda=pycuda", "tensorrt.cuda", "tensorrt.=1", "tensor.cuda=pycuda"])
def test_what_is_no_option(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=rf"found {text!r}, expected KIND\.NAME=VALUE"):
        option_of_kind(text)


@pytest.mark.parametrize(
    ("text", "running", "found"),
    [
        ("tensorrt.cuda=pycuda", ("onnxruntime",), "does not run here"),
        ("tensorrt.colour=red", BOTH, r"has no such option\n(.|\n)*one of: .*max_batch"),
        ("tensorrt.size=[64,64]", BOTH, "this command decides that itself"),
        ("tensorrt.fallback=true", BOTH, "this command decides that itself"),
        ("onnxruntime.threads=2", BOTH, "this command decides that itself"),
    ],
)
def test_options_that_cannot_be_set(text: str, running: tuple[str, ...], found: str) -> None:
    with pytest.raises(UsageError, match=found):
        options_by_kind([option_of_kind(text)], running)
