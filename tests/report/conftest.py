import sys
from pathlib import Path

# The builder of journals is in tests/verdict; test directories are no packages.
sys.path.insert(0, str(Path(__file__).parents[1] / "verdict"))
