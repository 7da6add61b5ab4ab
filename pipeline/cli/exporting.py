"""The evidence bundle of a store whose gateway does not run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from pipeline.config.environment import Process
    from pipeline.ledger.signing import Signer
    from pipeline.store.read_model import Filter

BUNDLE: Final = "bundle"


async def signer_of_home(process: Process) -> Signer | None:
    """The key that the document names; None when it names none, or when there is no document. ConfigError when it is no key."""
    from pipeline.bootstrap.compile import compile_references
    from pipeline.cli.engine import finder_of
    from pipeline.cli.made import made_references
    from pipeline.cli.resolving import open_resolver
    from pipeline.config.loader import load_document
    from pipeline.errors import ConfigError
    from pipeline.keys.signing_key import signer_by
    from pipeline.ledger.signing import KeyUnusable

    if not process.document_path.exists():
        return None
    document = load_document(process.document_path, find_secrets=finder_of(process))
    references = compile_references(document, made_references(process).references)
    async with open_resolver(process, references.declared, lambda _value, _slug: None) as resolver:
        try:
            return await signer_by(references.signing_key, resolver)
        except KeyUnusable as error:
            raise ConfigError(f"audit.checkpoints.signing_key: {error}.", hint="Make one: lockgate audit keygen.") from None


def bundle(engine: Engine, asked: Filter, signer: Signer | None, now_us: int) -> Iterator[bytes]:
    """The bundle, in pieces."""
    from pipeline.gateway.admin_export import bundle_period
    from pipeline.ledger.bundle import bundle_pieces
    from pipeline.version import VERSION

    return bundle_pieces(engine, bundle_period(asked, now_us), made_us=now_us, signer=signer, version=VERSION)
