"""Stores against a real S3 gateway with users: the contract, and what the one who may not write is told."""

import io
import json
import uuid

import pytest
from s3fs import S3FileSystem

from fma_prep.dataset.storage import list_input, open_store
from fma_prep.errors import RefusedError, StorageError
from tests.dataset.store_contract import StoreContract

PATH_STYLE = {"config_kwargs": {"s3": {"addressing_style": "path"}}}


class TestGateway(StoreContract):
    @pytest.fixture
    def store(self, bucket, act_as):  # noqa: ARG002
        return open_store(f"s3://{bucket}/a prefix #{uuid.uuid4()}", PATH_STYLE, create=True)


@pytest.fixture
def shared(gateway, bucket, act_as):
    """A bucket of somebody else's, which we may only read."""
    gateway.client().put_object(Bucket=bucket, Key="music/a.mp3", Body=b"not really")
    user = f"reader-{bucket}"
    gateway.add_user(user)
    gateway.allow(bucket, user, "s3:ListBucket", "s3:GetObject")
    act_as(user)
    return bucket


def test_who_may_only_read_reads(shared):
    store, tracks, _ = list_input(f"s3://{shared}/music")
    assert [t.path for t in tracks] == ["a.mp3"]
    assert store.read("a.mp3") == b"not really"


ACTIONS = {
    "write": lambda store: store.write("x", b"x"),
    "delete": lambda store: store.delete("x"),
    "put in parts": lambda store: store.put("x", io.BytesIO(bytes(40 << 20))),
}


@pytest.mark.parametrize("action", ACTIONS)
def test_who_may_only_read_is_refused_in_one_sentence_without_a_secret(gateway, shared, action):
    store = open_store(f"s3://{shared}/out")
    with pytest.raises(RefusedError, match=f"s3://{shared}/out/x") as caught:
        ACTIONS[action](store)
    told = str(caught.value) + repr(caught.value) + repr(caught.value.__cause__)
    assert "\n" not in str(caught.value)
    assert not [s for s in gateway.users.values() if s in told]


@pytest.mark.parametrize("wrong", [{"AWS_ACCESS_KEY_ID": "nobody"}, {"AWS_SECRET_ACCESS_KEY": "hunter2-of-a-test"}])
def test_wrong_credentials_are_refused_and_never_shown(bucket, act_as, monkeypatch, wrong):
    for name, value in wrong.items():
        monkeypatch.setenv(name, value)
    S3FileSystem.clear_instance_cache()
    with pytest.raises(RefusedError) as caught:
        open_store(f"s3://{bucket}").list()
    assert "hunter2" not in str(caught.value)


def test_credentials_in_options_work_and_are_never_shown(gateway, bucket, act_as, monkeypatch):
    for name in gateway.environment():
        monkeypatch.delenv(name)
    options = {"endpoint_url": gateway.endpoint, "key": "rootkey", "secret": gateway.users["rootkey"], **PATH_STYLE}
    store = open_store(f"s3://{bucket}", options)
    store.write("x", b"x")
    wrong = open_store(f"s3://{bucket}", options | {"secret": "hunter2-of-a-test"})
    with pytest.raises(RefusedError) as caught:
        wrong.read("x")
    assert "hunter2" not in str(caught.value) + repr(wrong) + repr(store)
    assert gateway.users["rootkey"] not in repr(store)


def test_a_bucket_policy_that_denies_is_a_refusal_to_its_owner_too(gateway, bucket, act_as):
    gateway.add_user(f"writer-{bucket}")
    gateway.allow(bucket, f"writer-{bucket}", "s3:ListBucket", "s3:PutObject", "s3:GetObject")
    act_as(f"writer-{bucket}")
    open_store(f"s3://{bucket}").write("x", b"x")
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    gateway.client().put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [deny]}))
    with pytest.raises(RefusedError):
        open_store(f"s3://{bucket}").write("x", b"y")


def test_a_gateway_that_is_not_there_is_no_refusal(bucket, act_as, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    S3FileSystem.clear_instance_cache()
    with pytest.raises(StorageError, match="does not answer") as caught:
        open_store(f"s3://{bucket}").list()
    assert not isinstance(caught.value, RefusedError)
