"""What the documents promise is true: every command of the README runs as written, every example is valid, every link leads somewhere.

The commands are given to a shell in a terminal of their own, in the order in which they stand, in an empty folder that holds what
the README says a reader has. `make up` is not among them: `tests/walks/test_up.py` walks it.
"""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest
from click import Context
from typer.main import get_command

from pipeline.bootstrap.rules_cache import NAME, installed_cache, open_rules
from pipeline.cli.main import app
from pipeline.config.home import FOLDER_MODE
from pipeline.config.literals import FindSecrets
from pipeline.config.loader import parse_document
from pipeline.config.reference import config_reference
from tests import planted
from tests.compiled import finder

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
README = (ROOT / "README.md").read_text("utf-8")
PASSWORD = b"a-long-Password-of-nobody-1\n"
PATIENCE_S = 60.0
pytestmark = pytest.mark.timeout(480)  # the first test runs every command, and each has a patience of its own
STAYS = {"lockgate serve": b"serves at", "lockgate events tail -f": b"TIME"}
"""Commands that run until they are stopped, and what they say when they are at work."""


def blocks(language: str, text: str = README) -> list[str]:
    """The fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)


def commands() -> list[str]:
    """The commands of all console blocks, without `make` and without the comments behind them."""
    lines = [line[2:] for block in blocks("console") for line in block.splitlines() if line.startswith("$ ")]
    return [re.sub(r"\s+# .*", "", line) for line in lines if not line.startswith("make ")]


@dataclass
class Terminal:
    """A shell command in a pseudo-terminal, answered as a person would; its end is in `code`."""

    command: str
    folder: Path
    environment: dict[str, str]
    shown: bytes = b""
    code: int | None = None
    process: subprocess.Popen[bytes] = field(init=False, repr=False)
    screen: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.screen, keyboard = pty.openpty()
        script = f"source .venv/bin/activate\n{self.command}"
        self.process = subprocess.Popen(
            [sys.executable, "-c", _IN_TERMINAL, script],
            stdin=keyboard, stdout=keyboard, stderr=keyboard,
            cwd=self.folder, env=self.environment, start_new_session=True,
        )  # fmt: skip
        os.close(keyboard)

    def until(self, marker: bytes) -> None:
        """Read until it shows this, or has ended; a question for a password is answered."""
        end, answered = time.monotonic() + PATIENCE_S, 0
        while marker not in self.shown and time.monotonic() < end:
            if not select.select([self.screen], [], [], 0.2)[0]:
                continue
            try:
                piece = os.read(self.screen, 65_536)
            except OSError:  # how Linux reports that the other end of a terminal is closed
                piece = b""
            if not piece:
                break
            self.shown += piece
            asked = len(re.findall(rb"Password[a-z ]*: ", self.shown))
            if asked > answered:
                answered = asked
                os.write(self.screen, PASSWORD)

    def finish(self) -> None:
        """Wait for its end."""
        self.until(b"\0never")
        self.code = self.process.wait(PATIENCE_S)
        os.close(self.screen)

    def stop(self) -> None:
        """Press Ctrl-C and wait for its end."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGINT)
        self.finish()


_IN_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp("bash", ["bash", "-c", sys.argv[1]])
"""


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a reader has: a checkout's examples and environment, the document of the README, a file with a provider's key, and a
    configuration of LiteLLM's."""
    folder = tmp_path_factory.mktemp("reader")
    shutil.copytree(ROOT / "examples", folder / "examples")
    (folder / "lockgate.yaml").write_text(blocks("yaml")[0])
    (folder / "config.yaml").write_text("model_list: [{model_name: m, litellm_params: {model: openai/gpt-5, api_key: os.environ/KEY}}]\n")
    (folder / "key.txt").write_text(planted.secret("openai_project", Random(7)) + "\n")
    scripts = folder / ".venv" / "bin"
    scripts.mkdir(parents=True)
    (scripts / "activate").write_text(f'PATH="{Path(sys.executable).parent}:$PATH"\n')
    cache = folder / ".lockgate" / "cache"
    cache.mkdir(mode=FOLDER_MODE, parents=True)
    cache.parent.chmod(FOLDER_MODE)
    open_rules(cache / NAME, installed_cache())
    return folder


@pytest.fixture(scope="module")
def walked(reader: Path) -> dict[str, Terminal]:
    """Every command of the README, run once and in order. What stays in the foreground is stopped when the others are done."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(reader), "LOCKGATE_HOME": str(reader / ".lockgate"), "LANG": "C.UTF-8"}
    done, open_ones = {}, []
    try:
        for command in commands():
            terminal = done[command] = Terminal(command, reader, environment)
            if command in STAYS:
                open_ones.append(terminal)
                terminal.until(STAYS[command])
            else:
                terminal.finish()
    finally:
        for terminal in reversed(open_ones):
            terminal.stop()
    return done


@pytest.mark.parametrize("command", [command for command in commands() if command not in STAYS])
def test_a_command_of_the_readme_works_as_written(walked: dict[str, Terminal], command: str) -> None:
    terminal = walked[command]
    assert terminal.code == 0, terminal.shown.decode()
    assert b"Traceback" not in terminal.shown


@pytest.mark.parametrize("command", sorted(STAYS))
def test_a_command_that_stays_works_until_it_is_stopped(walked: dict[str, Terminal], command: str) -> None:
    terminal = walked[command]
    assert STAYS[command] in terminal.shown, terminal.shown.decode()
    assert terminal.code in (0, 130)
    assert b"Traceback" not in terminal.shown


def test_somebody_who_stops_the_gateway_in_a_terminal_is_told_that_it_stops(walked: dict[str, Terminal]) -> None:
    assert walked["lockgate serve"].shown.count(b"Stopping.") == 1


def test_what_the_readme_redacts_comes_out_redacted(walked: dict[str, Terminal]) -> None:
    (command,) = (command for command in walked if command.startswith("echo ") and "lockgate redact" in command)
    value = re.findall(r"\S+(?=')", command)[0]
    assert value.encode() not in walked[command].shown
    assert b"[REDACTED:" in walked[command].shown


@pytest.fixture(scope="module")
def rules() -> FindSecrets:
    return finder()


@pytest.mark.parametrize("document", blocks("yaml"))
def test_a_document_of_the_readme_is_valid(document: str, rules: FindSecrets) -> None:
    assert parse_document(document, "README.md", find_secrets=rules)[1] == ()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_valid(path: Path, rules: FindSecrets) -> None:
    assert parse_document(path.read_text("utf-8"), path.name, find_secrets=rules)[1] == ()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_valid_with_everything_that_it_leaves_as_a_comment(path: Path, rules: FindSecrets) -> None:
    # A comment that is prose begins with a capital letter.
    opened = re.sub(r"^(\s*)# (?=[a-z -])", r"\1", path.read_text("utf-8"), flags=re.M)
    assert parse_document(opened, path.name, find_secrets=rules)[1] == ()


def test_the_reference_of_the_configuration_is_the_generated_one() -> None:
    assert (ROOT / "examples/CONFIG.md").read_text("utf-8") == config_reference(), "run `make docs`"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_and_image_of_a_document_leads_somewhere(name: str) -> None:
    links = re.findall(r"\]\(([^)\s#]+)", (ROOT / name).read_text("utf-8"))
    missing = [link for link in links if "://" not in link and not (ROOT / link).exists()]
    assert missing == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_path_that_a_document_names_exists(name: str) -> None:
    roots = "redactors|collectors|pipeline|dashboard|tests|examples|deploy"
    named = re.findall(rf"`((?:{roots})/[^`\s]*)`", (ROOT / name).read_text("utf-8"))
    assert [path for path in named if not list(ROOT.glob(path.rstrip("/")))] == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_make_target_that_a_document_names_exists(name: str) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    named = set(re.findall(r"(?:`|^\$ )make ([a-z]+)", (ROOT / name).read_text("utf-8"), re.M))
    assert {target for target in named if not re.search(rf"^{target}:", makefile, re.M)} == set()


def spoken_of() -> list[tuple[str, ...]]:
    """Each `lockgate …` in a document or an example: its words and options, without values."""
    texts = [(ROOT / name).read_text("utf-8") for name in DOCUMENTS] + [path.read_text("utf-8") for path in EXAMPLES]
    found = [line for text in texts for line in re.findall(r"(?:`|^\$ |: |# )lockgate ((?:[a-z]+|--?[a-z-]+)(?: [^\s`]+)*)", text, re.M)]
    return sorted({tuple(word for word in re.split(r"\s+", line.split("  ")[0]) if re.fullmatch(r"-{0,2}[a-z-]+", word)) for line in found})


@pytest.mark.parametrize("words", spoken_of(), ids=" ".join)
def test_every_command_and_option_that_is_spoken_of_exists(words: tuple[str, ...]) -> None:
    command, context = get_command(app), Context(get_command(app))
    rest = list(words)
    while hasattr(command, "get_command") and rest and not rest[0].startswith("-"):
        word = rest.pop(0)
        command = command.get_command(context, word)
        assert command is not None, f"there is no {word}"
    options = {name for parameter in command.params for name in parameter.opts} | {"--help"}
    assert {word for word in rest if word.startswith("-")} <= options
