"""What there is to choose from: the table of engines, each in the ways that it may run."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from edge_runtime.engines import ENGINES

REFERENCE = "onnxruntime"
# Ways of an engine beside its own defaults.
MORE_WAYS: dict[str, list[dict[str, Any]]] = {
    "onnxruntime": [{"device": "cuda"}],
    "openvino": [{"precision": "bf16"}],
}
OPEN_S = 300.0
# Until its first answer: TensorRT builds its plans for minutes, and keeps them.
OPEN_S_OF = {"tensorrt": 7200.0}


class Candidate(BaseModel):
    """An engine in one way.

    Attributes:
        kind: a row of `ENGINES`.
        options: of the engine, beside the threads.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    options: dict[str, Any] = Field(default_factory=dict)

    @property
    def label(self) -> str:
        """As a person reads it: ``openvino precision=bf16``."""
        return " ".join([self.kind, *(f"{name}={value}" for name, value in self.options.items())])

    @property
    def open_s(self) -> float:
        """Seconds that it has for being opened and proven."""
        return OPEN_S_OF.get(self.kind, OPEN_S)


def candidates() -> list[Candidate]:
    """Every engine in every way; whether this device has it, only a trial tells."""
    return [Candidate(kind=kind, options=options) for kind in ENGINES for options in [{}, *MORE_WAYS.get(kind, [])]]
