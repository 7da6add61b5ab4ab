"""Takes a secret from a person or a pipe: standard input, a variable, the keychain, or a prompt. Never from the arguments."""

from __future__ import annotations

import sys

from pipeline.errors import BadRequest


def read_value(what: str, *, stdin: bool = False, env_var: str = "", keychain: str = "", twice: bool = False) -> str:
    """The value, without its last line break. BadRequest when it is empty or there is nobody to ask."""
    given = sum((stdin, bool(env_var), bool(keychain)))
    if given > 1:
        raise BadRequest("Only one of --stdin, --env-var and --keychain can say where the value comes from.")
    if stdin:
        value = sys.stdin.read().removesuffix("\n").removesuffix("\r")
    elif env_var:
        value = _from_variable(env_var)
    elif keychain:
        value = _from_keychain(keychain)
    else:
        value = _asked(what, twice=twice)
    if not value:
        raise BadRequest(f"{what}: the value is empty.")
    return value


def _from_variable(name: str) -> str:
    from pipeline.config.environment import env_snapshot

    value = env_snapshot().get(name)
    if value is None:
        raise BadRequest(f"The variable {name} is not set.", hint="Name a variable (not its value), or use --stdin.")
    return value


def _from_keychain(name: str) -> str:
    from pipeline.clock import SystemClock
    from pipeline.vaults.keychain import open_keychain
    from pipeline.vaults.model import SecretRef
    from pipeline.vaults.registry import VaultContext

    vault = open_keychain({}, VaultContext(clock=SystemClock()))
    return vault.fetch(SecretRef(slug=f"keychain:{name}", manager_type="keychain", secret_path=name)).value


def _asked(what: str, *, twice: bool) -> str:
    import getpass

    if not sys.stdin.isatty():
        raise BadRequest(f"{what}: there is no terminal to ask on.", hint="Use --stdin.")
    value = getpass.getpass(f"{what}: ")
    if twice and getpass.getpass(f"{what} again: ") != value:
        raise BadRequest(f"{what}: the two are not the same.")
    return value
