"""One half of the planted circular import (`import=circular`): nothing else imports it."""

from e2e.standin.circle_back import Overview

Structured = dict[str, Overview]
