"""Fifty devices for four hours, each of which comes and goes: what a night should show."""

from e2e import Device, Load, expect, scenario


@scenario(
    title="A night of fifty devices",
    load=Load.soak(50, "4h", churn="10m", ramp="2m"),
    expect=[
        expect.services_healthy(),
        expect.no_session_failed(),
        expect.all_chunks_sent(),
        expect.zero_import_errors(),
        expect.p95("first_segment", below="5s"),
    ],
)
async def soak(device: Device):
    async with device.listen() as session:
        await session.ready()
        await session.play("podcast")
        await session.settle()
