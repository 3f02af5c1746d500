"""A fleet's repository, for whoever publishes: releases and channels, in and out.

Every change is one step for the devices (see `metadata_folder`), and one publisher works at a time (see `lock`). Reads
look at the disk each time, so that a process that lives for days sees what others have published.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from deploy.fleet.home import FleetHome
from deploy.fleet.repository.bundle_release import read_bundle
from deploy.fleet.repository.catalogue import Catalogue
from deploy.fleet.repository.channels import WHOLE, promoted, without
from deploy.fleet.repository.expiry import Refreshed, refresh
from deploy.fleet.repository.incoming import incoming
from deploy.fleet.repository.keys import KeyFolder
from deploy.fleet.repository.leftovers import sweep
from deploy.fleet.repository.lock import only_copier, only_publisher
from deploy.fleet.repository.metadata_folder import MetadataFolder
from deploy.fleet.repository.roles import ONLINE_ROLES, Roles, Signatory, read_roles
from deploy.fleet.repository.rotation import Rotated, rotate
from deploy.fleet.repository.target_folder import TargetFolder
from deploy.fleet.settings import FleetSettings, RoleName
from fissura.config import load_config
from fissura.errors import FleetError
from fissura.release import Channel, Release, TensorRtRange


class Repository:
    """The repository of a fleet.

    Args:
        home: the fleet.
        settings: of the fleet.
        keys: private keys; asked for only by what signs.
    """

    def __init__(self, home: FleetHome, settings: FleetSettings, keys: KeyFolder) -> None:
        self.settings = settings
        self._home = home
        self._keys = keys
        self._metadata = MetadataFolder(home.metadata)
        self._signatory = Signatory(self._metadata, keys, settings.expiry_days)

    @classmethod
    def open(
        cls,
        home: FleetHome,
        passphrase: str | None,
        key_folders: Sequence[Path] = (),
        new_passphrase: str | None = None,
    ) -> Repository:
        """Open a fleet's repository.

        Args:
            home: the fleet.
            passphrase: of its keys; None: nothing is to be signed.
            key_folders: where keys lie beside the fleet's own folder, sticks for example.
            new_passphrase: of keys that are made; None: the same.

        Raises:
            ConfigError: `fleet.yaml` is wrong.
        """
        settings = load_config(FleetSettings, home.settings)
        return cls(home, settings, KeyFolder(home.keys, passphrase, key_folders, new_passphrase))

    def models(self) -> list[str]:
        """Models that have releases."""
        return self._catalogue().models()

    def releases(self, model: str) -> list[int]:
        """Releases of a model, oldest first; empty: none."""
        return self._catalogue().releases(model)

    def release(self, model: str, number: int) -> Release:
        """A release's document.

        Raises:
            FleetError: there is no such release.
        """
        return self._catalogue().release(model, number)

    def channels(self) -> list[Channel]:
        """All channels, by name."""
        return self._catalogue().channels()

    def channel(self, name: str) -> Channel | None:
        """What a channel gives out; None: there is no such channel."""
        return self._catalogue().channel(name)

    def revoked(self, model: str) -> tuple[int, ...]:
        """Releases of a model that any channel revokes."""
        return self._catalogue().revoked(model)

    def publish(
        self,
        bundle: Path,
        *,
        hardware: Sequence[str] = ("*",),
        tensorrt: TensorRtRange | None = None,
        oldest_fissura: str | None = None,
        notes: str = "",
    ) -> Release:
        """Sign a bundle as the next release of its model. No device gets it before a channel names it.

        Args:
            bundle: folder of the bundle.
            hardware: kinds of devices it is for, as shell patterns.
            tensorrt: versions it was proved with.
            oldest_fissura: oldest runtime that can run it.
            notes: for people.

        Raises:
            BundleError: the folder is no whole bundle.
            FleetError: it was published before, or cannot be signed.
        """
        loaded = read_bundle(bundle)
        with only_copier(self._home.root):
            # What can be refused is refused before gigabytes are copied.
            self._check_keys(read_roles(self._metadata))
            self._catalogue().refuse_published(loaded)
            with incoming(loaded, self._home.targets) as copies, self._change() as catalogue:
                return catalogue.add_release(
                    loaded, copies, hardware=hardware, tensorrt=tensorrt, oldest_fissura=oldest_fissura, notes=notes
                )

    def set_channel(self, channel: Channel, *, expected: Channel | Literal["any"] | None = "any") -> None:
        """Say what a channel gives out. The same again changes nothing.

        Args:
            channel: what it says from now on.
            expected: what it says until now; None: there is none of that name.

        Raises:
            FleetError: it names a release that there is none of, forgets a revocation, cannot be signed, or says
                something else than expected.
        """
        with self._change() as catalogue:
            if expected != "any" and catalogue.channel(channel.channel) != expected:
                raise FleetError(
                    f"channel {channel.channel} was changed by somebody else", fix="read it again, then decide"
                )
            catalogue.put_channel(channel)

    def promote(
        self, model: str, release: int, channel: str, *, percent: int = WHOLE, fallback: int | None = None
    ) -> Channel:
        """Give a release out on a channel, which is made if there is none. See `channels.promoted`."""
        with self._change() as catalogue:
            catalogue.release_file(model, release)
            after = promoted(catalogue.channel(channel), channel, model, release, percent, fallback)
            return catalogue.put_channel(after)

    def revoke(self, model: str, release: int, fallback: int | None = None) -> list[Channel]:
        """Take a release back in all channels of its model, in one step. See `channels.without`.

        Returns:
            The channels as they are now.

        Raises:
            FleetError: there is no such release, no channel of the model, or a channel would have nothing left.
        """
        with self._change() as catalogue:
            catalogue.release_file(model, release)
            after = [without(before, release, fallback) for before in catalogue.channels() if before.model == model]
            if not after:
                raise FleetError(f"no channel gives out {model}: there is nothing to take back")
            for channel in after:
                catalogue.put_channel(channel)
        return after

    def refresh(self, within_days: float | None = None) -> Refreshed:
        """Sign anew what expires soon. See `expiry.refresh`."""
        with only_publisher(self._home.root):
            return refresh(self._metadata, self._keys, self._signatory, self.settings.expiry_days, within_days)

    def rotate_keys(self, role: RoleName, count: int | None = None, threshold: int | None = None) -> Rotated:
        """Replace the keys of a role. See `rotation.rotate`."""
        with only_publisher(self._home.root):
            return rotate(self._metadata, self._keys, self._signatory, role, count, threshold)

    @contextmanager
    def _change(self) -> Iterator[Catalogue]:
        """Change the targets: signed and published at the end, if there is a change; on an error all stays."""
        with only_publisher(self._home.root):
            roles = read_roles(self._metadata)
            targets, published = roles.targets.signed, roles.timestamp.signed.version
            before = targets.to_dict()
            self._check_keys(roles)
            sweep(self._home.metadata)
            sweep(self._home.targets)
            files = TargetFolder(self._home.targets)
            try:
                yield Catalogue(targets, files)
                if targets.to_dict() != before:
                    self._signatory.publish(roles)
            except BaseException:
                if self._metadata.timestamp().signed.version == published:
                    files.withdraw()
                raise

    def _check_keys(self, roles: Roles) -> None:
        """Raises FleetError where a key is missing, or the passphrase is wrong."""
        for role in ONLINE_ROLES:
            self._keys.signers(roles.root.signed, role)

    def _catalogue(self) -> Catalogue:
        return Catalogue(read_roles(self._metadata).targets.signed, TargetFolder(self._home.targets))
