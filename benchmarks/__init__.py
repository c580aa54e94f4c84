"""Benchmarks: what one stream costs, and how many one core carries, side by side with other clients."""
