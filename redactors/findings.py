"""What was found, as data for other programs: the same fields on the command line and over HTTP."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from redactors.model import Remark


def findings(remarks: Iterable[Remark], *, paths: bool) -> list[dict[str, Any]]:
    """`{"start", "end", "rule", "kind", "action"}` of each remark, with `paths` also `path`. Never the text.

    Offsets are code points of the input string, half open; in a tree, of the string that `path` (a JSON pointer, RFC 6901) leads to. A
    pointer spells keys as they stand in the output.
    """
    found = []
    for remark in remarks:
        one: dict[str, Any] = {
            "start": remark.start,
            "end": remark.end,
            "rule": remark.rule,
            "kind": remark.kind,
            "action": remark.action.label,
        }
        found.append({**one, "path": remark.path} if paths else one)
    return found
