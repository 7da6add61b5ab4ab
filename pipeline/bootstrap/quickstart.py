"""The document of the first minute: the demo model, and real targets by reference for whatever this environment already has.

Names of variables are looked at, values never: what is found becomes `secret_key_ref: {env: NAME}`, or a reference into Vault.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.config.document import Document
from pipeline.config.importers.known_keys import KEY_VARIABLES
from pipeline.config.literals import FindSecrets
from pipeline.config.loader import load_document
from pipeline.errors import ConfigError

NAME = "quickstart.yaml"

# The variables whose providers are offered when they are set.
_OFFERED = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY")


def quickstart_path() -> Path:
    """Where the document is: `examples/` in a checkout, beside this module in an installation."""
    here = Path(__file__).resolve()
    for path in (here.parents[2] / "examples" / NAME, here.parent / NAME):
        if path.is_file():
            return path
    raise ConfigError(
        "The quick-start document is missing from this installation.", hint="Install Lockgate again, or use `lockgate serve`."
    )


def quickstart(environment: Mapping[str, str], find_secrets: FindSecrets) -> tuple[Document, tuple[str, ...]]:
    """The document for this environment, and a line for each thing that was found in it (names only)."""
    document = load_document(quickstart_path(), find_secrets=find_secrets)
    tree: dict[str, Any] = document.model_dump(mode="json", exclude={"by_id"}, exclude_defaults=True)
    tree["targets"] = list(tree.get("targets", ()))
    models = tree.setdefault("models", {})
    found = []
    vault = bool(environment.get("VAULT_ADDR"))
    if vault:
        _add_vault(tree, environment)
        found.append("VAULT_ADDR: models of OpenAI and Anthropic with keys from secret/llm/openai and secret/llm/anthropic (field api_key)")
    for variable in _OFFERED:
        provider, names = KEY_VARIABLES[variable].provider, KEY_VARIABLES[variable].models
        targets = []
        if environment.get(variable):
            targets.append(("env", {"env": variable}))
            found.append(f"{variable}: models {', '.join(names)}")
        if vault:
            targets.append(("vault", {"ref": f"vault-{provider}"}))
        for name in names if targets else ():
            ids = []
            for label, ref in targets:
                ids.append(f"{name}-{label}")
                tree["targets"].append({"id": ids[-1], "provider": provider, "model": name, "required": False, "secret_key_ref": ref})
            models[name] = {"targets": ids}
    return Document.model_validate(tree), tuple(found)


def _add_vault(tree: dict[str, Any], environment: Mapping[str, str]) -> None:
    auth: dict[str, Any] = {
        "vault_auth_type": "token",
        "vault_addr": environment["VAULT_ADDR"],
        "vault_token": {"secret_key_ref": {"env": "VAULT_TOKEN"}},
    }
    if environment.get("VAULT_NAMESPACE"):
        auth["vault_namespace"] = environment["VAULT_NAMESPACE"]
    tree.setdefault("vaults", {})["vault"] = {"manager_type": "hashicorp_vault", "auth_config": auth}
    for provider in (KEY_VARIABLES[variable].provider for variable in _OFFERED):
        tree.setdefault("references", {})[f"vault-{provider}"] = {
            "vault": "vault",
            "secret_path": f"secret/llm/{provider}",
            "secret_key": "api_key",
        }
