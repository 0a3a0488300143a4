"""Options have one home, one spelling and one default each; errors end as one line and the right exit status."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fma_prep import command
from fma_prep.audio.recipe import Recipe
from fma_prep.errors import UsageError


def parse(*extra):
    return command.digitize_parser().parse_args(["in", "out", *extra])


def test_the_defaults_are_the_recipes():
    assert command.recipe_of(parse()) == Recipe()


def test_every_setting_of_the_recipe_has_an_option():
    options = "--sample-rate 16000 --channel mix --normalize none --quantizer floor --mu 256 --decoder pydub"
    recipe = command.recipe_of(parse(*options.split(), "--resampler", "kaiser_fast"))
    assert recipe == Recipe(16000, "mix", "none", "floor", 256, "pydub", "kaiser_fast")


def test_the_public_contracts_defaults():
    options = parse()
    assert (options.partitions, options.max_failed, options.overwrite) == (None, 0.05, False)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--partitions", "0"],
        ["--partitions", "many"],
        ["--max-failed", "5"],
        ["--max-failed", "nan"],
        ["--track-timeout", "0"],
        ["--storage-options", "{"],
        ["--storage-options", "[]"],
        ["--storage-options", '{"in": {}}'],
        ["--storage-options", "@/no/such/file"],
        ["--channel", "both"],
    ],
)
def test_bad_usage_exits_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as left:
        parse(*arguments)
    assert left.value.code == 2
    assert arguments[0] in capsys.readouterr().err


@pytest.mark.parametrize(
    "name", ["secret", "aws_secret_access_key", "key", "token", "account_key", "aws_access_key_id"]
)
def test_credentials_are_refused_on_a_command_line_and_not_repeated(name, capsys):
    with pytest.raises(SystemExit):
        parse("--storage-options", f'{{"output": {{"client_kwargs": {{"{name}": "hunter2"}}}}}}')
    said = capsys.readouterr().err
    assert name in said
    assert "hunter2" not in said


def test_credentials_may_come_from_a_file(tmp_path):
    file = tmp_path / "options.json"
    file.write_text('{"output": {"secret": "hunter2"}}')
    assert parse("--storage-options", f"@{file}").storage_options == {"input": {}, "output": {"secret": "hunter2"}}


def test_what_only_names_a_key_is_no_credential():
    given = '{"output": {"s3_additional_kwargs": {"SSEKMSKeyId": "alias/music"}, "requester_pays": true}}'
    assert parse("--storage-options", given).storage_options["output"]["requester_pays"] is True


def test_licences_are_a_filter():
    assert parse().licence is None
    assert parse("--licence", "by, by-sa,cc0").licence == {"by", "by-sa", "cc0"}
    with pytest.raises(UsageError, match="not a licence filter"):
        parse("--licence", "by,none")


def test_partitions_are_a_number_or_chosen():
    assert parse("--partitions", "auto").partitions is None
    assert parse("--partitions", "7").partitions == 7


ENDINGS = {
    "raise UsageError('no such thing', 'x', 'Look again.')": (2, "t.py: x: no such thing. Look again.\n"),
    "raise RunError('failed')": (1, "t.py: failed\n"),
    "raise KeyboardInterrupt": (130, "\nt.py: interrupted. The same command goes on where it was.\n"),
    "return 1": (1, ""),
    "return None": (0, ""),
}


@pytest.mark.parametrize("body", ENDINGS)
def test_how_a_command_ends(body, tmp_path):
    script = tmp_path / "t.py"
    script.write_text(
        f"from fma_prep.command import finish\nfrom fma_prep.errors import *\ndef main():\n    {body}\nfinish(main)\n"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    ended = subprocess.run([sys.executable, script], env=env, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == ENDINGS[body]


def test_no_option_is_spelled_twice():
    seen = [
        o
        for a in command.digitize_parser()._actions
        for o in a.option_strings
        if not isinstance(a, argparse._HelpAction)
    ]
    assert len(seen) == len(set(seen))
