"""`check` and `config`: what would stop a start is found before one, with the documented exit code and no value."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from tests import planted

DEMO = "targets: [{id: demo, provider: demo, model: demo}]\nmodels: {demo: {targets: [demo]}}\n"
NEEDY = "targets: [{id: a, provider: openai, model: m, secret_key_ref: {%s}, required: %s}]\nmodels: {m: {targets: [a]}}\n"
AWAY = """\
vaults: {v: {manager_type: hashicorp_vault, auth_config: {vault_addr: "http://127.0.0.1:9", vault_token: env:TOKEN_OF_VAULT}}}
references: {r: {vault: v, secret_path: llm/x}}
targets: [{id: a, provider: openai, model: m, secret_key_ref: {ref: r}}]
models: {m: {targets: [a]}}
"""


def write(home: Path, text: str) -> str:
    path = home.parent / "lockgate.yaml"
    path.write_text(text)
    return str(path)


def test_a_good_document_is_ready(run: Any, home: Path) -> None:
    ran = run("check", "--config", write(home, DEMO), "--verbose")
    assert ran.code == 0
    assert "Ready to serve." in ran.err
    assert run("check", "--json").json["ok"] is True


@pytest.mark.parametrize(
    ("text", "strict", "code"),
    [
        (NEEDY % ("env: NOT_SET_ANYWHERE", "true"), False, 1),
        (NEEDY % ("env: NOT_SET_ANYWHERE", "false"), False, 0),
        (NEEDY % ("env: NOT_SET_ANYWHERE", "false"), True, 1),
        (NEEDY % ("store: NOT_THERE", "true"), False, 1),
        (NEEDY % ("file: /no/such/file", "true"), False, 1),
        (AWAY, False, 3),
        ("targts: []\n", False, 2),
        (DEMO + "policies: {default: {prompt: [{detect_patterns: ['('], action: mask}], answer: [{detect: [pii], action: mask}], "
         "telemetry: [{detect: [pii], action: mask}]}}\n", False, 2),
        (DEMO + "references: {r: {manager_type: env, secret_path: HOME}}\n", False, 0),
        (DEMO + "references: {r: {manager_type: env, secret_path: HOME}}\n", True, 1),
    ],
)  # fmt: skip
def test_check_has_the_documented_exit_codes(
    run: Any, home: Path, monkeypatch: pytest.MonkeyPatch, text: str, strict: bool, code: int
) -> None:
    monkeypatch.setenv("TOKEN_OF_VAULT", "x")
    monkeypatch.setenv("HOME", "/root")
    ran = run("check", "--config", write(home, text), *(["--strict"] if strict else []))
    assert ran.code == code, ran.err


def test_secrets_status_has_the_same_exit_codes(run: Any, home: Path) -> None:
    path = write(home, NEEDY % ("env: NOT_SET_ANYWHERE", "true"))
    ran = run("secrets", "status", "--config", path)
    assert ran.code == 1
    assert "env:NOT_SET_ANYWHERE" in ran.out
    assert "env:NOT_SET_ANYWHERE:" in ran.err
    assert run("secrets", "status", "--config", write(home, "targts: []\n")).code == 2


def test_a_resolved_value_is_shown_nowhere(run: Any, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    value = planted.secret("openai_project", Random(4))
    monkeypatch.setenv("KEY_OF_TEST", value)
    path = write(home, NEEDY % ("env: KEY_OF_TEST", "true"))
    for arguments in (
        ["check", "--verbose"],
        ["check", "--json"],
        ["secrets", "status"],
        ["secrets", "verify", "env:KEY_OF_TEST"],
        ["config", "show"],
    ):
        ran = run(*arguments, *(["--config", path] if arguments[1:2] != ["verify"] else []))
        assert ran.code == 0
        assert planted.leaks((ran.out + ran.err).encode(), {"value": value}) == []


def test_an_open_address_without_tls_is_refused(run: Any, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home, DEMO)
    monkeypatch.setenv("LOCKGATE_HOST", "0.0.0.0")
    ran = run("check")
    assert ran.code == 2
    assert "without TLS" in ran.err


def test_a_literal_credential_is_refused_and_not_quoted(run: Any, home: Path) -> None:
    value = planted.secret("openai_project", Random(5))
    ran = run("check", "--config", write(home, f"targets:\n  - {{id: a, provider: openai, model: m, api_key: {value}}}\n"))
    assert ran.code == 2
    assert ":2:" in ran.err
    assert planted.leaks((ran.out + ran.err).encode(), {"value": value}) == []


def test_a_document_is_validated_without_resolving(run: Any, home: Path) -> None:
    path = write(home, NEEDY % ("env: NOT_SET_ANYWHERE", "true"))
    assert run("config", "validate", "--config", path).code == 0
    path = write(home, "targts: []\n")
    ran = run("config", "validate", "--config", path, "--json")
    assert ran.code == 2
    assert f"{path}:1:1:" in ran.json["errors"][0]
    assert run("config", "validate", "--config", str(home / "absent.yaml")).code == 2


def test_the_document_is_shown_as_it_is_understood(run: Any, home: Path) -> None:
    path = write(home, DEMO)
    ran = run("config", "show", "--config", path, "--origin")
    assert yaml.safe_load(ran.out)["targets"][0]["lane"] == "auto"
    assert "config: " in ran.err
    assert run("config", "show", "--json").json["schema"] == "lockgate.config.show/1"
    # What is shown is a document again.
    assert run("config", "validate", "--config", write(home, ran.out)).code == 0


def test_the_schema_is_json(run: Any) -> None:
    assert json.loads(run("config", "schema").out)["title"] == "Lockgate document"


def test_sensitive_fields_are_masked_when_they_are_shown(run: Any, home: Path) -> None:
    auth = "{aws_auth_type: assumedRole, aws_role_arn: 'arn:aws:iam::1:role/x', aws_region: eu, aws_external_id: env:EXTERNAL}"
    ran = run("config", "show", "--config", write(home, DEMO + f"vaults: {{v: {{manager_type: aws_sm, auth_config: {auth}}}}}\n"))
    shown = yaml.safe_load(ran.out)["vaults"]["v"]["auth_config"]
    assert shown == {"aws_auth_type": "assumedRole", "aws_role_arn": "****", "aws_region": "eu", "aws_external_id": "env:EXTERNAL"}


POLICED = """\
targets: [{id: demo, provider: demo, model: demo}]
models: {plain: {targets: [demo]}, guarded: {targets: [demo], policy: strict}}
policies:
  default: &masking
    prompt: [{detect: [secrets, known], action: mask}]
    answer: [{detect: [secrets], action: mask}, {detect: [pii], kinds: [email], action: mask, restore: true}]
    telemetry: [{detect: [secrets, pii], action: hash}]
  strict: *masking
  lax: *masking
  odd:
    prompt: [{blocked_terms: [Nightingale, Owl], fuzzy_matching: true, action: block}, {detect_patterns: ['B[0-9]{6}'], action: mask}]
    answer: [{detect: [secrets], action: mask}]
    telemetry: [{detect: [secrets], action: hash}]
workspaces: {default: {}, other: {policy: lax}}
"""


def test_it_is_explained_which_policy_applies(run: Any, home: Path) -> None:
    path = write(home, POLICED)
    for workspace, model, policy, source in (
        ("default", "plain", "default", "default"),
        ("default", "guarded", "strict", "route"),
        ("other", "plain", "lax", "workspace"),
        ("other", "guarded", "strict", "route"),
    ):
        found = run("policies", "explain", "--config", path, "--workspace", workspace, "--model", model, "--json").json
        assert (found["policy"], found["source"], found["exists"]) == (policy, source, True)
        assert list(found["directions"]) == ["prompt", "answer", "telemetry"]
    ran = run("policies", "explain", "--config", path, "--workspace", "other", "--direction", "answer")
    assert ran.code == 0
    assert "named by:" in ran.out
    assert "pii: email" in ran.out
    assert "known (named by no rule)" in ran.out, "live secrets are masked whatever the rules say"


def test_a_keys_own_policy_comes_first_and_one_that_is_gone_is_told(run: Any, home: Path) -> None:
    path = write(home, POLICED)
    for alias, policy in (("own", "odd"), ("orphan", "gone"), ("none", "")):
        run("keys", "create", "--alias", alias, "--json", *(["--policy", policy] if policy else []))
    own = run("policies", "explain", "--config", path, "--key", "own", "--model", "guarded", "--direction", "prompt", "--json").json
    assert (own["policy"], own["source"]) == ("odd", "key")
    assert own["named"] == {"key": "odd", "route": "strict", "workspace": "default"}
    assert [rule["finds"] for rule in own["directions"]["prompt"]] == [
        "2 blocked terms, up to 1 mistake",
        "1 pattern",
        "known (named by no rule)",
    ], "terms and patterns are not printed"
    assert run("policies", "explain", "--config", path, "--key", "none").code == 0
    orphan = run("policies", "explain", "--config", path, "--key", "orphan")
    assert orphan.code == 1
    assert "such a call is refused" in orphan.err
    listed = {row["policy"]: row for row in run("policies", "list", "--config", path, "--json").json["policies"]}
    assert (listed["odd"]["keys"], listed["strict"]["models"], listed["lax"]["workspaces"]) == (["own"], ["guarded"], ["other"])
    assert "the key orphan names the policy 'gone'" in run("check", "--config", path).err
    assert run("check", "--config", path, "--strict").code == 1


@pytest.mark.parametrize(
    "wrong",
    [
        (),
        ("--key", "a", "--workspace", "b"),
        ("--key", "nobody"),
        ("--workspace", "nowhere"),
        ("--workspace", "other", "--model", "none"),
        ("--workspace", "other", "--direction", "sideways"),
    ],
)
def test_what_cannot_be_explained_is_a_wrong_use(run: Any, home: Path, wrong: tuple[str, ...]) -> None:
    path = write(home, POLICED)
    run("keys", "create", "--alias", "a", "--json")
    assert run("policies", "explain", "--config", path, *wrong).code == 2
