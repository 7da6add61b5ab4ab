"""The suites of the evaluation: seeded texts with secrets, personal data, or nothing in them."""

# ruff: noqa: E501
# Tables and samples are read whole.
from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable, Iterator, Sequence
from random import Random
from urllib.parse import quote, quote_plus

from tests.evaluation import contexts, disguises, formats, negatives, passwords, persons, structured
from tests.evaluation.cases import Case, case, places
from tests.evaluation.draws import ALPHABETS, Secret, draw, filled, uuid


def _token(rng: Random, table: Sequence[tuple[str, str, str]], index: int) -> tuple[str, str, Secret]:
    service, variable, form = table[index % len(table)]
    return service, variable, filled(rng, form)


def _respelled(context: tuple[contexts.Spell, str], secret: Secret) -> tuple[str, ...]:
    return tuple(context[0](piece) for piece in secret.pieces)


def fixed(rng: Random, count: int) -> Iterator[Case]:
    """Keys that their look gives away, bare and with names, in every kind of text."""
    for index in range(count):
        service, variable, secret = _token(rng, formats.FIXED, index)
        context = rng.choice(contexts.BARE if rng.random() < 0.5 else contexts.KEYED)
        text, spelled = contexts.spelled(context, secret.value, service, variable)
        yield case(f"{service} {formats.FIXED[index % len(formats.FIXED)][2]} :: {context[1]}", text, spelled, _respelled(context, secret))


def named(rng: Random, count: int) -> Iterator[Case]:
    """Keys that only their name gives away."""
    for index in range(count):
        service, variable, secret = _token(rng, formats.NAMED, index)
        context = rng.choice(contexts.KEYED)
        text, spelled = contexts.spelled(context, secret.value, service, variable)
        yield case(f"{service} {formats.NAMED[index % len(formats.NAMED)][2]} :: {context[1]}", text, spelled, _respelled(context, secret))


_PASSWORDS: tuple[tuple[str, tuple[tuple[contexts.Spell, str], ...], Callable[[Random], str]], ...] = (
    ("files", contexts.PASSWORD_FILES, passwords.written),
    ("quoted", contexts.PASSWORD_QUOTED, passwords.quoted),
    ("prose", contexts.PASSWORD_PROSE, passwords.spoken),
    ("address", contexts.ADDRESSES, passwords.quoted),
)


def secret_passwords(rng: Random, count: int) -> Iterator[Case]:
    """Passwords in files, programs, sentences and addresses."""
    for index in range(count):
        kind, table, make = _PASSWORDS[index % len(_PASSWORDS)]
        context = rng.choice(table)
        text, spelled = contexts.spelled(context, make(rng))
        yield case(f"password {kind} :: {context[1]}", text, spelled)


def documents(rng: Random, count: int) -> Iterator[Case]:
    """Private keys, web tokens, and the files of tools."""
    makers = {"pem": structured.pem, "jwt": structured.jwt, "basic": structured.basic}
    for index in range(count):
        kind = ("pem", "jwt", "basic", "document", "document")[index % 5]
        if kind == "document":
            text, spelled, pieces = structured.documents(rng)
            yield case(f"document :: {text[:24]!r}", text, spelled, pieces)
        else:
            secret = makers[kind](rng)
            frame = rng.choice(structured.STRUCTURED_FRAMES[kind])
            yield case(f"{kind} :: {frame}", frame.replace("{s}", secret.value), secret.value, secret.pieces)


def no_secrets(rng: Random, count: int) -> list[Case]:
    """Texts without anything sensitive."""
    return [Case(f"negative {index % len(negatives.GENERATORS)}", negatives.negative(rng, index)) for index in range(count)]


def secrets(rng: Random, count: int) -> tuple[list[Case], list[Case]]:
    """(fixed formats, all other secrets)."""
    others = [*named(rng, count // 4), *secret_passwords(rng, count // 4), *documents(rng, count // 10)]
    return list(fixed(rng, count // 2)), others


def long_texts(rng: Random, count: int) -> list[Case]:
    """Several kilobytes of mixed text with one to three secrets; one case for each secret."""
    made: list[Case] = []
    while len(made) < count:
        size = rng.randint(1, 3)
        few, others = secrets(rng, 20)
        chosen = rng.sample([*few, *others], size)
        parts = [negatives.filler(rng) for _ in range(rng.randint(8, 30))]
        for one in chosen:
            parts.insert(rng.randrange(len(parts) + 1), one.text)
        joint = rng.choice(("\n\n", "\n", " ", "\n---\n"))
        text = joint.join(parts)
        for one in chosen:
            at = text.find(one.text)
            spans = tuple((start + at, end + at) for start, end in one.spans)
            made.append(Case(f"long :: {one.label}", text, one.hidden, spans))
    return made


def _both(disguise: str | tuple[str, str]) -> tuple[str, str]:
    return (disguise, disguise) if isinstance(disguise, str) else disguise


def disguised(rng: Random, count: int, table: dict[str, disguises.Disguise]) -> list[Case]:
    """Keys of fixed formats and named passwords behind every disguise of a table."""
    made = []
    ways = list(table.items())
    for index in range(count):
        name, way = ways[index % len(ways)]
        while True:
            service, variable, secret = _token(rng, formats.FIXED, rng.randrange(len(formats.FIXED)))
            if len(secret.value) >= 24 and max(len(piece) for piece in secret.pieces) >= 20:
                break
        text, hidden = _both(way(secret.value, rng))
        frame = rng.choice(("{v}={s}", "the {n} key is {s}", "{s}", '{"{v}": "{s}"}', "run with {s} please", "token: {s}\n", "> {s}"))
        text = frame.replace("{v}", variable).replace("{n}", service).replace("{s}", text)
        made.append(case(f"{name} :: {service} :: {frame}", text, hidden))
    return made


_LIVE: tuple[Callable[[Random], str], ...] = (
    lambda r: draw(r, ALPHABETS["w"], r.randint(10, 64)),
    lambda r: draw(r, ALPHABETS["h"], 32),
    uuid,
    lambda r: base64.b64encode(r.randbytes(32)).decode(),
    passwords.generated,
    passwords.joined,
    lambda r: f"{draw(r, ALPHABETS['w'], 6)} {draw(r, ALPHABETS['w'], 6)}/\"{draw(r, ALPHABETS['w'], 6)}'é&<",
    lambda r: filled(r, r.choice(formats.FIXED)[2]).value,
)


def live_values(rng: Random, count: int) -> list[str]:
    """Values that vaults may hold: drawn, chosen by people, with characters that every format escapes."""
    return [_LIVE[index % len(_LIVE)](rng) for index in range(count)]


def _json_times(value: str, times: int) -> str:
    for _ in range(times):
        value = json.dumps(value)[1:-1]
    return value


def _inside_base64(value: str, shift: int, encode: Callable[[bytes], bytes]) -> str:
    return encode(b"u:" + b"x" * shift + value.encode() + b"\n").decode()


LIVE_FORMS: dict[str, Callable[[str], str]] = {
    "raw": lambda v: v,
    "JSON": lambda v: _json_times(v, 1),
    "JSON twice": lambda v: _json_times(v, 2),
    "JSON three times": lambda v: _json_times(v, 3),
    "URL": lambda v: quote(v, safe=""),
    "URL lower": lambda v: "".join(f"%{b:02x}" if b > 127 or not chr(b).isalnum() else chr(b) for b in v.encode()),
    "URL plus": quote_plus,
    "HTML": html.escape,
    "hex": lambda v: v.encode().hex(),
    "hex upper": lambda v: v.encode().hex().upper(),
    "base64 0": lambda v: _inside_base64(v, 0, base64.b64encode),
    "base64 1": lambda v: _inside_base64(v, 1, base64.b64encode),
    "base64 2": lambda v: _inside_base64(v, 2, base64.b64encode),
    "base64 URL-safe 0": lambda v: _inside_base64(v, 0, base64.urlsafe_b64encode).rstrip("="),
    "base64 URL-safe 1": lambda v: _inside_base64(v, 1, base64.urlsafe_b64encode).rstrip("="),
    "base64 URL-safe 2": lambda v: _inside_base64(v, 2, base64.urlsafe_b64encode).rstrip("="),
    "zero width": "\u200b".join,
    "full width": lambda v: v.translate({code: code + 0xFEE0 for code in range(0x21, 0x7F)}),
}


def live(rng: Random, values: Sequence[str]) -> list[Case]:
    """Every live value in every form, in texts that do not name it."""
    frames = ("{s}", "got {s} back", "log: x={s};y=1", "日本{s}語", "/v1/{s}/items", "<{s}>", "a,{s},b", "err {s}.")
    made = []
    for value in values:
        for form, spell in LIVE_FORMS.items():
            spelled = spell(value)
            made.append(case(f"live {form}", rng.choice(frames).replace("{s}", spelled), spelled))
    return made


EVERYDAY = (
    "test",
    "1234",
    "admin",
    "password",
    "secret",
    "a",
    "true",
    "localhost",
    "postgres",
    "12345678",
    "changeme",
    "prod",
    "sunshine",
    "example",
)
"""Values of careless vaults that must not damage text."""


def everyday(rng: Random, count: int) -> list[Case]:
    """Ordinary texts with everyday words, which stay although a vault holds such a value."""
    return [Case("everyday", f"{rng.choice(EVERYDAY)} {negatives.filler(rng)} {rng.choice(EVERYDAY)}") for _ in range(count)]


TERMS = (
    ("Project Nightingale", 2), ("Zarathustra", 2), ("Falkenstein GmbH", 2), ("Operation Bluebird", 3), ("Quetzalcoatl", 3), ("Überlingen Werke", 1),
    ("Севастополь", 2), ("Kestrel-9", 1), ("Hohenzollern", 3), ("acquisition of Meridian", 4), ("Ōsaka Denki", 1), ("Blackwater", 1), ("codename", 0),
    ("Thunderbird Holdings", 4), ("Ixtapaluca", 2),
)  # fmt: skip


def _edited(rng: Random, text: str, edits: int) -> str:
    letters = "abcdefghijklmnopqrstuvwxyz"
    places = sorted(rng.sample(range(1, len(text) - 1), edits), reverse=True) if edits else []
    for place in places:
        way = rng.randrange(3)
        if text[place] == " ":
            continue
        text = (
            text[:place] + ("" if way == 0 else rng.choice(letters) if way == 1 else rng.choice(letters) + text[place]) + text[place + 1 :]
        )
    return text


def terms(rng: Random, count: int) -> list[Case]:
    """Blocked terms with as many edits as are allowed, in any case."""
    frames = ("we talked about {s} today", "{s}", "({s})", "Re: {s}, urgent", "das {s}-Team", "{s}について", '"{s}"', "about {s}.")
    made = []
    for _ in range(count):
        term, distance = rng.choice(TERMS)
        spelled = _edited(rng, term, rng.randint(0, min(distance, len(term) // 4)))
        spelled = rng.choice((spelled, spelled, spelled.upper(), spelled.lower()))
        made.append(case(f"term {term}", rng.choice(frames).replace("{s}", spelled), spelled))
    return made


def no_terms(rng: Random, count: int) -> list[Case]:
    """Texts and words that only remind of a term."""
    reminders = (
        "night sings", "project night", "bluebell operations", "sky blue bird", "code names", "black coffee and water", "a thunder storm hold",
        "the meridian line", "falcon stone", "zoroaster", "kettle 9", "holland rolls", "over the works", "osaka station", "acquired merits",
    )  # fmt: skip
    return [
        Case("no term", f"{rng.choice(reminders)} {negatives.filler(rng) if rng.random() < 0.5 else ''} {rng.choice(reminders)}")
        for _ in range(count)
    ]


def core(rng: Random, count: int) -> list[Case]:
    """Mail, phones, cards, IBANs, social security numbers and addresses."""
    made = []
    kinds = list(persons.CORE)
    for index in range(count):
        kind = kinds[index % len(kinds)]
        value, frame = persons.CORE[kind](rng), rng.choice(persons.CORE_FRAMES[kind])
        made.append(case(f"{kind} :: {frame}", frame.replace("{s}", value), value))
    return made


def patterns(rng: Random, count: int) -> list[Case]:
    """Numbers of more than forty nations and things."""
    made = []
    for index in range(count):
        make, frames = persons.PATTERNS[index % len(persons.PATTERNS)]
        value, frame = make(rng), rng.choice(frames)
        made.append(case(f"pattern :: {frame}", frame.replace("{s}", value), value))
    return made


def lookalikes(rng: Random, count: int) -> list[Case]:
    """Numbers that are nobody's."""
    return [Case("lookalike", persons.lookalikes(rng)) for _ in range(count)]


def disguised_people(rng: Random, count: int) -> list[Case]:
    """Personal data of the core behind the disguises that formats and layouts bring."""
    made = []
    ways, kinds = list(disguises.PERSONAL.items()), list(persons.CORE)
    for index in range(count):
        name, way = ways[index % len(ways)]
        kind = rng.choice(kinds)
        text, hidden = _both(way(persons.CORE[kind](rng), rng))
        frame = rng.choice(("contact: {s}", "{s}", "from {s} today", '"x": "{s}"'))
        made.append(case(f"{name} :: {kind} :: {frame}", frame.replace("{s}", text), hidden))
    return made


def json_documents(rng: Random, count: int) -> list[Case]:
    """Bodies of chats, tools and logs in JSON, with a secret somewhere inside a string, also inside JSON in a string."""
    made = []
    while len(made) < count:
        few, others = secrets(rng, 40)
        for one in rng.sample([*few, *others], 10):
            note, more = negatives.filler(rng), rng.randint(1, 99)
            content = f"{note}\n{one.text}" if rng.random() < 0.5 else one.text
            body = rng.choice(
                (
                    {
                        "model": "m",
                        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": content}],
                        "n": more,
                    },
                    {"messages": [{"role": "user", "content": [{"type": "text", "text": content}, {"type": "text", "text": "thanks"}]}]},
                    {
                        "tool_calls": [
                            {"id": "call_1", "function": {"name": "run", "arguments": json.dumps({"command": content, "timeout": more})}}
                        ]
                    },
                    {"level": "info", "message": content, "tags": ["a", "b"], "nested": {"deep": [1, None, True, {"x": note}]}},
                    {"role": "tool", "content": json.dumps({"stdout": content, "code": 0})},
                )
            )
            text = json.dumps(body, ensure_ascii=rng.random() < 0.5)
            spelled = [_json_times(piece, times) for piece in one.hidden for times in (1, 2)]
            hidden = tuple(dict.fromkeys(piece for piece in spelled if piece in text))
            made.append(Case(f"json :: {one.label}", text, hidden, tuple(place for piece in hidden for place in places(text, piece))))
    return made


def odd(rng: Random, count: int) -> list[Case]:
    """Input that nobody expects, with a key in it."""
    made = []
    for index in range(count):
        _, _, secret = _token(rng, formats.FIXED, rng.randrange(len(formats.FIXED)))
        s = secret.value
        text = (
            f"\x00\x01{s}\x00",
            f"\ud83d {s} \ude00",
            f"{s}\ud800",
            "\u202e" + s + "\u202c",
            "e\u0301" * 300 + f" {s}",
            f"{'{' * 500}{s}{'}' * 500}",
            '"' * 2000 + f" {s} " + '"' * 2000,
            f"{'A' * 30_000} {s}",
            f"{'1.2.' * 5000} {s}",
            f"{s} " * 200,
            "\n" * 20_000 + s,
            f"\\\\\\\\\\\\u0020{s}",
            f"%%%2%25{s}",
            f"&&&#x;&#;{s}",
            "\ufeff" + s,
            f"\r\r\r{s}\r\n\x0b\x0c\x85\u2028",
            f"{'=' * 400}\n{s}\n{'=' * 400}",
            f"{'-----BEGIN RSA PRIVATE KEY-----' * 30} {s}",
            f"[REDACTED:{s}]",
            f"[REDACTED:openai_key] {s} [HASHED:",
            f"password=\n\n\n{s}",
            "\U0010ffff" + s + "\U000e0001",
            f"{'😀' * 5000}{s}{'👩‍👩‍👧' * 50}",
            f"{'éü' * 3000}\n{s}",
            " " * 20_000 + s,
            f"{'a@' * 4000} {s}",
            f"{s}{'%20' * 1000}",
            "".join(f"x{i}={s};" for i in range(20)),
        )[index % 28]
        made.append(case(f"odd {index % 28}", text, s, secret.pieces))
    return made
