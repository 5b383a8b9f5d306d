"""Builds what pyproject.toml cannot say: the extension, and the program `speyside`, which is a Go binary.

Environment:
    SPEYSIDE_SANITIZE=1   the extension with AddressSanitizer and UndefinedBehaviorSanitizer, for the tests
    SPEYSIDE_STRICT=1     warnings are errors (implied by SPEYSIDE_SANITIZE)
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import Command, Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError, ExecError

ROOT = Path(__file__).parent
ABI = "cp311"
PROGRAM = "speyside"
SOURCES = [
    "module",
    "slot",
    "environ",
    "origin",
    "input",
    "fields",
    "reply",
    "body",
    "hints",
    "client",
    "switch",
    "gateway",
]


def flags() -> tuple[list[str], list[str]]:
    """Returns the flags of compiler and linker."""
    compiler = [
        "-std=c11",
        "-D_GNU_SOURCE",
        "-O3",
        "-fvisibility=hidden",
        "-fno-semantic-interposition",
        "-Wall",
        "-Wextra",
        "-Wshadow",
        "-Wstrict-prototypes",
        # PyErr_Fetch is deprecated since 3.12; its successor is not in the limited API of 3.11.
        "-Wno-deprecated-declarations",
    ]
    linker: list[str] = []
    sanitize = bool(os.environ.get("SPEYSIDE_SANITIZE"))
    if sanitize:
        sanitizers = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
        compiler += [*sanitizers, "-g", "-O1", "-fno-omit-frame-pointer"]
        linker += sanitizers
    if sanitize or os.environ.get("SPEYSIDE_STRICT"):
        compiler.append("-Werror")
    return compiler, linker


class BuildExtension(build_ext):
    """Says in one line what is missing when the C compiler is."""

    def build_extension(self, ext: Extension) -> None:
        try:
            super().build_extension(ext)
        except CompileError as error:
            compiler = getattr(self.compiler, "compiler", None) or ["cc"]
            if shutil.which(compiler[0]) is None:
                raise ExecError(
                    f"building speyside needs a C compiler ({compiler[0]} is not on PATH); install gcc or clang"
                ) from error
            raise


class BuildProgram(Command):
    """Builds the program with Go, so that `speyside` on PATH is the binary itself and no Python starts to find it."""

    description = "build the speyside program (Go)"
    user_options = [("build-dir=", "d", "directory to build in")]

    def initialize_options(self) -> None:
        self.build_dir: str | None = None

    def finalize_options(self) -> None:
        self.set_undefined_options("build", ("build_scripts", "build_dir"))

    def get_source_files(self) -> list[str]:
        return []  # MANIFEST.in names them

    def get_outputs(self) -> list[str]:
        assert self.build_dir is not None
        return [str(Path(self.build_dir) / PROGRAM)]

    def run(self) -> None:
        if not any((ROOT / "cmd" / "speyside").glob("*.go")):
            self.warn("cmd/speyside has no Go files: only the extension is built")
            return
        if shutil.which("go") is None:
            raise ExecError("building speyside needs Go 1.26 or newer (go is not on PATH); see https://go.dev/dl")
        output = Path(self.get_outputs()[0]).absolute()
        output.parent.mkdir(parents=True, exist_ok=True)
        command = ["go", "build", "-trimpath", "-ldflags", "-s -w", "-o", str(output)]
        self.announce(" ".join(command), level=2)
        try:
            subprocess.run([*command, "./cmd/speyside"], cwd=ROOT, env={**os.environ, "CGO_ENABLED": "0"}, check=True)
        except subprocess.CalledProcessError as error:
            raise ExecError(f"go build failed with status {error.returncode}; its output is above") from error


if sys.platform != "linux":
    print("speyside: Speyside runs on Linux only, for now", file=sys.stderr)

compiler_flags, linker_flags = flags()
setup(
    scripts=[PROGRAM],  # its being there makes setuptools build and install scripts; BuildProgram makes it
    cmdclass={"build_ext": BuildExtension, "build_scripts": BuildProgram},
    options={"bdist_wheel": {"py_limited_api": ABI}},
    ext_modules=[
        Extension(
            "speyside._gateway",
            [f"ext/{name}.c" for name in SOURCES],
            depends=[f"ext/{name}.h" for name in ("slot", "gateway", "layout", "moves", "faults")],
            define_macros=[("Py_LIMITED_API", "0x030B0000")],
            extra_compile_args=compiler_flags,
            extra_link_args=linker_flags,
            py_limited_api=True,
        )
    ],
)
