"""The benchmark of the audit, on a package made for it: what is planted is refused by Python, and counted right."""

import random

import benchmarks.audit as bench

FILES = {
    "__init__.py": "",
    "a.py": "class A: ...\n\n\ndef helper():\n    return 1\n",
    "b.py": "from little.a import A\nfrom .a import helper\n\n\ndef use():\n    value = helper()\n    return value\n",
    "lazy.py": "def __getattr__(name):\n    return name\n",
    "c.py": "from little.lazy import anything\n",
}


def test_only_what_python_refuses_is_planted_and_found(tmp_path, monkeypatch):
    site = tmp_path / "site"
    (site / "little").mkdir(parents=True)
    for name, text in FILES.items():
        (site / "little" / name).write_text(text)
    chosen = bench.choose(site, "little", tmp_path, random.Random(1), 3)
    assert {plant.kind for plant in chosen} == set(bench.KINDS)
    assert all("lazy import" not in plant.text for plant in chosen)  # it has every name
    monkeypatch.setattr(bench, "PACKAGES", ("little",))
    said = bench.run(site, tmp_path, random.Random(1), 3)
    assert "found: 3 of 3 planted imports = 100.0 %" in said
    assert "false alarms: 0 in 3 imports" in said
