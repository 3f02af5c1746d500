"""Signing anew what expires soon; for cron, so it does nothing where nothing is to be done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from deploy.fleet.repository.keys import KeyFolder
from deploy.fleet.repository.metadata_folder import MetadataFolder
from deploy.fleet.repository.roles import ONLINE_ROLES, Signatory, read_roles
from deploy.fleet.settings import ExpiryDays, RoleName
from fissura.errors import FleetError

ROLES: tuple[RoleName, ...] = ("root", *ONLINE_ROLES)


@dataclass(frozen=True)
class Refreshed:
    """What a refresh did.

    Attributes:
        signed: roles that were signed anew.
        expires: when each role expires now.
        by_hand: why the root could not be signed, though it expires soon; None: all is well.
    """

    signed: tuple[RoleName, ...]
    expires: dict[RoleName, datetime]
    by_hand: str | None


def refresh(
    folder: MetadataFolder,
    keys: KeyFolder,
    signatory: Signatory,
    expiry_days: ExpiryDays,
    within_days: float | None = None,
) -> Refreshed:
    """Sign the roles that expire soon, and those that a rotation left behind when it was cut short.

    The root is signed too, if enough of its keys are here; if not, people have to bring them.

    Args:
        folder: the metadata.
        keys: private keys.
        signatory: signs with them.
        expiry_days: how long each role's signature holds.
        within_days: what soon means; None: for each role half of the time that its signature holds.

    Raises:
        FleetError: an online role cannot be signed, or the passphrase is wrong.
    """
    roles = read_roles(folder)
    keys.check_passphrase(roles.root.signed, ONLINE_ROLES)  # not only on the day on which something is due
    before: dict[RoleName, datetime] = {role: roles.of(role).signed.expires for role in ONLINE_ROLES}
    before["root"] = roles.root.signed.expires
    now = datetime.now(timezone.utc)

    def is_due(role: RoleName) -> bool:
        margin_days = getattr(expiry_days, role) / 2 if within_days is None else within_days
        return before[role] <= now + timedelta(days=margin_days) or role in roles.outdated

    signed: list[RoleName] = []
    by_hand = None
    if is_due("root"):
        try:
            signers = keys.signers(roles.root.signed, "root")
        except FleetError as error:
            by_hand = error.found
        else:
            signatory.renew_root(roles.root, signers)
            signed.append("root")
    first = next((role for role in ONLINE_ROLES if is_due(role)), None)
    if first is not None:
        signatory.publish(roles, first)
        signed += ONLINE_ROLES[ONLINE_ROLES.index(first) :]
    expires = before | {role: roles.of(role).signed.expires for role in ONLINE_ROLES}
    expires["root"] = folder.root().signed.expires
    return Refreshed(tuple(signed), expires, by_hand)
