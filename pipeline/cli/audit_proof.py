"""`audit keygen`, `audit checkpoints`, `audit prove`, `audit hash`: what an auditor holds in hand to prove the record without us."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.context import JsonOption, process_of


def keygen(
    context: typer.Context,
    *,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A new file for the private key, for its owner only.")] = None,
    store: Annotated[str, typer.Option("--store", help="A name in the local encrypted store instead.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Make an Ed25519 key pair for checkpoints. The private key goes to a file or the store, the public one to standard output.

    Example: lockgate audit keygen --output audit.key > audit.pub.pem
    """
    from pipeline.cli.administration import administration
    from pipeline.cli.output import note, print_json
    from pipeline.errors import BadRequest
    from pipeline.ledger.signing import make_private_key, signer_of

    if (output is None) == (not store):
        raise BadRequest("Say where the private key goes: --output FILE or --store NAME.")
    private = make_private_key()
    signer = signer_of(private)
    if output is not None:
        _write_new(output, private + "\n")
        where = f"{{file: {output}}}"
    else:
        with administration(process_of(context)) as admin:
            admin.store_secret(store, private)
        where = f"{{store: {store}}}"
    if as_json:
        print_json("lockgate.audit.keygen/1", {"key_id": signer.key_id, "public_key": signer.public_pem})
    else:
        print(signer.public_pem, end="")
        note(f"Key {signer.key_id}. In the document: audit: {{checkpoints: {{signing_key: {where}}}}}")
        note("Give the public key to auditors by a way of its own: whoever can change it can change what it proves.")


def _write_new(path: Path, text: str) -> None:
    import os

    from pipeline.errors import BadRequest

    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise BadRequest(f"{path} exists already.", hint="A key is never written over another. Name a new file.") from None
    except OSError as error:
        raise BadRequest(
            f"{path} cannot be written ({type(error).__name__}).", hint="Name a file in a folder that you may write."
        ) from None
    with os.fdopen(fd, "w") as file:
        file.write(text)


def checkpoints(
    context: typer.Context,
    *,
    chain: Annotated[str, typer.Option("--chain", help="Of this chain only.")] = "",
    lines: Annotated[bool, typer.Option("--lines", help="As lines that the offline verifier reads.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List checkpoints: what each covers, and by which key it is signed.

    Example: lockgate audit checkpoints --lines > checkpoints.jsonl
    """
    import sys

    from pipeline.cli.output import print_json, print_table
    from pipeline.cli.reading import ask_store
    from pipeline.clock import rfc3339
    from pipeline.ledger.copies import line_of
    from pipeline.store.checkpoints import all_checkpoints

    rows = ask_store(process_of(context), lambda connection: [*all_checkpoints(connection, chain)])
    if lines:
        sys.stdout.buffer.write(b"".join(map(line_of, rows)))
        return
    shown = [{**row._asdict(), "at": rfc3339(row.at_us), "count": row.last_seq - row.first_seq + 1} for row in rows]
    if as_json:
        print_json("lockgate.audit.checkpoints/1", {"checkpoints": shown})
        return
    columns = (("TIME", "at"), ("CHAIN", "chain"), ("NO", "number"), ("FROM", "first_seq"), ("TO", "last_seq"), ("KEY", "key_id"))
    print_table(columns, [{**row, "key_id": row["key_id"] or "(not signed)"} for row in shown], empty="No checkpoint has been made yet.")


def prove(context: typer.Context, event_id: Annotated[str, typer.Argument(help="Id of an event.")]) -> None:
    """Prove that one event was written down: its row, its way up the Merkle tree, and the signed checkpoint that covers it, as JSON.

    Example: lockgate audit prove 01K9ZQ4S8V0000000000000000 > proof.json
    """
    import json

    from pipeline.cli.administration import administration

    with administration(process_of(context)) as admin:
        print(json.dumps(admin.prove(event_id), ensure_ascii=False))


def hash_value(
    context: typer.Context,
    *,
    stdin: Annotated[bool, typer.Option("--stdin", help="Read the value from standard input.")] = False,
    env_var: Annotated[str, typer.Option("--env-var", help="Read it from this variable.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Was this value ever seen, as a secret or as an end user? Its keyed hashes, and where they stand. The value is never an argument.

    Example: lockgate audit hash --stdin < leaked-key.txt
    """
    from pipeline.cli.administration import administration
    from pipeline.cli.asking import read_value
    from pipeline.cli.output import counted, print_json, print_table
    from pipeline.clock import rfc3339

    value = read_value("Value", stdin=stdin, env_var=env_var)
    with administration(process_of(context)) as admin:
        found = admin.hash_value(value)
    if as_json:
        print_json("lockgate.audit.hash/1", found)
        return
    print_table((("AS", "use"), ("KEY", "key_id"), ("HASH", "hash")), found["hashes"], empty="")
    print("Seen." if found["seen"] else "Never seen under a key that this installation still has.")
    for name, what in (("secret_reads", "read of a vault"), ("charges", "charge"), ("end_user_calls", "call for this end user")):
        part = found[name]
        if part["count"]:
            print(f"{counted(part['count'], what)}, from {rfc3339(part['first_us'])} to {rfc3339(part['last_us'])}")
    if found["references"]:
        print(f"Held now by {', '.join(found['references'])}.")


def register(group: typer.Typer) -> None:
    """Add these to `audit`."""
    group.command("keygen")(keygen)
    group.command("checkpoints")(checkpoints)
    group.command("prove")(prove)
    group.command("hash")(hash_value)
