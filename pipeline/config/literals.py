"""Finds credentials that were written into a document, so that they can be refused without being quoted."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from pipeline.config.checks import Fault, TreePath
from pipeline.vaults.reference import is_reference

if TYPE_CHECKING:
    from redactors.engine import Redactor

FindSecrets = Callable[[str], Sequence[str]]
"""Names the rules that recognise a secret in a text (none: it holds none)."""

HINT: Final = (
    "Move the value into a vault, for example the local store (`lockgate secrets add NAME --store`), "
    "write secret_key_ref: {store: NAME}, and replace the value at its provider if this file was ever shared."
)

_CREDENTIAL: Final = re.compile(
    r"(?:^|[_-])(?:api[_-]?key|apikey|token|secret|password|passwd|passphrase|credentials?|private[_-]key|access[_-]key|client[_-]secret|authorization)$",
    re.IGNORECASE,
)
_CREDENTIAL_HEADER: Final = re.compile(r"auth|token|secret|key|cookie|password|credential", re.IGNORECASE)
_NOT_CREDENTIALS: Final = frozenset({"secret_key", "secret_path", "tls_key"})


def literal_faults(data: Any, find_secrets: FindSecrets) -> Iterator[Fault]:
    """Every place of a document's plain data where a credential stands. Names fields and rules, never the text."""
    for path, name, value in _texts(data, ()):
        if _named_credential(path) and value and not is_reference(value):
            yield Fault(path, f"{_field(path)} holds a literal credential", HINT)
            continue
        rules = find_secrets(value) or (find_secrets(name) if name else ())
        if rules:
            yield Fault(path, f"{_field(path)} holds what looks like a live credential (rule {', '.join(sorted(set(rules))[:3])})", HINT)


def secret_finder(redactor: Redactor | None = None) -> FindSecrets:
    """The house's own secret rules as a `FindSecrets`. Without a redactor at hand one is built, which takes its time."""
    if redactor is None:
        from redactors import build_redactor

        redactor = build_redactor(direction="telemetry")
    cleaner = redactor

    def find(text: str) -> tuple[str, ...]:
        return tuple(remark.rule for remark in cleaner.text(text).remarks if remark.detector == "secrets")

    return find


def _texts(data: Any, path: TreePath) -> Iterator[tuple[TreePath, str, str]]:
    if isinstance(data, dict):
        for key, value in data.items():
            here = (*path, key)
            if isinstance(value, str):
                yield here, key, value
            else:
                yield here, key, ""
                yield from _texts(value, here)
    elif isinstance(data, list):
        for index, value in enumerate(data):
            if isinstance(value, str):
                yield (*path, index), "", value
            else:
                yield from _texts(value, (*path, index))


def names_credential(name: str) -> bool:
    """Whether a field or variable of this name holds a credential, as far as a name can tell."""
    return _CREDENTIAL.search(name) is not None


def _named_credential(path: TreePath) -> bool:
    name = str(path[-1])
    if name in _NOT_CREDENTIALS or name in ("env", "file", "store", "keychain", "ref"):
        return False
    if len(path) >= 2 and path[-2] == "headers":
        return _CREDENTIAL_HEADER.search(name) is not None
    return names_credential(name)


def _field(path: TreePath) -> str:
    """The place in words. A key that could itself be a credential is not repeated: only short plain names are."""
    name = str(path[-1])
    return name if re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,31}", name) and sum(letter.isdigit() for letter in name) < 4 else "this place"
