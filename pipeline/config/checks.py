"""What must hold between the sections of a document: every name that is used exists, nothing runs in circles."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from pipeline.config.credentials import inner_slugs, static_credentials
from pipeline.config.document import Document
from pipeline.errors import ConfigError

TreePath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a document: where (path of keys and indexes), what, and how to fix it. Quotes no value but names."""

    path: TreePath
    message: str
    hint: str = ""


def cross_faults(document: Document) -> tuple[Fault, ...]:
    """Everything that is wrong between sections."""
    return (
        *_duplicates(document),
        *_references(document),
        *_models(document),
        *_circles(document),
        *_policies(document),
        *_workspaces(document),
        *_identities(document),
    )


def warnings_of(document: Document, made: Collection[str] = ()) -> tuple[Fault, ...]:
    """What is allowed and probably not meant; `check --strict` makes them failures. `made` are slugs of references made by REST."""
    return (
        *_unused(document),
        *_plain_http(document),
        *_not_declared(document, made),
        *(Fault(*told) for told in static_credentials(document)),
    )


def check_address(document: Document, host: str) -> None:
    """Refuse an address that others can reach without TLS (here, or declared in front). ConfigError."""
    server = document.server
    if is_loopback(host) or server.behind_proxy or server.tls_cert is not None:
        return
    raise ConfigError(
        f"Refusing to listen on {host} without TLS: keys and prompts would cross the network in clear.",
        hint="Set server.tls_cert and server.tls_key, or server.behind_proxy: true when a proxy ends TLS in front, or listen on 127.0.0.1.",
    )


def is_loopback(host: str) -> bool:
    """Whether an address stays on this machine."""
    import ipaddress

    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _duplicates(document: Document) -> Iterator[Fault]:
    for section, ids in (
        (("targets",), [target.id for target in document.targets]),
        (("telemetry", "destinations"), [destination.id for destination in document.telemetry.destinations]),
    ):
        repeated = {name for name, times in Counter(ids).items() if times > 1}
        seen: set[str] = set()
        for index, name in enumerate(ids):
            if name in repeated and name in seen:
                yield Fault((*section, index, "id"), f"the id {name!r} is used twice", "Give each its own id.")
            seen.add(name)


def _references(document: Document) -> Iterator[Fault]:
    for slug, reference in document.references.items():
        if reference.vault is not None and reference.vault not in document.vaults:
            yield _unknown(("references", slug, "vault"), "vault", reference.vault, document.vaults)
        for index, workspace in enumerate(reference.allowed_workspaces):
            if workspace not in document.workspaces:
                yield _unknown(("references", slug, "allowed_workspaces", index), "workspace", workspace, document.workspaces)
    stored = document.telemetry.stored_content.secret_key_ref
    if stored is not None and stored.ref is not None and stored.ref not in document.references:
        # Content that nobody can open any more is lost, so its key does not wait for what somebody may make.
        yield _unknown(("telemetry", "stored_content", "secret_key_ref", "ref"), "reference", stored.ref, document.references)


def _not_declared(document: Document, made: Collection[str]) -> Iterator[Fault]:
    """References that are used and not declared: made by REST, or misspelled. What is required and missing stops the start."""
    places: list[tuple[TreePath, str | None]] = [
        (("targets", index, *place, "ref" if place == ("secret_key_ref",) else "secret_reference_id"), source.ref)
        for index, target in enumerate(document.targets)
        for place, source in target.named_references
    ]
    for index, destination in enumerate(document.telemetry.destinations):
        here: TreePath = ("telemetry", "destinations", index)
        for name, value in destination.headers.items():
            if value.secret_key_ref is not None:
                places.append(((*here, "headers", name, "secret_key_ref", "ref"), value.secret_key_ref.ref))
        if destination.tls.client_key_ref is not None:
            places.append(((*here, "tls", "client_key_ref", "ref"), destination.tls.client_key_ref.ref))
    for path, slug in places:
        if slug is not None and slug not in document.references and slug not in made:
            fault = _unknown(path, "reference", slug, document.references)
            yield Fault(path, f"{fault.message} in the document", f"{fault.hint} Or make it by REST (POST /v1/secret-references).")


def _models(document: Document) -> Iterator[Fault]:
    for name, model in document.models.items():
        for index, target in enumerate(model.targets):
            if target not in document.by_id:
                yield _unknown(("models", name, "targets", index), "target", target, document.by_id)
        if len(set(model.targets)) != len(model.targets):
            yield Fault(("models", name, "targets"), "a target stands twice", "Name each once; use weight for a larger share.")
        for index, other in enumerate(model.fallbacks):
            if other not in document.models:
                yield _unknown(("models", name, "fallbacks", index), "model", other, document.models)
            elif document.models[other].policy != model.policy:
                yield Fault(
                    ("models", name, "fallbacks", index),
                    f"the model {name!r} falls back to {other!r}, which names another policy",
                    "Name the same policy in both: what was screened under one must not be sent under the other.",
                )
        if model.policy is not None and model.policy not in document.policies:
            yield _unknown(("models", name, "policy"), "policy", model.policy, document.policies)


def _circles(document: Document) -> Iterator[Fault]:
    reported: set[frozenset[str]] = set()
    for start in document.models:
        circle = _circle_through(document, start)
        if circle and frozenset(circle) not in reported:
            reported.add(frozenset(circle))
            yield Fault(
                ("models", start, "fallbacks"),
                "the fallbacks run in a circle: " + " -> ".join((*circle, circle[0])),
                "Remove one of them: a call would be tried without end.",
            )


def _circle_through(document: Document, start: str) -> tuple[str, ...]:
    """A circle of fallbacks that comes back to `start`, or nothing. Depth first without recursion."""
    trail: list[tuple[str, Iterator[str]]] = [(start, iter(document.models[start].fallbacks))]
    visited = {start}
    while trail:
        following = next(trail[-1][1], None)
        if following is None:
            trail.pop()
        elif following == start:
            return tuple(name for name, _ in trail)
        elif following in document.models and following not in visited:
            visited.add(following)
            trail.append((following, iter(document.models[following].fallbacks)))
    return ()


def _policies(document: Document) -> Iterator[Fault]:
    if "default" not in document.policies and any(workspace.policy == "default" for workspace in document.workspaces.values()):
        yield Fault(
            ("policies",),
            "there is no policy `default`, and a workspace uses it",
            "Add policies.default, or name a policy in the workspace.",
        )


def _workspaces(document: Document) -> Iterator[Fault]:
    for slug, workspace in document.workspaces.items():
        if workspace.policy != "default" and workspace.policy not in document.policies:
            yield _unknown(("workspaces", slug, "policy"), "policy", workspace.policy, document.policies)
        for index, model in enumerate(workspace.models):
            if model not in document.models:
                yield _unknown(("workspaces", slug, "models", index), "model", model, document.models)
        known = [destination.id for destination in document.telemetry.destinations]
        for index, name in enumerate(workspace.destinations or ()):
            if name not in known:
                yield _unknown(("workspaces", slug, "destinations", index), "destination", name, known)


def _identities(document: Document) -> Iterator[Fault]:
    for index, provider in enumerate(document.identity.providers):
        for number, grant in enumerate(provider.roles):
            if grant.workspace is not None and grant.workspace not in document.workspaces:
                path: TreePath = ("identity", "providers", index, "roles", number, "workspace")
                yield _unknown(path, "workspace", grant.workspace, document.workspaces)


def _unused(document: Document) -> Iterator[Fault]:
    used = {target for model in document.models.values() for target in model.targets}
    for index, target in enumerate(document.targets):
        if target.id not in used:
            yield Fault(("targets", index), f"no model uses the target {target.id!r}", "Name it under models, or remove it.")
    named = {source.ref for target in document.targets for _, source in target.named_references}
    named |= {
        value.secret_key_ref.ref for each in document.telemetry.destinations for value in each.headers.values() if value.secret_key_ref
    }
    named |= {each.tls.client_key_ref.ref for each in document.telemetry.destinations if each.tls.client_key_ref is not None}
    named |= inner_slugs(document)
    named |= {used.ref for used in (document.telemetry.stored_content.secret_key_ref,) if used is not None}
    for slug in document.references:
        if slug not in named:
            yield Fault(("references", slug), f"nothing uses the reference {slug!r}", "Use it with secret_key_ref: {ref: …}, or remove it.")


def _plain_http(document: Document) -> Iterator[Fault]:
    addresses: list[tuple[TreePath, str | None, bool]] = [
        (("targets", index, "base_url"), target.base_url, bool(target.named_references)) for index, target in enumerate(document.targets)
    ]
    addresses += [
        (("telemetry", "destinations", index, "endpoint"), each.endpoint, bool(each.headers))
        for index, each in enumerate(document.telemetry.destinations)
    ]
    for path, url, carries_secret in addresses:
        if url and carries_secret and url.startswith("http://") and not is_loopback(_host(url)):
            yield Fault(path, "a credential would be sent without TLS", "Use https://.")


def _host(url: str) -> str:
    from urllib.parse import urlsplit

    return urlsplit(url).hostname or ""


def _unknown(path: TreePath, what: str, name: str, known: Iterable[str]) -> Fault:
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        hint = f"Did you mean {close[0]!r}?"
    elif names:
        hint = f"Known: {', '.join(names[:10])}{', …' if len(names) > 10 else ''}."
    else:
        hint = f"There is none yet; add it under `{what}s`." if what != "policy" else "Add it under `policies`."
    return Fault(path, f"there is no {what} {name!r}", hint)
