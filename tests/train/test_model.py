"""The whole model: super-resolution before segmentation, and what pixels go through in between."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from fissura.config import parse_config
from fissura.errors import ConfigError
from train.checkpoint import CheckpointRecord, load_checkpoint, save_checkpoint
from train.config import Recipe
from train.losses import build_loss
from train.model import CrackModel, ModelConfig, build_model, image_statistics
from train.networks import NETWORKS, build_network

UNET = {"name": "unet", "widths": [4, 8, 16]}
DBPN = {"name": "dbpn", "scale": 2, "stages": 3, "width": 4, "features": 8}
CSSR: dict[str, Any] = {
    "segmentation": {"name": "unet16"},
    "super_resolution": {"name": "dbpn", "scale": 4, "stages": 6},
    "normalisation": "instance",
}
NARROW_CSSR: dict[str, Any] = {
    "segmentation": {"name": "unet16", "widths": [4, 8, 16, 32, 32]},
    "super_resolution": {"name": "dbpn", "scale": 4, "stages": 6, "width": 4, "features": 16},
    "normalisation": "instance",
}


def cssr() -> CrackModel:
    torch.manual_seed(0)
    return build_model(ModelConfig.model_validate(NARROW_CSSR)).eval()


def test_fused_model_is_segmentation_of_the_enlarged_frame() -> None:
    torch.manual_seed(0)
    model = build_model(ModelConfig(segmentation=UNET, super_resolution=DBPN)).eval()
    frame = torch.rand(1, 3, 6, 8)
    assert model.scale == 2
    assert model.stride == 4
    assert model.halo == model.segmentation.halo
    enlarged = model.enlarge(frame).clamp(0, 1)
    normalised = (enlarged - 0.5) / 0.25
    assert torch.allclose(model(frame), torch.sigmoid(model.segmentation(normalised)), atol=1e-6)


def test_parameter_count_of_cssr() -> None:
    with torch.device("meta"):
        model = build_model(ModelConfig.model_validate(CSSR))
    assert sum(parameter.numel() for parameter in model.parameters()) == 38_302_127


def test_instance_normalisation_is_the_paper_s_layer_on_every_way_in() -> None:
    model, layer = cssr(), nn.InstanceNorm2d(3)  # without affine parameters and running statistics
    frame, image = torch.rand(2, 3, 8, 12), torch.rand(2, 3, 32, 48)
    enlarged = model.enlarge(frame).clamp(0, 1)
    assert torch.allclose(model(frame), torch.sigmoid(model.segmentation(layer(enlarged))), atol=1e-5)
    assert torch.allclose(model.segment(image), model.segmentation(layer(image)), atol=1e-5)
    assert torch.allclose(model.training_logits(image)[0], model.segment(image), atol=1e-5)
    assert model.halo is None


def test_inverse_model_enlarges_the_mask_of_the_frame() -> None:
    torch.manual_seed(0)
    config = ModelConfig(segmentation=UNET, super_resolution=DBPN, order="segmentation_first")
    model = build_model(config).eval()
    frame = torch.rand(1, 3, 8, 12)
    low = torch.sigmoid(model.segment(frame))
    assert low.shape == (1, 1, 8, 12)
    assert model.segments_frames
    assert torch.equal(model(frame), model.enlarge(low).clamp(0, 1))
    assert model(frame).shape == (1, 1, 16, 24)
    with pytest.raises(ConfigError, match="segmentation_first"):
        parse_config(ModelConfig, {"segmentation": UNET, "order": "segmentation_first"}, origin="recipe")


def test_a_part_of_an_image_with_the_whole_image_s_statistics_is_normalised_as_in_the_whole() -> None:
    model = cssr()
    seen: list[torch.Tensor] = []
    model.segmentation.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    image = torch.rand(1, 3, 32, 64) * torch.linspace(0.2, 1, 64)
    model.segment(image)
    model.segment(image[..., 32:], image_statistics(image))
    model.segment(image[..., 32:])
    assert torch.allclose(seen[1], seen[0][..., 32:], atol=1e-5)
    assert not torch.allclose(seen[2], seen[0][..., 32:], atol=0.1)


def test_images_of_a_batch_do_not_touch_each_other() -> None:
    model = cssr()
    images = torch.rand(3, 3, 16, 32) * torch.tensor([0.2, 0.6, 1.0]).view(3, 1, 1, 1)
    alone = torch.cat([model.segment(image[None]) for image in images])
    assert torch.allclose(model.segment(images), alone, atol=1e-5)


@settings(max_examples=10, deadline=None)
@given(gain=st.floats(0.3, 1.0), offset=st.floats(0.0, 0.5))
def test_light_does_not_change_what_is_found(gain: float, offset: float) -> None:
    model, image = cssr(), torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    before, after = model.segment(image), model.segment(image * gain + offset)
    assert torch.allclose(after, before, atol=1e-2)  # not zero: the layer's epsilon counts where contrast is low


def test_light_does_change_what_is_found_with_fixed_normalisation() -> None:
    torch.manual_seed(0)
    model = build_model(ModelConfig.model_validate({**NARROW_CSSR, "normalisation": "fixed"})).eval()
    image = torch.rand(1, 3, 32, 32)
    assert (model.segment(image * 0.5) - model.segment(image)).abs().max() > 0.1


@pytest.mark.parametrize("image", [torch.full((1, 3, 32, 32), 0.7), torch.rand(1, 3, 1, 1)], ids=["flat", "one pixel"])
def test_images_without_contrast_give_finite_logits(image: torch.Tensor) -> None:
    assert cssr().segment(image).isfinite().all()


def test_statistics_are_taken_in_fp32_under_autocast() -> None:
    seen: list[torch.Tensor] = []
    model = cssr()
    model.segmentation.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    frame = torch.rand(1, 3, 8, 8)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert model.enlarge(frame).dtype == torch.bfloat16
        model(frame)
    assert seen[0].dtype == torch.float32
    assert seen[0].mean((2, 3)).abs().max() < 1e-5


def test_segmentation_loss_of_a_cssr_recipe_reaches_both_networks() -> None:
    data = {"kind": "synth", "count": 1}
    recipe = parse_config(
        Recipe,
        {
            "name": "cssr",
            "epochs": 1,
            "data": {"train": [data], "validation": [data]},
            "model": NARROW_CSSR,
            "loss": {"name": "bce"},
            "joint": {"beta": 0.3},
        },
        origin="cssr",
    )
    model = build_model(recipe.model)
    enlarged = model.enlarge(torch.rand(2, 3, 8, 8))
    mask = (torch.rand(2, 1, 32, 32) > 0.8).float()
    build_loss(recipe.loss)(model.training_logits(enlarged.clamp(0, 1))[0], mask).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_a_checkpoint_does_not_need_the_file_that_its_encoder_started_from(tmp_path: Path) -> None:
    narrow = NARROW_CSSR["segmentation"]
    torch.manual_seed(3)
    encoder = build_network(NETWORKS, narrow).encoder
    names = encoder.torchvision_names()
    file = tmp_path / "vgg16.safetensors"
    save_file({names[key]: tensor for key, tensor in encoder.state_dict().items()}, file)
    config = ModelConfig(segmentation={**narrow, "weights": str(file)})
    model = build_model(config)
    assert torch.equal(model.segmentation.encoder.stages[4][2][0].weight, encoder.stages[4][2][0].weight)
    folder = tmp_path / "checkpoint"
    record = CheckpointRecord(
        recipe={}, model=config, dataset_fingerprint="", seed=1, epochs=1, metrics={}, versions={}
    )
    save_checkpoint(folder, model, record)
    file.unlink()
    frame = torch.rand(1, 3, 16, 16)
    assert torch.equal(load_checkpoint(folder).model(frame), model.eval()(frame))
    with pytest.raises(ConfigError, match="no weights file"):
        build_model(config)


def test_config_survives_its_own_json() -> None:
    config = ModelConfig.model_validate(NARROW_CSSR)
    assert ModelConfig.model_validate_json(config.model_dump_json()) == config
    assert (config.mean, config.std) == ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))  # what the bundle's manifest will say


def test_configs_from_before_there_was_a_choice_are_fixed() -> None:
    assert ModelConfig.model_validate({"segmentation": UNET, "mean": (0.4, 0.4, 0.4)}).normalisation == "fixed"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"normalisation": "batch"}, "normalisation"),
        ({"normalisation": "instance", "std": [0.2, 0.2, 0.2]}, "have no say"),
        ({"normalisation": "instance", "mean": [0.5, 0.5, 0.5]}, "have no say"),
        ({"std": [0.2, 0.0, 0.2]}, "std"),
    ],
)
def test_wrong_normalisation_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_config(ModelConfig, {"segmentation": UNET, **changes}, origin="recipe")
