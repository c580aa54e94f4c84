from e2e import Device, Drain, Load, expect, scenario, steps


@scenario(
    title="Both services up, endpoints, refused auth, pusher alone, and 15 seconds of speech through the pipeline",
    load=Load.users(1),
    before=(steps.endpoint_table, steps.refused_auth, steps.pusher_probe),
    drain=Drain.disconnected(),
    expect=expect.whole_pipeline(),
)
async def smoke(device: Device, chunks: int = 150) -> None:
    """The quick proof for a laptop: under 40 seconds."""
    async with device.listen() as session:
        await session.ready()
        await session.play("podcast", chunks=chunks)
        await session.settle()
    await device.conversation(session)
