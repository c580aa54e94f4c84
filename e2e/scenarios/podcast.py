from e2e import Device, Drain, Load, expect, scenario, steps


@scenario(
    title="Five minutes of podcast, 3000 chunks, through backend and pusher: the whole proof",
    load=Load.users(1),
    before=(steps.endpoint_table, steps.refused_auth, steps.pusher_probe),
    drain=Drain.handlers_ended(),
    expect=expect.whole_pipeline(),
)
async def podcast(device: Device, chunks: int = 3000) -> None:
    """The proof that a change keeps the pipeline whole, at the pace of a real device."""
    async with device.listen() as session:
        await session.ready()
        await session.play("podcast", chunks=chunks)
        await session.settle()
    await device.conversation(session)
