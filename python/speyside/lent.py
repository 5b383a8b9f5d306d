"""Speyside lent to a Python without it: `python -P PATH/speyside/lent.py boot` is `python -P -m speyside.boot`.

The front starts Python so where the application's virtual environment is not the one of the program. This package
alone can be imported then, by the name `speyside`; what is installed beside it stays out of sight.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys


def lend() -> None:
    """Make the package that this file is in importable, whatever sys.path says."""
    directory = os.path.dirname(os.path.abspath(__file__))
    spec = importlib.util.spec_from_file_location(
        "speyside", os.path.join(directory, "__init__.py"), submodule_search_locations=[directory]
    )
    assert spec is not None and spec.loader is not None  # it ends in .py
    package = importlib.util.module_from_spec(spec)
    sys.modules["speyside"] = package
    spec.loader.exec_module(package)


def main() -> int:
    """Run the main function of the module that the first argument names."""
    lend()
    module = importlib.import_module(f"speyside.{sys.argv[1]}")
    sys.argv[:] = [str(module.__file__), *sys.argv[2:]]  # as with -m
    status: int = module.main()
    return status


if __name__ == "__main__":
    sys.exit(main())
