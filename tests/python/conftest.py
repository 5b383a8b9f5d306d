"""The package under test is the installed one, else the one in the tree."""

import importlib.util
import sys
from pathlib import Path

if importlib.util.find_spec("speyside") is None:
    sys.path.insert(0, str(Path(__file__).parents[2] / "python"))
sys.path.insert(0, str(Path(__file__).parent))
