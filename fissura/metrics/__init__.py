"""Evaluation protocols by name; figures of different protocols are never mixed.

Adding one: a file here and a line below.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fissura.config import parse_config
from fissura.errors import ConfigError
from fissura.metrics.aiu import Aiu, AiuCode, FphbnAiu
from fissura.metrics.boundaries import Boundaries
from fissura.metrics.cl_iou import ClIou
from fissura.metrics.crack_free import CrackFree
from fissura.metrics.crackformer import CrackFormer
from fissura.metrics.cssr import Cssr
from fissura.metrics.deepsegmentor import DeepSegmentor
from fissura.metrics.fphbn import Fphbn
from fissura.metrics.ods import Ods
from fissura.metrics.ois import Ois
from fissura.metrics.pooled import Pooled
from fissura.metrics.protocol import EvaluationProtocol
from fissura.metrics.scsegamba import ScSegamba
from fissura.metrics.spiral import Spiral
from fissura.metrics.structured import Structured

PROTOCOLS: dict[str, type[EvaluationProtocol]] = {
    "ods": Ods,
    "ois": Ois,
    "boundaries": Boundaries,
    "structured": Structured,
    "spiral": Spiral,
    "pooled": Pooled,
    "aiu": Aiu,
    "aiu_code": AiuCode,
    "cssr": Cssr,
    "cl_iou": ClIou,
    "fphbn": Fphbn,
    "fphbn_aiu": FphbnAiu,
    "deepsegmentor": DeepSegmentor,
    "crackformer": CrackFormer,
    "scsegamba": ScSegamba,
    "crack_free": CrackFree,
}


def build_protocol(name: str, options: Mapping[str, Any]) -> EvaluationProtocol:
    """Build a protocol.

    Args:
        name: of `PROTOCOLS`.
        options: fields of its configuration class.

    Raises:
        ConfigError: unknown name or option, or a value out of range.
    """
    if name not in PROTOCOLS:
        raise ConfigError(f"unknown protocol {name!r}", expected=f"one of: {', '.join(PROTOCOLS)}")
    protocol = PROTOCOLS[name]
    return protocol(**parse_config(protocol.config, dict(options), origin=name).model_dump())
