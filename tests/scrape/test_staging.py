"""The published data set and a person's own files: small zips and CSVs of the published form, whole and hostile."""

import csv
import hashlib
import io
import struct
import zipfile

import pytest

from fma_prep.dataset import provenance
from fma_prep.dataset.storage import open_store
from fma_prep.errors import ScrapeError, UsageError
from fma_prep.scrape import archives
from fma_prep.scrape.stage_command import stage_fma, stage_folder

SONGS = {2: b"ID3" + b"two" * 1000, 5: b"ID3" + b"five" * 2000, 98565: b"ID3short", 140_000: b"ID3" + bytes(5000)}


def sha1(content):
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()


def make_zip(path, songs=SONGS, compression=zipfile.ZIP_BZIP2, checksums=True, extra=()):  # as published
    with zipfile.ZipFile(path, "w", compression) as archive:
        lines = []
        for number, content in songs.items():
            name = f"{number // 1000:03d}/{number:06d}.mp3"
            archive.writestr(f"fma_small/{name}", content)
            lines.append(f"{sha1(content)}  {name}")
        if checksums:
            archive.writestr("fma_small/checksums", "\n".join(lines))
        archive.writestr("fma_small/README.txt", "hello")
        for name, content in extra:
            archive.writestr(name, content)
    return str(path)


def make_metadata(path):
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(["", "album", "artist", "artist", "set", "set", "track", "track", "track", "track"])
    rows.writerow(["", "title", "id", "name", "split", "subset", "genre_top", "genres", "license", "title"])
    rows.writerow(["track_id", *[""] * 9])
    licence = "Attribution-NonCommercial-ShareAlike 3.0 International"
    rows.writerow([2, "AWOL", 1, "AWOL", "training", "small", "Hip-Hop", "[21, 12]", licence, "Food"])
    rows.writerow(
        [5, "A, B\n", 1, "x" * 200_000, "validation", "small", "", "[12]", "FMA-Limited: Download Only", "This"]
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("fma_metadata/tracks.csv", text.getvalue())
        archive.writestr(
            "fma_metadata/genres.csv", "genre_id,#tracks,parent,title,top_level\n12,1,0,Rock,12\n21,1,0,Hip-Hop,21\n"
        )
        raw = "track_id,license_url,track_url\n2,http://creativecommons.org/licenses/by-nc-sa/3.0/,http://fma/food\n"
        archive.writestr("fma_metadata/raw_tracks.csv", raw)
    return str(path)


@pytest.fixture
def out(tmp_path):
    return open_store(str(tmp_path / "music"), create=True)


def tracks(store):
    return {e.path: store.read(e.path) for e in store.list() if not e.path.startswith("_")}


def test_a_zip_is_staged_with_its_metadata(tmp_path, out, capsys):
    archive, metadata = make_zip(tmp_path / "fma_small.zip"), make_metadata(tmp_path / "fma_metadata.zip")
    assert stage_fma([archive, out.uri, "--metadata", metadata]) == 0
    assert tracks(out) == {f"{n // 1000:03d}/{n:06d}.mp3": content for n, content in SONGS.items()}
    known = provenance.load(out)
    assert known["000/000002.mp3"] == {
        "id": 2,
        "artist_id": "1",
        "artist": "AWOL",
        "title": "Food",
        "album": "AWOL",
        "genres": ["Hip-Hop", "Rock"],
        "licence": "CC-BY-NC-SA-3.0",
        "licence_url": "http://creativecommons.org/licenses/by-nc-sa/3.0/",
        "page_url": "http://fma/food",
        "file_url": f"{out.uri.rpartition('/')[0]}/fma_small.zip!/fma_small/000/000002.mp3",
        "split": "training",
        "bytes": 3003,
        "sha256": hashlib.sha256(SONGS[2]).hexdigest(),
    }
    assert known["000/000005.mp3"]["licence"] is None
    assert "4 tracks" in capsys.readouterr().out
    assert stage_fma([archive, out.uri, "--metadata", metadata]) == 0
    assert "0 tracks (0.0 MB) staged" in capsys.readouterr().out


def test_metadata_that_comes_later_is_taken_in_without_copying(tmp_path, out, capsys):
    archive = make_zip(tmp_path / "fma_small.zip")
    stage_fma([archive, out.uri])
    assert provenance.load(out)["000/000002.mp3"]["licence"] is None
    stage_fma([archive, out.uri, "--metadata", make_metadata(tmp_path / "fma_metadata.zip")])
    assert provenance.load(out)["000/000002.mp3"]["licence"] == "CC-BY-NC-SA-3.0"
    assert "4 more were there already" in capsys.readouterr().out


def test_a_licence_filter_leaves_out_what_is_unknown(tmp_path, out, capsys):
    metadata = make_metadata(tmp_path / "fma_metadata.zip")
    archive = make_zip(tmp_path / "fma_small.zip")
    assert stage_fma([archive, out.uri, "--metadata", metadata, "--licence", "by-nc-sa"]) == 0
    assert list(tracks(out)) == ["000/000002.mp3"]
    assert "skipped 1: licence not wanted: FMA-Limited: Download Only" in capsys.readouterr().out


def test_hostile_members_are_no_paths(tmp_path, out):
    extra = [
        ("fma_small/../../000/000007.mp3", b"ID3"),
        ("/etc/000/000008.mp3", b"ID3"),
        ("fma_small/000/000009.mp3\n", b"ID3"),
        ("fma_small/000/../000010.mp3", b"ID3"),
    ]
    stage_fma([make_zip(tmp_path / "x.zip", extra=extra), out.uri])
    assert len(tracks(out)) == len(SONGS)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["music", "x.zip"]


def test_a_zip_bomb_and_a_wrong_sum_fail_alone(tmp_path, out, capsys):
    path = make_zip(tmp_path / "x.zip", songs={**SONGS, 7: bytes(50 << 20)})
    make_zip(
        tmp_path / "y.zip", songs=SONGS, checksums=False, extra=[("fma_small/checksums", "0" * 40 + "  000/000005.mp3")]
    )
    assert stage_fma([path, out.uri, "--track-mb", "1"]) == 1
    told = capsys.readouterr().out
    assert "failed 000/000007.mp3: larger than the limit of 1 MB" in told
    assert stage_fma([str(tmp_path / "y.zip"), f"{out.uri}2"]) == 1
    assert "failed 000/000005.mp3: its sha1 is not that of the list in the archive" in capsys.readouterr().out


def test_a_member_that_lies_about_its_size_fails_alone(tmp_path, out, capsys):
    path = tmp_path / "x.zip"
    make_zip(path, checksums=False)
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\x01\x02")  # the first entry of the central directory is track 2
    content[at + 24 : at + 28] = struct.pack("<I", 10)
    path.write_bytes(content)
    assert stage_fma([str(path), out.uri]) == 1
    assert "failed 000/000002.mp3: " in capsys.readouterr().out
    assert len(tracks(out)) == len(SONGS) - 1


def test_what_is_no_archive_is_told(tmp_path, out):
    whole = make_zip(tmp_path / "x.zip")
    (tmp_path / "cut.zip").write_bytes((tmp_path / "x.zip").read_bytes()[:-100])
    with zipfile.ZipFile(tmp_path / "empty.zip", "w") as archive:
        archive.writestr("a.txt", "a")
    for name, problem in {"cut.zip": "not a zip, or not a whole one", "empty.zip": "no track in it"}.items():
        with pytest.raises(ScrapeError, match=problem):
            stage_fma([str(tmp_path / name), out.uri])
    with pytest.raises(ScrapeError, match="no sha1 was published under this name"):
        stage_fma([whole, out.uri, "--check-archive"])


def test_the_zip_itself_is_compared_with_the_published_sum(tmp_path, out, monkeypatch):
    path = make_zip(tmp_path / "fma_small.zip")
    with pytest.raises(ScrapeError, match="its sha1 is not the published one"):
        stage_fma([path, out.uri, "--check-archive"])
    own = sha1((tmp_path / "fma_small.zip").read_bytes())
    monkeypatch.setitem(archives.PUBLISHED_SHA1, "fma_small.zip", own)
    assert stage_fma([path, out.uri, "--check-archive"]) == 0


def test_a_folder_of_ones_own_keeps_its_names(tmp_path, out, capsys):
    names = ["a b.wav", "sub/#1 50%.flac", "sub/ä?.mp3", "sub/x;y::z[1].ogg"]
    for name in [*names, "notes.txt", ".hidden.mp3"]:
        (tmp_path / "own" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "own" / name).write_bytes(name.encode())
    table = "path,title,genres,licence,split\na b.wav,=1+1,Rock; Pop,CC BY 4.0,test\n"
    (tmp_path / "table.csv").write_text("\ufeff" + table, encoding="utf-8")
    arguments = [str(tmp_path / "own"), out.uri, "--metadata", str(tmp_path / "table.csv"), "--licence-is", "CC0-1.0"]
    assert stage_folder(arguments) == 0
    assert tracks(out) == {name: name.encode() for name in names}
    known = provenance.load(out)
    assert known["a b.wav"]["genres"] == ["Rock", "Pop"]
    assert [known[name]["licence"] for name in names] == ["CC-BY-4.0", "CC0-1.0", "CC0-1.0", "CC0-1.0"]
    assert "1 other files were left, such as 'notes.txt'" in capsys.readouterr().out
    (tmp_path / "own" / "a b.wav").write_bytes(b"A B.WAV")  # changed, of the same size
    assert stage_folder(arguments) == 0
    told = capsys.readouterr().out
    assert "1 tracks" in told
    assert "3 more were there already" in told
    assert tracks(out)["a b.wav"] == b"A B.WAV"


def test_a_table_that_does_not_fit_is_refused(tmp_path, out):
    (tmp_path / "own").mkdir()
    (tmp_path / "own/a.wav").write_bytes(b"a")
    for text, problem in {
        "title\nx\n": "no column named path",
        "path,isrc\na.wav,1\n": "unknown columns: isrc",
        "path\nb.wav\n": "1 paths in it are no tracks of SOURCE, such as b.wav",
    }.items():
        (tmp_path / "t.csv").write_text(text)
        with pytest.raises(UsageError, match=problem):
            stage_folder([str(tmp_path / "own"), out.uri, "--metadata", str(tmp_path / "t.csv")])
    with pytest.raises(UsageError):
        stage_folder([str(tmp_path / "own"), str(tmp_path / "own/staged")])
