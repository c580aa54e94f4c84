"""End-to-end audio streaming load tester for Omi's backend and pusher."""

__version__ = "0.1.0"
