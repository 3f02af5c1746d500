"""Weights from a file: found, read, fitting, or refused with the names of what does not fit."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor

from fissura.errors import CheckpointError, ConfigError
from train.networks import NETWORKS, build_network
from train.networks.deepcrack_liu import DeepCrackLiu
from train.networks.deeplabv3plus import DeepLabV3Plus
from train.networks.fcn8s import Fcn8s
from train.networks.hed import Hed
from train.networks.resnet import ResNet50
from train.networks.vgg import Vgg16

NARROW = (2, 3, 4, 5, 6)
WITH_WEIGHTS = sorted(name for name, network in NETWORKS.items() if "weights" in network.config.model_fields)


def vgg16(batch_norm: bool = False) -> dict[str, Tensor]:
    """A narrow state dict of torchvision's layout, with its classifier."""
    torch.manual_seed(1)
    encoder = Vgg16(NARROW, batch_norm=batch_norm)
    names = encoder.torchvision_names()
    state = {names[ours]: tensor for ours, tensor in encoder.state_dict().items()}
    classifier = {0: (8, NARROW[-1] * 49), 3: (8, 8), 6: (10, 8)}
    for place, shape in classifier.items():
        state[f"classifier.{place}.weight"] = torch.randn(shape)
        state[f"classifier.{place}.bias"] = torch.randn(shape[0])
    return state


def save(state: dict[str, Tensor], path: Path) -> Path:
    if path.suffix == ".safetensors":
        safetensors.torch.save_file(state, path)
    else:
        torch.save(state, path)
    return path


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_both_kinds_of_files_fill_the_encoder(tmp_path: Path, suffix: str) -> None:
    state = vgg16()
    network = Hed(NARROW, weights=save(state, tmp_path / f"vgg16{suffix}"))
    assert torch.equal(network.encoder.stages[0][0][0].weight, state["features.0.weight"])
    assert torch.equal(network.encoder.stages[4][2][0].bias, state["features.28.bias"])


def test_statistics_come_along_and_old_files_need_not_count_batches(tmp_path: Path) -> None:
    state = vgg16(batch_norm=True)
    state["features.41.running_var"] += 1
    old = {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}
    network = DeepCrackLiu(NARROW, weights=save(old, tmp_path / "vgg16_bn.pth"))
    assert torch.equal(network.encoder.stages[4][2][1].running_var, state["features.41.running_var"])


def test_fcn_takes_the_fully_connected_layers_as_convolutions(tmp_path: Path) -> None:
    state = vgg16()
    network = Fcn8s(NARROW, 8, weights=save(state, tmp_path / "vgg16.pth")).eval()
    maps = torch.randn(1, NARROW[-1], 7, 7)
    connected = maps.flatten(1) @ state["classifier.0.weight"].T + state["classifier.0.bias"]
    torch.testing.assert_close(network.classifier[0](maps)[:, :, 3, 3], connected)
    assert torch.equal(network.classifier[3].weight[:, :, 0, 0], state["classifier.3.weight"])


def test_resnet(tmp_path: Path) -> None:
    state = {**ResNet50(2).state_dict(), "fc.weight": torch.zeros(10, 64), "fc.bias": torch.zeros(10)}
    network = DeepLabV3Plus(2, 8, 2, weights=save(state, tmp_path / "resnet50.pth"))
    assert all(torch.equal(tensor, state[name]) for name, tensor in network.encoder.state_dict().items())


def test_keys_that_do_not_fit_are_named(tmp_path: Path) -> None:
    state = vgg16()
    del state["features.5.weight"]
    state["features.0.weight"] = torch.zeros(2, 1, 3, 3)
    state["layer1.0.conv1.weight"] = torch.zeros(1)
    with pytest.raises(CheckpointError) as failure:
        Hed(NARROW, weights=save(state, tmp_path / "vgg16.pth"))
    message = str(failure.value)
    assert "missing: features.5.weight;" in message
    assert "unexpected: layer1.0.conv1.weight;" in message
    assert "of another shape: features.0.weight (2, 1, 3, 3) instead of (2, 3, 3, 3)" in message


def test_a_long_list_is_cut(tmp_path: Path) -> None:
    file = save(ResNet50(1).state_dict(), tmp_path / "resnet50.pth")
    with pytest.raises(CheckpointError, match=r"missing: features\.0\.weight, .* and 23 more; .* and 315 more"):
        Hed(NARROW, weights=file)


def test_the_other_vgg_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="do not fit"):
        Hed(NARROW, weights=save(vgg16(batch_norm=True), tmp_path / "vgg16_bn.pth"))
    with pytest.raises(CheckpointError, match="do not fit"):
        DeepCrackLiu(NARROW, weights=save(vgg16(), tmp_path / "vgg16.pth"))


@pytest.mark.parametrize("name", WITH_WEIGHTS)
def test_a_missing_file_is_told_by_every_network(tmp_path: Path, name: str) -> None:
    options = NETWORKS[name].config().narrowed(1 / 32).model_dump()
    with pytest.raises(ConfigError, match="no weights file"):
        build_network(NETWORKS, {"name": name, **options, "weights": str(tmp_path / "none.pth")})


def test_all_pretrained_networks_are_there() -> None:
    own = {"hed", "fcn8s", "rcf", "segnet", "deepcrack_zou", "deepcrack_liu", "deeplabv3plus"}
    assert own <= set(WITH_WEIGHTS)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"PK\x03\x04",
        b"not weights\n" * 100,
        b"\x80\x02}q\x00.",
        b"\xff" * 64,
        b"\x05" + bytes(20),
        b"\x80\x02).",
    ],
)
def test_damaged_files(tmp_path: Path, suffix: str, content: bytes) -> None:
    file = tmp_path / f"vgg16{suffix}"
    file.write_bytes(content)
    with pytest.raises(CheckpointError):
        Hed(NARROW, weights=file)


def test_a_file_cut_short(tmp_path: Path) -> None:
    for suffix in (".pth", ".safetensors"):
        file = save(vgg16(), tmp_path / f"vgg16{suffix}")
        file.write_bytes(file.read_bytes()[:-200])
        with pytest.raises(CheckpointError, match="cannot be read"):
            Hed(NARROW, weights=file)


class Harmful:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, (Path("harm"),))  # type: ignore[return-value]


def test_pickles_with_code_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"features.0.weight": Harmful()}, tmp_path / "a.pth")
    (tmp_path / "b.pth").write_bytes(pickle.dumps(Harmful()))
    for name in ("a.pth", "b.pth"):
        with pytest.raises(CheckpointError, match="cannot be read"):
            Hed(NARROW, weights=tmp_path / name)
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("stored", [[torch.zeros(1)], {"state_dict": {}}, torch.zeros(3), {1: torch.zeros(1)}])
def test_other_contents_are_refused(tmp_path: Path, stored: object) -> None:
    torch.save(stored, tmp_path / "vgg16.pth")
    with pytest.raises(CheckpointError, match="no state dict"):
        Hed(NARROW, weights=tmp_path / "vgg16.pth")


@pytest.mark.parametrize("name", WITH_WEIGHTS)
def test_narrowed_networks_refuse_weights(name: str) -> None:
    config = NETWORKS[name].config.model_validate({"weights": "vgg16.pth"})
    assert config.narrowed(1) == config
    with pytest.raises(ConfigError, match="full width"):
        config.narrowed(0.5)
