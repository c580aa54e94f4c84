"""The baseline: findings that a team accepts as they are, so that only new ones count."""

import json
from collections import Counter
from pathlib import Path

from e2e.audit.model import Finding, Severity
from e2e.errors import UsageError

VERSION = 1


def load_baseline(path: Path) -> Counter[str]:
    """How often each fingerprint is accepted. Raises `UsageError` where the file is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["version"] != VERSION:
            raise ValueError(f"version {content['version']}")
        return Counter({str(entry["fingerprint"]): int(entry["count"]) for entry in content["accepted"]})
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UsageError(
            f"{path} cannot be read as a baseline ({error!r}): write one with --baseline {path} --write-baseline"
        ) from error


def write_baseline(path: Path, findings: list[Finding]) -> int:
    """Accept the errors and warnings among `findings`, and say how many. Raises `UsageError`."""
    accepted = [f for f in findings if f.severity is not Severity.INFO]
    counts = Counter(f.fingerprint for f in accepted)
    entries = [
        {"fingerprint": key, "count": counts[key], "rule": f.rule, "file": f.file, "module": f.module, "name": f.name}
        for key, f in sorted({f.fingerprint: f for f in accepted}.items(), key=lambda item: (item[1].file, item[0]))
    ]
    try:
        path.write_text(json.dumps({"version": VERSION, "accepted": entries}, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror}): name another file") from error
    return len(accepted)


def split(findings: list[Finding], accepted: Counter[str]) -> tuple[list[Finding], list[Finding]]:
    """(new, accepted). The same import twice in a file has one fingerprint, so it is accepted as often as counted."""
    left, new, known = Counter(accepted), [], []
    for finding in findings:
        if left[finding.fingerprint] > 0:
            left[finding.fingerprint] -= 1
            known.append(finding)
        else:
            new.append(finding)
    return new, known
