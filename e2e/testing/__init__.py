"""What the pytest fixtures are made of: whole runs, and single sessions with a target. Nothing here needs pytest."""
