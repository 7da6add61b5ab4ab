"""Redacts a text that comes in pieces, with the same result as for the whole text wherever it is cut.

What is held back is the part of the text from the earliest place on at which a detector may still find something: a beginning that the
end of the text so far cuts, or a match that could grow. Everything before that place is settled, because each match depends on the
text from its start on only, and on the character before it. So the usual piece needs a glance at the few characters that are not settled,
and one inside a word not even that; only where something stands there do the detectors look at all that is kept. A stream that failed
gives nothing more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from redactors import operators
from redactors.detection import Detection
from redactors.detectors.marks import RUN_LENGTH
from redactors.detectors.subject import Span
from redactors.later import compiled_later
from redactors.model import Clean, RedactionError, Remark, Verdict, seal
from redactors.normalise import BASE64, LONGEST_ESCAPE, folded
from redactors.spans import Applied, Region, settled_before

CONTEXT: Final = 128
"""Characters before the settled place that are kept: word borders, escapes and replacements are read across it."""

_MOST_KEPT: Final = 1024
"""Settled text is let go when there is more of it: seldom, because that copies."""

_WRITTEN_OTHERWISE: Final = compiled_later(r"\\|%[0-9A-Fa-f]|&[#A-Za-z]|=\r?\n|[\"'][ \t]{0,4}[+.&\r\n]|\n>|0x")

MAX_HELD: Final = 1024 * 1024
"""More held-back text than this is an error: no chain of matches is that long."""

Apply = Callable[[str, Sequence[Span], Region], Applied]
"""`Redactor.apply`."""


class StreamRedactor:
    """One text in pieces. Not for several threads: a stream has one reader."""

    def __init__(self, detection: Detection, apply: Apply) -> None:
        self._detection = detection
        self._glance = detection.glance
        self._apply = apply
        self._text = ""
        self._settled = 0
        self._dropped = 0
        self._resumed: tuple[str, ...] = ()
        self._remarks: list[Remark] = []
        self._verdict = Verdict.ALLOW
        self._fresh = False
        self._calm = True
        self._room = RUN_LENGTH
        self._ended = False

    @property
    def remarks(self) -> tuple[Remark, ...]:
        """What was done so far; places are code points of the whole text."""
        return tuple(self._remarks)

    @property
    def redactions(self) -> int:
        """How many remarks there are so far."""
        return len(self._remarks)

    def take_remarks(self) -> tuple[Remark, ...]:
        """What was done since this was last asked, which is then forgotten: a stream without end must not collect it."""
        taken = tuple(self._remarks)
        self._remarks.clear()
        return taken

    @property
    def verdict(self) -> Verdict:
        """What the policy says about the text so far."""
        return self._verdict

    @property
    def held(self) -> int:
        """How many characters are held back now."""
        return len(self._text) - self._settled

    def feed(self, piece: str) -> str:
        """Take a piece and return what is safe now, maybe nothing. Raises RedactionError when redaction fails: the rest is then dropped."""
        if self._ended:
            raise RedactionError("the stream has ended or failed; nothing more can be redacted in it")
        if not piece:
            return ""
        try:
            text = self._text = self._text + piece
            if self._room and piece.isalnum() and piece.isascii():
                # A word goes on, and what stands before it was looked at with its beginning.
                self._room -= len(piece)
                if self._room > 0:
                    return ""
                self._room = 0
            if not self._calm:
                return self._looked()
            settled = self._settled
            tail = text[settled - 1 :] if settled else text
            begin = 1 if settled else 0
            end = len(tail.rstrip(BASE64))
            room = RUN_LENGTH - len(tail) + end
            if room <= 0:
                return self._looked()
            self._room = room
            if end - begin <= 1:
                # The one character before the word may wait for its end.
                return ""
            place = self._glance(tail, begin, end)
            if place <= begin:
                return "" if place >= 0 else self._looked()
            self._settled = border = settled + place - begin
            if border > _MOST_KEPT:
                self._forget()
            return tail[begin:place]
        except BaseException as error:
            self._fail()
            if isinstance(error, RedactionError) or not isinstance(error, Exception):
                raise
            raise RedactionError(f"redaction of a stream failed ({type(error).__name__})") from None

    def close(self) -> Clean[str]:
        """End the text: the value is what was not yet released, the remarks and the verdict are those of the whole text."""
        if self._ended:
            raise RedactionError("the stream has ended or failed; nothing more can be redacted in it")
        try:
            rest = self._release(len(self._text), final=True)
        except BaseException as error:
            self._fail()
            if isinstance(error, RedactionError) or not isinstance(error, Exception):
                raise
            raise RedactionError(f"redaction of a stream failed ({type(error).__name__})") from None
        self._ended = True
        return seal(rest, self._remarks, self._verdict)

    def _fail(self) -> None:
        self._ended = True
        self._text = ""
        self._settled = 0

    def _looked(self) -> str:
        """What is safe now, by a look at all that is kept."""
        if self.held > MAX_HELD:
            raise RedactionError("more text is held back than a stream may hold")
        self._forget()
        self._room = 0
        value = self._release(self._open_from())
        self._calm = (
            not self._fresh
            and not self._resumed
            and _is_calm(self._text, self._settled)
            and not self._detection.runs_across(self._text, self._settled)
        )
        return value

    def _forget(self) -> None:
        """Let go of settled text beyond what is read as context."""
        kept = self._settled - CONTEXT
        if kept > 0:
            self._text = self._text[kept:]
            self._settled = CONTEXT
            self._dropped += kept

    def _open_from(self) -> int:
        text = self._text
        opened = min(self._detection.open_from(text, self._settled), operators.unfinished(text))
        # A backslash at the end may escape what follows; the border of a replacement depends on it.
        return opened if not text.endswith("\\") else min(opened, len(text.rstrip("\\")))

    def _release(self, opened: int, *, final: bool = False) -> str:
        text, settled = self._text, self._settled
        if opened <= settled and not final:
            return ""
        spans = self._detection.find(text, settled, self._resumed)
        border = len(text)
        if not final:
            for span in spans:
                if span.continues and not span.more and span.end == len(text):
                    opened = min(opened, span.start)
            border = _border(text, spans, max(opened, settled))
            if border <= settled:
                return ""
        if spans or self._fresh:
            applied = self._apply(text, spans, Region(settled, border, "", self._dropped, self._fresh))
            value = applied.value
            self._remarks += applied.remarks
            self._verdict = max(self._verdict, applied.verdict)
            self._fresh = applied.fresh if border > settled else self._fresh
        else:
            value = text[settled:border]
        self._resumed = tuple(dict.fromkeys(span.label.rule for span in spans if span.more and span.outer_end == border))
        self._settled = border
        self._forget()
        return value


def _is_calm(text: str, settled: int) -> bool:
    """Whether what stands before the settled place tells nothing about what comes but its last character (`Detection.glance`)."""
    before = text[max(0, settled - LONGEST_ESCAPE) : settled]
    if _WRITTEN_OTHERWISE.search(before) is not None or folded(before) is not None:
        return False
    return not (before and before[-1] in BASE64 and text[settled : settled + 1] in BASE64)


def _border(text: str, spans: Sequence[Span], opened: int) -> int:
    """The last place not behind `opened` that cuts no match and no escape of two characters."""
    border = settled_before(spans, opened)
    while border and text[border - 1] == "\\" and (border - len(text[:border].rstrip("\\"))) % 2:
        border = settled_before(spans, border - 1)
    return border
