"""The scenarios that ship. They use nothing but the public API, as a script of your own would."""
