from e2e import Device, Load, expect, scenario


@scenario(
    title="The pusher alone: audio, transcripts, and a conversation to process (104) that is answered (201)",
    load=Load.users(1),
    services=("pusher",),
    expect=[
        expect.services_healthy(),
        expect.connected(),
        expect.all_chunks_sent(),
        expect.conversation_answered(),
        expect.close_code(1000),
        expect.protocol(),
        expect.zero_import_errors(),
    ],
)
async def pusher(device: Device, chunks: int = 100) -> None:
    """What the backend does on its link to the pusher. No conversation is in the store, so 201 may carry an error."""
    conversation = f"e2e-{device.run_id}-{device.index}"
    async with device.pusher() as session:
        session.conversation(conversation)
        await session.play("podcast", chunks=chunks)
        words = {"id": "s1", "text": "hello from the load tester", "speaker": "SPEAKER_00", "speaker_id": 0}
        session.transcript([words | {"is_user": False, "start": 0.0, "end": 2.0}], conversation)
        session.speaker_sample("e2e-person", conversation, ["s1"])
        await session.process_conversation(conversation)
