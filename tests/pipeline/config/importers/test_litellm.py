"""LiteLLM's config.yaml: what becomes of each setting, and that what comes out is a document."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from pipeline.config.importers.draft import Draft, Literals
from pipeline.config.importers.litellm import import_litellm
from pipeline.config.importers.render import render
from pipeline.config.loader import load_tree, parse_document
from tests import planted


def nothing(_: str) -> tuple[str, ...]:
    return ()


def imported(tmp_path: Path, tree: Any, literals: Literals = "refuse") -> Draft:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(tree))
    draft = Draft(literals)
    import_litellm(draft, path, load_tree)
    return draft


def one(params: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"model_list": [{"model_name": "m", "litellm_params": params, **more}]}


def outcome(draft: Draft, place: str) -> str:
    found = {line.outcome for line in draft.lines if line.place == place}
    assert len(found) == 1, (place, draft.lines)
    return found.pop()


KEY = {"model": "openai/gpt-5", "api_key": "os.environ/SOME_KEY"}


def guarded(params: dict[str, Any]) -> dict[str, Any]:
    return {**one(KEY), "guardrails": [{"litellm_params": {"guardrail": "litellm_content_filter", "mode": "pre_call", **params}}]}


@pytest.mark.parametrize(
    ("params", "target"),
    [
        (KEY, {"provider": "openai", "model": "gpt-5", "secret_key_ref": {"env": "SOME_KEY"}}),
        ({"model": "gpt-5"}, {"provider": "openai", "model": "gpt-5", "secret_key_ref": {"env": "OPENAI_API_KEY"}}),
        ({"model": "claude-sonnet-4-5"}, {"provider": "anthropic", "secret_key_ref": {"env": "ANTHROPIC_API_KEY"}}),
        ({"model": "openrouter/meta/llama-3", "api_key": "os.environ/OR"}, {"provider": "openrouter", "model": "meta/llama-3"}),
        ({"model": "meta-llama/Llama-3", "custom_llm_provider": "hosted_vllm", "api_base": "http://127.0.0.1:8/v1"},
         {"provider": "hosted_vllm", "model": "meta-llama/Llama-3", "base_url": "http://127.0.0.1:8/v1"}),
        ({"model": "openai/own", "api_base": "http://127.0.0.1:8/v1/", "api_key": "none"}, {"base_url": "http://127.0.0.1:8/v1"}),
        ({"model": "azure/dep", "api_base": "https://x.example", "api_key": "os.environ/A", "api_version": "2024-10-21"},
         {"provider": "azure", "api_version": "2024-10-21", "base_url": "https://x.example"}),
        ({"model": "bedrock/anthropic.claude", "aws_region_name": "eu-west-1", "aws_role_name": "arn:aws:iam::1:role/r"},
         {"provider": "bedrock", "aws_region_name": "eu-west-1", "aws_role_name": "arn:aws:iam::1:role/r"}),
        ({"model": "vertex_ai/gemini", "vertex_project": "p", "vertex_credentials": "keys/vertex.json"},
         {"provider": "vertex_ai", "vertex_project": "p", "secret_key_ref": {"file": "keys/vertex.json"}}),
        ({**KEY, "weight": 3, "timeout": "12.5", "drop_params": True}, {"weight": 3, "first_byte_timeout_s": 12.5, "drop_params": True}),
    ],
)  # fmt: skip
def test_a_deployment_becomes_a_target(tmp_path: Path, params: dict[str, Any], target: dict[str, Any]) -> None:
    draft = imported(tmp_path, one(params))
    (found,) = draft.targets
    assert {name: found.get(name) for name in target} == target
    assert draft.models == {"m": {"targets": [found["id"]]}}
    parse_document(render(draft, "config.yaml", nothing), "d", find_secrets=nothing)
    assert not [line for line in draft.lines if line.outcome == "refused"]


@pytest.mark.parametrize("address", [{}, {"api_base": "http://127.0.0.1:8/v1"}])
def test_a_deployment_without_a_key_is_not_lost(tmp_path: Path, address: dict[str, str]) -> None:
    draft = imported(tmp_path, one({"model": "ollama/llama3", "api_key": "none", **address}))
    assert [target["model"] for target in draft.targets] == ["llama3"]


def test_credentials_whose_names_look_alike_keep_apart(tmp_path: Path) -> None:
    names = ("gpt-4.1", "gpt-4-1")
    entries = [{"model_name": name, "litellm_params": {"model": "openai/x", "api_key": f"key of {name}"}} for name in names]
    stored = [target["secret_key_ref"]["store"] for target in imported(tmp_path, {"model_list": entries}, "leave").targets]
    assert len(set(stored)) == 2
    keys = ("prod/openai", "prod-openai", "prod/openai")
    entries = [
        {"model_name": f"m{at}", "litellm_params": {"model": "openai/x", "api_key": f"os.environ/{key}"}} for at, key in enumerate(keys)
    ]
    general = {"key_management_system": "aws_secret_manager", "key_management_settings": {"aws_region_name": "eu-west-1"}}
    draft = imported(tmp_path, {"model_list": entries, "general_settings": general})
    paths = [draft.references[target["secret_key_ref"]["ref"]]["secret_path"] for target in draft.targets]
    assert paths == list(keys)


def test_a_word_that_stands_for_no_key_gives_no_reference(tmp_path: Path) -> None:
    draft = imported(tmp_path, one({"model": "openai/own", "api_base": "http://127.0.0.1:8/v1", "api_key": "EMPTY"}))
    assert "secret_key_ref" not in draft.targets[0]


@pytest.mark.parametrize(
    ("tree", "place"),
    [
        (one({"model": "openai/*"}), "model_list[0].model_name"),
        ({"model_list": [{"model_name": "*", "litellm_params": KEY}]}, "model_list[0].model_name"),
        (one({"model": "nobody-knows"}), "model_list[0].litellm_params.model"),
        (one({**KEY, "configurable_clientside_auth_params": ["api_base"]}),
         "model_list[0].litellm_params.configurable_clientside_auth_params"),
        (one({**KEY, "use_in_pass_through": True}), "model_list[0].litellm_params.use_in_pass_through"),
        (one({**KEY, "api_base": "os.environ/BASE"}), "model_list[0].litellm_params.api_base"),
        (one({**KEY, "litellm_credential_name": "absent"}), "model_list[0].litellm_params.litellm_credential_name"),
        (one({"model": "openai/gpt-5", "api_key": "oidc/google/x"}), "model_list[0].litellm_params.api_key"),
        (one({"model": "bedrock/x", "aws_access_key_id": "os.environ/A", "aws_secret_access_key": "os.environ/B"}),
         "model_list[0].litellm_params.aws_access_key_id"),
        ({**one(KEY), "general_settings": {"disable_spend_logs": True}}, "general_settings.disable_spend_logs"),
        ({**one(KEY), "general_settings": {"custom_auth": "a.b"}}, "general_settings.custom_auth"),
        ({**one(KEY), "general_settings": {"key_management_system": "cyberark"}}, "general_settings.key_management_system"),
        ({**one(KEY), "general_settings": {"key_management_system": "hashicorp_vault"}}, "general_settings.key_management_system"),
        ({**one(KEY), "litellm_settings": {"ssl_verify": False}}, "litellm_settings.ssl_verify"),
        ({**one(KEY), "litellm_settings": {"max_budget": 5, "budget_duration": "3h"}}, "litellm_settings.budget_duration"),
        ({**one(KEY), "router_settings": {"fallbacks": [{"m": ["absent"]}]}}, "router_settings.fallbacks[0]"),
        ({**one(KEY), "guardrails": [{"litellm_params": {"guardrail": "lakera"}}]}, "guardrails[0].litellm_params.guardrail"),
        (one(KEY, model_info={"team_id": "t"}), "model_list[0].model_info.team_id"),
        ({**one(KEY), "general_settings": {"allowed_ips": ["10.0.0.1"]}}, "general_settings.allowed_ips"),
        ({**one(KEY), "litellm_settings": {"max_budget": "os.environ/BUDGET"}}, "litellm_settings.max_budget"),
        (guarded({"blocked_words_file": "words.yaml"}), "guardrails[0].litellm_params.blocked_words_file"),
        (guarded({"categories": [{"category": "harm"}]}), "guardrails[0].litellm_params.categories"),
        (guarded({"mode": {"tags": {"a": "pre_call"}, "default": "post_call"}}), "guardrails[0].litellm_params.mode"),
        (guarded({"patterns": [{"pattern_name": "visa", "action": "BLOCK"}]}), "guardrails[0].litellm_params.patterns[0]"),
        (guarded({"guardrail": "presidio", "pii_entities_config": {"US_BANK_NUMBER": "BLOCK"}}),
         "guardrails[0].litellm_params.pii_entities_config"),
    ],
)  # fmt: skip
def test_what_cannot_be_kept_is_refused(tmp_path: Path, tree: dict[str, Any], place: str) -> None:
    assert "refused" in {line.outcome for line in imported(tmp_path, tree).lines if line.place == place}


def test_models_that_fall_back_in_a_circle_are_refused_by_the_documents_own_checks(tmp_path: Path) -> None:
    entries = [{"model_name": name, "litellm_params": KEY} for name in ("a", "b")]
    draft = imported(tmp_path, {"model_list": entries, "router_settings": {"fallbacks": [{"a": ["b"]}, {"b": ["a"]}]}})
    render(draft, "config.yaml", nothing)
    assert outcome(draft, "the document") == "refused"


@pytest.mark.parametrize("literals", ["refuse", "leave", "move"])
def test_a_credential_in_the_source_is_never_shown(tmp_path: Path, literals: Literals) -> None:
    rng = Random(5)
    values = [planted.secret(planted.kinds()[0], rng) for _ in range(3)]
    tree = {
        "model_list": [
            {"model_name": "m", "litellm_params": {"model": "openai/gpt-5", "api_key": values[0]}},
            {
                "model_name": "b",
                "litellm_params": {"model": "bedrock/x", "aws_access_key_id": values[1], "aws_secret_access_key": values[2]},
            },
        ],
        "general_settings": {"master_key": values[0], "database_url": f"postgresql://u:{values[1]}@h/d"},
        "environment_variables": {"OPENAI_API_KEY": values[0]},
        "router_settings": {"redis_password": values[2]},
    }
    draft = imported(tmp_path, tree, literals)
    shown = render(draft, "config.yaml", nothing) + repr(draft) + "".join(f"{line}" for line in draft.lines)
    assert not planted.leaks(shown.encode(), {str(index): value for index, value in enumerate(values)})
    refs = [target.get("secret_key_ref") for target in draft.targets]
    if literals == "refuse":
        assert refs == []
        assert draft.values == {}
    else:
        assert refs == [{"store": "M_OPENAI_API_KEY"}, {"store": "B_BEDROCK_AWS"}]
        assert sorted(draft.values) == (sorted(("M_OPENAI_API_KEY", "B_BEDROCK_AWS")) if literals == "move" else [])
        assert not [line for line in draft.lines if line.outcome == "refused"]


def test_prices_fallbacks_aliases_and_budgets_go_along(tmp_path: Path) -> None:
    tree = {
        "model_list": [
            {"model_name": "m", "litellm_params": {**KEY, "order": 2}, "model_info": {"id": "late"}},
            {"model_name": "m", "litellm_params": {**KEY, "order": 1}, "model_info": {"id": "early"}},
            {"model_name": "n", "litellm_params": {**KEY, "input_cost_per_token": "1.5e-06", "output_cost_per_token": 6e-6}},
            {"model_name": "gone", "litellm_params": KEY, "blocked": True},
        ],
        "router_settings": {"num_retries": 4, "timeout": 7, "retry_policy": {"AuthenticationErrorRetries": 1, "TimeoutErrorRetries": 2},
                            "model_group_alias": {"alias": "n"}},
        "litellm_settings": {"fallbacks": [{"m": ["n"]}], "max_budget": 12.5, "budget_duration": "30d"},
    }  # fmt: skip
    draft = imported(tmp_path, tree)
    document, _ = parse_document(render(draft, "c", nothing), "d", find_secrets=nothing)
    assert document.models["m"].targets == ("early", "late")
    assert document.models["m"].strategy == "ordered"
    assert document.models["m"].fallbacks == ("n",)
    assert document.models["m"].fallback.max_retries == 4
    assert set(document.models["m"].fallback.retry_on) == {"timeout", "auth", "connect"}
    assert document.models["alias"].targets == document.models["n"].targets
    assert "gone" not in document.models
    (price,) = document.prices.values()
    assert (price.input_per_mtok_usd, price.output_per_mtok_usd) == (1.5, 6)
    budget = document.workspaces["default"].budget
    assert budget is not None
    assert (budget.limit_micros, budget.period) == (12_500_000, "month")
    assert {target.first_byte_timeout_s for target in document.targets} == {7.0}


def test_names_after_os_environ_are_read_in_the_vault_that_litellm_asks(tmp_path: Path) -> None:
    settings = {"hosted_keys": ["SOME_KEY"], "aws_region_name": "eu-west-1", "primary_secret_name": "llm/all"}
    general = {"key_management_system": "aws_secret_manager", "key_management_settings": settings}
    draft = imported(tmp_path, {**one(KEY), "general_settings": general})
    document, _ = parse_document(render(draft, "c", nothing), "d", find_secrets=nothing)
    reference = document.references["some-key"]
    assert (reference.secret_path, reference.secret_key) == ("llm/all", "SOME_KEY")
    assert document.vaults["litellm-vault"].manager_type == "aws_sm"
    assert document.targets[0].secret_key_ref is not None
    assert document.targets[0].secret_key_ref.ref == "some-key"


def test_hashicorps_address_may_stand_in_the_document(tmp_path: Path) -> None:
    environment = {"HCP_VAULT_ADDR": "https://vault.example:8200", "HCP_VAULT_MOUNT_NAME": "kv", "HCP_VAULT_PATH_PREFIX": "llm"}
    draft = imported(
        tmp_path, {**one(KEY), "environment_variables": environment, "general_settings": {"key_management_system": "hashicorp_vault"}}
    )
    assert draft.references["some-key"] == {"vault": "litellm-vault", "secret_path": "kv/llm/SOME_KEY", "secret_key": "key"}
    assert draft.vaults["litellm-vault"]["auth_config"]["vault_token"] == {"secret_key_ref": {"env": "HCP_VAULT_TOKEN"}}


def test_guardrails_make_the_default_policy_stricter_and_never_milder(tmp_path: Path) -> None:
    guardrails = [
        {"litellm_params": {"guardrail": "litellm_content_filter", "mode": ["pre_call", "post_call"],
                            "patterns": [{"pattern": "T-[0-9]{6}", "action": "BLOCK"}, {"pattern_name": "email", "action": "MASK"}],
                            "blocked_words": [{"keyword": "project falcon", "action": "BLOCK"}]}},
        {"litellm_params": {"guardrail": "presidio", "mode": "logging_only",
                            "pii_entities_config": {"CREDIT_CARD": "BLOCK", "PERSON": "MASK"}}},
    ]  # fmt: skip
    draft = imported(tmp_path, {**one(KEY), "guardrails": guardrails})
    document, _ = parse_document(render(draft, "c", nothing), "d", find_secrets=nothing)
    plain = document.policies["default"].plain()
    assert {"detect_patterns": ["T-[0-9]{6}"], "action": "block"} in plain["prompt"]
    assert {"blocked_terms": ["project falcon"], "action": "block"} in plain["answer"]
    assert plain["telemetry"][0] == {"detect": ["pii"], "kinds": ["card"], "action": "block"}
    for direction, rules in plain.items():
        detected = {name for rule in rules for name in rule.get("detect", ())}
        assert {"secrets", "known"} <= detected, direction


def test_included_files_are_read_as_parts(tmp_path: Path) -> None:
    (tmp_path / "more.yaml").write_text(yaml.safe_dump({"model_list": [{"model_name": "n", "litellm_params": KEY}]}))
    draft = imported(tmp_path, {**one(KEY), "include": ["more.yaml"]})
    assert sorted(draft.models) == ["m", "n"]


def test_credentials_by_name_are_taken_where_they_are_used(tmp_path: Path) -> None:
    listed = [{"credential_name": "c", "credential_values": {"api_key": "os.environ/NAMED", "api_base": "https://own.example"}}]
    draft = imported(tmp_path, {**one({"model": "openai/gpt-5", "litellm_credential_name": "c"}), "credential_list": listed})
    assert draft.targets[0]["secret_key_ref"] == {"env": "NAMED"}
    assert draft.targets[0]["base_url"] == "https://own.example"


def test_a_key_that_is_no_plain_word_is_not_repeated(tmp_path: Path) -> None:
    value = planted.secret(planted.kinds()[0], Random(3))
    draft = imported(tmp_path, {**one({**KEY, value: 1}), value: 1, "litellm_settings": {value: 1}})
    assert value not in repr(draft.lines)
    assert "(a key)" in repr(draft.lines)
