"""The forms in which a value travels: escaped, percent-encoded, in hexadecimal, in base64 at every alignment."""

from __future__ import annotations

import base64
import json


def forms(value: str, least: int = 8) -> tuple[bytes, ...]:
    """Every published form of a value as bytes, each once, the raw one first. Forms shorter than `least` bytes are left out.

    Raw UTF-8; JSON-escaped one to three levels deep (ASCII-only or not, `/` escaped or not); percent-encoded in both hex cases,
    fully or leaving what browsers leave, with `+` for blanks; HTML; hexadecimal in both cases; base64 in both alphabets at the three
    alignments, without the characters at the edges that depend on the neighbors.
    """
    raw = value.encode("utf-8", "surrogatepass")
    found: dict[bytes, None] = {raw: None}
    # Letters and digits stand in JSON, addresses and HTML as they are.
    escaped = [] if value.isascii() and value.isalnum() else [*_json_forms(value), *_url_forms(raw), *_html_forms(value)]
    for text in (*escaped, raw.hex(), raw.hex().upper(), *_base64_forms(raw)):
        found[text.encode("utf-8", "surrogatepass")] = None
    return tuple(form for form in found if len(form) >= least and b"\0" not in form)


def _json_forms(value: str) -> list[str]:
    found = []
    for ascii_only in (True, False):
        text = value
        for _ in range(3):
            text = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
            found += [text, text.replace("/", "\\/")]
    return found


def _url_forms(raw: bytes) -> list[str]:
    from urllib.parse import quote, quote_plus  # a start without live secrets needs neither

    upper = [quote(raw, safe=""), quote(raw, safe="!~*'()"), quote(raw, safe="/"), quote(raw, safe=":/?#[]@!$&'()*+,;=~"), quote_plus(raw)]
    return upper + [_lower_escapes(text) for text in upper]


def _lower_escapes(text: str) -> str:
    parts = text.split("%")
    return "%".join([parts[0], *(part[:2].lower() + part[2:] for part in parts[1:])])


def _html_forms(value: str) -> list[str]:
    import html  # nor this

    escaped = html.escape(value, quote=True)
    named = escaped.replace("&#x27;", "&#39;")
    return [html.escape(value, quote=False), escaped, named, named.replace("&quot;", "&#34;"), escaped.replace("&#x27;", "&apos;")]


def _base64_forms(raw: bytes) -> list[str]:
    found = []
    for shift, dropped in ((0, 0), (1, 2), (2, 3)):
        text = base64.b64encode(b"\0" * shift + raw).decode().rstrip("=")
        if (shift + len(raw)) % 3:
            text = text[:-1]
        core = text[dropped:]
        found += [core, core.replace("+", "-").replace("/", "_")]
    return found
