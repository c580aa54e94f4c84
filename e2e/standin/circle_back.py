"""The other half: it needs a name that the first half has not defined yet."""

from e2e.standin.circle import Structured

Overview = str | Structured
