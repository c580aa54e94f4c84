"""Starts the import probe in a Python service, then lets the service's own `sitecustomize` run as if this was not here.

Python imports this by itself, since the directory is the first of PYTHONPATH. It leaves no trace in `sys.path`.
"""

import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))

try:
    import e2e_import_probe

    e2e_import_probe.install(os.environ)
except Exception:  # a service must start as ever, whatever is wrong with the probe
    pass

sys.path[:] = [place for place in sys.path if not place or os.path.abspath(place) != _HERE]
_this = sys.modules.pop("sitecustomize", None)
try:
    import sitecustomize  # noqa: F401
except ImportError as _error:
    # None of its own, as for most services. Anything else is its own error: Python reports it as it would have.
    if _error.name != "sitecustomize":
        raise
finally:
    if _this is not None:
        sys.modules.setdefault("sitecustomize", _this)
