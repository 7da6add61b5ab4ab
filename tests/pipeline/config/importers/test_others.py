"""Portkey's references, Keeptrusts' documents and .env files: what becomes of them."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest

from pipeline.config.importers.dotenv import import_dotenv
from pipeline.config.importers.draft import Draft, Literals
from pipeline.config.importers.keeptrusts import import_keeptrusts
from pipeline.config.importers.portkey import import_portkey
from pipeline.config.importers.render import render
from pipeline.config.loader import parse_document
from pipeline.errors import ConfigError
from tests import planted


def nothing(_: str) -> tuple[str, ...]:
    return ()


def refused(draft: Draft) -> list[str]:
    return [line.place for line in draft.lines if line.outcome == "refused"]


VAULT = {
    "id": "0b1c", "slug": "openai-prod", "name": "OpenAI", "manager_type": "hashicorp_vault", "secret_path": "kv/llm/openai",
    "secret_key": "api_key", "status": "active", "object": "secret-reference", "allow_all_workspaces": True,
    "auth_config": {"vault_auth_type": "approle", "vault_addr": "https://v.example", "vault_role_id": "r",
                    "masked_vault_secret_id": "a***"},
}  # fmt: skip


def test_portkeys_references_become_references_of_the_same_slug() -> None:
    aws = {"slug": "aws-key", "manager_type": "aws_sm", "secret_path": "llm/x", "allowed_workspaces": ["prod", "eval"],
           "auth_config": {"aws_auth_type": "serviceRole", "aws_region": "eu-west-1"}}  # fmt: skip
    twin = {**VAULT, "slug": "openai-eval", "auth_config": {**aws["auth_config"]}, "manager_type": "aws_sm"}
    draft = Draft()
    import_portkey(draft, {"object": "list", "total": 3, "data": [VAULT, aws, twin]})
    document, _ = parse_document(render(draft, "r.json", nothing), "d", find_secrets=nothing)
    assert refused(draft) == []
    assert document.references["openai-prod"].secret_key == "api_key"
    assert document.references["aws-key"].allowed_workspaces == ("prod", "eval")
    assert {"prod", "eval", "default"} <= set(document.workspaces)
    assert document.references["openai-eval"].vault == document.references["aws-key"].vault, "one connection for both"
    auth = document.vaults["openai-prod-vault"].auth_config
    assert auth["vault_secret_id"] == {"secret_key_ref": {"store": "OPENAI_PROD_VAULT_SECRET_ID"}}


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"manager_type": "nobodys"}, "the object.manager_type"),
        ({"slug": "", "name": ""}, "the object.slug"),
        ({"secret_path": None}, "the object.secret_path"),
        ({"allow_all_workspaces": False}, "the object.allow_all_workspaces"),
        ({"allow_all_workspaces": "false"}, "the object.allow_all_workspaces"),
        ({"allow_all_workspaces": None, "allowed_workspaces": "prod"}, "the object.allow_all_workspaces"),
    ],
)
def test_a_reference_that_would_mean_something_else_is_refused(change: dict[str, Any], place: str) -> None:
    draft = Draft()
    import_portkey(draft, VAULT | change)
    assert refused(draft) == [place]
    assert draft.references == {}


def test_a_reference_that_is_not_active_is_left_out() -> None:
    draft = Draft()
    import_portkey(draft, [VAULT | {"status": "archived"}])
    assert draft.references == {}
    assert [(line.place, line.outcome) for line in draft.lines] == [("data[0].status", "ignored")]


def test_masked_credentials_of_two_vaults_get_two_names() -> None:
    draft = Draft()
    import_portkey(draft, [VAULT | {"slug": "a-b"}, VAULT | {"slug": "a_b"}])
    stored = [vault["auth_config"]["vault_secret_id"]["secret_key_ref"]["store"] for vault in draft.vaults.values()]
    assert stored == ["A_B_VAULT_SECRET_ID", "A_B_VAULT_SECRET_ID_2"]


@pytest.mark.parametrize(("literals", "kept"), [("refuse", False), ("leave", True), ("move", True)])
def test_a_vault_credential_in_an_export_is_a_literal_like_any_other(literals: Literals, kept: bool) -> None:
    value = planted.secret(planted.kinds()[0], Random(7))
    auth = {"vault_auth_type": "token", "vault_addr": "https://v.example", "vault_token": value}
    draft = Draft(literals)
    import_portkey(draft, [VAULT | {"auth_config": auth}])
    assert bool(draft.references) is kept
    assert value not in render(draft, "r", nothing) + repr(draft)
    assert list(draft.values.values()) == ([value] if literals == "move" else [])


def test_secret_mappings_say_where_the_reference_belongs() -> None:
    draft = Draft()
    import_portkey(
        draft, {"slug": "v", "secret_mappings": [{"target_field": "key", "secret_reference_id": "openai-prod", "secret_key": "k"}]}
    )
    (line,) = draft.lines
    assert (line.outcome, "{ref: openai-prod, secret_key: k}" in line.told) == ("ignored", True)


KEEPTRUSTS = {
    "pack": {"name": "p", "version": "1"},
    "providers": {
        "targets": [
            {"id": "new", "provider": "openai", "model": "gpt-5-mini", "secret_key_ref": {"env": "OPENAI_KEY_NEW"}, "required": True},
            {"id": "old", "provider": "OpenAI", "model": "gpt-5-mini", "secret_key_ref": {"store": "OLD"},
             "required": False, "region": "eu"},
        ],
        "routing": {"strategy": "ordered"},
        "fallback": {"enabled": True, "max_retries": 2, "retry_on": ["5xx", "timeout"], "latency_window": 5},
        "circuit_breaker": {"cooldown_seconds": 3},
    },
    "policies": {"chain": ["dlp-filter", "audit-logger"]},
    "policy": {"dlp-filter": {"detect_patterns": ["T-[0-9]+"],
                              "blocked_terms": ["falcon"], "fuzzy_matching": True, "max_distance": 2, "action": "block"}},
}  # fmt: skip


def test_a_keeptrusts_document_becomes_targets_routing_and_policy() -> None:
    draft = Draft()
    import_keeptrusts(draft, KEEPTRUSTS)
    document, _ = parse_document(render(draft, "k.yaml", nothing), "d", find_secrets=nothing)
    assert refused(draft) == []
    model = document.models["gpt-5-mini"]
    assert (model.targets, model.strategy) == (("new", "old"), "ordered")
    assert (model.fallback.max_retries, model.fallback.retry_on) == (2, ("5xx", "timeout"))
    assert document.by_id["old"].required is False
    rules = document.policies["default"].plain()["prompt"]
    assert rules[0] == {"detect_patterns": ["T-[0-9]+"], "action": "block"}
    assert rules[1] == {"blocked_terms": ["falcon"], "fuzzy_matching": True, "max_distance": 2, "action": "block"}
    ignored = {line.place for line in draft.lines if line.outcome == "ignored"}
    assert {"pack", "policies.chain[1]", "providers.circuit_breaker", "providers.targets[1].region"} <= ignored


@pytest.mark.parametrize(
    ("tree", "place"),
    [
        ({"providers": {"targets": [{"provider": "openai"}]}}, "providers.targets[0]"),
        ({"providers": {"targets": [{"provider": "a", "model": "m", "secret_key_ref": {"nowhere": "x"}}]}},
         "providers.targets[0].secret_key_ref"),
        ({"providers": {"targets": [{"provider": "a", "model": "m", "api_key": "literal"}]}}, "providers.targets[0].api_key"),
        ({"providers": {"targets": [{"provider": "a", "model": "m", "api_key": ""}]}}, "providers.targets[0].api_key"),
        ({"providers": {"targets": [{"provider": "a", "model": "m", "api_key": {"x": "y"}}]}}, "providers.targets[0].api_key"),
        ({"policies": {"chain": ["unheard-of"]}}, "policies.chain[0]"),
    ],
)  # fmt: skip
def test_what_keeptrusts_does_and_we_would_not_is_refused(tree: dict[str, Any], place: str) -> None:
    draft = Draft()
    import_keeptrusts(draft, tree)
    assert refused(draft) == [place]


@pytest.mark.parametrize(("written", "action"), [("block", "block"), ("redact", "mask"), (None, "mask")])
def test_keeptrusts_pii_detector_keeps_its_action_in_prompts_and_answers(written: str | None, action: str) -> None:
    draft = Draft()
    import_keeptrusts(draft, {**KEEPTRUSTS, "policies": {"chain": ["pii-detector"]}, "policy": {"pii-detector": {"action": written}}})
    document, _ = parse_document(render(draft, "k.yaml", nothing), "d", find_secrets=nothing)
    plain = document.policies["default"].plain()
    assert [plain[name][0] for name in ("prompt", "answer")] == [{"detect": ["pii"], "action": action}] * 2


ENV = """# keys
export OPENAI_API_KEY="{openai}"
OPENAI_BASE_URL=https://proxy.example/v1/   # ours
ANTHROPIC_API_KEY=${{ANTHROPIC_FROM_ELSEWHERE}}
GROQ_API_KEY='{groq}'
DB_PASSWORD={other}
EMPTY=
PORT=4000
MULTI="one
two"
"""


def written(folder: Path) -> list[str]:
    rng = Random(11)
    values = [planted.secret(planted.kinds()[0], rng) for _ in range(3)]
    (folder / "node_modules").mkdir()
    (folder / "node_modules" / ".env").write_text("OPENAI_API_KEY=ignored\n")
    (folder / ".env.example").write_text("OPENAI_API_KEY=ignored\n")
    (folder / ".env").write_text(ENV.format(openai=values[0], groq=values[1], other=values[2]))
    (folder / "sub").mkdir()
    (folder / "sub" / ".env.local").write_text(f"OPENAI_API_KEY={values[0]}\nOPENAI_BASE_URL=https://proxy.example/v1\n")
    return values


def test_provider_keys_of_a_tree_of_env_files_become_references(tmp_path: Path) -> None:
    values = written(tmp_path)
    draft = Draft("move")
    import_dotenv(draft, tmp_path, nothing)
    text = render(draft, "tree", nothing)
    document, _ = parse_document(text, "d", find_secrets=nothing)
    assert draft.values == {"OPENAI_API_KEY": values[0], "GROQ_API_KEY": values[1]}
    openai = [target for target in document.targets if target.provider == "openai"]
    assert {target.base_url for target in openai} == {"https://proxy.example/v1"}
    assert len(openai) == len({target.model for target in openai}), "the same key in two files makes one target a model"
    assert {target.secret_key_ref.env for target in document.targets if target.provider == "anthropic" and target.secret_key_ref} == {
        "ANTHROPIC_FROM_ELSEWHERE"
    }
    said = {line.place: line for line in draft.lines}
    assert "belongs into a vault" in said[".env: DB_PASSWORD"].told
    assert said[".env: PORT"].outcome == "ignored"
    shown = (text + repr(draft) + repr(draft.lines)).encode()
    assert not planted.leaks(shown, {str(index): value for index, value in enumerate(values)})


def test_without_a_place_for_them_keys_of_env_files_are_refused(tmp_path: Path) -> None:
    written(tmp_path)
    draft = Draft()
    import_dotenv(draft, tmp_path, nothing)
    assert refused(draft) == [".env: OPENAI_API_KEY", ".env: GROQ_API_KEY", "sub/.env.local: OPENAI_API_KEY"]


def test_another_value_of_the_same_name_gets_a_name_of_its_own(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / ".env").write_text(f"OPENAI_API_KEY=key-of-{folder}\n")
    draft = Draft("move")
    import_dotenv(draft, tmp_path, nothing)
    assert draft.values == {"OPENAI_API_KEY": "key-of-a", "OPENAI_API_KEY_2": "key-of-b"}
    assert len(draft.models["gpt-5"]["targets"]) == 2


@pytest.mark.parametrize(
    ("written", "value"),
    [
        (r'"a\"b"', 'a"b'), (r'"a\\"  # c', "a\\"), (r'"a\nb"', "a\nb"), (r"'a\nb'", r"a\nb"), (r'"a\$b"', "a$b"),
        ('"one\ntwo"', "one\ntwo"), ("plain # comment", "plain"), ("a#b", "a#b"), ('"open', "open"),
    ],
)  # fmt: skip
def test_a_value_is_read_as_shells_and_dotenv_libraries_read_it(tmp_path: Path, written: str, value: str) -> None:
    (tmp_path / ".env").write_text(f"GROQ_API_KEY={written}\n")
    draft = Draft("move")
    import_dotenv(draft, tmp_path, nothing)
    assert draft.values == {"GROQ_API_KEY": value}


def test_a_place_without_env_files_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no \.env file"):
        import_dotenv(Draft(), tmp_path, nothing)
    with pytest.raises(ConfigError, match="no file or folder"):
        import_dotenv(Draft(), tmp_path / "absent", nothing)
