"""`.env` files and trees of them: provider keys become references, and targets where the provider's usual models are known.

The syntax is the common one: `NAME=value`, `export NAME=value`, quotes, comments; nothing is expanded or carried out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pipeline.config.importers.draft import Draft
from pipeline.config.importers.known_keys import KEY_VARIABLES
from pipeline.config.literals import FindSecrets, names_credential
from pipeline.errors import ConfigError

MAX_FILES: Final = 1_000
MAX_DEPTH: Final = 8
MAX_BYTES: Final = 1 << 20

_LINE: Final = re.compile(r"\s{0,64}(?:export[ \t]{1,16})?([A-Za-z_][A-Za-z0-9_]{0,254})[ \t]{0,64}=[ \t]{0,64}(.*)", re.DOTALL)
_MOST_LINES: Final = 200
_QUOTED: Final = {"'": re.compile(r"'([^']*)'"), '"': re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)}
_ESCAPE: Final = re.compile(r'\\([nrt"\\$])')
_SKIPPED: Final = frozenset({"node_modules", "__pycache__", "site-packages", "dist", "build", "target", "vendor"})
_SAMPLES: Final = (".example", ".sample", ".template", ".dist")


def import_dotenv(draft: Draft, path: Path, find_secrets: FindSecrets) -> None:
    """Read one file, or every `.env` file under a folder, into a draft. ConfigError when it cannot be read."""
    for file in _files(path):
        shown = str(file.relative_to(path)) if path.is_dir() else file.name
        values = dict(_pairs(_text_of(file)))
        for name, value in values.items():
            _variable(draft, f"{shown}: {name}", name, value, values, find_secrets)


def _variable(draft: Draft, place: str, name: str, value: str, values: dict[str, str], find_secrets: FindSecrets) -> None:
    known = KEY_VARIABLES.get(name)
    if known is None:
        if any(name == key.base_url_variable for key in KEY_VARIABLES.values()):
            draft.ignored(place, "taken as base_url where its key is")
        elif value and (names_credential(name) or find_secrets(value)):
            draft.ignored(place, "looks like a credential, but not of a model provider; it belongs into a vault all the same")
        else:
            draft.ignored(place, "no provider's key")
        return
    if not value:
        draft.ignored(place, "it is empty")
        return
    form = {"env": value[2:-1]} if re.fullmatch(r"\$\{[A-Za-z_][A-Za-z0-9_]{0,254}\}", value) else draft.literal(place, value, name)
    if form is None:
        return
    if "env" in form:
        draft.mapped(place, f"secret_key_ref: {{env: {form['env']}}}")
    if not known.models:
        draft.ignored(place, f"no target is made: name the models of {known.provider} yourself")
        return
    base_url = values.get(known.base_url_variable, "")
    same = {"provider": known.provider, "secret_key_ref": form, **({"base_url": base_url.rstrip("/")} if base_url else {})}
    if any({part: target.get(part) for part in same} == same for target in draft.targets):
        return  # the same key in another file
    for model in known.models:
        ident = draft.target_id(model)
        draft.targets.append({"id": ident, "provider": known.provider, "model": model, **same})
        draft.models.setdefault(model, {"targets": []})["targets"].append(ident)
    draft.mapped(place, f"targets and models {', '.join(known.models)}")


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise ConfigError(f"There is no file or folder {path}.", hint="Name a .env file or a folder that has some.")
    found: list[Path] = []
    for folder, folders, names in os.walk(path):
        depth = len(Path(folder).relative_to(path).parts)
        folders[:] = sorted(each for each in folders if each not in _SKIPPED and not each.startswith(".")) if depth < MAX_DEPTH else []
        found += [Path(folder) / name for name in sorted(names) if _is_env(name)]
        if len(found) > MAX_FILES:
            raise ConfigError(f"There are more than {MAX_FILES} .env files under {path}.", hint="Import a part of the tree.")
    if not found:
        raise ConfigError(f"There is no .env file under {path}.", hint="Name the folder that has them; hidden folders are not looked into.")
    return found


def _is_env(name: str) -> bool:
    return (name == ".env" or name.startswith(".env.") or name.endswith(".env")) and not name.endswith(_SAMPLES)


def _text_of(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{file} cannot be read ({error.strerror}).", hint="Check its permissions.") from None
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{file} is larger than {MAX_BYTES} bytes.", hint="A .env file is small; name the right one.")
    return data.decode("utf-8", "replace")


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    """Names and values of a file. A quoted value may go on over lines; of an unquoted one ` #` begins a comment."""
    lines = text.replace("\r\n", "\n").split("\n")
    place = 0
    while place < len(lines):
        match = _LINE.fullmatch(lines[place])
        place += 1
        if match is None:
            continue
        name, rest = match[1], match[2]
        quote = rest[:1]
        if quote not in _QUOTED:
            yield name, re.split(r"(?:^|\s)#", rest, maxsplit=1)[0].strip()
            continue
        found = _QUOTED[quote].match("\n".join((rest, *lines[place : place + _MOST_LINES])))
        value = found[1] if found else rest[1:]  # a quote that is never closed ends with its line
        place += value.count("\n")
        yield name, _ESCAPE.sub(_unescaped, value) if quote == '"' else value


def _unescaped(escape: re.Match[str]) -> str:
    return {"n": "\n", "r": "\r", "t": "\t"}.get(escape[1], escape[1])
