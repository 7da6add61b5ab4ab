"""LiteLLM's `config.yaml`: deployments become targets, their names models, prices and fallbacks go with them.

Field names are those of LiteLLM 1.109.1 (typed classes of its proxy). Nothing is resolved: `os.environ/NAME` becomes a reference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from pipeline.config.importers.draft import Draft, Line, decimal, mapping, name_of, number, plain, sequence
from pipeline.config.importers.known_keys import variable_of
from pipeline.config.importers.litellm_guardrails import read_guardrails
from pipeline.config.importers.litellm_settings import Manner, manner_of, read_settings
from pipeline.config.importers.litellm_vaults import Keys, read_key_management
from pipeline.config.targets import SETTINGS

ENVIRON: Final = "os.environ/"
MAX_FILES: Final = 32

ReadTree = Callable[[Path], Any]
"""Gives the plain data of a YAML file; raises ConfigError."""

_SAME: Final = {
    "organization": "organization",
    "api_version": "api_version",
    "region_name": "aws_region_name",
    **{name: name for name in SETTINGS if name != "base_model"},
}
_PRICES: Final = {
    "input_cost_per_token": "input_per_mtok_usd",
    "output_cost_per_token": "output_per_mtok_usd",
    "cache_read_input_token_cost": "cache_read_per_mtok_usd",
    "cache_creation_input_token_cost": "cache_write_per_mtok_usd",
    "output_cost_per_reasoning_token": "reasoning_per_mtok_usd",
}
_IGNORED: Final = {
    **dict.fromkeys(
        ("tpm", "rpm", "itpm", "otpm", "tpd", "rpd", "max_parallel_requests"),
        "limits belong to virtual keys: lockgate keys create --rpm, --tpm, --parallel",
    ),
    **dict.fromkeys(("max_budget", "budget_duration"), "budgets belong to keys and workspaces: keys create --budget, workspaces.*.budget"),
    **dict.fromkeys(("tags", "tag_regex"), "targets are not chosen by tags"),
    **dict.fromkeys(("input_cost_per_second", "output_cost_per_second"), "prices are per token; give prices.* by hand"),
    "cooldown_time": "targets rest after failures by a rule of the house",
    "mock_response": "the provider `demo` answers without a network",
    **dict.fromkeys(("max_retries", "num_retries"), "attempts are counted per model: models.*.fallback.max_retries"),
    "keepalive_seconds": "connections are kept for 30 s",
    "stream_timeout": "first_byte_timeout_s and idle_timeout_s bound streams",
}
_REFUSED: Final = {
    "configurable_clientside_auth_params": "callers never choose address or credential of a provider",
    "use_in_pass_through": "there are no pass-through routes: what is not screened is not sent",
    "client_secret": "signing in to Entra with a client secret is not supported for targets; use the resource's key",
}
_AWS_PAIR: Final = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
_CREDENTIALS: Final = ("api_key", "azure_ad_token", "vertex_credentials", *_AWS_PAIR)
_HANDLED: Final = frozenset(
    {"model", "custom_llm_provider", "api_base", "base_url", "order", "weight", "timeout", "drop_params", "litellm_credential_name"}
    | set(_CREDENTIALS)
)
_NO_KEYS: Final = frozenset({"", "none", "null", "empty", "dummy", "no-key", "not-needed", "no-key-needed", "fake-key", "anything"})
_BY_NAME: Final = (
    (("gpt-", "o1", "o3", "o4", "chatgpt-", "text-embedding-", "davinci", "babbage"), "openai"),
    (("claude-",), "anthropic"),
    (("command", "embed-"), "cohere"),
    (("mistral-", "codestral", "ministral"), "mistral"),
    (("deepseek-",), "deepseek"),
    (("grok-",), "xai"),
)


def import_litellm(draft: Draft, path: Path, read_tree: ReadTree) -> None:
    """Read a `config.yaml` and the files that it includes into a draft. ConfigError when a file cannot be read."""
    tree = _with_includes(draft, path, read_tree)
    keys = read_key_management(draft, mapping(tree.get("general_settings")), mapping(tree.get("environment_variables")))
    credentials = {
        str(mapping(each).get("credential_name")): (
            f"credential_list[{index}].credential_values",
            mapping(mapping(each).get("credential_values")),
        )
        for index, each in enumerate(sequence(tree.get("credential_list")))
    }
    manner = manner_of(mapping(tree.get("router_settings")), mapping(tree.get("litellm_settings")))
    orders: dict[str, list[tuple[int, str]]] = {}
    for index, entry in enumerate(sequence(tree.get("model_list"))):
        _deployment(draft, f"model_list[{index}]", mapping(entry), keys, credentials, manner, orders)
    for model, found in orders.items():
        if any(order for order, _ in found):
            draft.models[model]["strategy"] = "ordered"
            draft.models[model]["targets"] = [target for _, target in sorted(found, key=lambda pair: pair[0] or 1)]
    read_settings(draft, tree, manner)
    read_guardrails(draft, sequence(tree.get("guardrails")))
    for name in ("callback_settings", "worker_registry"):
        if name in tree:
            draft.ignored(name, "telemetry goes to telemetry.destinations" if name == "callback_settings" else "workers are not registered")
    known = {"model_list", "litellm_settings", "router_settings", "general_settings", "environment_variables", "include", "guardrails"}
    for name in tree.keys() - known - {"credential_list", "callback_settings", "worker_registry"}:
        draft.ignored(plain(name), "this section is not known")


def _with_includes(draft: Draft, path: Path, read_tree: ReadTree) -> dict[str, Any]:
    """The document with what it includes, as LiteLLM joins them: lists one after the other, sections key by key."""
    whole: dict[str, Any] = {}
    waiting, seen = [path], set()
    while waiting:
        here = waiting.pop(0)
        if here in seen:
            continue
        seen.add(here)
        if len(seen) > MAX_FILES:
            draft.refused("include", f"more than {MAX_FILES} files are included")
            break
        tree = mapping(read_tree(here))
        for name, value in tree.items():
            before = whole.get(name)
            if isinstance(before, list) and isinstance(value, list):
                whole[name] = [*before, *value]
            elif isinstance(before, Mapping) and isinstance(value, Mapping):
                whole[name] = {**before, **value}
            else:
                whole[name] = value
        for position, name in enumerate(sequence(tree.get("include"))):
            waiting.append(here.parent / str(name))
            draft.mapped(f"include[{position}]", "the file is read as a part of this one")
    return whole


def _deployment(
    draft: Draft,
    place: str,
    entry: Mapping[str, Any],
    keys: Keys,
    credentials: Mapping[str, tuple[str, Mapping[str, Any]]],
    manner: Manner,
    orders: dict[str, list[tuple[int, str]]],
) -> None:
    """One entry of `model_list`."""
    params = mapping(entry.get("litellm_params"))
    info = mapping(entry.get("model_info"))
    wanted = entry.get("model_name")
    model = name_of(wanted) if isinstance(wanted, str) else ""
    if not model or "*" in str(wanted) or "*" in str(params.get("model", "")):
        draft.refused(
            f"{place}.model_name", "a model has a name of its own: wildcards are not supported, name the models that callers may use"
        )
        return
    if entry.get("blocked") or info.get("blocked"):
        draft.ignored(f"{place}.blocked", "the deployment is blocked, so it is left out")
        return
    if info.get("team_id"):
        draft.refused(f"{place}.model_info.team_id", "one team alone may use this deployment; name its models in the team's keys instead")
        return
    named = credentials.get(str(params.get("litellm_credential_name")))
    if "litellm_credential_name" in params:
        if named is None:
            draft.refused(f"{place}.litellm_params.litellm_credential_name", "there is no such entry in credential_list")
            return
        draft.mapped(f"{place}.litellm_params.litellm_credential_name", "the values of the credential are taken here")
        params = {**named[1], **params}
    provider, provider_model = provider_of(params)
    where = f"{place}.litellm_params"
    if not provider:
        draft.refused(f"{where}.model", "the provider cannot be told from the name; write provider/model or custom_llm_provider")
        return
    target: dict[str, Any] = {
        "id": draft.target_id(str(info.get("id") or f"{model}-{provider}")),
        "provider": provider,
        "model": provider_model,
    }
    before = len(draft.lines)
    if not _fill(draft, where, target, params, keys, manner):
        return
    _prices(draft, place, target["id"], params, info)
    draft.lines.insert(before, Line(place, "mapped", f"target {target['id']} of model {model}"))
    draft.targets.append(target)
    section = draft.models.setdefault(model, {"targets": []})
    section["targets"].append(target["id"])
    order = params.get("order")
    orders.setdefault(model, []).append((order if isinstance(order, int) and not isinstance(order, bool) else 0, target["id"]))
    if order is not None:
        draft.mapped(f"{where}.order", "the order of the model's targets")
    for name in info.keys() - {"id", "blocked", "base_model", *_PRICES}:
        draft.ignored(f"{place}.model_info.{plain(name)}", "what a model can do comes from the bundled map and from prices.*")


def provider_of(params: Mapping[str, Any]) -> tuple[str, str]:
    """Provider and the provider's own model id, told as LiteLLM does from `model` and `custom_llm_provider`, or empty."""
    model = params.get("model")
    if not isinstance(model, str) or not model or model.startswith(ENVIRON):
        return "", ""
    given = params.get("custom_llm_provider")
    head, slash, rest = model.partition("/")
    if isinstance(given, str) and given:
        return given, rest if slash and head == given else model
    if slash and head.replace("_", "").isalnum() and head.islower():
        return head, rest
    found = next((provider for starts, provider in _BY_NAME if model.startswith(starts)), "")
    if not found and (params.get("api_base") or params.get("base_url")):
        found = "openai"  # an OpenAI-compatible server of one's own
    return found, model


def _fill(draft: Draft, where: str, target: dict[str, Any], params: Mapping[str, Any], keys: Keys, manner: Manner) -> bool:
    """Everything of `litellm_params` but prices; False when the deployment cannot be taken over."""
    refused = {name: why for name, why in _REFUSED.items() if params.get(name)}
    outside = [name for name in ("api_base", "base_url", *_SAME) if str(params.get(name) or "").startswith(ENVIRON)]
    refused |= dict.fromkeys(outside, "this stands in the document itself; write it instead of the variable")
    for name, why in refused.items():
        draft.refused(f"{where}.{name}", why)
    if refused:
        return False
    address = params.get("base_url") or params.get("api_base")
    if isinstance(address, str) and address:
        target["base_url"] = address.rstrip("/")
    if not _credential(draft, where, target, params, keys):
        return False
    for name, ours in _SAME.items():
        if params.get(name) is not None:
            target.setdefault(ours, str(params[name]))
    _manners(target, params, manner)
    for name in params.keys() - _HANDLED - _SAME.keys() - _PRICES.keys():
        draft.ignored(f"{where}.{plain(name)}", _IGNORED.get(name, "callers send parameters of their own; a target adds none"))
    return True


def _manners(target: dict[str, Any], params: Mapping[str, Any], manner: Manner) -> None:
    """Weight, time-out and dropped parameters: the deployment's own, or the document's."""
    weight = params.get("weight")
    if isinstance(weight, int) and not isinstance(weight, bool) and weight > 0:
        target["weight"] = weight
    timeout = decimal(params.get("timeout")) or manner.timeout_s
    if timeout:
        target["first_byte_timeout_s"] = min(float(timeout), 86_400.0)
    if params.get("drop_params") is True or manner.drop_params:
        target["drop_params"] = True


def _credential(draft: Draft, where: str, target: dict[str, Any], params: Mapping[str, Any], keys: Keys) -> bool:
    """The target's `secret_key_ref`; False when its credential is refused."""
    pair = [name for name in _AWS_PAIR if params.get(name)]
    if pair:
        return _aws_pair(draft, where, target, params, pair)
    for name in ("api_key", "azure_ad_token", "vertex_credentials"):
        value = params.get(name)
        if value is None or value == "":
            continue
        form = _form(draft, f"{where}.{name}", value, f"{target['id']}_{name}", keys, file=name == "vertex_credentials")
        if form is None:
            return isinstance(value, str) and value.lower() in _NO_KEYS
        target["secret_key_ref"] = form
        return True
    variable = variable_of(target["provider"])
    if variable and "base_url" not in target:
        target["secret_key_ref"] = keys.form(variable)
        draft.mapped(f"{where}.api_key", f"not given, so LiteLLM reads {variable}; now a reference to it")
    return True


def _form(draft: Draft, place: str, value: Any, wish: str, keys: Keys, *, file: bool) -> dict[str, str] | None:
    if isinstance(value, str) and value.startswith(ENVIRON):
        variable = value.removeprefix(ENVIRON)
        form = keys.form(variable)
        draft.mapped(place, "secret_key_ref: {" + ", ".join(f"{kind}: {name}" for kind, name in form.items()) + "}")
        return form
    if isinstance(value, str) and value.startswith("oidc/"):
        draft.refused(place, "tokens of an identity provider are not supported as a target's credential")
        return None
    if isinstance(value, str) and value.lower() in _NO_KEYS:
        draft.mapped(place, "a word that stands for no key: the target has none")
        return None
    if file and isinstance(value, str) and not value.lstrip().startswith("{"):
        draft.mapped(place, "secret_key_ref: {file: …}, the path as it stood")
        return {"file": value}
    import orjson

    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return draft.literal(place, text, wish)


def _aws_pair(draft: Draft, where: str, target: dict[str, Any], params: Mapping[str, Any], pair: list[str]) -> bool:
    """AWS keys: one JSON secret with both parts."""
    if any(str(params[name]).startswith(ENVIRON) for name in pair):
        draft.refused(
            f"{where}.{pair[0]}",
            "a target has one secret: keep both parts as one JSON secret "
            '({"aws_access_key_id": …, "aws_secret_access_key": …}) in a vault and refer to it, or use aws_role_name',
        )
        return False
    import orjson

    form = draft.literal(f"{where}.{pair[0]}", orjson.dumps({name: str(params[name]) for name in pair}).decode(), f"{target['id']}_aws")
    if form is None:
        return False
    target["secret_key_ref"] = form
    return True


def _prices(draft: Draft, place: str, target: str, params: Mapping[str, Any], info: Mapping[str, Any]) -> None:
    """Prices per token become prices per million, by target."""
    found: dict[str, Any] = {}
    for name, ours in _PRICES.items():
        price = decimal(params.get(name, info.get(name)))
        if price is not None:
            found[ours] = number(price * 1_000_000)
    if "input_per_mtok_usd" in found and "output_per_mtok_usd" in found:
        draft.sections.setdefault("prices", {})[target] = found
        draft.mapped(f"{place}: its prices", f"prices.{target}, per million tokens")
    elif found:
        draft.ignored(f"{place}: its prices", "a price needs both input_cost_per_token and output_cost_per_token")
