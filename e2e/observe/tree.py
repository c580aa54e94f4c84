"""The source tree of a service, and how its files are called wherever they are told."""

import os
from pathlib import Path

from e2e.observe.spec import ServiceSpec


class SourceTree:
    """`root` is the service's own tree; `base` is where the names of its modules begin: of a root that is a package,
    the directory that it lies in."""

    def __init__(self, spec: ServiceSpec) -> None:
        self.root = (spec.imports.root or spec.cwd or Path.cwd()).absolute()
        self.base = self.root.parent if (self.root / "__init__.py").is_file() else self.root

    def shown(self, file: str) -> str:
        """A path of the tree as one would write it there."""
        for base in (self.base, self.base.resolve()):
            if file.startswith(f"{base}{os.sep}"):
                return file[len(str(base)) + 1 :]
        return file
