"""What a session means beyond its audio: whose conversation it is, how long it lasts, and what a device may say."""

import asyncio

from e2e import Device, Load, expect, scenario, steps

WHOLE = (
    expect.services_healthy(),
    expect.connected(),
    expect.ready(),
    expect.no_session_failed(),
    expect.close_code(1000),
    expect.zero_import_errors(),
)
STREAMED = (*WHOLE, expect.all_chunks_sent())
"""What each of these scenarios expects beside what it is about, and those with audio."""


@scenario(
    title="Two devices of one user at once: both are heard, in one conversation",
    load=Load.users(1),
    expect=[*STREAMED, expect.transcripts_received(), expect.conversation_resumed(), expect.conversation_stored()],
)
async def two_devices(device: Device, chunks: int = 100) -> None:
    """A necklace and a phone of the same user. The second one joins the conversation of the first."""
    async with device.listen(source="omi") as necklace:
        await necklace.ready()
        async with device.listen(source="phone") as phone:
            await phone.ready()
            await asyncio.gather(necklace.play("podcast", chunks=chunks), phone.play("speech", chunks=chunks))
            await asyncio.gather(necklace.settle(), phone.settle())
    for session in (necklace, phone):
        await device.conversation(session)


@scenario(
    title="A device that loses its network and comes back goes on in the same conversation",
    load=Load.users(1),
    expect=[
        expect.services_healthy(),
        expect.connected(),
        expect.ready(),
        expect.all_chunks_sent(),
        expect.transcripts_received(),
        expect.conversation_resumed(),
        expect.conversation_stored(),
        expect.zero_import_errors(),
    ],
)
async def resume(device: Device, chunks: int = 60) -> None:
    """The first connection is cut without a close, the second opens within the conversation timeout."""
    async with device.listen() as lost:
        await lost.ready()
        await lost.play("podcast", chunks=chunks)
        await lost.settle()
        lost.abort()
    async with device.listen() as session:
        await session.ready()
        await session.play("podcast", chunks=chunks)
        await session.settle()
    for one in (lost, session):
        await device.conversation(one)


@scenario(
    title="A session that outlives the conversation timeout: the conversation is processed, a new one begins",
    load=Load.users(1),
    expect=[
        *STREAMED,
        expect.transcripts_received(),
        expect.conversation_completed(),
        expect.lifecycle("conversation_timeout", "process_requested", "conversation_processed"),
        expect.conversation_stored(),
    ],
)
async def outlive(device: Device, chunks: int = 60) -> None:
    """Speech, silence beyond the timeout (two minutes against real services), then speech again in one session."""
    async with device.listen() as session:
        await session.ready()
        await session.play("podcast", chunks=chunks)
        await session.settle()
        first = await session.processed()
        await session.play("podcast", chunks=chunks)
        await session.settle()
    if first is not None:
        await device.conversation(session, first)
    after = (await device.conversation(session))["conversation"]
    device.check("a_new_conversation", first is not None and after != first, f"first {first}, then {after}")


@scenario(
    title="The device hears by itself (custom_stt=enabled): suggested transcripts are taken and stored",
    load=Load.users(1),
    expect=[*STREAMED, expect.conversation_stored()],
)
async def custom_stt(device: Device, chunks: int = 20) -> None:
    """Only known users may do this, so that the user is made known first."""
    async with device.listen() as session:
        await session.ready()
    said = [
        {"text": "what the phone has heard by itself", "start": 0.0, "end": 1.2, "speaker": "SPEAKER_00"},
        {"text": "is taken as it is", "start": 1.3, "end": 2.0, "speaker": "SPEAKER_01"},
    ]
    async with device.listen(custom_stt="enabled") as session:
        await session.ready()
        await session.play("podcast", chunks=chunks)
        ids = session.suggest(said)
        await session.until(lambda: session.segments.keys() >= set(ids), 10)
    device.check("suggestions_taken", session.transcript == " ".join(s["text"] for s in said), session.transcript)
    await device.conversation(session)


@scenario(
    title="The user says who speaks (speaker_assigned): it is stored, and the pusher gets a sample (105)",
    load=Load.users(1),
    expect=[
        *STREAMED,
        expect.transcripts_received(),
        expect.lifecycle("speaker_sample_queued"),
        expect.conversation_stored(),
    ],
)
async def speaker(device: Device, chunks: int = 60) -> None:
    """All segments of the session are given to one person."""
    person = f"e2e-person-{device.run_id}"
    async with device.listen() as session:
        await session.ready()
        await session.play("podcast", chunks=chunks)
        await session.settle()
        named = list(session.segments)
        session.assign_speaker(named, person, name="Ada")
        await session.settle(quiet=1)
    found = await device.conversation(session)
    stored = [item["id"] for item in found.get("transcript", []) if item["person_id"] == person]
    detail = f"{len(stored)} of {len(named)} segments are stored as said by {person}"
    device.check("speaker_stored", bool(named) and set(named) <= set(stored), detail)


@scenario(
    title="Photos in pieces (image_chunk): processed, described, and kept in the conversation",
    load=Load.users(1),
    expect=[*WHOLE, expect.photos_described()],
)
async def photos(device: Device, count: int = 2) -> None:
    """Small pictures, as an open glass sends them; the pieces are far smaller than a real device's."""
    async with device.listen(source="openglass") as session:
        await session.ready()
        for photo_id in [session.send_photo(chunk_chars=100) for _ in range(count)]:
            await session.photo_described(photo_id)
    found = await device.conversation(session)
    device.check("photos_kept", found.get("photos") == count, f"{found.get('photos')} of {count} in the conversation")


@scenario(
    title="A browser: the first message on /v4/web/listen is the token; none and a wrong one are closed with 1008",
    load=Load.users(1),
    before=(steps.refused_web_auth,),
    expect=[*STREAMED, expect.auth_refused(), expect.transcripts_received(), expect.conversation_stored()],
)
async def web(device: Device, chunks: int = 60) -> None:
    """The refusals come first; then a session that is heard as any other."""
    async with device.listen(web=True) as session:
        await session.ready()
        await session.play("podcast", chunks=chunks)
        await session.settle()
    await device.conversation(session)


@scenario(
    title="Developer webhooks: transcript and audio arrive at the far end, once, whole and in time",
    load=Load.users(1),
    expect=[*STREAMED, expect.transcripts_received(), expect.webhooks_delivered(), expect.conversation_stored()],
)
async def webhooks(device: Device, chunks: int = 100, patience: float = 20.0) -> None:
    """The pusher posts to a receiver within the run, which it must reach; `patience` is in seconds."""
    async with device.webhook("realtime_transcript", "audio_bytes", audio_seconds=1.0) as hook:
        async with device.listen() as session:
            await session.ready()
            await session.play("podcast", chunks=chunks)
            await session.settle()
        await hook.settle(session, at_most=patience)
    await device.conversation(session)
