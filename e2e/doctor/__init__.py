"""What this machine and a target can do, found out before a run: each finding says what to do about it."""
