"""A run as it goes: the live screen and its keys, plain lines, Prometheus and OpenTelemetry.

Each reads the one `e2e.verdict.live.LiveFigures` and nothing else.
"""
