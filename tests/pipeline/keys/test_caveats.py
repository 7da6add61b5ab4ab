"""What each caveat permits, that it survives storage, and the law of attenuation: what a narrower key may do, the wider one may too."""

from __future__ import annotations

import ipaddress
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import BadRequest, KeyOutOfScope
from pipeline.keys.caveat_requests import read_caveats
from pipeline.keys.caveats import (
    KINDS,
    ROUTE_NAMES,
    AddressCaveat,
    AudienceCaveat,
    CallsCaveat,
    Caveats,
    Circumstances,
    EnvironmentCaveat,
    ExpiryCaveat,
    ModelCaveat,
    RouteCaveat,
    ToolCaveat,
    address_of,
    parsed,
    plain,
)
from pipeline.keys.key_changes import refuse_wider

CALL = Circumstances("chat", "10.1.2.3", 1_000, "staging", frozenset({"gate-a"}), "small", frozenset({"search"}))


def networks(*texts: str) -> AddressCaveat:
    return AddressCaveat(frozenset(ipaddress.ip_network(text) for text in texts))


@pytest.mark.parametrize(
    ("caveats", "code"),
    [
        (Caveats(), None),
        (Caveats(models=ModelCaveat(frozenset({"small"}))), None),
        (Caveats(models=ModelCaveat(frozenset({"large"}))), "model_not_allowed"),
        (Caveats(routes=RouteCaveat(frozenset({"chat", "models"}))), None),
        (Caveats(routes=RouteCaveat(frozenset({"embeddings"}))), "route_not_allowed"),
        (Caveats(tools=ToolCaveat(frozenset({"search", "run"}))), None),
        (Caveats(tools=ToolCaveat(frozenset({"run"}))), "tool_not_allowed"),
        (Caveats(tools=ToolCaveat(frozenset())), "tool_not_allowed"),
        (Caveats(expiry=ExpiryCaveat(1_001)), None),
        (Caveats(expiry=ExpiryCaveat(1_000)), "key_expired"),
        (Caveats(cidrs=networks("10.0.0.0/8", "2001:db8::/32")), None),
        (Caveats(cidrs=networks("10.1.2.4/32")), "address_not_allowed"),
        (Caveats(cidrs=networks("::/0")), "address_not_allowed"),
        (Caveats(environments=EnvironmentCaveat(frozenset({"staging"}))), None),
        (Caveats(environments=EnvironmentCaveat(frozenset({"production"}))), "environment_not_allowed"),
        (Caveats(audiences=AudienceCaveat(frozenset({"gate-a", "gate-b"}))), None),
        (Caveats(audiences=AudienceCaveat(frozenset({"gate-b"}))), "audience_not_allowed"),
        (Caveats(max_calls=CallsCaveat(1)), None),
        (Caveats(max_calls=CallsCaveat(0)), "calls_exhausted"),
    ],
)
def test_a_caveat_permits_exactly_what_it_names(caveats: Caveats, code: str | None) -> None:
    refusal = caveats.permits(CALL)
    assert (refusal.code if refusal else None) == code


@pytest.mark.parametrize("caveats", [Caveats(models=ModelCaveat(frozenset({"large"}))), Caveats(tools=ToolCaveat(frozenset()))])
def test_what_is_not_known_yet_is_not_refused_before_the_body_is_read(caveats: Caveats) -> None:
    assert caveats.permits(replace(CALL, model=None, tools=None)) is None
    assert caveats.permits(CALL) is not None


@pytest.mark.parametrize(
    "call",
    [replace(CALL, address=""), replace(CALL, address="unix:"), replace(CALL, address="10.1.2.3.4"), replace(CALL, address="010.1.2.3")],
)
def test_a_client_without_an_address_is_in_no_network(call: Circumstances) -> None:
    assert Caveats(cidrs=networks("0.0.0.0/0", "::/0")).permits(call) is not None


@pytest.mark.parametrize("text", ["::ffff:10.1.2.3", "10.1.2.3", " 10.1.2.3 ", "[::ffff:10.1.2.3]", "::ffff:a01:203"])
def test_an_ipv4_address_is_the_same_in_every_spelling(text: str) -> None:
    assert address_of(text) == ipaddress.ip_address("10.1.2.3")
    assert Caveats(cidrs=networks("10.0.0.0/8")).permits(replace(CALL, address=text)) is None


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"models": ["m"]}, "caveats"),
        ([], "caveats"),
        ({"routes": []}, "caveats.routes"),
        ({"routes": ["everything"]}, "caveats.routes"),
        ({"routes": "chat"}, "caveats.routes"),
        ({"tools": [1]}, "caveats.tools"),
        ({"tools": ["a b"]}, "caveats.tools"),
        ({"cidrs": []}, "caveats.cidrs"),
        ({"cidrs": ["10.0.0.1/8"]}, "caveats.cidrs"),
        ({"cidrs": ["localhost"]}, "caveats.cidrs"),
        ({"cidrs": [10]}, "caveats.cidrs"),
        ({"environments": [""]}, "caveats.environments"),
        ({"audiences": ["a b"]}, "caveats.audiences"),
        ({"max_calls": 0}, "caveats.max_calls"),
        ({"max_calls": True}, "caveats.max_calls"),
        ({"max_calls": "10"}, "caveats.max_calls"),
    ],
)
def test_a_caveat_that_is_none_is_refused_by_name(body: Any, param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        read_caveats(body)
    assert (caught.value.status, caught.value.param) == (400, param)


def test_a_null_takes_one_caveat_away_and_a_missing_field_keeps_it() -> None:
    former = read_caveats({"routes": ["chat"], "max_calls": 3, "tools": []})
    assert plain(read_caveats({"routes": None, "max_calls": 5}, former)) == {"tools": [], "max_calls": 5}


@pytest.mark.parametrize("tree", [{"moon_phase": ["full"]}, {"routes": "chat"}, {"cidrs": ["here"]}, {"max_calls": "1"}, {"tools": [None]}])
def test_a_stored_caveat_that_cannot_be_read_permits_nothing(tree: dict[str, Any]) -> None:
    refusal = parsed(tree).permits(CALL)
    assert refusal is not None
    assert refusal.code == "route_not_allowed"


def names(*known: str) -> st.SearchStrategy[frozenset[str]]:
    return st.frozensets(st.sampled_from(known), max_size=3)


NETWORK = st.builds(
    lambda bits, length: ipaddress.ip_network((bits >> (32 - length) << (32 - length), length)),
    st.integers(0, 2**32 - 1),
    st.integers(0, 32),
)
CAVEATS = st.builds(
    Caveats,
    models=st.none() | st.builds(ModelCaveat, names("small", "large", "other")),
    routes=st.none() | st.builds(RouteCaveat, st.frozensets(st.sampled_from(ROUTE_NAMES), max_size=3)),
    tools=st.none() | st.builds(ToolCaveat, names("search", "run", "write")),
    expiry=st.none() | st.builds(ExpiryCaveat, st.integers(1, 5)),
    cidrs=st.none()
    | st.builds(
        AddressCaveat,
        st.frozensets(NETWORK | st.sampled_from([ipaddress.ip_network("::/0"), ipaddress.ip_network("0.0.0.0/0")]), max_size=3),
    ),
    environments=st.none() | st.builds(EnvironmentCaveat, names("staging", "production")),
    audiences=st.none() | st.builds(AudienceCaveat, names("gate-a", "gate-b")),
    max_calls=st.none() | st.builds(CallsCaveat, st.integers(0, 3)),
)
CALLS = st.builds(
    Circumstances,
    route=st.sampled_from(ROUTE_NAMES),
    address=st.integers(0, 2**32 - 1).map(lambda bits: str(ipaddress.IPv4Address(bits))) | st.sampled_from(["2001:db8::1", ""]),
    at_us=st.integers(0, 5),
    environment=st.sampled_from(["", "staging", "production"]),
    audience=names("gate-a", "gate-b"),
    model=st.none() | st.sampled_from(["small", "large", "other"]),
    tools=st.none() | names("search", "run", "write", ""),
)


@settings(max_examples=400, deadline=None)
@given(child=CAVEATS, parent=CAVEATS, calls=st.lists(CALLS, min_size=1, max_size=20))
def test_whatever_a_narrower_key_may_do_the_wider_one_may_do_too(child: Caveats, parent: Caveats, calls: list[Circumstances]) -> None:
    child = replace(child, **{name: getattr(parent, name) for name in child.wider_than(parent)})  # as somebody mends it who was refused
    assert child.wider_than(parent) == ()
    refuse_wider(child, parent)
    for call in calls:
        if child.permits(call) is None:
            assert parent.permits(call) is None


@settings(max_examples=200, deadline=None)
@given(parent=CAVEATS, child=CAVEATS)
def test_a_wider_key_is_refused_with_a_caveat_named(parent: Caveats, child: Caveats) -> None:
    wider = child.wider_than(parent)
    assert set(wider) <= set(KINDS)
    if wider:
        with pytest.raises(KeyOutOfScope) as caught:
            refuse_wider(child, parent)
        assert (caught.value.status, caught.value.code, caught.value.param) == (403, "caveat_too_wide", wider[0])
    assert child.wider_than(child) == (), "the law is reflexive"
    assert child.wider_than(Caveats()) == (), "nothing is wider than no caveat at all"


@settings(max_examples=200, deadline=None)
@given(a=CAVEATS, b=CAVEATS, c=CAVEATS)
def test_narrower_than_a_narrower_one_is_narrower(a: Caveats, b: Caveats, c: Caveats) -> None:
    b = replace(b, **{name: getattr(c, name) for name in b.wider_than(c)})
    a = replace(a, **{name: getattr(b, name) for name in a.wider_than(b)})
    assert a.wider_than(c) == ()


@settings(max_examples=200, deadline=None)
@given(caveats=CAVEATS)
def test_what_is_stored_is_read_as_it_was(caveats: Caveats) -> None:
    stored = replace(caveats, models=None, expiry=None)
    assert parsed(json.loads(json.dumps(plain(stored)))) == stored
