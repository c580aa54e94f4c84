"""What a journal proves: facts folded from its records, checks over the facts, and the verdict. No clock, no I/O."""
