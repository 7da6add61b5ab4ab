"""Two workspaces and two environments never see each other's secrets, whatever names, fallbacks, edits and cached states come between."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.bootstrap.compile import References, compile_references, compile_routes
from pipeline.bootstrap.opening import key_opener
from pipeline.config.document import Document
from pipeline.errors import SecretError
from pipeline.keys.caveats import Caveats, EnvironmentCaveat
from pipeline.keys.model import Caller, VirtualKey
from pipeline.routing.model import Target
from pipeline.routing.router import Router
from pipeline.vaults.model import Asker, Secret, SecretRef
from pipeline.vaults.resolver import SYSTEM
from tests.pipeline.vaults.rig import Rig

WORKSPACES = ("production", "staging")
SLUGS = ("first", "second", "third")
MODELS = ("alpha", "beta")
SCRIPTED = {"vault": "scripted"}

ENVIRONMENTS = ("production", "staging")

environments = st.sampled_from([None, *ENVIRONMENTS])
scopes = st.sampled_from([None, (), ("production",), ("staging",), WORKSPACES])
"""Who may use a reference: None is everybody."""
acts = st.one_of(
    st.tuples(st.just("ask"), st.sampled_from(WORKSPACES), st.sampled_from(MODELS)),
    st.tuples(st.just("refused"), st.sampled_from(WORKSPACES), st.sampled_from(MODELS)),
    st.tuples(st.just("by slug"), st.sampled_from(WORKSPACES), st.sampled_from((*SLUGS, "nobodys"))),
    st.tuples(st.just("scope"), st.sampled_from(SLUGS), scopes),
    st.tuples(st.just("environment"), st.sampled_from(SLUGS), environments),
    st.tuples(st.just("place"), st.sampled_from(ENVIRONMENTS), st.none()),
    st.tuples(st.just("rotate"), st.sampled_from(SLUGS), st.none()),
    st.tuples(st.just("delete"), st.sampled_from(SLUGS), st.none()),
    st.tuples(st.just("wait"), st.sampled_from((1.0, 20.0, 400.0, 2_000.0)), st.none()),
    st.tuples(st.just("vault"), st.sampled_from((None, "unavailable", "denied", "throttled")), st.none()),
    st.tuples(st.just("switch"), st.sampled_from(SLUGS), st.booleans()),
)


@dataclass(frozen=True)
class Places:
    """Who says in which environment what stands: workspaces by slug, the callers' key (None: it says nothing) and the gateway."""

    workspaces: Mapping[str, str | None] = field(default_factory=dict)
    key: tuple[str, ...] | None = None
    gateway: str | None = None

    def asker(self, workspace: str) -> Asker:
        caveats = Caveats(environments=None if self.key is None else EnvironmentCaveat(frozenset(self.key)))
        key = VirtualKey("k", "default", "w", workspace, "", "key", "active", "", caveats=caveats)
        caller = Caller(key, workspace_environment=self.workspaces.get(workspace) or "")
        return Asker(workspace, "k", "r", caller.environments(self.gateway or ""))

    def reach(self, workspace: str, environment: str) -> bool:
        """Whether somebody says so and nobody says otherwise."""
        said = [{name} for name in (self.workspaces.get(workspace), self.gateway) if name]
        said += [] if self.key is None else [set(self.key)]
        return bool(said) and all(environment in names for names in said)


@dataclass
class World:
    """Routes over targets over references that a test edits, and what is true of them."""

    scope: dict[str, tuple[str, ...] | None]
    targets: Mapping[str, str]
    routes: Mapping[str, tuple[str, ...]]
    places: Places = field(default_factory=Places)
    environment: dict[str, str | None] = field(default_factory=dict)
    rig: Rig = field(default_factory=Rig)
    owner: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for slug in SLUGS:
            self.rotate(slug)
        targets = [
            {"id": name, "provider": "demo", "model": "m", "secret_key_ref": {"ref": slug}, "required": False}
            for name, slug in self.targets.items()
        ]
        models = {name: {"targets": list(self.routes[name])} for name in MODELS}
        self.document = Document.model_validate(
            {
                "vaults": {"scripted": {"manager_type": "scripted"}},
                "targets": targets,
                "models": {**models, "alpha": {**models["alpha"], "fallbacks": ["beta"]}},
            }
        )
        self.references: References = self.compiled()
        self.router = Router(compile_routes(self.document, self.references), self.rig.clock, Random(1))
        self.open_key = key_opener(self.rig.resolver, lambda: self.references, lambda _: None)

    def compiled(self) -> References:
        made = {slug: self.ref(slug) for slug in self.scope}
        compiled = compile_references(self.document, made)
        self.rig.references = dict(compiled.declared)
        return compiled

    def ref(self, slug: str) -> SecretRef:
        """As it is now; an edit keeps the revision, so that what is cached stays and the scope alone decides."""
        allowed = self.scope[slug]
        scope = {"allow_all_workspaces": allowed is None, "allowed_workspaces": allowed or (), "environment": self.environment.get(slug)}
        return self.rig.ref(slug, revision="1", auth_config=SCRIPTED, **scope)

    def rotate(self, slug: str) -> None:
        value = f"canary-{slug}-{len(self.owner)}-0123456789"
        self.rig.vault().values[slug] = value
        self.owner[value] = slug

    def may(self, slug: str, workspace: str) -> bool:
        allowed, environment = self.scope.get(slug, ()), self.environment.get(slug)
        if environment is not None and not self.places.reach(workspace, environment):
            return False
        return allowed is None or workspace in allowed

    async def act(self, kind: str, one: Any, two: Any) -> None:
        match kind:
            case "ask" | "refused":
                for target in self.router.plan(two).targets:
                    self.check(one, target.reference, await self.key(one, target, refused=kind == "refused"))
            case "by slug":
                self.check(one, two, await self.given(self.rig.resolver.resolve_slug(two, self.places.asker(one))))
            case "scope":
                self.scope[one] = two
                self.references = self.compiled()
            case "environment":
                self.environment[one] = two
                self.references = self.compiled()
            case "place":
                self.places = replace(self.places, gateway=one)
            case "delete":
                self.scope.pop(one, None)
                self.references = self.compiled()
            case "rotate":
                self.rotate(one)
            case "wait":
                self.rig.clock.advance(one)
            case "vault":
                self.rig.vault().failure = one
            case "switch":
                (self.rig.resolver.disable if two else self.rig.resolver.enable)(one)

    async def key(self, workspace: str, target: Target, *, refused: bool) -> Secret | None:
        open_key = self.open_key(self.places.asker(workspace))
        secret = await self.given(open_key(target, None))
        if secret is None or not refused:
            return secret
        self.check(workspace, target.reference, secret)
        return await self.given(open_key(target, secret))

    async def given(self, asked: Any) -> Secret | None:
        try:
            secret: Secret | None = await asked
        except SecretError:
            return None
        return secret

    def check(self, workspace: str, slug: str | None, secret: Secret | None) -> None:
        """What was given is this reference's own, and this workspace may have it now."""
        if secret is not None:
            assert slug is not None
            assert self.owner[secret.reveal()] == slug
            assert self.may(slug, workspace), f"{workspace} was given a secret of {slug}"
            assert slug not in self.rig.resolver.disabled()


@settings(max_examples=150, deadline=None)
@given(
    scope=st.fixed_dictionaries(dict.fromkeys(SLUGS, scopes)),
    targets=st.fixed_dictionaries({name: st.sampled_from(SLUGS) for name in ("a", "b", "c")}),
    routes=st.fixed_dictionaries(
        {name: st.lists(st.sampled_from(("a", "b", "c")), min_size=1, max_size=3, unique=True) for name in MODELS}
    ),
    places=st.builds(
        Places,
        st.fixed_dictionaries(dict.fromkeys(WORKSPACES, environments)),
        st.sampled_from([None, (), ("production",), ("staging",), ENVIRONMENTS]),
        environments,
    ),
    environment=st.fixed_dictionaries(dict.fromkeys(SLUGS, environments)),
    done=st.lists(acts, min_size=1, max_size=25),
)
def test_no_value_crosses_two_workspaces_or_environments(
    scope: dict[str, Any],
    targets: dict[str, str],
    routes: dict[str, Any],
    places: Places,
    environment: dict[str, Any],
    done: list[tuple[str, Any, Any]],
) -> None:
    async def run() -> None:
        world = World(dict(scope), targets, routes, places, dict(environment))
        try:
            for act in done:
                await world.act(*act)
        finally:
            await world.rig.resolver.close()

    asyncio.run(run())


PLACED = (
    (Places({"staging": "staging"}), "production", False),
    (Places({"staging": "staging"}), "staging", True),
    (Places({"staging": "production"}, ("staging",)), "production", False),
    (Places({"staging": "production"}, ("staging",)), "staging", False),
    (Places({}, ("staging", "production")), "production", True),
    (Places({}, ("staging", "production"), "staging"), "production", False),
    (Places({}, None, "production"), "production", True),
    (Places(), "production", False),
    (Places({}, ()), "production", False),
)


@pytest.mark.parametrize(("places", "environment", "reached"), PLACED)
async def test_a_reference_of_an_environment_is_reached_only_from_within_it_also_over_fallbacks_and_the_cache(
    places: Places, environment: str, reached: bool
) -> None:
    routes = {"alpha": ("a", "b"), "beta": ("c",)}
    world = World(dict.fromkeys(SLUGS), {"a": "first", "b": "second", "c": "third"}, routes, places, dict.fromkeys(SLUGS, environment))
    inside = Asker("production", environments=frozenset((environment,)))
    for target in world.router.plan("alpha").targets:
        assert await world.open_key(inside)(target, None) is not None, "it is cached from now on"
        assert (await world.key("staging", target, refused=False) is not None) == reached
    assert (await world.given(world.rig.resolver.resolve_slug("third", places.asker("staging"))) is not None) == reached
    await world.rig.resolver.close()


async def test_the_gateway_itself_reads_references_of_every_environment() -> None:
    rig = Rig()
    rig.vault().values["first"] = value = "canary-of-a-destination-0123456789"
    assert (await rig.resolver.resolve(rig.ref("first", environment="production"), SYSTEM)).reveal() == value
    await rig.resolver.close()


def test_the_property_sees_a_value_that_crosses() -> None:
    """A resolver that forgot the scope would be caught."""

    async def run() -> bool:
        world = World({"first": ("production",), "second": None, "third": None}, {"a": "first", "b": "second", "c": "third"},
                      {"alpha": ("a",), "beta": ("b",)})  # fmt: skip
        world.references = compile_references(
            world.document, {slug: world.rig.ref(slug, revision="1", auth_config=SCRIPTED) for slug in SLUGS}
        )  # open to all, which the world does not know
        try:
            await world.act("ask", "staging", "alpha")
        except AssertionError:
            return True
        finally:
            await world.rig.resolver.close()
        return False

    assert asyncio.run(run())
