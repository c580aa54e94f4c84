"""The record of a run: redaction, journal, histograms, run directory. Everything after a run only reads it."""
