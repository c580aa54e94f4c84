from e2e.protocol.auth import Credentials, wrong_credentials


def test_each_scheme_sends_what_the_service_expects():
    assert Credentials("bearer", "tok", "u").headers("u") == {"Authorization": "Bearer tok"}
    assert Credentials("admin", "KEY", "u").headers("u-7") == {"Authorization": "Bearer KEYu-7"}
    assert Credentials("dev", "dev", "123").headers("123") == {"Authorization": "Bearer dev"}
    assert wrong_credentials()["Authorization"].startswith("Bearer ")


def test_only_the_admin_key_can_be_many_users():
    assert [Credentials("admin", "K", "u").device_uid(n, 3) for n in range(3)] == ["u-1", "u-2", "u-3"]
    assert Credentials("admin", "K", "u").device_uid(0, 1) == "u"
    assert Credentials("bearer", "t", "u").device_uid(5, 10) == "u"


def test_the_secret_is_not_in_the_repr():
    assert "hunter2" not in repr(Credentials("admin", "hunter2", "u"))
