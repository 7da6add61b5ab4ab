"""Redaction, put together once: the compiled rules (cached on disk), the live secrets, and one redactor per policy and direction."""

from __future__ import annotations

import hashlib
import json
import os
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.bootstrap.rules_cache import NAME, installed_cache, open_rules
from pipeline.bootstrap.tenant_keys import TenantKeys
from pipeline.config.document import Document
from pipeline.config.literals import FindSecrets, secret_finder
from pipeline.config.policies import DIRECTIONS
from pipeline.errors import ConfigError
from pipeline.gateway.model import PolicySet
from pipeline.keys.model import Caller
from pipeline.keys.policy import NamedPolicy, named_policy
from redactors.detectors.engines import Engine
from redactors.detectors.known import KnownSecrets
from redactors.detectors.pattern import PatternSet
from redactors.detectors.recognizer import Recognizer
from redactors.engine import Redactor, build_redactor
from redactors.model import Direction
from redactors.patience import Patience
from redactors.policy import PolicyError, Restorable, restorable
from redactors.screen import Screen

_MOST_TENANTS: Final = 512
"""So many workspaces' policies are kept with their keys; the one that was not used for longest is made again when it is needed."""

# What records look like whatever the policies say: logs and event details are ours, and nobody needs a value in them.
_RECORDER = {"telemetry": [{"detect": ["secrets", "known", "keynames", "pii"], "action": "hash"}]}


class Redaction:
    """The engine's shared parts. `announce` and `retire` may be called from any thread."""

    def __init__(self, patterns: PatternSet, known: KnownSecrets, key: bytes) -> None:
        self._patterns = patterns
        self._known = known
        self._key = key
        self._recorder = self.redactor(_RECORDER, "telemetry")

    def redactor(self, policy: Mapping[str, object], direction: Direction, recognizer: Recognizer | None = None) -> Redactor:
        """A redactor of one policy and direction over the shared rules and live secrets. Raises PolicyError.

        The recognizer does not read answers, because it could not read them in a stream.
        """
        asked = () if recognizer is None or direction == "answer" else (recognizer,)
        return build_redactor(self._known, policy=policy, direction=direction, pattern_set=self._patterns, key=self._key, recognizers=asked)

    @property
    def engine(self) -> Engine:
        """Which engine scans."""
        return self._patterns.engine

    def recorder(self) -> Redactor:
        """What logs, events and telemetry go through when no policy of a caller applies."""
        return self._recorder

    def finder(self) -> FindSecrets:
        """What refuses literal credentials in a document: the rules alone, without a second compilation, which takes seconds."""
        return secret_finder(build_redactor(direction="telemetry", pattern_set=self._patterns))

    def announce(self, value: str, label: str) -> None:
        """Make a live value known: when this returns it is caught on every exit."""
        self._known.announce(value, label)

    def retire(self, label: str) -> None:
        """Forget a value."""
        self._known.retire(label)

    def announce_process(self, database_url: str, admin_key: str) -> None:
        """Make known what this process itself holds: the database password and the admin key."""
        from sqlalchemy.engine import make_url

        password = make_url(database_url).password
        if password:
            self.announce(str(password), "process:database")
        self.announce(admin_key, "process:admin-key")

    def is_dirty(self, data: bytes) -> bool:
        """The last look: whether bytes hold a live secret in any form."""
        return self._known.contains(data)

    def generation(self) -> int:
        """Changes whenever a live secret is announced or retired."""
        return self._known.generation

    def warm_up(self) -> None:
        """Load what the first stream and the first finding would load (Presidio takes a second), so that no call waits for it."""
        stream = self._recorder.stream()
        for piece in ("warm up", " and go on"):
            stream.feed(piece)
        stream.close()
        self._recorder.text("warm.up@example.com, 4242 4242 4242 4242, +1 202 555 0143, DE89 3704 0044 0532 0130")

    def rule_ids(self) -> frozenset[str]:
        """The ids of the built-in rules, for closed metric labels."""
        return self._patterns.rule_ids


@dataclass(frozen=True, slots=True)
class CompiledSet:
    """A policy's three redactors before they have a tenant's keys. `noting`: its prompts' pseudonyms can be restored."""

    name: str
    digest: str
    prompt: Redactor
    answer: Redactor
    telemetry: Redactor
    restores: Restorable
    noting: bool
    pseudonym_days: int


class PolicyBook:
    """The compiled policies of a document by name. Used on the event loop only."""

    def __init__(self, sets: Mapping[str, CompiledSet], keys: TenantKeys) -> None:
        self._sets = dict(sets)
        self._keys = keys
        self._tenants: OrderedDict[tuple[NamedPolicy, str, str, int, bool], PolicySet] = OrderedDict()

    def has(self, name: str) -> bool:
        """Whether there is a policy of that name."""
        return name in self._sets

    def of(self, caller: Caller, route_policy: str = "") -> PolicySet:
        """The policy of a call (`pipeline.keys.policy`) with the keys of its tenant; `route_policy` is what its route names, or empty.

        Raises ConfigError (503) for one that was named but is gone: another in its place may allow more.
        """
        return self._of(caller, route_policy, asked=False)

    def asked(self, caller: Caller, route_policy: str = "") -> PolicySet:
        """The same for what a caller asks to be redacted, with keys that nothing else is made with."""
        return self._of(caller, route_policy, asked=True)

    def _of(self, caller: Caller, route_policy: str, *, asked: bool) -> PolicySet:
        key = caller.key
        named = named_policy(key=key.policy, route=route_policy, workspace=caller.workspace_policy)
        found = self._sets.get(named.name)
        if found is None:
            raise ConfigError(
                f"The policy that the {named.source} of this call names does not exist any more.",
                hint="The operator must name another.",
                status=503,
            )
        return self._of_tenant(found, named, key.org_id, key.workspace_id, asked)

    def _of_tenant(self, found: CompiledSet, named: NamedPolicy, org_id: str, workspace_id: str, asked: bool) -> PolicySet:
        """The policy with the keys of a workspace, as they are in this period."""
        period = self._keys.period(found.pseudonym_days)
        tenant = (named, org_id, workspace_id, period, asked)
        known = self._tenants.get(tenant)
        if known is not None:
            self._tenants.move_to_end(tenant)
            return known

        keys = self._keys.asked_keys if asked else self._keys.keys

        def keyed(redactor: Redactor, direction: Direction) -> Redactor:
            return redactor.keyed(keys(org_id, workspace_id, direction, found.pseudonym_days, period))

        telemetry = keyed(found.telemetry, "telemetry")
        screen = Screen(keyed(found.prompt, "prompt"), telemetry, noting=found.noting)
        waits = found.prompt.recognizes or found.telemetry.recognizes
        made = PolicySet(found.name, named.source, found.digest, screen, keyed(found.answer, "answer"), telemetry, found.restores, waits)
        self._tenants[tenant] = made
        if len(self._tenants) > _MOST_TENANTS:
            self._tenants.popitem(last=False)
        return made


def open_redaction(cache: Path) -> Redaction:
    """The engine's shared parts, with the rules compiled or loaded compiled."""
    return Redaction(open_rules(cache / NAME, installed_cache()), KnownSecrets(), os.urandom(32))


def compile_policies(document: Document, redaction: Redaction, keys: TenantKeys, recognizer: Recognizer | None = None) -> PolicyBook:
    """Compile every policy for its three directions; `recognizer` is asked where one acts on what it finds.

    Raises ConfigError that names the policy and the place.
    """
    sets = {}
    patience = Patience(document.limits.redaction_cpu_s)
    for name, section in document.policies.items():
        plain = section.plain()
        digest = hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]
        try:
            prompt, answer, telemetry = (redaction.redactor(plain, direction, recognizer).patient(patience) for direction in DIRECTIONS)
        except PolicyError as error:
            raise ConfigError(f"The policy {name!r} cannot be used: {error}.", hint="`lockgate check` shows the place.") from None
        restores = restorable(plain)
        noting = bool(restores) and any(rule.action == "pseudonymize" for rule in section.prompt)
        sets[name] = CompiledSet(name, digest, prompt, answer, telemetry, restores, noting, section.pseudonym_days)
    return PolicyBook(sets, keys)
