"""The static audit of a source tree's imports: which of them cannot work, said without running any of its code."""
