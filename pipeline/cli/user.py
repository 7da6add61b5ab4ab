"""`users`: people who look at the dashboard."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.context import JsonOption, process_of

app = typer.Typer(help="Dashboard users: add, list, remove.", no_args_is_help=True, rich_markup_mode=None)


@app.command("add")
def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The name to log in with.")],
    role: Annotated[str, typer.Option("--role", help="auditor, manager or admin.")] = "auditor",
    workspace: Annotated[str, typer.Option("--workspace", help="The workspace that a manager manages.")] = "",
    stdin: Annotated[bool, typer.Option("--stdin", help="Read the password from standard input.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Add a user. The password is asked for, or read with --stdin; it is never an argument.

    Example: lockgate users add ana --role auditor
    """
    from pipeline.cli.administration import administration
    from pipeline.cli.asking import read_value
    from pipeline.cli.output import note, print_json

    process = process_of(context)
    password = read_value("Password", stdin=stdin, twice=True)
    with administration(process) as admin:
        placed = {"workspace": workspace} if workspace else {}
        user = admin.create_user({"name": name, "role": role, "password": password, **placed})
    if as_json:
        print_json("lockgate.users.add/1", {"user": user})
    else:
        note(f"{user['name']} may log in as {user['role']}.")


@app.command("list")
def list_users(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the users.

    Example: lockgate users list
    """
    from pipeline.cli.output import print_json, print_table
    from pipeline.cli.reading import ask_store
    from pipeline.keys import people

    users = ask_store(process_of(context), people.list_users)["data"]
    if as_json:
        print_json("lockgate.users.list/1", {"users": users})
        return
    columns = (("NAME", "name"), ("ROLE", "role"), ("STATUS", "status"), ("LAST LOGIN", "last_login_at"), ("ADDED", "created_at"))
    print_table(columns, users, empty="No users yet. Add one: lockgate users add NAME --role auditor")


@app.command("remove")
def remove(context: typer.Context, name: Annotated[str, typer.Argument(help="The user's name.")]) -> None:
    """Remove a user and end their sessions.

    Example: lockgate users remove ana
    """
    from pipeline.cli.administration import administration
    from pipeline.cli.output import note

    with administration(process_of(context)) as admin:
        admin.delete_user(name)
    note(f"{name} is removed.")
