"""What the authority has issued and withdrawn: one JSON file, written in one step."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from deploy.fleet.authority.roles import Role
from fissura.errors import FleetError
from fissura.files import write_text


class Issued(BaseModel):
    """One certificate.

    Attributes:
        name: common name.
        number: serial number of the certificate, hexadecimal.
        revoked_utc: when it was withdrawn; None: it was not.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    role: Role
    number: str
    begins_utc: AwareDatetime
    ends_utc: AwareDatetime
    revoked_utc: AwareDatetime | None = None

    def is_valid(self) -> bool:
        """Whether a broker lets it in now."""
        return self.revoked_utc is None and datetime.now(timezone.utc) < self.ends_utc


class _Ledger(BaseModel):
    model_config = ConfigDict(extra="forbid")

    issued: tuple[Issued, ...] = ()


def read_ledger(path: Path) -> tuple[Issued, ...]:
    """All certificates ever issued, oldest first; none where there is no file.

    Raises:
        FleetError: the file is damaged. Without it nothing can be revoked, so it is not passed over.
    """
    if not path.exists():
        return ()
    try:
        return _Ledger.model_validate_json(path.read_bytes()).issued
    except (OSError, ValidationError) as error:
        raise FleetError(
            f"{path} cannot be read: {error}", fix="bring it back from a backup: it tells what can be revoked"
        ) from error


def write_ledger(path: Path, issued: tuple[Issued, ...]) -> None:
    """Replace the file."""
    write_text(path, _Ledger(issued=issued).model_dump_json(indent=1) + "\n")
