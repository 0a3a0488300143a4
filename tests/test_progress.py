"""Long work shows itself: in a log by lines, and short work not at all."""

import logging

from fma_prep import progress as module
from fma_prep.progress import progress


def test_a_log_gets_a_line_now_and_then(caplog, monkeypatch):
    monkeypatch.setattr(module, "_QUIET_S", 0.0)
    monkeypatch.setattr(module, "_LINE_EVERY_S", 0.0)
    with caplog.at_level(logging.INFO):
        assert list(progress("making songs", range(3), unit="songs")) == [0, 1, 2]
    lines = [record.message for record in caplog.records]
    assert any(line.startswith("making songs: 2 of 3 songs in 00:00") for line in lines), lines
    assert all("\r" not in line and "\x1b" not in line for line in lines)


def test_what_is_over_soon_says_nothing(caplog, capsys):
    with caplog.at_level(logging.INFO), progress("uploading", total=1000, unit="B") as bar:
        bar.update(1000)
    assert not caplog.records
    assert capsys.readouterr() == ("", "")


def test_a_terminal_gets_a_bar(monkeypatch, capsys):
    monkeypatch.setattr(module, "_QUIET_S", 0.0)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    list(progress("making songs", range(3), unit="songs"))
    assert "making songs: " in capsys.readouterr().err
