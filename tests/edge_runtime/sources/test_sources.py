"""One suite for every row of SOURCES, and what is particular to each."""

from __future__ import annotations

import itertools
import json
import logging
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_runtime.frame import EndOfStream, Frame, Timeout
from edge_runtime.local_broker import free_port
from edge_runtime.sources import SOURCES, open_source
from edge_runtime.sources.source import Source
from edge_runtime.sources.synth import FLIGHT_FRAMES
from fissura.errors import ConfigError, ImageError, MissingDependencyError, SourceError
from fissura.imaging.images import RgbImage, write_rgb
from fissura.messages import CrackGeometry
from fissura.synth import SynthConfig, render
from fissura.synth.flyover import FlyoverConfig, fly
from tests.edge_runtime.conftest import pavement

FRAMES = 5


def _video(path: Path, frames: int = FRAMES, fps: float = 20.0) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), fps, (96, 72))
    for seed in range(frames):
        writer.write(cv2.cvtColor(pavement(seed), cv2.COLOR_RGB2BGR))
    writer.release()
    return path


# How to get a source of five frames of each kind; cameras that are not there are waited for. And one that is not there.
OPEN: dict[str, Callable[[Path, Path], str]] = {
    "folder": lambda images, tmp: f"folder:{images}",
    "file": lambda images, tmp: f"file:{_video(tmp / 'video.mp4')}",
    "synth": lambda images, tmp: f"synth:?count={FRAMES}&width=96&height=72",
    "v4l2": lambda images, tmp: "v4l2:/dev/video0",
    "csi": lambda images, tmp: "csi:",
    "rtsp": lambda images, tmp: f"rtsp://127.0.0.1:{free_port()}/live",
    "http": lambda images, tmp: f"http://127.0.0.1:{free_port()}/video",
    "https": lambda images, tmp: f"https://127.0.0.1:{free_port()}/video",
}
MISSING = {
    "folder": "folder:/nowhere",
    "file": "file:/nowhere.mp4",
    "v4l2": "v4l2:/dev/video99?retry=false",
    "rtsp": f"rtsp://nowhere.invalid:{free_port()}/live?retry=false",
    "http": f"http://127.0.0.1:{free_port()}/nowhere?retry=false",
}
# Its nearest neighbour, for options that are none; what a network camera's address holds may be the camera's.
SLIPS = {"folder": "loops", "file": "realtim", "synth": "sed", "v4l2": "widht", "csi": "senor_id"}
NEAREST = {"folder": "loop", "file": "realtime", "synth": "seed", "v4l2": "width", "csi": "sensor_id"}


def _read_all(source: Source) -> list[Frame]:
    return list(_given(source))


def _given(source: Source) -> Iterator[Frame]:
    while not isinstance(item := source.read(), EndOfStream):
        if isinstance(item, Frame):
            yield item


def _opened(uri: str) -> Source:
    try:
        return open_source(uri)
    except MissingDependencyError as error:
        pytest.skip(f"{error.found}: {error.fix}")


class TestEverySource:
    @pytest.fixture(params=list(SOURCES))
    def uri(self, request: pytest.FixtureRequest, images: Path, tmp_path: Path) -> str:
        return OPEN[request.param](images, tmp_path)

    def test_gives_frames_and_then_ends(self, uri: str) -> None:
        with _opened(uri) as source:
            if source.live:
                pytest.skip("a live source does not end")
            before = time.monotonic_ns()
            frames = _read_all(source)
            assert isinstance(source.read(), EndOfStream)  # and stays at its end
        assert [frame.sequence for frame in frames] == list(range(FRAMES))
        clocks = [frame.captured_monotonic_ns for frame in frames]
        assert before <= clocks[0] and clocks == sorted(clocks)
        for frame in frames:
            assert frame.image.shape == (72, 96, 3) and frame.image.dtype == np.uint8
            stamp = frame.stamp()
            assert (stamp.width_px, stamp.height_px) == (96, 72)
            assert abs((datetime.now(timezone.utc) - stamp.captured_utc).total_seconds()) < 3600

    def test_closes_twice(self, uri: str) -> None:
        source = _opened(uri)
        source.close()
        source.close()

    def test_an_unknown_option_names_the_nearest(self, uri: str) -> None:
        scheme = uri.partition(":")[0]
        if scheme not in SLIPS:
            pytest.skip("what is not ours is the camera's")
        with pytest.raises(ConfigError, match=SLIPS[scheme]) as caught:
            open_source(f"{uri.partition('?')[0]}?{SLIPS[scheme]}=1")
        assert NEAREST[scheme] in caught.value.fix

    def test_what_is_missing_is_said(self, request: pytest.FixtureRequest, uri: str) -> None:
        scheme = uri.partition(":")[0]
        if scheme in MISSING:
            with pytest.raises(SourceError, match=r"nowhere|video99"), open_source(MISSING[scheme]) as source:
                deadline = time.monotonic() + 60
                while time.monotonic() < deadline:
                    source.read()


@pytest.mark.parametrize(
    ("uri", "found", "fix"),
    [
        ("images/", "no known scheme", "write the kind"),
        ("foldr:/x", "no known scheme", "folder:/x"),
        ("folder:/x?fps=1&fps=2", "stands twice", ""),
        ("synth:?count=0", "count", ""),
        ("synth:somewhere", "no place", ""),
    ],
)
def test_an_address_that_is_wrong(uri: str, found: str, fix: str) -> None:
    with pytest.raises(ConfigError, match=found) as caught:
        open_source(uri)
    assert fix in caught.value.fix


class TestFolder:
    def test_reads_rgb_in_the_order_of_names(self, tmp_path: Path) -> None:
        for name in ("b.png", "a.png", "c.PNG"):
            image = np.zeros((4, 4, 3), np.uint8)
            image[..., "abc".index(name[0])] = 200
            write_rgb(tmp_path / name, image)
        (tmp_path / "notes.txt").write_text("no image")
        frames = _read_all(open_source(f"folder:{tmp_path}"))
        assert [frame.name for frame in frames] == ["a.png", "b.png", "c.PNG"]
        assert [int(frame.image[0, 0].argmax()) for frame in frames] == [0, 1, 2]
        assert {frame.clock_quality for frame in frames} == {"file"}

    def test_downsampling_averages_blocks(self, tmp_path: Path) -> None:
        image = np.zeros((5, 6, 3), np.uint8)
        image[::2, ::2] = 200  # one pixel of each block of four
        write_rgb(tmp_path / "a.png", image)
        (frame,) = _read_all(open_source(f"folder:{tmp_path}?downsample=2"))
        assert frame.image.shape == (2, 3, 3)
        assert np.all(frame.image == 50)

    def test_a_damaged_image_costs_one_frame(self, tmp_path: Path) -> None:
        for name in ("a.png", "c.png"):
            write_rgb(tmp_path / name, pavement())
        (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:40])
        source = open_source(f"folder:{tmp_path}")
        assert isinstance(source.read(), Frame)
        with pytest.raises(ImageError, match=r"b\.png"):
            source.read()
        last = source.read()
        assert isinstance(last, Frame) and (last.name, last.sequence) == ("c.png", 2)

    def test_loops(self, images: Path) -> None:
        source = open_source(f"folder:{images}?loop=true")
        names = [item.name for _ in range(2 * FRAMES + 1) if isinstance(item := source.read(), Frame)]
        assert names[:FRAMES] == names[FRAMES : 2 * FRAMES] and names[-1] == names[0]

    def test_keeps_the_rate_and_gives_timeouts_meanwhile(self, images: Path) -> None:
        began, timeouts = time.monotonic(), 0
        source = open_source(f"folder:{images}?fps=0.5")
        assert isinstance(source.read(), Frame)
        while isinstance(source.read(), Timeout):
            timeouts += 1
        assert 1.9 < time.monotonic() - began < 10
        assert 2 <= timeouts <= 10  # ten of 0.2 s are the two seconds; fewer on a machine that is busy

    def test_empty_folder_and_file_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match="holds no image"):
            open_source(f"folder:{tmp_path}")
        (tmp_path / "film.mp4").write_bytes(b"")
        with pytest.raises(SourceError, match="is a file") as caught:
            open_source(f"folder:{tmp_path / 'film.mp4'}")
        assert "file:" in caught.value.fix


class TestVideo:
    def test_realtime_keeps_the_videos_rate(self, tmp_path: Path) -> None:
        path = _video(tmp_path / "v.mp4", fps=20)
        began = time.monotonic()
        assert len(_read_all(open_source(f"file:{path}?realtime=true"))) == FRAMES
        assert 0.15 < time.monotonic() - began < 10

    def test_loops_and_goes_on_counting(self, tmp_path: Path) -> None:
        with open_source(f"file:{_video(tmp_path / 'v.mp4')}?loop=true") as source:
            frames = list(itertools.islice(_given(source), 2 * FRAMES + 1))
        assert [frame.sequence for frame in frames] == list(range(2 * FRAMES + 1))
        assert np.array_equal(frames[0].image, frames[FRAMES].image)
        assert np.array_equal(frames[FRAMES - 1].image, frames[2 * FRAMES - 1].image)
        assert not np.array_equal(frames[0].image, frames[1].image)
        assert frames[-1].captured_utc > frames[FRAMES].captured_utc > frames[0].captured_utc

    def test_a_loop_without_a_frame_ends(self, tmp_path: Path) -> None:
        path = _video(tmp_path / "v.mp4")
        with open_source(f"file:{path}?loop=true") as source:
            assert isinstance(source.read(), Frame)
            path.unlink()  # as on a memory card that is pulled out
            assert len(_read_all(source)) < 2 * FRAMES

    def test_frames_carry_the_recordings_time(self, tmp_path: Path) -> None:
        frames = _read_all(open_source(f"file:{_video(tmp_path / 'v.mp4', fps=20)}"))
        seconds = (frames[-1].captured_utc - frames[0].captured_utc).total_seconds()
        assert seconds == pytest.approx((FRAMES - 1) / 20)

    def test_what_is_no_video_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "v.mp4").write_bytes(b"no video")
        with pytest.raises(SourceError, match="cannot be decoded"):
            open_source(f"file:{tmp_path / 'v.mp4'}")

    def test_a_path_that_is_no_text_is_refused(self, tmp_path: Path) -> None:
        path = _video(tmp_path / "video.mp4").rename(tmp_path / "video\udcff.mp4")
        with pytest.raises(SourceError, match="is no text"):
            open_source(f"file:{path}")

    def test_a_video_that_is_cut_off_ends_with_a_warning(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        path = tmp_path / "v.avi"  # its index stands at the end, but its frames can be read without
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 20, (96, 72))
        for seed in range(30):
            writer.write(pavement(seed))
        writer.release()
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with caplog.at_level(logging.WARNING):
            frames = _read_all(open_source(f"file:{path}"))
        assert 5 < len(frames) < 30
        assert "damaged or cut off" in caplog.text


def test_synth_is_the_shared_generator(tmp_path: Path) -> None:
    frames = _read_all(open_source("synth:?count=2&width=80&height=60&seed=5&gsd=2.5"))
    expected: list[RgbImage] = [
        render(SynthConfig(width=80, height=60, gsd_mm_per_px=2.5), 5, index).image for index in range(2)
    ]
    assert all(np.array_equal(frame.image, image) for frame, image in zip(frames, expected, strict=True))
    assert {frame.gsd_mm_per_px for frame in frames} == {2.5}


def test_synth_tells_the_truth(tmp_path: Path) -> None:
    uri = f"synth:?fly=5&count=40&width=160&height=120&seed=3&gsd=2&truth={tmp_path / 'truth.jsonl'}"
    with open_source(uri) as source:
        frames = _read_all(source)
    lines = [json.loads(line) for line in (tmp_path / "truth.jsonl").read_text().splitlines()]
    assert [line["sequence"] for line in lines] == [frame.sequence for frame in frames] == list(range(40))
    config = FlyoverConfig(width=160, height=120, frames=FLIGHT_FRAMES, speed_px=5, distractors=0)
    pavement = SynthConfig(width=160, height=120, gsd_mm_per_px=2)
    flights = [frame for index in range(2) for frame in fly(config, pavement, 3, index)]
    assert any(line["cracks"] for line in lines)
    for frame, line, seen in zip(frames, lines, flights[:40], strict=True):
        assert np.array_equal(frame.image, seen.image)
        assert line["crack_px"] == np.count_nonzero(seen.mask)
        for crack in line["cracks"]:
            geometry = CrackGeometry.model_validate(crack)
            assert geometry.length_mm == pytest.approx(2 * geometry.length_px)
            x, y = geometry.polygon_px[0]
            assert seen.mask[round(y), round(x)]  # an outline runs through the crack's own pixels


def test_a_truth_that_cannot_be_written_is_refused() -> None:
    with pytest.raises(SourceError, match="truth"):
        open_source("synth:?truth=/nowhere/truth.jsonl")
