"""New keys for a role, in an order that leaves devices something to believe at every moment.

A role's documents are signed with the old and the new keys first; then comes the root that names the new ones. A device
with the old root and one with the new root accept both. Where the old keys are lost, the root has to come first.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass

from tuf.api.metadata import Root

from deploy.fleet.repository.keys import KeyFolder, key_name
from deploy.fleet.repository.metadata_folder import MetadataFolder
from deploy.fleet.repository.roles import ONLINE_ROLES, Roles, Signatory, read_roles
from deploy.fleet.repository.root_chain import check_anchors
from deploy.fleet.settings import RoleName
from fissura.errors import FleetError

MOST_KEYS = 16


@dataclass(frozen=True)
class Rotated:
    """What a rotation did.

    Attributes:
        role: whose keys were replaced.
        root_version: that names the new ones.
        new: names of the new keys.
        old: names of those that no device believes any more, once it has seen the new root.
        threshold: signatures that the role needs from now on.
    """

    role: RoleName
    root_version: int
    new: tuple[str, ...]
    old: tuple[str, ...]
    threshold: int


def rotate(
    folder: MetadataFolder,
    keys: KeyFolder,
    signatory: Signatory,
    role: RoleName,
    count: int | None = None,
    threshold: int | None = None,
) -> Rotated:
    """Replace all keys of a role.

    Args:
        folder: the metadata.
        keys: private keys; enough of the root's must be here.
        signatory: signs with them.
        role: whose keys.
        count: of new keys; None: as many as there were.
        threshold: signatures that the role needs; None: as before.

    Raises:
        FleetError: keys are missing, or the numbers are impossible; nothing was changed then.
    """
    roles = read_roles(folder)
    if roles.outdated:  # an earlier rotation was cut short
        signatory.publish(roles, next(other for other in ONLINE_ROLES if other in roles.outdated))
        roles = read_roles(folder)
    root = roles.root.signed
    count = len(root.roles[role].keyids) if count is None else count
    threshold = root.roles[role].threshold if threshold is None else threshold
    if not 1 <= threshold <= count <= MOST_KEYS:
        raise FleetError(
            f"{role} cannot need {threshold} of {count} keys", expected=f"1 <= threshold <= count <= {MOST_KEYS}"
        )
    root_signers = keys.signers(root, "root")
    check_anchors(folder, keys)
    old_can_sign = role == "root" or _can_sign(roles, keys, role)

    new = [keys.create(name) for name in keys.unused_names(role, _names(folder), count)]
    old = [root.get_key(keyid) for keyid in root.roles[role].keyids]
    renewed = deepcopy(roles.root)  # what was checked, not what may stand there by now
    for key in old:
        renewed.signed.revoke_key(key.keyid, role)
    for signer in new:
        renewed.signed.add_key(signer.public_key, role)
    renewed.signed.roles[role].threshold = threshold

    if role == "root":
        signatory.renew_root(renewed, [*root_signers, *new])
    elif old_can_sign:
        signatory.publish(roles, role, also={role: new})
        signatory.renew_root(renewed, root_signers)
    else:
        signatory.renew_root(renewed, root_signers)
        signatory.publish(read_roles(folder), role)
    return Rotated(
        role,
        renewed.signed.version,
        tuple(key_name(signer.public_key) for signer in new),
        tuple(key_name(key) for key in old),
        threshold,
    )


def _can_sign(roles: Roles, keys: KeyFolder, role: RoleName) -> bool:
    """Whether the old keys of a role are here; those of the roles after it must be.

    Raises:
        FleetError: keys of another role are missing.
    """
    root = roles.root.signed
    for other in ONLINE_ROLES[ONLINE_ROLES.index(role) + 1 :]:
        keys.signers(root, other)
    names = [key_name(root.get_key(keyid)) for keyid in root.roles[role].keyids]
    return sum(keys.has(name) for name in names) >= root.roles[role].threshold


def _names(folder: MetadataFolder) -> set[str]:
    """Names of all keys that any version of the root ever named."""
    roots = (folder.root(version).signed for version in range(1, folder.newest(Root.type) + 1))
    return {key_name(key) for root in roots for key in root.keys.values()}
