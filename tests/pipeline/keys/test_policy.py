"""Which policy applies: the table of precedence, whole."""

from __future__ import annotations

import itertools

import pytest

from pipeline.keys.policy import NamedPolicy, named_policy

PRECEDENCE = [
    # key, route, workspace, what applies, who named it
    ("", "", "", "default", "default"),
    ("", "", "default", "default", "default"),
    ("", "", "w", "w", "workspace"),
    ("", "r", "", "r", "route"),
    ("", "r", "w", "r", "route"),
    ("k", "", "", "k", "key"),
    ("k", "", "w", "k", "key"),
    ("k", "r", "", "k", "key"),
    ("k", "r", "w", "k", "key"),
    ("default", "r", "w", "default", "key"),
    ("", "default", "w", "default", "route"),
]


@pytest.mark.parametrize(("key", "route", "workspace", "name", "source"), PRECEDENCE)
def test_the_most_specific_name_applies(key: str, route: str, workspace: str, name: str, source: str) -> None:
    assert named_policy(key=key, route=route, workspace=workspace) == NamedPolicy(name, source)  # type: ignore[arg-type]


def test_the_table_has_every_combination() -> None:
    told = {(bool(key), bool(route), bool(workspace)) for key, route, workspace, _, _ in PRECEDENCE}
    assert told == set(itertools.product((False, True), repeat=3))
