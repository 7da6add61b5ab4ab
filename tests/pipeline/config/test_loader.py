"""The document is read strictly, and every error says where, what and how to fix it, without quoting a value."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from random import Random

import pytest

import redactors
from pipeline.config.document import Document
from pipeline.config.literals import FindSecrets
from pipeline.config.loader import DocumentError, load_document, load_policy, parse_document
from pipeline.errors import ConfigError
from redactors import build_redactor
from tests import planted
from tests.compiled import compiled_rules, finder

GOOD = """\
vaults:
  prod:
    manager_type: hashicorp_vault
    auth_config: {vault_auth_type: kubernetes, vault_addr: "https://vault.example", vault_role: gateway}
references:
  openai-prod: {vault: prod, secret_path: llm/openai, secret_key: api_key, allowed_workspaces: [production]}
targets:
  - {id: new, provider: openai, model: gpt-5-mini, secret_key_ref: {ref: openai-prod}}
  - {id: old, provider: openai, model: gpt-5-mini, required: false, secret_key_ref: store:OLD}
models:
  gpt-5-mini: {strategy: ordered, targets: [new, old], fallback: {enabled: true, max_retries: 2}}
policies:
  default:
    prompt:
      - {detect: [secrets, known], action: block}
      - {blocked_terms: [secret plan], fuzzy_matching: true, max_distance: 1, action: block}
    answer: [{detect: [secrets, known], action: mask}]
    telemetry: [{detect: [secrets, known, pii], action: hash}]
workspaces: {production: {policy: default, budget: {limit_usd: 500, period: month}}}
telemetry:
  semconv: v1.41
  destinations:
    - {id: sre, endpoint: "https://otlp.example", headers: {x-team: llm, authorization: {secret_key_ref: {env: T}}}}
prices: {my-vllm/llama: {input_per_mtok_usd: 0.2, output_per_mtok_usd: 0.4}}
audit: {require: all}
"""


@pytest.fixture(scope="module")
def rules() -> FindSecrets:
    return finder()


def nothing(_text: str) -> Sequence[str]:
    return ()


def read(text: str) -> Document:
    return parse_document(text, "lockgate.yaml", find_secrets=nothing)[0]


def lines_of(text: str) -> tuple[str, ...]:
    with pytest.raises(DocumentError) as caught:
        read(text)
    return caught.value.lines


def test_the_document_in_outline_is_understood() -> None:
    document = read(GOOD)
    assert document.by_id["old"].secret_key_ref is not None
    assert document.by_id["old"].secret_key_ref.form() == {"store": "OLD"}
    assert document.workspaces["production"].budget is not None
    assert document.workspaces["production"].budget.limit_micros == 500_000_000
    assert document.references["openai-prod"].open_to_all is False
    assert document.policies["default"].plain()["prompt"][1] == {
        "blocked_terms": ["secret plan"],
        "fuzzy_matching": True,
        "max_distance": 1,
        "action": "block",
    }


def test_the_smallest_document_is_a_target_and_a_model() -> None:
    document = read("targets: [{id: demo, provider: demo, model: demo}]\nmodels: {demo: {targets: [demo]}}\n")
    assert set(document.policies) == {"default"}
    assert set(document.workspaces) == {"default"}


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ("targts: []\n", "1:1", "Did you mean 'targets'?"),
        ("targets:\n  - {id: a, provder: demo, model: m}\n", "2:13", "Did you mean 'provider'?"),
        ("targets:\n  - {id: a, provider: demo, model: 4}\n", "2:36", "Put quotes around it"),
        ("targets:\n  - {id: a, provider: demo, model: m}\n  - {id: a, provider: demo, model: m}\n", "3:10", "used twice"),
        ("models:\n  m: {targets: [x]}\n", "2:17", "there is no target 'x'"),
        ("targets: [{id: alpha, provider: demo, model: m}]\nmodels:\n  m: {targets: [alhpa]}\n", "3:17", "Did you mean 'alpha'?"),
        ("references: {r: {vault: v, secret_path: p}}\n", "1:25", "there is no vault 'v'"),
        ("references: {r: {secret_path: p}}\n", "1:17", "exactly one of vault and manager_type"),
        ("workspaces: {w: {policy: strict}}\n", "1:26", "there is no policy 'strict'"),
        (
            "targets: [{id: a, provider: demo, model: m}]\nmodels: {m: {targets: [a], policy: p}}\n",
            "2:36",
            "there is no policy 'p'",
        ),
        ("policies: {default: {prompt: [], answer: [], telemetry: []}}\n", "1:30", "at least 1 item"),
        ("policies: {default: {prompt: [{action: mask}], answer: [{detect: [pii], action: mask}]}}\n", "1:21", "'telemetry' is missing"),
        ("targets: [{id: a, provider: openai, model: m}]\n", "1:11", "openai needs a key"),
        ("targets: [{id: a, provider: demo, model: m, base_url: 'http://u:p@h'}]\n", "1:55", "carries a credential"),
        ("server: {tls_cert: a.pem}\n", "1:9", "tls_cert and tls_key belong together"),
        ("a: 1\na: 2\n", "2:1", "stands twice"),
        ("a: &x [*x]\n", "1:4", "contains itself"),
        ("a: !!python/object:os.system x\n", "1:4", "tag is not supported"),
        ("a: {<<: {b: 1}}\n", "1:5", "merge keys"),
        ("a: [1, 2\n", "2:1", "Check indentation"),
        ("- a\n", "1:1", "not a mapping"),
    ],
)
def test_an_error_says_where_what_and_how(text: str, place: str, what: str) -> None:
    lines = lines_of(text)
    assert any(line.startswith(f"lockgate.yaml:{place}: ") and what in line for line in lines), lines


def test_all_errors_are_told_at_once() -> None:
    assert len(lines_of("targets:\n  - {id: a, provder: x, model: 4}\n  - {provider: demo}\nmodels: {m: {targets: []}}\n")) >= 5


def test_circular_fallbacks_are_refused() -> None:
    text = "targets: [{id: t, provider: demo, model: m}]\nmodels:\n"
    text += "".join(f"  m{n}: {{targets: [t], fallbacks: [m{(n + 1) % 3}]}}\n" for n in range(3))
    assert [line for line in lines_of(text) if "m0 -> m1 -> m2 -> m0" in line]


@pytest.mark.parametrize(
    ("first", "second", "refused"),
    [("", "", False), (", policy: default", ", policy: default", False), (", policy: default", "", True), ("", ", policy: default", True)],
)
def test_a_model_falls_back_only_to_one_of_its_own_policy(first: str, second: str, refused: bool) -> None:
    """What was screened under one policy must not be sent under another."""
    models = f"{{a: {{targets: [t], fallbacks: [b]{first}}}, b: {{targets: [t]{second}}}}}"
    text = f"targets: [{{id: t, provider: demo, model: m}}]\nmodels: {models}\n"
    if refused:
        assert [line for line in lines_of(text) if "'a' falls back to 'b', which names another policy" in line]
    else:
        assert read(text).models["a"].fallbacks == ("b",)


def test_a_long_chain_of_fallbacks_is_no_circle() -> None:
    text = "targets: [{id: t, provider: demo, model: m}]\nmodels:\n"
    text += "".join(f"  m{n}: {{targets: [t], fallbacks: [{f'm{n + 1}' if n < 999 else ''}]}}\n" for n in range(1000))
    assert len(read(text).models) == 1000


def test_aliases_do_not_become_a_bomb() -> None:
    text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    for level in range(1, 9):
        text += f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n"
    assert "once its aliases are resolved" in lines_of(text)[0]


def test_deep_nesting_is_refused_and_not_a_crash() -> None:
    assert "nested" in lines_of("a: " + "[" * 5000 + "]" * 5000)[0]


@pytest.mark.parametrize("kind", ["openai_project", "anthropic", "github", "aws_secret_access_key", "vault_token", "password"])
@pytest.mark.parametrize(
    "place",
    [
        "targets: [{{id: a, provider: demo, model: m, api_key: '{0}'}}]\n",
        "vaults: {{v: {{manager_type: hashicorp_vault, auth_config: {{vault_addr: 'https://v', vault_token: '{0}'}}}}}}\n",
        "telemetry: {{destinations: [{{id: a, endpoint: 'https://o', headers: {{authorization: 'Bearer {0}'}}}}]}}\n",
    ],
)
def test_a_literal_credential_is_refused_by_its_place_and_never_quoted(place: str, kind: str) -> None:
    value = planted.secret(kind, Random(7)) if kind in planted.kinds() else f"hunter2-{kind}-x91"
    value = value.replace("'", "")
    [line] = lines_of(place.format(value))
    assert "literal credential" in line
    assert value not in line
    assert value[:12] not in line


def test_a_literal_where_a_reference_belongs_is_refused_and_never_quoted() -> None:
    value = planted.secret("openai_project", Random(8))
    lines = lines_of(f"targets: [{{id: a, provider: openai, model: m, secret_key_ref: '{value}'}}]\n")
    assert "only a reference may stand" in lines[0]
    assert value[:12] not in "".join(lines)


@pytest.mark.parametrize("kind", ["openai_project", "anthropic", "github"])
@pytest.mark.parametrize(
    "place", ["targets: [{{id: a, provider: demo, model: '{0}'}}]\n", "{0}: 1\n", "models: {{'{0}': {{targets: [a]}}}}\n"]
)
def test_a_credential_is_refused_wherever_it_stands_by_our_own_rules(rules: FindSecrets, place: str, kind: str) -> None:
    value = planted.secret(kind, Random(9))
    with pytest.raises(DocumentError) as caught:
        parse_document(place.format(value), "lockgate.yaml", find_secrets=rules)
    assert "looks like a live credential" in caught.value.message
    assert value[:12] not in str(caught.value)


def test_without_rules_at_hand_the_loader_takes_the_built_in_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redactors, "build_redactor", partial(build_redactor, cache=compiled_rules()), raising=False)
    value = planted.secret("openai_project", Random(10))
    with pytest.raises(DocumentError, match="looks like a live credential"):
        parse_document(f"targets: [{{id: a, provider: demo, model: '{value}'}}]\n", "lockgate.yaml")


def test_names_of_places_are_no_credentials(rules: FindSecrets) -> None:
    document, warnings = parse_document(GOOD, "lockgate.yaml", find_secrets=rules)
    assert document.digest
    assert warnings == ()


def test_what_is_probably_not_meant_is_a_warning() -> None:
    text = (
        "references: {r: {manager_type: env, secret_path: NAME}}\n"
        "targets: [{id: a, provider: demo, model: m, base_url: 'http://far.example', secret_key_ref: env:K}]\n"
    )
    _, warnings = parse_document(text, "lockgate.yaml", find_secrets=nothing)
    told = "\n".join(warnings)
    assert "nothing uses the reference 'r'" in told
    assert "no model uses the target 'a'" in told
    assert "without TLS" in told


def test_a_reference_that_is_not_declared_may_come_by_rest_so_it_is_a_warning_with_what_is_nearest() -> None:
    text = (
        "references: {openai-prod: {manager_type: env, secret_path: NAME}}\n"
        "targets: [{id: a, provider: demo, model: m, secret_key_ref: {ref: openai-prd}}]\n"
        "telemetry: {destinations: [{id: d, endpoint: 'http://127.0.0.1:9', headers: {x-key: {secret_key_ref: {ref: gone}}}}]}\n"
    )
    _, warnings = parse_document(text, "lockgate.yaml", find_secrets=nothing)
    told = "\n".join(warnings)
    assert "2:67: there is no reference 'openai-prd' in the document. Did you mean 'openai-prod'? Or make it by REST" in told
    assert "there is no reference 'gone' in the document" in told


def test_the_digest_follows_the_meaning_and_not_the_spelling() -> None:
    one = read("targets: [{id: a, provider: demo, model: m}]\n")
    same = read("# a comment\ntargets:\n- model: m\n  id: a\n  provider: demo\n  weight: 1\n")
    other = read("targets: [{id: a, provider: demo, model: n}]\n")
    assert one.digest == same.digest != other.digest


def test_a_document_is_frozen() -> None:
    document = read(GOOD)
    with pytest.raises(ValueError, match="frozen"):
        document.audit.require = "any"


@pytest.mark.parametrize(
    ("content", "what"),
    [(None, "There is no configuration file"), (b"\xff\xfe\x00", "not UTF-8"), (b"a: \x01b", "lockgate.yaml:")],
)
def test_a_file_that_cannot_be_read_is_an_error_with_a_hint(tmp_path: Path, content: bytes | None, what: str) -> None:
    path = tmp_path / "lockgate.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load_document(path, find_secrets=nothing)
    assert what in caught.value.message


def test_one_policy_can_stand_in_a_file_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    rule = "[{detect: [secrets], action: mask}]"
    path.write_text(f"prompt: {rule}\nanswer: {rule}\ntelemetry: {rule}\n")
    assert load_policy(path).plain()["answer"] == [{"detect": ["secrets"], "action": "mask"}]
    path.write_text(f"prompt: {rule}\nanswr: {rule}\ntelemetry: {rule}\n")
    with pytest.raises(DocumentError, match="Did you mean 'answer'"):
        load_policy(path)


def test_the_key_of_stored_content_names_a_reference_that_there_is() -> None:
    stored = "telemetry: {capture_content: stored, stored_content: {secret_key_ref: {ref: r}}}\n"
    document, warnings = parse_document(
        "references: {r: {manager_type: env, secret_path: NAME}}\n" + stored, "lockgate.yaml", find_secrets=nothing
    )
    assert document.telemetry.capture_content == "stored"
    assert warnings == ()
    with pytest.raises(ConfigError, match="reference"):
        parse_document(stored, "lockgate.yaml", find_secrets=nothing)
