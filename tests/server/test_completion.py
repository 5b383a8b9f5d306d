"""What real shells offer after `speyside`, and what a terminal sees: both are for people."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from signal import SIGKILL, SIGTERM

import pytest
from harness.program import command, environment, find, new_mark

from harness import PATIENCE

CONTROL = re.compile(r"\x07|\x1b\[[0-9;?]*[A-Za-z]")
Ask = Callable[[str], set[str]]


def surroundings(changes: Mapping[str, str | None] | None = None) -> dict[str, str]:
    """Return an environment with the program under test first on PATH."""
    env = environment(changes or {}, new_mark())
    return {**env, "PATH": f"{Path(find()).parent}{os.pathsep}{env['PATH']}"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A directory with applications in it."""
    for name in ("shop.py", "shop.wsgi", "my shop.py", "notes.txt", "pages/"):
        path = tmp_path / name
        path.mkdir() if name.endswith("/") else path.write_text("")
    return tmp_path


def bash(project: Path) -> Ask:
    """Call the function as bash does when Tab is pressed: its words, the last one begun."""

    def ask(line: str) -> set[str]:
        words = re.findall(r"=|[^\s=]+", line) + ([""] if line.endswith(" ") else [])
        code = (
            'source <(speyside completion bash); COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); compopt() { :; }; '
            "_speyside; printf '%s\\n' \"${COMPREPLY[@]}\""
        )
        done = subprocess.run(
            ["bash", "-c", code, "bash", *words],
            cwd=project,
            env=surroundings(),
            capture_output=True,
            text=True,
            check=True,
        )
        assert not done.stderr, done.stderr
        return {found for found in done.stdout.splitlines() if found}

    return ask


def fish(project: Path) -> Ask:
    """Ask fish, which can be asked."""

    def ask(line: str) -> set[str]:
        code = 'speyside completion fish | source; complete -C"$argv"'
        env = surroundings({"HOME": str(project), "XDG_CONFIG_HOME": str(project / ".config")})
        done = subprocess.run(
            ["fish", "-c", code, line], cwd=project, env=env, capture_output=True, text=True, check=True
        )
        assert not done.stderr, done.stderr
        return {found.partition("\t")[0].rstrip("/") for found in done.stdout.splitlines()}

    return ask


SHELLS = {"bash": bash, "fish": fish}


@pytest.fixture(params=sorted(SHELLS))
def ask(request: pytest.FixtureRequest, project: Path) -> Ask:
    if shutil.which(request.param) is None:
        pytest.skip(f"there is no {request.param} here")
    return SHELLS[request.param](project)


def test_first_word_is_a_command_or_an_application(ask: Ask) -> None:
    first = ask("speyside ")
    assert {
        "serve",
        "status",
        "reload",
        "stop",
        "help",
        "completion",
        "shop.py",
        "shop.wsgi",
        "my shop.py",
        "pages",
    } <= first
    assert {found for found in ask("speyside st") if not found.endswith(".py")} == {"status", "stop"}
    assert "shop.py" in ask("speyside serve sh")


def test_bash_offers_files_that_may_be_applications(project: Path) -> None:
    assert not bash(project)("speyside serve not")
    assert bash(project)("speyside serve my") == {"my shop.py"}


def test_flags_are_those_of_the_command(ask: Ask) -> None:
    assert ask("speyside stop --n") == {"--name", "--now"}
    assert ask("speyside --max-worker-m") == {"--max-worker-memory", "--max-worker-memory-hard"}
    assert ask("speyside serve --initg") == {"--initgroups"}
    assert not ask("speyside stop --workers")
    assert "--worker-tmp-dir" in ask("speyside gunicorn --worker-t")


def test_values_are_those_of_the_setting(ask: Ask) -> None:
    assert ask("speyside --log-level ") == {"debug", "info", "warning", "error", "critical"}
    assert ask("speyside --bind :80 --preload o") == {"on", "off"}
    assert ask("speyside help rel") == {"reload"}
    assert ask("speyside completion ") == {"bash", "zsh", "fish"}
    assert ask("speyside --chdir pa") == {"pages"}
    assert "notes.txt" in ask("speyside --pid no")
    assert not ask("speyside --workers ")


def test_bash_completes_a_value_after_an_equals_sign(project: Path) -> None:
    assert bash(project)("speyside --log-level=de") == {"debug"}
    assert bash(project)("speyside --log-level=") == {"debug", "info", "warning", "error", "critical"}


ENDED = "\x1e"  # on the terminal, before the exit code of what ran on it


def lead(arguments: list[str], env: dict[str, str], cwd: Path, told: int) -> None:
    """Be who leads the session, as a person's shell does: when the leader ends, what nobody has read yet is lost."""
    signal.signal(signal.SIGINT, lambda *_: None)  # it is for the program
    program = subprocess.Popen(arguments, env=env, cwd=cwd)
    os.write(told, f"{program.pid}\n".encode())
    os.write(1, f"{ENDED}{program.wait()}\n".encode())
    while True:
        signal.pause()


class Terminal:
    """A program that believes that a person is there."""

    def __init__(self, arguments: list[str], env: dict[str, str], cwd: Path) -> None:
        reader, writer = os.pipe()
        self.leader, self.descriptor = pty.fork()
        if self.leader == 0:
            try:
                lead(arguments, env, cwd, writer)
            finally:
                os._exit(1)
        os.close(writer)
        with open(reader) as told:
            self.pid = int(told.readline())
        self.text = ""
        self.code: int | None = None

    def send(self, text: str) -> None:
        os.write(self.descriptor, text.encode())

    def read(self) -> bool:
        """Read what there is; False when there will be no more."""
        if self.code is None:
            self.text += os.read(self.descriptor, 65536).decode("utf-8", "replace")
            if ended := re.search(rf"{ENDED}(-?\d+)\r?\n", self.text):
                self.code, self.text = int(ended.group(1)), self.text[: ended.start()]
        return self.code is None

    def wait(self, pattern: str) -> None:
        """Wait until it has shown something."""
        deadline = time.monotonic() + PATIENCE
        while not re.search(pattern, CONTROL.sub("", self.text)):
            ready, _, _ = select.select([self.descriptor], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"{pattern} did not come:\n{self.text!r}"
            if not self.read():
                assert re.search(pattern, CONTROL.sub("", self.text)), f"it ended before {pattern}:\n{self.text!r}"

    def end(self) -> int:
        """Read to its end, and return its exit code; negative: the signal that ended it."""
        while self.read():
            pass
        os.kill(self.leader, SIGKILL)
        os.waitpid(self.leader, 0)
        os.close(self.descriptor)
        assert self.code is not None
        return self.code


@pytest.mark.skipif(shutil.which("zsh") is None, reason="there is no zsh here")
def test_zsh_completes_commands_flags_and_values(project: Path) -> None:
    env = surroundings({"TERM": "dumb", "PS1": "$ ", "HOME": str(project), "COLUMNS": "200"})
    shell = Terminal(["zsh", "-f", "-i"], env, project)
    shell.send("autoload -Uz compinit; compinit -u -D; bindkey '^I' complete-word\n")
    shell.send("source <(speyside completion zsh); print loaded\n")
    shell.wait(r"\nloaded\r")
    for typed, completed in {
        "speyside rel": "speyside reload ",
        "speyside stop --no": "speyside stop --now ",
        "speyside --graceful-t": "speyside --graceful-timeout=",
        "speyside --log-level de": "speyside --log-level debug ",
        "speyside serve --log-level=cr": "speyside serve --log-level=critical ",
        "speyside completion f": "speyside completion fish ",
        "speyside serve shop.w": "speyside serve shop.wsgi ",
        "speyside --chdir pa": "speyside --chdir pages",
    }.items():
        shell.text = ""
        shell.send(f"{typed}\t")
        shell.wait(re.escape(completed))
        shell.send("\x15print next\n")  # Control-U: the line is not to be run
        shell.wait(r"\nnext\r")
    os.kill(shell.pid, SIGKILL)
    shell.end()


def shown(project: Path, *arguments: str, **changes: str | None) -> str:
    """Return what a terminal sees of a program that ends by itself."""
    terminal = Terminal(command(*arguments), surroundings({"TERM": "xterm", "NO_COLOR": None, **changes}), project)
    terminal.end()
    return terminal.text


def test_terminals_see_colours_unless_they_do_not_want_them(project: Path) -> None:
    error = shown(project, "--no-such-flag")
    assert error.startswith("speyside: \x1b[1;31merror:\x1b[0m there is no flag --no-such-flag [SPY0002]\r\n")
    assert "speyside: \x1b[36mhint:\x1b[0m " in error
    plain = subprocess.run(
        command("help"), env=surroundings({"TERM": "xterm"}), capture_output=True, text=True, check=True
    )
    assert "\x1b" not in plain.stdout
    coloured = shown(project, "help")
    assert "\x1b[1mUsage:\x1b[0m speyside" in coloured
    assert "\x1b[36m-b, --bind\x1b[0m" in coloured
    assert CONTROL.sub("", coloured).replace("\r\n", "\n") == plain.stdout
    for unwanted in ({"NO_COLOR": "1"}, {"TERM": "dumb"}, {"TERM": None}):
        assert "\x1b" not in shown(project, "help", **unwanted) + shown(project, "--no-such-flag", **unwanted)


def test_banner_on_a_terminal_is_the_same_in_colour(project: Path) -> None:
    (project / "shop.py").write_text("def app(environ, start_response): ...\n")
    arguments = command("shop:app", "--bind=127.0.0.1:0", "--workers=1")
    terminal = Terminal(arguments, surroundings({"TERM": "xterm", "NO_COLOR": None}), project)
    try:
        terminal.wait(r"  stop  [^\n]*\n")
        assert re.search(r"\x1b\[1mSpeyside \S+ is serving shop:app\x1b\[0m", terminal.text)
        assert re.search(r"\x1b\[36mhttp://127\.0\.0\.1:\d+\x1b\[0m", terminal.text)
        terminal.send("\x03")  # as a person ends it
        terminal.wait("drained ")
    except BaseException:
        os.kill(terminal.pid, SIGTERM)
        terminal.end()
        raise
    assert terminal.end() == 0
