"""What the whole suite shares."""

from hypothesis import settings

# How long an example takes depends on what else the machine does; what it shows does not.
settings.register_profile("e2e", deadline=None)
settings.load_profile("e2e")
