"""Other readings of a text, and the way back to the original."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactors.normalise import decoded, folded, open_runs, run_at_end, unescaped, unfinished

SECRET = "sk-Abc_123.xyz~9"


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("s\u200bk\u200d-\ufeffx", "sk-x"),
        ("ｓｋ－ｘ", "sk-x"),
        ("ѕк", "sк"),
        ("раѕѕ", "pass"),
        ("𝐬𝐤", "sk"),
        ("\U000e0073\U000e006b", "sk"),
        ("a\u00a0b", "a b"),
        ("p\u0301w", "pw"),
    ],
)
def test_odd_characters_are_folded(text: str, plain: str) -> None:
    view = folded(text)
    assert view is not None
    assert view.text == plain


@pytest.mark.parametrize("text", ["plain", "naïve café — “ok” …", "日本語のテキスト", "\ud83d"])
def test_ordinary_text_has_no_folded_view(text: str) -> None:
    assert folded(text) is None


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        (r"\u0073\u006b", "sk"),
        (r"\x73\x6B", "sk"),
        (r"\\u0073", "s"),
        (r"\ud83d\ude00!", "😀!"),
        (r"\u{1F600}", "😀"),
        ("%73%6B", "sk"),
        ("%C3%BC", "ü"),
        ("&#115;&#x6b;&amp;", "sk&"),
        (r"say \"hi\"\n", 'say "hi"\n'),
        ("ab\\\n  cd", "abcd"),
        ("ab=\ncd", "abcd"),
    ],
)
def test_escapes_are_resolved(text: str, plain: str) -> None:
    view = unescaped(text)
    assert view is not None
    assert view.text == plain


def test_text_without_escapes_has_no_view() -> None:
    assert unescaped("100 % of C:") is None


@pytest.mark.parametrize("disguise", ["\u200b".join(SECRET), "".join(chr(ord(c) + 0xFEE0) for c in SECRET)])
def test_a_folded_stretch_goes_back_to_the_whole_original(disguise: str) -> None:
    text = f"before {disguise} after"
    view = folded(text)
    assert view is not None
    start = view.text.index(SECRET)
    low, high = view.origin(start, start + len(SECRET))
    assert text[low:high] == disguise


@pytest.mark.parametrize(
    "escape", [lambda c: f"\\u{ord(c):04x}", lambda c: f"%{ord(c):02X}", lambda c: f"&#{ord(c)};", lambda c: f"\\\\x{ord(c):02x}"]
)
def test_an_escaped_stretch_goes_back_to_the_whole_original(escape: object) -> None:
    disguise = "".join(escape(c) for c in SECRET)  # type: ignore[operator]
    text = f"before {disguise} after"
    view = unescaped(text)
    assert view is not None
    start = view.text.index(SECRET)
    low, high = view.origin(start, start + len(SECRET))
    assert text[low:high] == disguise


@pytest.mark.parametrize("prefix", ["", "x", "xy", "xyz", "wxyz"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode, lambda raw: raw.hex().encode()])
def test_an_encoded_stretch_is_decoded_at_every_alignment(encode: object, prefix: str) -> None:
    run = encode((prefix + SECRET + "tail").encode()).decode()  # type: ignore[operator]
    text = f"({run})"
    views = [view for view in decoded(text, [1], set()) if SECRET in view.text]
    assert views
    start = views[0].text.index(SECRET)
    low, high = views[0].origin(start, start + len(SECRET))
    assert 1 <= low < high <= len(text)
    whole = encode(SECRET.encode()).decode().rstrip("=")  # type: ignore[operator]
    assert high - low >= len(whole) - 2


def test_places_of_a_view_come_back_in_order() -> None:
    text = "a\\u0062%63&#100;e\u200bf"
    view = unescaped(text)
    assert view is not None
    assert [view.origin(at, at + 1) for at in range(5)] == [(0, 1), (1, 7), (7, 10), (10, 16), (16, 17)]
    assert [view.inward(place) for place in (0, 1, 2, 7, 8, 16)] == [0, 1, 2, 2, 3, 4]


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("a%7", "%7"),
        ("a\\u00", "\\u00"),
        ("a&#1", "&#1"),
        ("a\\", "\\"),
        ("a=", "="),
        (r"a\ud83d", r"\ud83d"),
        ("a%C3", "%C3"),
        ("plain", ""),
    ],
)
def test_a_cut_escape_is_unfinished(text: str, held: str) -> None:
    assert text[unfinished(text) :] == held


def test_the_run_at_the_end_is_read_as_far_as_it_goes() -> None:
    run = base64.b64encode(b"see " + SECRET.encode()).decode()[:17]
    assert run_at_end(f"see {run}") == 17
    assert any("see sk-Abc_" in stretch.text for stretch in open_runs(f"see {run}", 17))


@given(st.text())
def test_views_never_fail_and_lead_back_inside(text: str) -> None:
    for view in (folded(text), unescaped(text), *decoded(text, range(0, len(text), 7), set())):
        if view is None:
            continue
        for at in range(len(view.text)):
            low, high = view.origin(at, at + 1)
            assert 0 <= low <= high <= len(text)


@given(st.text(alphabet=st.characters(codec="utf-8"), min_size=1))
def test_what_was_escaped_is_read_again(text: str) -> None:
    encoded = quote(text, safe="")
    view = unescaped(encoded)
    assert (encoded if view is None else view.text) == text
    dumped = json.dumps(text)[1:-1].replace("\\b", "").replace("\\f", "")
    assert unescaped(dumped) is not None or dumped.isascii()
