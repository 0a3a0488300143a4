"""URIs: what each form means, and what is refused rather than guessed."""

import os

import pytest

from fma_prep.dataset.uri import has_scheme, parse, refuse_inside
from fma_prep.errors import UsageError


@pytest.mark.parametrize(
    ("uri", "canonical"),
    [
        ("/data/music/", "file:///data/music"),
        ("file:/data", "file:///data"),
        ("file:///a%20b #1", "file:///a%20b #1"),
        ("file://localhost/x", "file:///x"),
        ("/a[1]/b::c", "file:///a[1]/b::c"),
        ("s3://bucket", "s3://bucket"),
        ("s3a://bucket/a/b/", "s3://bucket/a/b"),
        ("S3://bucket/A b", "s3://bucket/A b"),
        ("hdfs:/x", "hdfs:///x"),
        ("hdfs:///x/", "hdfs:///x"),
        ("hdfs://NameService1/x//y", "hdfs://NameService1/x/y"),
        ("hdfs://nn:8020", "hdfs://nn:8020/"),
        ("memory://a/b", "memory://a/b"),
    ],
)
def test_forms(uri, canonical):
    assert str(parse(uri)) == canonical
    assert parse(canonical) == parse(uri)


def test_without_a_scheme_it_is_a_local_file():
    assert str(parse("music")) == f"file://{os.getcwd()}/music"  # noqa: PTH109
    assert not has_scheme("music")
    assert not has_scheme("./s3:x")
    assert has_scheme("file:/x")


@pytest.mark.parametrize(
    "uri",
    [
        *("", "a\0b", "s3:/b", "s3:b", "s3://", "s3://a b/x", "s3:///x", "hdfs:x", "hdfs://u@nn/x", "hdfs:///a/../b"),
        *("file://host/x", "file:x", "c:x", "local:///x", "zip://x", "simplecache::s3://b/x", "memory:/x", "foo://x"),
    ],
)
def test_refused_not_guessed(uri):
    with pytest.raises(UsageError):
        parse(uri)


@pytest.mark.parametrize(
    ("output", "input_"),
    [
        ("/m", "/m"),
        ("/m/out", "/m"),
        ("file:///m/out", "/m/"),
        ("s3a://bkt/m/out", "s3://bkt/m"),
        ("s3://bkt/out", "s3://bkt"),
        ("hdfs:///m/out", "hdfs://nn/m"),
    ],
)
def test_output_inside_input(output, input_):
    with pytest.raises(UsageError, match="inside INPUT"):
        refuse_inside(output, input_)


@pytest.mark.parametrize(
    ("output", "input_"),
    [("/m2", "/m"), ("/m", "/m/in"), ("s3://bkt/m", "/m"), ("s3://bkt/m", "s3://bcd/m"), ("s3://bkt/mm", "s3://bkt/m")],
)
def test_output_beside_input(output, input_):
    refuse_inside(output, input_)


def test_output_inside_input_through_a_link(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "link").symlink_to("in")
    with pytest.raises(UsageError):
        refuse_inside(str(tmp_path / "link" / "out"), str(tmp_path / "in"))
