import sys
from pathlib import Path

# The builder of journals is shared with tests/report; test directories are no packages.
sys.path.insert(0, str(Path(__file__).parent))
