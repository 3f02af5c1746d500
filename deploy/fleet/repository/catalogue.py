"""What the targets of a repository are: models, their releases, channels. Changes nothing on the devices' side."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from tuf.api.metadata import TargetFile, Targets

from deploy.fleet.repository.bundle_release import make_release
from deploy.fleet.repository.channels import revoking
from deploy.fleet.repository.target_folder import TargetFolder
from fissura.bundle import MANIFEST_NAME, Bundle
from fissura.errors import FleetError
from fissura.release import Channel, Release, TensorRtRange, channel_target, read_document, release_target

# Highest release of each model, beside the targets and signed with them: a number that was given once stays given.
COUNTERS_FIELD = "x-fissura-releases"


class Catalogue:
    """Reads targets, and adds to them.

    Args:
        targets: the signed list; changed in place.
        files: what it vouches for.
    """

    def __init__(self, targets: Targets, files: TargetFolder) -> None:
        self._targets = targets
        self._files = files

    def models(self) -> list[str]:
        """Models that have releases."""
        names = (re.fullmatch(r"([^/]+)/\d+/release\.json", name) for name in self._targets.targets)
        return sorted({match[1] for match in names if match})

    def releases(self, model: str) -> list[int]:
        """Releases of a model, oldest first."""
        pattern = rf"{re.escape(model)}/(\d+)/release\.json"
        found = (re.fullmatch(pattern, name) for name in self._targets.targets)
        return sorted(int(match[1]) for match in found if match)

    def release(self, model: str, number: int) -> Release:
        """A release's document.

        Raises:
            FleetError: there is no such release.
        """
        target = self.release_file(model, number)
        return read_document(Release, self._files.read(target), target.path)

    def release_file(self, model: str, number: int) -> TargetFile:
        """A release's document as the list has it.

        Raises:
            FleetError: there is no such release.
        """
        target = self._targets.targets.get(release_target(model, number))
        if target is None:
            known = self.releases(model)
            raise FleetError(
                f"there is no release {number} of {model}",
                expected=f"one of: {', '.join(map(str, known))}" if known else "",
                fix="" if known else "fissura fleet publish BUNDLE",
            )
        return target

    def channels(self) -> list[Channel]:
        """All channels, by name."""
        names = (re.fullmatch(r"channel/([^/]+)\.json", name) for name in sorted(self._targets.targets))
        return [channel for match in names if match and (channel := self.channel(match[1])) is not None]

    def channel(self, name: str) -> Channel | None:
        """A channel; None: there is none of that name.

        Raises:
            ReleaseError: there can be none.
        """
        target = self._targets.targets.get(channel_target(name))
        return None if target is None else read_document(Channel, self._files.read(target), target.path)

    def add_release(
        self,
        bundle: Bundle,
        copies: Mapping[str, Path],
        *,
        hardware: Sequence[str],
        tensorrt: TensorRtRange | None,
        oldest_fissura: str | None,
        notes: str,
    ) -> Release:
        """Take a bundle in as the next release of its model.

        Args:
            bundle: to release.
            copies: of its files, by their paths in it; they are moved.
            hardware, tensorrt, oldest_fissura, notes: see `Repository.publish`.

        Raises:
            FleetError: it is a release already, and no channel has revoked that one.
        """
        model = bundle.manifest.name
        self.refuse_published(bundle)
        counters = self._targets.unrecognized_fields.setdefault(COUNTERS_FIELD, {})
        number = max([counters.get(model, 0), *self.releases(model)]) + 1
        release = make_release(
            bundle, number, hardware=hardware, tensorrt=tensorrt, oldest_fissura=oldest_fissura, notes=notes
        )
        for file in release.files:
            name = release_target(model, number, file.path)
            self._targets.targets[name] = self._files.take_file(name, copies[file.path], file.sha256)
        name = release_target(model, number)
        self._targets.targets[name] = self._files.add_bytes(name, release.to_json())
        counters[model] = number
        return release

    def revoked(self, model: str) -> tuple[int, ...]:
        """Releases of a model that any channel revokes."""
        return tuple(sorted({one for channel in self.channels() if channel.model == model for one in channel.revoked}))

    def put_channel(self, channel: Channel) -> Channel:
        """Say what a channel gives out. A new one revokes what the other channels of its model do.

        Returns:
            The channel as it is signed.

        Raises:
            FleetError: it names a release that there is none of or that is revoked, or forgets a revocation.
        """
        for number in filter(None, (channel.release, channel.fallback)):
            self.release_file(channel.model, number)
        before = self.channel(channel.channel)
        if before is None:
            channel = revoking(channel, self.revoked(channel.model))
        elif forgotten := set(before.revoked) - set(
            channel.revoked
        ):  # by whoever read the channel before somebody else revoked
            raise FleetError(
                f"channel {channel.channel} revokes release {min(forgotten)}, which cannot be taken back",
                fix="read the channel again; publish the bundle again if the revocation was a mistake",
            )
        name = channel_target(channel.channel)
        self._targets.targets[name] = self._files.add_bytes(name, channel.to_json())
        return channel

    def refuse_published(self, bundle: Bundle) -> None:
        """Raises FleetError where a bundle is a release already, and no channel has revoked that one."""
        model = bundle.manifest.name
        revoked = self.revoked(model)
        for number in self.releases(model):
            manifest = self._targets.targets[release_target(model, number, MANIFEST_NAME)]
            if manifest.hashes["sha256"] == bundle.id and number not in revoked:
                raise FleetError(
                    f"{bundle.path} was published before, as release {number} of {model}",
                    fix=f"give that one out: fissura fleet promote {model} {number} --channel CHANNEL",
                )
