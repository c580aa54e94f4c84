#!/usr/bin/env python3
"""Make `reports/example/` and the output shown in the README from a real run of `e2e run smoke --standin`."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "reports" / "example"
COMMAND = ("e2e", "run", "smoke", "--standin")
MARKED = re.compile(r"(<!-- output of make demo -->\n```text\n).*?(```\n<!-- end -->)", re.S)


def main() -> None:
    output = run_smoke()
    run = (ROOT / "reports" / "latest").resolve()
    leaks = [file.name for file in run.rglob("*") if file.is_file() and mentions_this_machine(file)]
    if leaks:
        sys.exit(f"these files name a path of this machine: {leaks}")
    shutil.rmtree(EXAMPLE, ignore_errors=True)
    shutil.copytree(run, EXAMPLE)
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    readme.write_text(MARKED.sub(lambda m: m[1] + output + m[2], text), encoding="utf-8")
    print(f"wrote {EXAMPLE.relative_to(ROOT)} and the output in README.md")


def run_smoke() -> str:
    """Standard output of a run that passed; ends the program for any other."""
    e2e = Path(sys.executable).with_name("e2e")
    done = subprocess.run([e2e, *COMMAND[1:]], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"the run ended with exit code {done.returncode}; an example must pass:\n{done.stdout}")
    return done.stdout


def mentions_this_machine(file: Path) -> bool:
    text = file.read_text(encoding="utf-8", errors="replace")
    return str(ROOT) in text or str(Path.home()) in text


if __name__ == "__main__":
    main()
