"""`e2e run SCENARIO`: the run, its live view, its verdict as the last lines, and the exit code."""

import sys
from pathlib import Path
from typing import Any

import click

from e2e.cli.standin import standin_options
from e2e.errors import UsageError


class _Port(click.ParamType):
    name = "port"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if str(value).isascii() and str(value).isdecimal() and int(value) <= 65535:
            return int(value)
        self.fail(f"{value!r} is no port (0 to 65535); without one, write it behind SCENARIO", param, ctx)


@click.command(name="run")
@click.argument("scenario")
@click.option("--target", "target_name", metavar="NAME", help="A target of e2e.toml (default: the one it names).")
@click.option("--standin", is_flag=True, help="Start the stand-in and run against it.")
@click.option("--users", type=click.IntRange(1), help="Number of devices.")
@click.option("--ramp", metavar="TIME", help="Over which time the users begin, evenly spread (10s).")
@click.option("--rate", metavar="N[/s]", help="New devices a second, for --duration, whatever the others do.")
@click.option(
    "--stage", "stages", multiple=True, metavar="TIME:N", help="Ramp to N devices (2m:500) or rate (2m:50/s)."
)
@click.option("--at-most", type=click.IntRange(1), help="Devices at once, for --rate and stages of a rate.  [1000]")
@click.option("--duration", metavar="TIME", help="How long each of the users plays, or how long another load lasts.")
@click.option("--chunks", type=click.IntRange(1), help="How many chunks each device plays.")
@click.option("--audio", metavar="FILE", help="A bundled tape or an audio file; FILE.txt beside it is its text.")
@click.option("--codec", metavar="C", help="Codec of the audio (pcm8, pcm16, linear16).")
@click.option("--pace", default="realtime", show_default=True, help="realtime, a factor such as 20x, or max.")
@click.option(
    "--phase", type=click.Choice(("spread", "aligned")), default="spread", show_default=True, help="When streams send."
)
@click.option(
    "--mask", type=click.Choice(("shared", "per-send")), default="shared", show_default=True, help="Masks of frames."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Decides all that is random.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path("reports"), show_default=True)
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A parameter of the scenario, or listen.X.")
@click.option(
    "--wait-conversation", is_flag=True, help="Stay after the stream until each conversation was processed (2 min)."
)
@click.option("--no-probe", is_flag=True, help="Leave the import probe out of the services that the run starts.")
@click.option(
    "--web",
    type=_Port(),
    is_flag=False,
    flag_value=10222,
    metavar="[PORT]",
    help="Serve the report while the run goes, to browsers on this machine.  [10222; 0: any free port]",
)
@click.option("--quiet", is_flag=True, help="No live view; only the verdict.")
@standin_options
def command(scenario: str, target_name: str | None, standin: bool, out: Path, quiet: bool, **given: Any) -> None:
    """Run SCENARIO: a shipped name (see `e2e list`) or the path of a script."""
    from tempfile import TemporaryDirectory

    from e2e.engine.scenario import load_scenario

    for_standin = {name: given[name] for name in ("faults", "recogniser", "timers")}
    if standin and target_name:
        raise UsageError("--target and --standin exclude each other")
    if not standin:
        _refuse_standin_options(for_standin)
    chosen = load_scenario(scenario)
    options = _options(scenario, given)
    options.applied_to(chosen.load)
    _check_audio(options)

    from e2e.cli.session import run_scenario  # late: a mistake is told before everything is loaded

    web = _listen(given["web"])
    if not standin:
        from e2e.config import load_target

        target = load_target(target_name, Path.cwd())
        code = run_scenario(chosen, target, options, out, quiet, web)
    else:
        from e2e.cli.standin import standin_target

        with TemporaryDirectory(prefix="e2e-standin-") as directory:
            target = standin_target(Path(directory), seed=options.seed, **for_standin)
            code = run_scenario(chosen, target, options, out, quiet, web)
    sys.exit(int(code))


def _listen(port: int | None) -> Any:
    """Where `--web` serves, before anything is started."""
    if port is None:
        return None
    from e2e.cli.web import listen

    return listen(port)


def _options(scenario: str, given: dict[str, Any]) -> Any:
    from e2e.durations import seconds
    from e2e.engine.options import Options, parse_load, parse_pace

    settings = {}
    for setting in given["settings"]:
        key, equals, value = setting.partition("=")
        if not equals or not key:
            raise UsageError(f"--set {setting}: write it as KEY=VALUE")
        settings[key] = value
    duration = seconds(given["duration"]) if given["duration"] is not None else None
    load = parse_load(*(given[name] for name in ("users", "ramp", "rate", "stages", "at_most")), duration)
    return Options(
        load=load,
        users=given["users"],
        ramp=seconds(given["ramp"]) if given["ramp"] is not None else None,
        duration=duration,
        chunks=given["chunks"],
        audio=given["audio"],
        codec=given["codec"],
        speed=parse_pace(given["pace"]),
        aligned=given["phase"] == "aligned",
        mask_per_send=given["mask"] == "per-send",
        seed=given["seed"],
        probe=not given["no_probe"],
        wait_conversation=given["wait_conversation"],
        settings=settings,
        command=("e2e", *sys.argv[1:]),
    )


def _check_audio(options: Any) -> None:
    """Refuse audio that cannot be played before anything is started."""
    if options.audio is not None or options.codec is not None:
        from e2e.audio.library import load_tape

        load_tape(options.audio or "tone", codec=options.codec or "pcm16")


def _refuse_standin_options(given: dict[str, Any]) -> None:
    defaults = {"faults": (), "recogniser": "sphinx", "timers": 1.0}
    for name, value in given.items():
        if value != defaults[name]:
            option = "fault" if name == "faults" else name
            raise UsageError(f"--{option} is for the stand-in: add --standin")
