"""All tests of this directory, in a process that began with the sanitizer's library."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_the_gateway_is_clean_under_the_sanitizers() -> None:
    environment = {
        **os.environ,
        "LD_PRELOAD": os.environ["SANITIZER_LIBRARY"],
        "PYTHONMALLOC": "malloc",
        "ASAN_OPTIONS": "detect_leaks=0",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(Path(__file__).parent)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout[-5000:]
    assert " passed" in done.stdout
