"""`python -m e2e.cli`, as `e2e`: for who has an interpreter at hand and no script on the path."""

from e2e.cli import main

main()
