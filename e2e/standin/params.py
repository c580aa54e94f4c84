"""The query of `/v4/listen` as the services of 2026-03 read it: what they do not know falls back, silently."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Query

from e2e.protocol.listen import LEAST_TIMEOUT, NEVER_TIMEOUT

_LANGUAGE_CODES = (
    "multi en en-US en-GB en-AU en-IN en-NZ bg ca cs da de de-CH el es es-419 et fi fr fr-CA hi hu id it ja ko ko-KR "
    "lt lv ms nl nl-BE no pl pt pt-BR pt-PT ro ru sk sv sv-SE th th-TH tr uk vi zh zh-CN zh-Hans zh-Hant zh-TW ta te "
    "ar fa he ur bn"
)
_CODECS = frozenset(("pcm8", "pcm16", "linear16", "opus", "opus_fs320", "aac", "lc3", "lc3_fs1030"))
_SOURCE_NAMES = (
    "omi phone phone_call desktop openglass friend friend_com xor_omi omi_glass apple_watch bee plaud frame "
    "limitless fieldy workflow sdcard screenpipe"
)
_LANGUAGES, _SOURCES = frozenset(_LANGUAGE_CODES.split()), frozenset(_SOURCE_NAMES.split())


@dataclass(frozen=True, slots=True)
class ListenQuery:
    """What one session asks for, after fall-backs. `conversation_timeout` is nominal seconds, at least 120."""

    language: str
    sample_rate: int
    codec: str
    include_speech_profile: bool
    conversation_timeout: int
    source: str
    custom_stt: bool


def listen_query(
    language: str = "en",
    sample_rate: int = 8000,
    codec: str = "pcm8",
    channels: int = 1,
    include_speech_profile: bool = True,
    conversation_timeout: int = 120,
    source: str | None = None,
    custom_stt: str = "disabled",
    onboarding: str = "disabled",
    speaker_auto_assign: str = "disabled",
    vad_gate: str = "",
    stt_service: str | None = None,
    uid: Annotated[str | None, Query(description="ignored in favour of the token")] = None,
) -> ListenQuery:
    language = "multi" if language == "auto" else language
    timeout = NEVER_TIMEOUT if conversation_timeout == -1 else max(LEAST_TIMEOUT, conversation_timeout)
    return ListenQuery(
        language=language if language in _LANGUAGES else "en",
        sample_rate=sample_rate,
        codec=codec if codec in _CODECS else "pcm16",
        include_speech_profile=include_speech_profile,
        conversation_timeout=timeout,
        source=source if source in _SOURCES else "omi",
        custom_stt=custom_stt == "enabled",
    )


Listen = Annotated[ListenQuery, Depends(listen_query)]
