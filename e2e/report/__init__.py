"""Reports of a run: Markdown, HTML, JUnit, JSON, and the last lines of the terminal. All only read the journal."""
