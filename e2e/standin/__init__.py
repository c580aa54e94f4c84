"""The embedded target: a faithful small Omi, two processes on loopback, made for demos, tests and load.

It hears nothing but the audio that arrives on its socket: no reference text can be reached from here.
"""
