"""Files in, chunks out: read, resample, encode, and the bundled speech.

Import from the modules: `e2e.audio.library.load_tape`, `e2e.audio.tape.Tape`, `e2e.audio.codec`. Nothing is
re-exported here, so that `e2e.audio.codec` can be imported with numpy alone, and by code that must not be able to
read reference texts.
"""
