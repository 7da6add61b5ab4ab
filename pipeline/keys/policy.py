"""Which redaction policy applies to a call: one, named by the most specific of those that may name one.

    key        made by an administrator for one application, and recorded with that name
    route      the model that is asked for (`models.<name>.policy`)
    workspace  `workspaces.<slug>.policy`
    default    the policy `default`, where none of them names another

Policies are never mixed: what is done about a finding can be read in one place. A name that does not exist any more (a reload took it
away) is not passed over, because the next one may allow more: such a call is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

PolicySource = Literal["key", "route", "workspace", "default"]
DEFAULT: Final = "default"


@dataclass(frozen=True, slots=True)
class NamedPolicy:
    """The policy that applies, and who named it."""

    name: str
    source: PolicySource


def named_policy(*, key: str, route: str, workspace: str) -> NamedPolicy:
    """The policy of a call from what its key, its route and its workspace name (empty: nothing)."""
    if key:
        return NamedPolicy(key, "key")
    if route:
        return NamedPolicy(route, "route")
    if workspace and workspace != DEFAULT:  # a workspace that says nothing is stored as `default`
        return NamedPolicy(workspace, "workspace")
    return NamedPolicy(DEFAULT, "default")
