from e2e import Device, Load, expect, scenario, steps


@scenario(
    title="The HTTP endpoint table of the backend, and refused auth; no audio",
    load=Load.none(),
    services=("backend",),
    before=(steps.endpoint_table, steps.refused_auth, steps.accepted_auth),
    expect=[
        expect.services_healthy(),
        expect.routes_counted(),
        expect.endpoints_as_expected(),
        expect.auth_refused(),
        expect.zero_import_errors(),
    ],
)
async def endpoints(device: Device) -> None:
    """All is done once, before the load; there is none."""
