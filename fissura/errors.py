"""Every exception that fissura raises on purpose.

::

    FissuraError                      exit code 2 on the command line, never a traceback
    ├── UsageError                    a command line that asks for something impossible
    ├── ConfigError                   a configuration file or value is wrong
    ├── MissingDependencyError        an optional package or program is not installed
    ├── DataError                     images, masks and data sets
    │   ├── ImageError                missing, unreadable or of the wrong size
    │   └── DatasetError              empty, without a split, masks that do not fit
    ├── BundleError                   a model bundle
    │   ├── ManifestError             manifest missing, malformed, of a newer major version
    │   └── HashMismatchError         a file differs from the manifest
    ├── CheckpointError               a training checkpoint that cannot be used
    ├── TrainingError                 a training run that cannot go on
    ├── ExportError                   the exported graph is not what was trained
    ├── EngineError                   an inference engine cannot load or run a graph
    │   └── ModelShapeError           a graph whose inputs or outputs do not fit the manifest
    ├── SourceError                   a camera, a folder or a video that does not deliver
    ├── SinkError                     an output that cannot be written
    ├── SpoolError                    the message store on disk
    ├── BrokerError                   the MQTT broker refuses or cannot be used
    ├── ReleaseError                  a release or channel document that cannot be read
    ├── UpdateError                   a device cannot update now; what runs goes on
    │   ├── RepositoryError           the fleet's repository cannot be reached, or is not to be trusted
    │   ├── DeferredError             not now: flight, heat, battery, disk, clock
    │   └── RejectedError             this release is not for this device, or failed a test
    └── FleetError                    the operator's side: repository, keys, roll-outs, certificates

A message answers three questions: what was found, what was expected, what to do.
"""

from __future__ import annotations

EXIT_CODE = 2


class FissuraError(Exception):
    """Base of the tree.

    Args:
        found: what was found, with the path, key or value.
        expected: what was expected instead; empty when `found` says it.
        fix: what the user can do; empty when there is nothing to do.
    """

    def __init__(self, found: str, *, expected: str = "", fix: str = "") -> None:
        super().__init__(found)
        self.found = found
        self.expected = expected
        self.fix = fix

    def __str__(self) -> str:
        lines = [self.found]
        if self.expected:
            lines.append(f"  expected: {self.expected}")
        if self.fix:
            lines.append(f"  to do:    {self.fix}")
        return "\n".join(lines)


class UsageError(FissuraError):
    """A command line that asks for something impossible."""


class ConfigError(FissuraError):
    """A configuration file or value is wrong."""


class MissingDependencyError(FissuraError):
    """An optional package or program is not installed."""


class DataError(FissuraError):
    """Images, masks and data sets."""


class ImageError(DataError):
    """An image is missing, unreadable or of the wrong size."""


class DatasetError(DataError):
    """A data set is empty, has no split, or its masks do not fit its images."""


class BundleError(FissuraError):
    """A model bundle cannot be used."""


class ManifestError(BundleError):
    """The manifest is missing, malformed, or of a newer major version."""


class HashMismatchError(BundleError):
    """A file of the bundle differs from what the manifest states."""


class CheckpointError(FissuraError):
    """A training checkpoint cannot be used."""


class TrainingError(FissuraError):
    """A training run cannot go on."""


class ExportError(FissuraError):
    """The exported graph is not what was trained."""


class EngineError(FissuraError):
    """An inference engine cannot load or run a graph."""


class ModelShapeError(EngineError):
    """A graph whose inputs or outputs do not fit the manifest."""


class SourceError(FissuraError):
    """A camera, a folder or a video that does not deliver frames."""


class SinkError(FissuraError):
    """An output that cannot be written."""


class SpoolError(FissuraError):
    """The message store on disk cannot be used."""


class BrokerError(FissuraError):
    """The MQTT broker refuses, or cannot be used."""


class ReleaseError(FissuraError):
    """A release or channel document cannot be read."""


class UpdateError(FissuraError):
    """A device cannot update now; what runs goes on."""


class RepositoryError(UpdateError):
    """The fleet's repository cannot be reached, or what it says is not to be trusted."""


class DeferredError(UpdateError):
    """The update has to wait: flight, heat, battery, disk, clock."""


class RejectedError(UpdateError):
    """This release is not for this device, or it failed a test."""


class FleetError(FissuraError):
    """The operator's side: the repository, its keys, roll-outs, certificates."""
