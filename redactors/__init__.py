"""Text in, clean text out: the redaction engine, usable without the rest of Lockgate.

A `Redactor` is bound to one policy and one direction, and may be used by several threads. Without a policy it masks whatever any detector
finds, and the values, terms and patterns that it was given:

    >>> from redactors import build_redactor
    >>> redactor = build_redactor(
    ...     known=["zebra-crossing-901"],
    ...     terms=["nightfall", {"term": "waterfall", "max_distance": 1}],
    ...     patterns=[{"name": "badge", "pattern": "EMP-([0-9]{6})", "group": 1}],
    ... )
    >>> clean = redactor.text("EMP-123456 saw the waterfal near zebra-crossing-901.")
    >>> clean.value
    'EMP-[REDACTED:badge] saw the [REDACTED:blocked_term] near [REDACTED:live_secret].'
    >>> clean.remarks[0].kind, clean.remarks[0].start, clean.remarks[0].end, clean.remarks[0].action.label
    ('badge', 4, 10, 'mask')

Offsets are code points of the text that was given. In trees the texts of values and keys are redacted, also those of JSON inside strings,
and a remark's `path` is a JSON pointer:

    >>> clean = redactor.tree({"note": "Nightfall", "inner": '{"n": "nightfall"}'})
    >>> clean.value
    {'note': '[REDACTED:blocked_term]', 'inner': '{"n": "[REDACTED:blocked_term]"}'}
    >>> [remark.path for remark in clean.remarks]
    ['/note', '/inner/n']

A stream gives the same as the whole text, however it is cut. What could still become part of something is held back, and `close` gives it:

    >>> stream = redactor.stream()
    >>> pieces = [stream.feed(piece) for piece in ("at night", "fall, ", "all")]
    >>> "".join(pieces) + stream.close().value
    'at [REDACTED:blocked_term], all'

`policy` is one policy of the YAML document. Nothing is raised because of what was found: a block is a verdict, and the text is masked.

    >>> rules = [{"detect": ["secrets", "known"], "action": "mask"}, {"blocked_terms": ["nightfall"], "action": "block"}]
    >>> strict = build_redactor(policy={"prompt": rules}, direction="prompt", cache=redactor.cache)
    >>> clean = strict.text("nightfall")
    >>> clean.verdict.name, clean.value
    ('BLOCK', '[REDACTED:blocked_term]')

Compiling the built-in rules takes seconds: `redactor.cache` are bytes without any secret, from which `build_redactor(cache=…)` takes
milliseconds. Bytes that do not fit (of other rules, another version, or damaged) are ignored. `RedactionError` means that a text or tree
was not looked at (too long, too deep, not JSON); it must then not be used.

The names below are imported on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from redactors.detectors.known import KnownSecrets
    from redactors.detectors.pattern import compile_patterns
    from redactors.engine import Redactor, build_redactor
    from redactors.model import Clean, RedactionError, Remark
    from redactors.policy import PolicyError, UnsafeAllowAll
    from redactors.screen import Screen, Screened
    from redactors.stream import StreamRedactor

_HOMES = {
    "KnownSecrets": "redactors.detectors.known",
    "compile_patterns": "redactors.detectors.pattern",
    "Clean": "redactors.model",
    "RedactionError": "redactors.model",
    "Redactor": "redactors.engine",
    "Remark": "redactors.model",
    "build_redactor": "redactors.engine",
    "PolicyError": "redactors.policy",
    "UnsafeAllowAll": "redactors.policy",
    "Screen": "redactors.screen",
    "Screened": "redactors.screen",
    "StreamRedactor": "redactors.stream",
}

__all__ = [
    "Clean",
    "KnownSecrets",
    "PolicyError",
    "RedactionError",
    "Redactor",
    "Remark",
    "Screen",
    "Screened",
    "StreamRedactor",
    "UnsafeAllowAll",
    "build_redactor",
    "compile_patterns",
]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'redactors' has no attribute {name!r}")
    return getattr(import_module(home), name)
