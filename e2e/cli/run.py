"""`e2e run SCENARIO`: the run, its live view, its verdict as the last lines, and the exit code."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from e2e.cli.params import MAX_PORT, Whole
from e2e.cli.standin import standin_options, too_many_to_hear
from e2e.errors import UsageError


@click.command(name="run")
@click.argument("scenario")
@click.option("--target", "target_name", metavar="NAME", help="A target of e2e.toml (default: the one it names).")
@click.option("--standin", is_flag=True, help="Start the stand-in and run against it.")
@click.option("--users", type=Whole(), help="Number of devices.")
@click.option("--ramp", metavar="TIME", help="Over which time the users begin, evenly spread (10s).")
@click.option("--rate", metavar="N[/s]", help="New devices a second, for --duration, whatever the others do.")
@click.option(
    "--stage", "stages", multiple=True, metavar="TIME:N", help="Ramp to N devices (2m:500) or rate (2m:50/s)."
)
@click.option("--at-most", type=Whole(), help="Devices at once, for --rate and stages of a rate.  [1000]")
@click.option("--duration", metavar="TIME", help="How long each of the users plays, or how long another load lasts.")
@click.option("--chunks", type=Whole(), help="How many chunks each device plays.")
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
@click.option("--baseline", metavar="RUN", help="Compare with that run, or with `latest-pass` in the --out directory.")
@click.option("--fail-on", type=click.Choice(("regression",)), help="Fail where anything is worse than in --baseline.")
@click.option("--smallest", metavar="SHARE,TIME", help="Latencies that moved less are no regression.  [5%,1ms]")
@click.option("--no-probe", is_flag=True, help="Leave the import probe out of the services that the run starts.")
@click.option(
    "--web",
    type=Whole(0, MAX_PORT, " (a port); without one, write --web behind SCENARIO"),
    is_flag=False,
    flag_value=10222,
    metavar="[PORT]",
    help="Serve the report while the run goes, to browsers on this machine.  [10222; 0: any free port]",
)
@click.option("--quiet", is_flag=True, help="No live view; only the verdict.")
@click.option("--prometheus", metavar="[HOST]:PORT", help="Serve /metrics while the run lasts (:9464 is loopback).")
@click.option(
    "--otel", is_flag=False, flag_value="", metavar="[ENDPOINT]", help="Push figures by OTLP (http://localhost:4318)."
)
@standin_options
def command(scenario: str, target_name: str | None, standin: bool, out: Path, quiet: bool, **given: Any) -> None:
    """Run SCENARIO: a shipped name (see `e2e list`) or the path of a script."""
    said = ("e2e", *sys.argv[1:])
    with requested(scenario, target_name, standin, Path.cwd(), given, said) as (chosen, target, options):
        # Late: a mistake is told before everything is loaded.
        from e2e.cli.live import Watching
        from e2e.cli.session import run_scenario

        watching = Watching(quiet, *(given[name] for name in ("prometheus", "otel", "web")))
        code = run_scenario(chosen, target, options, out, watching)
    sys.exit(int(code))


@contextmanager
def requested(
    scenario: Any,
    target_name: str | None,
    standin: bool,
    directory: Path,
    given: dict[str, Any],
    command: Sequence[str],
) -> Iterator[tuple[Any, Any, Any]]:
    """Scenario, target and options that a command line asks for; the stand-in's data lives as long as the block.

    `scenario` is a name, a path, or a `Scenario`. `directory` holds e2e.toml, `given` are the options by name,
    `command` is what the reports say to repeat it.

    Raises:
        UsageError: something is wrong, or does not fit together; nothing was started.
    """
    from tempfile import TemporaryDirectory

    from e2e.engine.scenario import Scenario, load_scenario

    for_standin = {name: given[name] for name in ("faults", "recogniser", "timers")}
    if standin and target_name:
        raise UsageError("--target and --standin exclude each other")
    if not standin:
        _refuse_standin_options(for_standin)
    chosen = scenario if isinstance(scenario, Scenario) else load_scenario(scenario)
    options = _options(given, command)
    _refuse_ignored(chosen, given, options.settings)
    load, _ = options.applied_to(chosen.load)
    _check_audio(options)

    if not standin:
        from e2e.config import load_target

        yield chosen, load_target(target_name, directory), options
    else:
        from e2e.cli.standin import standin_target

        warning = too_many_to_hear(load.count, given["recogniser"]) if "backend" in chosen.services else None
        if warning:
            click.echo(f"e2e: {warning}", err=True)
        with TemporaryDirectory(prefix="e2e-standin-") as data:
            yield chosen, standin_target(Path(data), seed=options.seed, **for_standin), options


def _options(given: dict[str, Any], command: Sequence[str]) -> Any:
    from e2e.durations import seconds
    from e2e.engine.options import Options, parse_load, parse_pace, parse_smallest

    if given["fail_on"] and given["baseline"] is None:
        raise UsageError("--fail-on regression needs a run to compare with: add --baseline RUN, or latest-pass")
    if given["smallest"] and not given["fail_on"]:
        raise UsageError("--smallest says which regressions fail the run: add --fail-on regression")
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
        baseline=given["baseline"],
        no_regression=parse_smallest(given["smallest"]) if given["fail_on"] else None,
        command=tuple(command),
    )


def _check_audio(options: Any) -> None:
    """Refuse audio that cannot be played before anything is started."""
    if options.audio is not None or options.codec is not None:
        from e2e.audio.library import load_tape

        load_tape(options.audio or "tone", codec=options.codec or "pcm16")


_OF_DEVICES = (
    "users",
    "ramp",
    "rate",
    "stages",
    "at_most",
    "duration",
    "chunks",
    "audio",
    "codec",
    "wait_conversation",
)


def _refuse_ignored(scenario: Any, given: dict[str, Any], settings: Mapping[str, str]) -> None:
    """Refuse options that nothing would come of."""
    ignored = [name for name in _OF_DEVICES if given[name] not in (None, (), False)]
    if ignored and not scenario.load.count:
        names = ", ".join("--stage" if name == "stages" else f"--{name.replace('_', '-')}" for name in ignored)
        raise UsageError(f"{scenario.name} has no devices and streams nothing: leave out {names}")
    for name in ("chunks", "audio", "codec", "duration"):
        for setting in (name, f"listen.{name}"):
            if given[name] is not None and setting in settings:
                raise UsageError(f"--{name} and --set {setting}=... say the same thing: leave out one of them")


def _refuse_standin_options(given: dict[str, Any]) -> None:
    defaults = {"faults": (), "recogniser": "sphinx", "timers": 1.0}
    for name, value in given.items():
        if value != defaults[name]:
            option = "fault" if name == "faults" else name
            raise UsageError(f"--{option} is for the stand-in: add --standin")
