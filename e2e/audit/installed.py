"""Which top-level modules another interpreter has: asked in one process, without importing any of them."""

import json
import subprocess
from collections.abc import Iterable

from e2e.errors import UsageError

PROGRAM = """
import importlib.util, json, sys
def there(name):
    if name in sys.builtin_module_names:
        return True
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, AttributeError, ValueError):
        return name in sys.modules
print(json.dumps([name for name in json.load(sys.stdin) if not there(name)]))
"""
PATIENCE_SECONDS = 60.0


def missing_modules(python: str, names: Iterable[str]) -> list[str]:
    """Those of the top-level `names` that `python` cannot find. Raises `UsageError` where it cannot be asked.

    It runs isolated (`-I`): what lies in the current directory is no distribution.
    """
    try:
        done = subprocess.run(
            [python, "-I", "-c", PROGRAM],
            input=json.dumps(sorted(names)),
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=True,
        )
        return [str(name) for name in json.loads(done.stdout)]
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise UsageError(f"--python: {python} cannot be asked for its modules ({error}): give a Python 3") from error
