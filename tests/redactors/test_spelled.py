"""Keys that are spelled out, torn apart or turned round: found in the whole text and in every stream, and nothing beside them."""

from __future__ import annotations

import base64
import codecs
import gzip
import zlib
from collections.abc import Callable
from random import Random

import pytest

from redactors import Redactor
from redactors.detectors.pattern import PatternSet
from redactors.detectors.subject import Subject
from redactors.normalise import RUN_AT
from redactors.spelled import SpelledOut
from redactors.turned import as_view, open_word, turned
from tests import planted
from tests.redactors.test_stream import assert_same

Way = Callable[[str], str]


def woven(mark: str, step: int) -> Way:
    return lambda value: mark.join(value[at : at + step] for at in range(0, len(value), step))


def codes(form: str, mark: str) -> Way:
    return lambda value: mark.join(form.format(ord(character)) for character in value)


WAYS: dict[str, Way] = {
    "blanks between": " ".join,
    "dashes between": "-".join,
    "commas between": ", ".join,
    "one in a line": "\n".join,
    "groups of four": woven(" ", 4),
    "wrapped": woven("\n", 20),
    "wrapped and indented": woven("\r\n\t", 24),
    "list of characters": lambda value: str(list(value)),
    "list of codes": lambda value: str(list(value.encode())),
    "octal codes": codes("{:03o}", " "),
    "hexadecimal with blanks": codes("{:02x}", " "),
    "hexadecimal with colons": codes("{:02X}", ":"),
    "binary": codes("{:08b}", " "),
    "backwards": lambda value: value[::-1],
    "rot13": lambda value: codecs.encode(value, "rot13"),
    "base32": lambda value: base64.b32encode(value.encode()).decode(),
    "base32 in lower case": lambda value: base64.b32encode(value.encode()).decode().lower(),
    "gzip": lambda value: base64.b64encode(gzip.compress(value.encode(), mtime=0)).decode(),
    "zlib": lambda value: base64.b64encode(zlib.compress(value.encode())).decode(),
    "base64 in lines": lambda value: woven("\n", 20)(base64.b64encode(f"API_KEY={value}\nother=1\n".encode()).decode()),
    "base64 of it backwards": lambda value: base64.b64encode(value[::-1].encode()).decode(),
}


def github(seed: int) -> str:
    return planted.secret("github", Random(seed))


@pytest.mark.parametrize("frame", ["see {s}", "token: {s}, thanks", '{{"x": "{s}"}}'])
@pytest.mark.parametrize("way", WAYS)
def test_a_key_in_this_spelling_is_found_in_texts_and_streams(redactor: Redactor, way: str, frame: str) -> None:
    written = WAYS[way](github(sum(map(ord, way))))
    text = frame.format(s=written)
    value = redactor.text(text).value
    assert written[len(written) // 4 : len(written) * 3 // 4] not in value
    assert "[REDACTED:" in value
    assert value.startswith(text[:3])
    for sizes in ([1], [3, 8], [29]):
        assert_same(redactor, text, sizes)


@pytest.mark.parametrize("way", ["list of codes", "wrapped", "groups of four", "hexadecimal with blanks"])
def test_a_key_behind_more_than_a_stream_keeps_is_found_in_the_same_run(redactor: Redactor, way: str) -> None:
    filler = Random(4)
    front = "".join(filler.choice("abcdefghjkmnpqrstuvwxyz0123456789") for _ in range(400))
    text = f"x {WAYS[way](f'{front}/ {github(5)} end'.replace(' ', '/'))} y"
    for sizes in ([1], [7, 2], [64]):
        assert_same(redactor, text, sizes)


@pytest.mark.parametrize(
    "text",
    [
        "C H A P T E R   O N E of t h i s book",
        "1 0 1 1 0 1 0 0 1 0 1 1 0 1 0 1 1 1 1 1 0 0 0 1 0 1",
        "| - | - | - | - | - | - | - | - |\n|---|---|---|",
        "SHA256 fingerprint 16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48",
        "[45, 67, 89, 33, 102, 58, 71, 90, 44, 65]",
        "with this kind text from here they will find some more",
        "    build/lib/redactors/spelled.py\n    build/lib/redactors/turned.py\n",
        "0001010 11110000 00001111 10101010 01010101 00110011 11001100",
        "pages 5–7, 2010–2015 and 12–34",
    ],
)
def test_texts_that_are_laid_out_like_this_stay_as_they_are(redactor: Redactor, text: str) -> None:
    assert redactor.text(text).value == text


def test_a_reading_goes_back_to_the_units_in_which_it_is_written(patterns: PatternSet) -> None:
    text = "codes 115, 107, 45, 97, 98, 99, 100, 101 end"
    (view,) = SpelledOut(patterns.spelled).open_views(Subject(text))
    low, high = view.origin(2, 5)
    assert (view.text, text[low:high]) == ("sk-abcde", "45, 97, 98")
    assert view.inward(text.index("97")) == 3


@pytest.mark.parametrize("way", WAYS)
def test_the_scan_for_rules_marks_what_is_written_otherwise(patterns: PatternSet, way: str) -> None:
    rng = Random(way)
    for size in range(14, 40):
        value = "".join(rng.choice("abcxyzABCXYZ0189_-") for _ in range(size))
        text = f"see {WAYS[way](value)} for it"
        marks = patterns.marks(patterns.hits(text.encode()))
        spelled = SpelledOut(patterns.spelled)
        assert bool(list(spelled.views(Subject(text), marks))) == bool(list(spelled.open_views(Subject(text))))
        assert marks.runs == bool(RUN_AT.search(text))


@pytest.mark.parametrize("words", range(2, 7))
def test_words_before_groups_hide_none_of_them(patterns: PatternSet, words: int) -> None:
    subject = Subject(f"Now {'with ' * words}ab1d efgh ijkl, it says")
    marks = patterns.marks(patterns.hits(subject.data))
    endings = {view.text[-12:] for view in SpelledOut(patterns.spelled).views(subject, marks)}
    assert endings == {"ab1defghijkl"}


def test_a_word_backwards_goes_back_to_the_same_characters() -> None:
    word = "0123456789abcdefghijKLMN.op"
    backwards, rotated = map(as_view, turned(f"<{word}>", [1]))
    low, high = backwards.origin(0, 3)
    assert backwards.text == word[::-1]
    assert f"<{word}>"[low:high] == ".op"
    assert rotated.text == codecs.encode(word, "rot13")


@pytest.mark.parametrize(("text", "place"), [("see abc", 7), ("see " + "a" * 20, 4), ("see " + "a" * 20 + ".b", 4), ("x " * 20, 40)])
def test_long_words_are_held_until_they_end(text: str, place: int) -> None:
    assert open_word(text) == place
