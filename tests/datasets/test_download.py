"""Fetching: from a server on this machine that can resume, break off and lie."""

import hashlib
import re
import tarfile
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from halfstep.cli.main import run
from halfstep.datasets import load
from halfstep.datasets.audioscrobbler.download import ARCHIVE, fetch
from halfstep.datasets.generated.dump import generate_dump
from halfstep.errors import InputError


class Handler(BaseHTTPRequestHandler):
    content = b""
    breaks_after = None
    resumes = True
    asked = ()

    def do_GET(self):
        cls = type(self)
        wanted = self.headers.get("Range")
        cls.asked = (*cls.asked, wanted)
        start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) if wanted and cls.resumes else 0
        total = len(cls.content)
        if self.path == "/none":
            self.send_error(404)
        elif start and start >= total:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{total}")
            self.end_headers()
        else:
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
            self.send_header("Content-Length", str(total - start))
            self.end_headers()
            self.wfile.write(cls.content[start : cls.breaks_after])

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    handler = type("Fresh", (Handler,), {"content": bytes(range(256)) * 9000})
    with HTTPServer(("127.0.0.1", 0), handler) as running:
        thread = Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}/file", handler
        running.shutdown()
        thread.join()


def test_fetch_resumes_where_it_broke_off(server, tmp_path):
    url, handler = server
    handler.breaks_after = 1_500_000
    target = tmp_path / "file"
    with pytest.raises(InputError, match="broke off after 1,500,000 of 2,304,000 bytes"):
        fetch(url, target)
    assert not target.exists()
    handler.breaks_after = None
    counted = []
    found = fetch(url, target, advance=counted.append)
    assert handler.asked == (None, "bytes=1500000-")
    assert target.read_bytes() == handler.content
    assert found == hashlib.sha256(handler.content).hexdigest()
    assert sum(counted) == len(handler.content)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_fetch_starts_again_where_it_cannot_go_on(server, tmp_path):
    url, handler = server
    part = tmp_path / "file.part"
    for resumes, left in ((False, b"old"), (True, b"x" * 3_000_000)):
        handler.resumes = resumes
        part.write_bytes(left)
        fetch(url, tmp_path / "file")
        assert (tmp_path / "file").read_bytes() == handler.content
    part.write_bytes(handler.content)
    fetch(url, tmp_path / "file")
    assert handler.asked[-1] == f"bytes={len(handler.content)}-"
    assert (tmp_path / "file").read_bytes() == handler.content


def test_fetch_refuses_the_wrong_contents(server, tmp_path):
    url, handler = server
    with pytest.raises(InputError, match="the file was deleted"):
        fetch(url, tmp_path / "file", sha256="0" * 64)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="answers 404"):
        fetch(url.replace("file", "none"), tmp_path / "file")
    with pytest.raises(InputError, match="64 hexadecimal"):
        fetch(url, tmp_path / "file", sha256="abc")
    for wrong in ("file:///etc/hosts", "http:///file", "http://[::1"):
        with pytest.raises(InputError, match="--url must be"):
            fetch(wrong, tmp_path / "file")


def test_download_shows_the_licence_and_needs_it_accepted(server, tmp_path, capsys):
    url, handler = server
    generate_dump(tmp_path / "dump", 2000)
    with tarfile.open(tmp_path / "packed", "w:gz") as archive:
        archive.add(tmp_path / "dump", "profile")
    handler.content = (tmp_path / "packed").read_bytes()
    folder = tmp_path / "into"
    folder.mkdir()
    command = ["data", "download", "audioscrobbler", "-o", str(folder), "--url", url]
    assert run(command) == 2
    said = capsys.readouterr()
    assert "CC BY-NC-SA 1.0" in said.out
    assert said.err == "halfstep: the licence must be accepted first: --accept-license\n"
    assert handler.asked == ()
    assert run([*command, "--accept-license"]) == 0
    assert hashlib.sha256(handler.content).hexdigest() in capsys.readouterr().out
    assert load(folder).content_hash == load(tmp_path / "dump").content_hash
    assert run([*command, "--accept-license"]) == 0
    assert "exists already" in capsys.readouterr().out
    assert len(handler.asked) == 1
    (folder / ARCHIVE).unlink()
    nowhere = [*command[:-1], "http://127.0.0.1:1/x", "--accept-license"]
    assert run(nowhere) == 2
    error = capsys.readouterr().err
    assert error.startswith("halfstep: 127.0.0.1 cannot be reached: ")
    assert error.count("\n") == 1
