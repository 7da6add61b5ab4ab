"""Puts together what proves the record: the notary, its key by reference, and the places of copies that the document names."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.bootstrap.compile import folder_of
from pipeline.bootstrap.core import Core
from pipeline.bootstrap.parts import Swapped
from pipeline.clock import Clock
from pipeline.config.audit import BucketSection, CheckpointsSection, CopySection
from pipeline.keys.signing_key import signer_by
from pipeline.ledger.copies import Copier, CopyFailed, FilePlace, FolderPlace, Place, line_of
from pipeline.ledger.notary import Notary, Pace
from pipeline.ledger.signing import Signer
from pipeline.store.checkpoints import Stored
from pipeline.vaults.aws_lock import LockedBucket
from pipeline.vaults.registry import VaultContext
from pipeline.vaults.resolver import Resolver

FINISH_S: Final = 5.0
"""Seconds that a stopping process gives to its last copies."""


@dataclass(frozen=True, slots=True)
class BucketPlace:
    """A bucket with object lock."""

    bucket: LockedBucket
    section: BucketSection
    now_us: Callable[[], int]

    @property
    def name(self) -> str:
        """Bucket and prefix."""
        return f"s3:{self.section.bucket}/{self.section.prefix}"

    def put(self, rows: Sequence[Stored]) -> None:
        """Put an object each, locked."""
        for row in rows:
            failed = self.bucket.put(f"{self.section.prefix}{row.chain}/{row.number:08d}.json", line_of(row), self.now_us())
            if failed:
                raise CopyFailed(failed)


@dataclass(frozen=True, slots=True)
class Proof:
    """Notary and copier of a process."""

    notary: Notary
    copier: Copier

    async def run(self) -> None:
        """Both, until cancelled."""
        await self.notary.run(self.copier.look)

    async def finish(self) -> None:
        """Cover and copy what is left, before the ledger stops; what takes longer the next start does."""
        await self.notary.look(last=True)  # bounded by the deadlines of the ledger and of vaults
        with suppress(TimeoutError):
            await asyncio.wait_for(self.copier.look(), FINISH_S)

    def remarks(self) -> dict[str, str]:
        """What is wrong, for `/health/ready`."""
        found = {f"audit_copy:{name}": why for name, why in sorted(self.copier.troubles.items())}
        if self.notary.trouble:
            found["audit_checkpoints"] = self.notary.trouble
        return found


def proof_of(core: Core, swapped: Swapped, resolver: Resolver) -> Proof:
    """Notary and copier of the document in force, which a reload replaces."""
    clock, folder = core.clock, folder_of(core.plan.config)
    made: dict[CopySection, Place] = {}

    def section() -> CheckpointsSection:
        return swapped.document.audit.checkpoints

    def places() -> tuple[Place, ...]:
        return tuple(made.setdefault(copy, place_of(copy, folder, clock)) for copy in section().copies)

    async def signer() -> Signer | None:
        return await signer_by(swapped.references.signing_key, resolver)

    notary = Notary(
        engine=core.reader,
        run_write=core.ledger.run,
        clock=clock,
        own=core.ledger.epoch_id,
        pace=lambda: Pace(section().every_events, section().every_s),
        config_digest=lambda: swapped.document.digest,
        signer=signer,
        told=core.metrics.audit_checkpoint,
    )
    return Proof(notary, Copier(core.reader, core.ledger.run, clock, places, core.metrics.audit_copy))


def place_of(section: CopySection, folder: Path, clock: Clock) -> Place:
    """Where a section of `copies` says; relative paths start beside the document."""
    if section.file is not None:
        return FilePlace(folder / section.file)
    if section.directory is not None:
        return FolderPlace(folder / section.directory)
    assert section.s3 is not None
    s3 = section.s3
    auth = {
        "aws_auth_type": "assumedRole" if s3.role_arn else "serviceRole",
        "aws_region": s3.region,
        "aws_endpoint_url": s3.endpoint_url,
        "aws_role_arn": s3.role_arn,
        "aws_external_id": s3.external_id,
    }
    context = VaultContext(clock=clock, connect_timeout_s=3.0, read_timeout_s=10.0)
    given = {name: value for name, value in auth.items() if value is not None}
    return BucketPlace(LockedBucket(s3.bucket, s3.mode, s3.retain_days, given, context), s3, clock.now_us)
