"""The backend's HTTP routes and who may use them."""

import pytest

TABLE = [
    ("GET", "/v1/conversations?limit=1", {}, 200),
    ("POST", "/v1/conversations/search", {"json": {"query": "tea"}}, 200),
    ("GET", "/v1/integrations/conversations", {}, 200),
    ("POST", "/v1/integrations/workflow/memories", {"json": {}}, 422),
    ("GET", "/v1/users/store-recording-permission", {}, 200),
    ("GET", "/v1/conversations/unknown", {}, 404),
]


@pytest.mark.parametrize(("method", "path", "options", "status"), TABLE)
def test_the_table_with_and_without_credentials(standin, method, path, options, status):
    assert standin.http(method, path, **options).status_code == status
    assert standin.http(method, path, uid=None, **options).status_code == 401
    wrong = {"Authorization": "Bearer wrong"}
    assert standin.http(method, path, headers=wrong, **options).status_code == 401


def test_health_and_the_schema_are_open(standin):
    assert standin.http("GET", "/v1/health", uid=None).json() == {"status": "ok"}
    paths = standin.http("GET", "/openapi.json", uid=None).json()["paths"]
    assert {path.split("?")[0] for _, path, _, status in TABLE if status != 404} <= set(paths)
    assert standin.http("GET", "/health", uid=None).status_code == 404


def test_a_list_of_conversations_is_a_list(standin):
    assert standin.http("GET", "/v1/conversations?limit=1").json() == []
