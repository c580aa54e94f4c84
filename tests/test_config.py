"""`e2e.toml`: what it says, what it may not say, and that every mistake is named."""

import re
from importlib.resources import files

import pytest

from e2e.cli.standin import standin_target
from e2e.clients.http import DEFAULT_ENDPOINTS, Endpoint
from e2e.config import default_credentials, load_target
from e2e.engine.webhook import WebhookSpec
from e2e.errors import ConfigError, ExitCode
from e2e.observe.spec import LogSpec
from e2e.protocol.auth import DEV_UID

PROFILES = ("2026-03", "current", "auto")

MINIMAL = """
[targets.local.backend]
url = "http://127.0.0.1:10220"
"""

FULL = """
default = "local"

[targets.local]
hosts = ["omi.example.com"]

[targets.local.auth]
scheme = "admin"
secret_env = "OMI_KEY"
uid_env = "OMI_UID"
uid = "qa"

[targets.local.backend]
url = "https://omi.example.com/"
health = "/v1/health"
boot_timeout = 5
log = { command = ["kubectl", "logs", "-f", "deployment/backend"] }

[targets.local.pusher]
url = "http://localhost:10221"
command = ["uvicorn", "pusher.main:app"]
cwd = "services"
env = { A = "1" }

[targets.local.listen]
language = "fr"
sample_rate = 16000

[targets.local.webhook]
host = "0.0.0.0"
port = 8090
url = "https://receiver.example.org"

[targets.local.thresholds]
connect_timeout = 1.5
ready_timeout = 2
connects_per_second = 7

[[targets.local.endpoints]]
method = "post"
path = "/v1/x"
expected = [200, 404]
exercises = "models"
body = { query = "test" }
headers = { X-A = "b" }
auth = false

[targets.other.pusher]
url = "ws://[::1]:10221"
log = { file = "pusher.log" }
"""


@pytest.fixture
def config(tmp_path):
    def load(text: str, name: str | None = None, environ=None, file: str = "e2e.toml"):
        (tmp_path / file).write_text(text, encoding="utf-8")
        return load_target(name, tmp_path, environ if environ is not None else {"OMI_KEY": "key-"})

    return load


def test_imports_that_a_run_looks_after(config):
    text = '[targets.local.imports]\nwatch = ["models.*", "utils.x"]\noptional = ["*.trial"]\nrequired = ["redis"]\n'
    spec = config(MINIMAL + text, environ={}).backend.imports
    assert (spec.watch, spec.optional, spec.required) == (("models.*", "utils.x"), ("*.trial",), ("redis",))
    for wrong in ("models/place.py", "*.place", "models.*.x", "a, b", ""):
        with pytest.raises(ConfigError, match=r"imports\.watch: .* names no module; write a module such as"):
            config(MINIMAL + f'[targets.local.imports]\nwatch = ["{wrong}"]\n', environ={})


def test_the_tree_that_is_audited(config, tmp_path):
    services = MINIMAL.replace("[targets.local.backend]\n", '[targets.local.backend]\ncwd = "backend"\n')
    table = services + "[targets.local.imports]\n"
    (tmp_path / "src").mkdir(exist_ok=True)
    (tmp_path / "accepted.json").touch()
    spec = config(table, environ={}).backend.imports
    assert (spec.audit, spec.root, spec.baseline) == (None, None, None)
    spec = config(table + "audit = true\n", environ={}).backend.imports
    assert spec.audit == spec.root == tmp_path / "backend"
    spec = config(table + 'audit = "src"\nbaseline = "accepted.json"\n', environ={}).backend.imports
    assert spec.audit == spec.root == tmp_path / "src" and spec.baseline == tmp_path / "accepted.json"
    for wrong, says in (
        ('audit = "nowhere"', "no directory"),
        ('audit = true\nbaseline = "gone"', "there is no file"),
        ('baseline = "accepted.json"', "add audit = true"),
        ("audit = 1", "audit"),
    ):
        with pytest.raises(ConfigError, match=says):
            config(table + wrong + "\n", environ={})


def test_the_example_of_watched_imports_in_the_template_can_be_taken_as_it_is(config):
    template = files("e2e.cli").joinpath("template.toml").read_text(encoding="utf-8")
    example = re.search(r"^# \[targets\.local\.imports\]\n(?:# .*\n)+", template, re.MULTILINE)[0]
    text = template.replace(example, re.sub(r"^# ", "", example, flags=re.MULTILINE))
    watch = config(text, environ={"ADMIN_KEY": "k-1234"}).backend.imports.watch
    assert len(watch) == 7 and "models.conversation_enums" in watch and "models.conversation_summary" in watch


@pytest.mark.parametrize(
    "line", ["port = -1", "port = 65536", 'url = "ftp://x"', 'url = "https://x y"', 'url = "https://x/a,5"', "hots = 1"]
)
def test_where_webhooks_are_received_must_make_sense(config, line):
    assert config(MINIMAL, environ={}).webhook == WebhookSpec()
    with pytest.raises(ConfigError, match="webhook"):
        config(MINIMAL + f"[targets.local.webhook]\n{line}\n", environ={})


def test_a_url_is_all_that_a_target_needs(config):
    target = config(MINIMAL, environ={})
    assert (target.name, target.backend.url, target.pusher) == ("local", "http://127.0.0.1:10220", None)
    assert target.backend.command is None and target.backend.log == LogSpec("none")
    assert target.credentials is None and target.endpoints == DEFAULT_ENDPOINTS
    assert target.timers is None  # not a stand-in


def test_everything_that_can_be_said(config, tmp_path):
    target = config(FULL, environ={"OMI_KEY": "key-", "OMI_UID": "nightly"})
    assert target.webhook == WebhookSpec("0.0.0.0", 8090, "https://receiver.example.org")
    backend, pusher = target.backend, target.pusher
    assert (backend.url, backend.health, backend.boot_timeout) == ("https://omi.example.com", "/v1/health", 5.0)
    assert backend.log == LogSpec("command", command=("kubectl", "logs", "-f", "deployment/backend"))
    assert (pusher.command, pusher.cwd, pusher.env) == (
        ("uvicorn", "pusher.main:app"),
        tmp_path / "services",
        {"A": "1"},
    )
    assert pusher.log == LogSpec("process")
    credentials = target.credentials
    assert (credentials.scheme, credentials.secret, credentials.uid) == ("admin", "key-", "nightly")
    assert target.listen == {"language": "fr", "sample_rate": 16000}
    assert (target.connect_timeout, target.ready_timeout, target.connect_rate) == (1.5, 2.0, 7.0)
    assert target.endpoints == (
        Endpoint("POST", "/v1/x", (200, 404), "models", {"query": "test"}, {"X-A": "b"}, auth=False),
    )
    assert target.allowed_hosts == {"omi.example.com"}


def test_the_default_target_and_another_one(config, tmp_path):
    assert config(FULL).name == "local"
    other = config(FULL, "other")
    assert other.pusher.log == LogSpec("file", path=tmp_path / "pusher.log") and other.backend is None


def test_the_only_target_is_the_default(config):
    assert config(MINIMAL.replace("local", "lonely"), environ={}).name == "lonely"


def test_pyproject_serves_when_there_is_no_e2e_toml(config, tmp_path):
    text = FULL.replace("[targets.", "[tool.e2e.targets.").replace('default = "local"', '[tool.e2e]\ndefault = "other"')
    text = text.replace("[[targets.", "[[tool.e2e.targets.")
    assert config(text, file="pyproject.toml").name == "other"
    assert config(MINIMAL.replace("local", "nearer"), environ={}).name == "nearer"


def test_a_pyproject_of_someone_else_is_no_configuration(config):
    with pytest.raises(ConfigError, match=r"no e2e\.toml in .*e2e init.*--standin"):
        config("[tool.ruff]\nline-length = 100", file="pyproject.toml")


def test_two_targets_without_a_default_need_a_choice(config):
    with pytest.raises(ConfigError, match=r"names 2 targets and no default.*--target NAME"):
        config(FULL.replace('default = "local"', ""))


BASE = '[targets.local]\nbackend = { url = "http://127.0.0.1:1" }\n'


@pytest.mark.parametrize(
    ("text", "name", "says"),
    (
        (FULL, "locl", "no target 'locl'; did you mean 'local'? It has: local, other"),
        (FULL, "zzz", "no target 'zzz'. It has: local, other"),
        ("", "local", "no target 'local'. It has: none"),
        ('[targets.local]\nhosts = ["a"]', None, "neither a backend nor a pusher"),
        (BASE + 'colour = "red"', None, ", target 'local': unknown key 'colour'. It may have: backend, pusher, auth"),
        (MINIMAL + 'colour = "red"', None, ", target 'local': backend: unknown key 'colour'. It may have: url, comm"),
        (MINIMAL + 'comand = ["x"]', None, "backend: unknown key 'comand'; did you mean 'command'? It may have: url"),
        ('colour = "red"\n' + BASE, None, "e2e.toml: unknown key 'colour'. It may have: default, targets"),
        (BASE + 'auth = { token = "x" }', None, "auth: unknown key 'token'. It may have: scheme, secret_env, uid_e"),
        (BASE + "thresholds = { ready = 1 }", None, "thresholds: unknown key 'ready'"),
        (BASE + 'endpoints = [{ path = "/a", statuses = [200] }]', None, "endpoints[0]: unknown key 'statuses'. It "),
        (MINIMAL + "log = { files = 1 }", None, "backend.log: unknown key 'files'; did you mean 'file'? It may have"),
        (MINIMAL + "boot_timeout = true", None, "target 'local': backend.boot_timeout: Expected `float`"),
        (BASE + 'auth = { scheme = "basic" }', None, "basic"),
        (BASE + 'auth = { secret_env = "NOT_THERE" }', None, "environment variable NOT_THERE is not set"),
        (BASE + 'auth = { scheme = "admin" }', None, "ADMIN_KEY"),
        (BASE + 'auth = { scheme = "bearer" }', None, "E2E_TOKEN"),
        (BASE.replace("http://", "http://user:pw@"), None, "backend.url: credentials inside a URL are refused"),
        (BASE.replace("127.0.0.1:1", "prod.omi.me"), None, 'hosts = ["prod.omi.me"]'),
        (BASE.replace("127.0.0.1", "10.0.0.1"), None, "10.0.0.1 is not loopback"),
        (BASE.replace("127.0.0.1", "localhost.evil.example"), None, "is not loopback"),
        (BASE.replace("http://127.0.0.1:1", "127.0.0.1:1"), None, "not a URL of a service"),
        (BASE.replace("http:", "ftp:"), None, "not a URL of a service"),
        (BASE.replace(":1", ":99999"), None, "not a URL"),
        (BASE.replace("http://127.0.0.1:1", ""), None, "not a URL of a service"),
        (MINIMAL + "command = []", None, "backend.command is an empty list"),
        (MINIMAL + "log = { command = [] }", None, "backend.log.command is an empty list"),
        (MINIMAL + 'command = "uvicorn main:app"', None, "command"),
        (MINIMAL + 'log = { file = "a", command = ["b"] }', None, "both a file and a command"),
        (MINIMAL + 'log = { path = "a" }', None, "path"),
        (BASE + 'listen = { codek = "pcm16" }', None, "codek"),
        (BASE + 'listen = { codec = "mp3" }', None, "mp3"),
        (BASE + 'listen = { sample_rate = "abc" }', None, "sample_rate"),
        (BASE + 'endpoints = [{ path = "http://evil.example/" }]', None, "must begin with /"),
        ("targets = 3", None, "targets"),
        ("[targets.local", None, "e2e.toml: "),
        ("a = 1\na = 2", None, "e2e.toml: "),
    ),
)
def test_every_mistake_is_one_error_that_names_it(config, text, name, says):
    with pytest.raises(ConfigError) as error:
        config(text, name, {})
    assert says in str(error.value) and "e2e.toml" in str(error.value)
    assert error.value.exit_code == ExitCode.USAGE


def test_a_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "e2e.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"e2e\.toml"):
        load_target(None, tmp_path, {})


def test_a_secret_never_stands_in_an_error_or_a_repr(config):
    target = config(FULL, environ={"OMI_KEY": "sesame-street"})
    assert "sesame-street" not in repr(target)
    with pytest.raises(ConfigError) as error:
        config(BASE.replace("http://", "http://user:sesame-street@"))
    assert "sesame-street" not in str(error.value)


@pytest.mark.parametrize(
    ("auth", "environ", "expected"),
    (
        ("", {}, None),
        ("", {"E2E_TOKEN": "t"}, ("bearer", "t", "e2e-test")),
        ("", {"ADMIN_KEY": "k"}, ("admin", "k", "e2e-test")),
        ("", {"ADMIN_KEY": "k", "E2E_UID": "qa"}, ("admin", "k", "qa")),
        ("", {"ADMIN_KEY": "k", "E2E_TOKEN": "t"}, ("bearer", "t", "e2e-test")),
        ("", {"ADMIN_KEY": ""}, None),
        ('scheme = "admin"', {"ADMIN_KEY": "k", "E2E_TOKEN": "t"}, ("admin", "k", "e2e-test")),
        ('scheme = "bearer"', {"ADMIN_KEY": "k", "E2E_TOKEN": "t"}, ("bearer", "t", "e2e-test")),
        ('scheme = "dev"', {"ADMIN_KEY": "k"}, ("dev", "dev", DEV_UID)),
        ('secret_env = "S"', {"S": "s"}, ("bearer", "s", "e2e-test")),
        ('scheme = "admin", secret_env = "S"', {"S": "s"}, ("admin", "s", "e2e-test")),
        ('scheme = "admin", secret_env = "S", uid = "fix"', {"S": "s"}, ("admin", "s", "fix")),
        ('scheme = "admin", secret_env = "S", uid_env = "U", uid = "fix"', {"S": "s", "U": "u"}, ("admin", "s", "u")),
    ),
)
def test_credentials_come_from_the_environment(config, auth, environ, expected):
    found = config(BASE + (f"auth = {{ {auth} }}" if auth else ""), environ=environ).credentials
    assert (found and (found.scheme, found.secret, found.uid)) == expected
    if not auth:
        assert default_credentials(environ) == found


def test_the_template_is_a_target_that_fits_the_mission(config, tmp_path):
    template = files("e2e.cli").joinpath("template.toml").read_text(encoding="utf-8")
    target = config(template, environ={"ADMIN_KEY": "key-"})
    assert (target.name, target.credentials.scheme, target.credentials.uid) == ("local", "admin", "e2e-test")
    assert (target.backend.url, target.pusher.url) == ("http://127.0.0.1:10220", "http://127.0.0.1:10221")
    assert target.backend.command == ("uvicorn", "main:app", "--port", "10220")
    assert target.pusher.command == ("uvicorn", "pusher.main:app", "--port", "10221")
    assert target.backend.env == {"HOSTED_PUSHER_API_URL": target.pusher.url}
    assert (target.backend.health, target.pusher.health) == ("/v1/health", "/health")
    assert target.backend.cwd == tmp_path / "backend"

    def asked(table):
        return [(row.method, row.path, row.expected, row.body, row.auth) for row in table]

    assert asked(target.endpoints) == asked(DEFAULT_ENDPOINTS)


def test_the_services_that_a_scenario_needs_pusher_first(config):
    target = config(FULL)
    assert [spec.name for spec in target.services(("backend", "pusher"))] == ["pusher", "backend"]
    assert [spec.name for spec in target.services(("backend",))] == ["backend"]
    with pytest.raises(ConfigError, match=r"target 'local' has no pusher: add \[targets\.local\.pusher\]"):
        config(MINIMAL, environ={}).services(("backend", "pusher"))


def test_the_stand_in_is_a_target_like_any_other(tmp_path, monkeypatch):
    monkeypatch.delenv("E2E_TOKEN", raising=False)
    monkeypatch.setenv("ADMIN_KEY", "sesame-street")
    target = standin_target(tmp_path, recogniser="vad", timers=0.5, faults=("pusher=silent",))
    assert (target.name, target.timers, target.credentials.secret) == ("standin", 0.5, "sesame-street")
    assert target.backend.env["ADMIN_KEY"] == "sesame-street"
    assert target.details == {"recogniser": "vad", "faults": ["pusher=silent"]}
    assert "sesame-street" not in str(target.journalled())
    monkeypatch.delenv("ADMIN_KEY")
    made_up = {standin_target(tmp_path).credentials.secret for _ in range(2)}
    assert len(made_up) == 2


@pytest.mark.parametrize("profile", PROFILES)
def test_the_profile_of_the_protocol_is_journalled(tmp_path, profile):
    (tmp_path / "e2e.toml").write_text(f'[targets.local]\nprofile = "{profile}"\n{MINIMAL}')
    assert load_target(None, tmp_path, {}).journalled()["profile"] == profile


def test_a_target_without_a_profile_finds_it_out_and_an_unknown_one_is_refused(tmp_path):
    (tmp_path / "e2e.toml").write_text(MINIMAL)
    assert load_target(None, tmp_path, {}).profile == "auto"
    (tmp_path / "e2e.toml").write_text(f'[targets.local]\nprofile = "2025"\n{MINIMAL}')
    with pytest.raises(ConfigError, match="target 'local': profile: Invalid enum value '2025'"):
        load_target(None, tmp_path, {})
