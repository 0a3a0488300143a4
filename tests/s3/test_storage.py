"""The contract against an S3 server (moto's, over HTTP), and what is S3's own."""

import io
import logging
import socket
import threading
from contextlib import suppress

import boto3
import pytest
from moto.server import ThreadedMotoServer
from s3fs import S3FileSystem

from fma_prep.dataset.storage import list_input, open_store
from fma_prep.dataset.stores import s3 as s3_module
from fma_prep.errors import NotFoundError, RefusedError, StorageError
from tests.dataset.store_contract import NAMES, StoreContract


@pytest.fixture(scope="module")
def endpoint():
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def options(endpoint):
    return {"endpoint_url": endpoint, "config_kwargs": {"s3": {"addressing_style": "path"}}}


@pytest.fixture
def client(endpoint, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    S3FileSystem.clear_instance_cache()  # each test logs in anew
    client = boto3.client("s3", endpoint_url=endpoint)
    client.create_bucket(Bucket="bucket")
    yield client
    for item in client.list_objects_v2(Bucket="bucket").get("Contents", ()):
        client.delete_object(Bucket="bucket", Key=item["Key"])
    client.delete_bucket(Bucket="bucket")
    client.close()


@pytest.fixture
def store(client, options):
    return open_store("s3://bucket/a prefix #1", options)


class TestS3(StoreContract):
    names = tuple(n for n in NAMES if "\n" not in n)  # moto's router knows no newline; the gateway's tests have it


def test_at_the_root_of_a_bucket(client, options):
    store = open_store("s3a://bucket", options)
    store.write("x/y", b"1")
    assert [e.path for e in store.list()] == ["x/y"]
    assert store.read("x/y") == b"1"


def test_keys_that_no_disk_could_hold(client, store):
    for name in ("a//b", "../up", "./x", "/lead"):
        store.write(name, name.encode())
    assert {e.path: store.read(e.path).decode() for e in store.list()} == {
        n: n for n in ("a//b", "../up", "./x", "/lead")
    }


def test_new_keys_are_seen_at_once(client, store):
    assert store.list() == []
    client.put_object(Bucket="bucket", Key="a prefix #1/new", Body=b"x")
    assert [e.path for e in store.list()] == ["new"]


def test_folder_markers_are_no_files(client, store):
    client.put_object(Bucket="bucket", Key="a prefix #1/", Body=b"")
    client.put_object(Bucket="bucket", Key="a prefix #1/sub/", Body=b"")
    assert store.list() == []


@pytest.mark.slow
def test_a_listing_of_many_pages(client, options):
    store = open_store("s3://bucket/many", options)
    names = [f"{i:04d}" for i in range(1005)]
    for name in names:
        client.put_object(Bucket="bucket", Key=f"many/{name}", Body=b"")
    assert [e.path for e in store.list()] == names
    client.delete_objects(Bucket="bucket", Delete={"Objects": [{"Key": f"many/{n}"} for n in names[:1000]]})


def test_large_files_go_up_in_parts(client, store, monkeypatch):
    monkeypatch.setattr(s3_module, "_PART_BYTES", 5 << 20)
    data = bytes(range(256)) * (48 << 10)
    assert store.put("big", io.BytesIO(data))
    assert client.head_object(Bucket="bucket", Key="a prefix #1/big")["ETag"].endswith('-3"')
    with store.open("big") as file:  # larger than one request's worth
        assert file.read() == data
    assert not store.put("big", io.BytesIO(b"x"), overwrite=False)


def test_a_broken_upload_leaves_no_parts(client, store, monkeypatch):
    monkeypatch.setattr(s3_module, "_PART_BYTES", 5 << 20)

    class Breaks(io.BytesIO):
        def read(self, *_):
            if self.tell() > 1 << 20:
                raise ValueError("the spool broke")
            return super().read(*_)

    with pytest.raises(StorageError, match="the spool broke"):
        store.put("big", Breaks(bytes(12 << 20)))
    assert store.list() == []
    assert not client.list_multipart_uploads(Bucket="bucket").get("Uploads")


def test_exclusive_even_when_the_look_before_saw_nothing(client, store, monkeypatch):
    client.put_object(Bucket="bucket", Key="a prefix #1/x", Body=b"theirs")
    monkeypatch.setattr(s3_module.S3Backend, "_exists", lambda *_: False)
    assert not store.write("x", b"ours", overwrite=False)
    assert store.read("x") == b"theirs"


def test_a_file_that_changes_while_it_is_read(client, store, monkeypatch):
    monkeypatch.setattr(s3_module, "_FIRST_BYTES", 4)
    store.write("x", b"0123456789")
    with store.open("x") as file:
        assert file.read(4) == b"0123"
        store.write("x", b"abcdefghij")
        with pytest.raises(StorageError):
            file.read()


def test_encryption_options_reach_the_server(client, options):
    kms = {"s3_additional_kwargs": {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "key-1"}}
    store = open_store("s3://bucket/kms", {**options, **kms, "requester_pays": True})
    store.write("x", b"x")
    assert client.head_object(Bucket="bucket", Key="kms/x")["ServerSideEncryption"] == "aws:kms"
    assert store.read("x") == b"x"


def test_no_such_bucket(client, options):
    with pytest.raises(NotFoundError, match="no such bucket"):
        list_input("s3://no-such-bucket/x", options)


def test_nobody_logged_in(client, options, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    with pytest.raises(RefusedError, match="Nobody is logged in"):
        open_store("s3://bucket/x", options).list()


@pytest.mark.slow
def test_a_server_that_does_not_answer(client, options):
    store = open_store("s3://bucket/x", {**options, "endpoint_url": "http://127.0.0.1:9"})
    with pytest.raises(StorageError, match="does not answer"):
        store.read("y")


class Flaky:
    """A way to the server on which the first few connections that carry a large answer break in the middle of it."""

    def __init__(self, endpoint, breaks, after_bytes=20_000):
        self._to = endpoint.rpartition("/")[2].split(":")
        self.left, self._after = breaks, after_bytes
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with suppress(OSError):
            while True:
                near, _ = self._socket.accept()
                far = socket.create_connection((self._to[0], int(self._to[1])))
                for pair in ((near, far, False), (far, near, True)):
                    threading.Thread(target=self._carry, args=pair, daemon=True).start()

    def _carry(self, source, target, answers):
        carried = 0
        with suppress(OSError):
            while data := source.recv(4096):
                carried += len(data)
                if answers and carried > self._after and self.left:
                    self.left -= 1
                    break
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def close(self):
        self._socket.close()


@pytest.mark.slow
def test_what_breaks_on_the_way_is_tried_again_but_not_for_ever(client, options, endpoint):
    data = bytes(range(256)) * 1000
    client.put_object(Bucket="bucket", Key="flaky/x", Body=data)
    way = Flaky(endpoint, breaks=2)
    store = open_store("s3://bucket/flaky", {**options, "endpoint_url": way.endpoint})
    assert store.read("x") == data
    assert way.left == 0
    way.left = 1000
    with pytest.raises(StorageError) as caught:
        store.read("x")
    assert "\n" not in str(caught.value)
    assert 1000 - way.left < 20
    way.close()
