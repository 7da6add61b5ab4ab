"""What a document names in the environment is there no more once it is read: not for libraries, not for child processes, not in /proc."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

import pytest

from pipeline.bootstrap.serving import named_variables
from pipeline.config.loader import parse_document

DOCUMENT = """\
vaults:
  v: {manager_type: hashicorp_vault, auth_config: {vault_addr: "https://v", vault_token: {secret_key_ref: {env: OWN_VAULT_TOKEN}}}}
  unused: {manager_type: aws_ssm, auth_config: {aws_auth_type: accessKey, aws_region: eu, aws_access_key_id: env:OWN_ID,
           aws_secret_access_key: env:OWN_SECRET}}
references:
  openai: {vault: v, secret_path: p}
  direct: {manager_type: env, secret_path: DECLARED_ONLY}
  own: {manager_type: doppler-like, auth_config: {token: {secret_key_ref: {env: OF_A_PLUG_IN}}}, secret_path: p}
targets:
  - {id: a, provider: openai, model: m, secret_key_ref: {ref: openai}}
  - {id: b, provider: openai, model: m, secret_key_ref: env:OF_A_TARGET}
models: {m: {targets: [a, b]}}
telemetry: {destinations: [{id: sre, endpoint: "https://o", headers: {authorization: {secret_key_ref: {env: OF_A_HEADER}}}}]}
"""
NAMED = ("DECLARED_ONLY", "OF_A_HEADER", "OF_A_PLUG_IN", "OF_A_TARGET", "OWN_ID", "OWN_SECRET", "OWN_VAULT_TOKEN")


def nothing(_text: str) -> Sequence[str]:
    return ()


def test_every_variable_that_a_document_names_is_known() -> None:
    assert named_variables(parse_document(DOCUMENT, "lockgate.yaml", find_secrets=nothing)[0]) == NAMED


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_what_is_dropped_is_seen_neither_by_a_child_process_nor_in_proc() -> None:
    code = (
        "import subprocess\n"
        "from pathlib import Path\n"
        "from pipeline.config.environment import drop_provider_keys\n"
        f"drop_provider_keys({NAMED!r})\n"
        "child = subprocess.run(['/usr/bin/env'], capture_output=True, check=True).stdout\n"
        "said = child + Path('/proc/self/environ').read_bytes()\n"
        "print(said.count(b'planted-value'), said.count(b'stays-where-it-is'))\n"
    )
    environment = dict.fromkeys((*NAMED, "VAULT_TOKEN", "OPENAI_API_KEY"), "planted-value") | {"OTHER": "stays-where-it-is"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout.split() == ["0", "2"], done.stderr
