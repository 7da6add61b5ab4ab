"""How the loopback provider is told what to do: directives in the model name or in the last user message.

A script is directives joined by `+`. It stands in the model name (`say:20+pace:0.01`, also behind a prefix: `claude--slow:1`),
or in the last user message as a first line that begins with `#!` (`#!leak-split:3`); what follows that line is then the prompt.
Of both, the message's directives are added to the model's. Names that are no directive mean the plain answer.

    echo              answer with the last user message            slow:S      wait S seconds before the first byte
    say:N             answer with N words, one piece each           pace:S      wait S seconds before each piece
    leak:TEXT         answer with TEXT (to the end of the line)     hang[@N]    stop answering (after N pieces)
    leak-rev:TXET     answer with TEXT, given in reverse            rst[@N]     reset the connection (after N pieces)
    leak              answer with `provider.leak`                   trunc@N     end cleanly after N pieces, without a terminator
    leak-split:N      stream in pieces of N characters              error@N     an error event after N pieces
    tools             call the first offered tool                   nousage     leave the usage numbers out
    reasoning         think before the answer (5 tokens)            cached      half of the input came from a cache
    429:N             status 429 with Retry-After N                 flaky:S:N   status S for the first N requests of this script
    500, 503, 4xx …   that status                                   context     400, context length exceeded
    error-echo[:S]    status S (400), body repeats the key          filter      400, refused by a content filter
    bomb              a small gzip body that unpacks to 256 MiB     longline    a stream whose line has 16 MiB
    bigerror          status 500 with a body of 1 MiB               html        status 200 with a page instead of JSON
    redirect          status 307 to another path                    tier:NAME   answer with that service tier
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

PLAIN = "Hello! This is the loopback provider, glad to be of service."
_WORDS = re.compile(r"\s*\S+|\s+$")
_FLAGS = {
    "echo",
    "tools",
    "reasoning",
    "nousage",
    "cached",
    "leak",
    "context",
    "filter",
    "bomb",
    "longline",
    "bigerror",
    "html",
    "redirect",
}
_VALUED = {"say", "slow", "pace", "leak", "leak-rev", "leak-split", "429", "flaky", "error-echo", "tier"}
_AT = {"hang", "rst", "trunc", "error"}


@dataclass
class Script:
    """The directives of one request. `at` maps hang/rst/trunc/error to a piece count."""

    name: str = ""
    flags: set[str] = field(default_factory=set)
    values: dict[str, str] = field(default_factory=dict)
    at: dict[str, int] = field(default_factory=dict)
    status: int = 0

    def add(self, text: str) -> bool:
        """Read directives; unknown words are ignored. Says whether any was known."""
        rest, known = text, False
        while rest:
            if rest.startswith(("leak:", "leak-rev:")):
                word, rest = rest, ""
            else:
                word, _, rest = rest.partition("+")
            known = self._one(word) or known
        return known

    def _one(self, word: str) -> bool:
        name, colon, value = word.partition(":")
        place, sign, count = word.partition("@")
        if word in _FLAGS:
            self.flags.add(word)
        elif word == "error-echo":
            self.values[word] = "400"
        elif colon and name in _VALUED:
            self.values[name] = value
            if name == "429":
                self.status = 429
        elif place in _AT and (sign or word in ("hang", "rst")):
            self.at[place] = int(count or 0)
        elif len(word) == 3 and word.isdigit() and word[0] in "45":
            self.status = int(word)
        else:
            return False
        return True


def read_script(model: str, last_user: str) -> tuple[Script, str]:
    """Combine the model's and the message's directives; give the script and the prompt without its `#!` line."""
    script = Script(name=model)
    bare = model.rsplit("/", 1)[-1]
    script.add(bare.partition("--")[2] or bare)
    if last_user.startswith("#!"):
        line, _, last_user = last_user[2:].partition("\n")
        script.add(line)
    return script, last_user


def texts_in(tree: Any) -> Iterable[str]:
    """Every string under a `text` or `content` key of a request, whatever the wire format."""
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, list):
        for item in tree:
            yield from texts_in(item)
    elif isinstance(tree, dict):
        for key in ("text", "content", "parts", "toolResult", "functionResponse", "response", "inputText"):
            if key in tree:
                yield from texts_in(tree[key])


def tokens_of(text: str) -> int:
    """The loopback tokenizer: four UTF-8 bytes are a token."""
    return math.ceil(len(text.encode()) / 4)


@dataclass
class Tally:
    """What one answer uses, as this provider bills it.

    `prompt` includes `cached` and the cache writes; `completion` includes `reasoning`.
    """

    prompt: int = 0
    cached: int = 0
    written_5m: int = 0
    written_1h: int = 0
    completion: int = 0
    reasoning: int = 0


@dataclass
class Reply:
    """The answer before it takes a wire format."""

    texts: list[str]
    reasoning: str
    tool: str
    arguments: dict[str, Any]
    tally: Tally
    piece_size: int
    with_usage: bool
    tier: str

    def pieces(self, text: str) -> list[str]:
        """The text in stream pieces: words, or `leak-split` many characters."""
        if self.piece_size:
            return [text[at : at + self.piece_size] for at in range(0, len(text), self.piece_size)]
        return _WORDS.findall(text)


def compose(script: Script, prompt: str, *, sent: str, n: int, tool: str, leak: str, max_tokens: int | None) -> Reply:
    """Work out the answer of a script to a prompt. `sent` is every text of the request, `tool` the first offered tool's name."""
    values, flags = script.values, script.flags
    if "leak" in values:
        text = values["leak"]
    elif "leak-rev" in values:
        text = values["leak-rev"][::-1]
    elif "leak" in flags:
        text = leak
    elif "say" in values:
        text = " ".join(["word"] * int(values["say"]))
    elif "echo" in flags or script.name.rsplit("/", 1)[-1] == "echo" or "leak-split" in values:
        text = prompt
    else:
        text = PLAIN
    wants_tool = "tools" in flags and bool(tool)
    arguments = {"text": prompt or text, "count": len(prompt)} if wants_tool else {}
    if wants_tool and ("leak" in values or "leak-rev" in values or "leak" in flags):
        arguments["text"] = text
    if max_tokens and not wants_tool:
        text = text.encode()[: max_tokens * 4].decode(errors="ignore")
    thought = "Let me think." if "reasoning" in flags else ""
    written = tokens_of(str(arguments)) if wants_tool else tokens_of(text) * n
    prompt_tokens = max(1, tokens_of(sent))
    tally = Tally(
        prompt=prompt_tokens,
        cached=prompt_tokens // 2 if "cached" in flags else 0,
        written_5m=prompt_tokens // 8 if "cached" in flags else 0,
        written_1h=prompt_tokens // 16 if "cached" in flags else 0,
        completion=max(1, written) + (5 if thought else 0),
        reasoning=5 if thought else 0,
    )
    return Reply(
        texts=[text] * n if not wants_tool else [""] * n,
        reasoning=thought,
        tool=tool if wants_tool else "",
        arguments=arguments,
        tally=tally,
        piece_size=int(values.get("leak-split", 0)),
        with_usage="nousage" not in flags,
        tier=values.get("tier", ""),
    )
