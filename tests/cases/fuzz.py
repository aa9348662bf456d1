"""Small files of every kind that is read, and the ways in which they are spoilt."""

import gzip
import io
import tarfile
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from scipy import sparse

from cases.limits import at_most
from cases.solvers import awkward
from halfstep import InputError, datasets

TOKENS = (
    *(
        b"",
        b"\0",
        b"\xff\xfe",
        b"-1",
        b"1e999",
        b"nan",
        b"inf",
        b"None",
        b"True",
        b"99999999999999999999",
    ),
    *(b"\n\n", b"\r", b'"', b"'", b"\t", b"::", b",", b" ", b"4294967296", b"2147483648", b"1_000"),
    *(
        "\u0663\u2028é".encode(),
        b"0x10",
        b"(0,0)",
        b"[]",
        b"{}",
        b"1" * 5000,
        b"9223372036854775807",
        b"9" * 400,
    ),
)


def spoilt(content, rng):
    """Return `content` with one to three things wrong with it."""
    for _ in range(rng.integers(1, 4)):
        content = _spoil(content, rng)
    return content


def _spoil(content, rng):
    size = len(content)
    if size == 0:
        return bytes(rng.integers(256, size=5, dtype=np.uint8))
    a, b = np.sort(rng.integers(size + 1, size=2)).tolist()
    b = min(b, a + 40)
    kind = rng.integers(9)
    if kind == 0:
        spot = int(rng.integers(size))
        return (
            content[:spot]
            + bytes([content[spot] ^ 1 << int(rng.integers(8))])
            + content[spot + 1 :]
        )
    if kind == 1:
        return content[:a]
    if kind == 2:
        return content[:a] + content[b:]
    if kind == 3:
        return content[:b] + content[a:b] + content[b:]
    if kind == 4:
        return content[:a] + bytes(b - a) + content[b:]
    if kind == 5:
        return content[:a] + bytes(rng.integers(256, size=b - a, dtype=np.uint8)) + content[b:]
    if kind == 6:
        return content[b:] + content[:b]
    if kind == 7:
        lines = content.splitlines(keepends=True)
        fields = lines[int(rng.integers(len(lines)))]
        return content.replace(fields, fields[::-1], 1)
    return content[:a] + TOKENS[int(rng.integers(len(TOKENS)))] + content[a:]


def spoilt_array(array, rng):
    """Return an array of another type, shape or content."""
    kind = rng.integers(9)
    if kind == 0 and array.dtype.kind in "fiub":
        return array.astype(rng.choice(["f8", "i2", "U3", "?", "c8", ">i4", "u1"]))
    if kind == 1:
        return array[..., :-1] if array.ndim else array.reshape(1)
    if kind == 2:
        return np.concatenate([array.reshape(-1)] * 2)
    if kind == 3:
        return np.zeros((0,) * max(1, array.ndim), array.dtype)
    if kind == 4 and array.size and array.dtype.kind in "fiu":
        worse = array.copy().reshape(-1)
        extremes = [0, -1, 7, 10**6] + ([np.nan, np.inf] if array.dtype.kind == "f" else [])
        with np.errstate(all="ignore"):
            worse[rng.integers(worse.size)] = np.array(rng.choice(extremes)).astype(array.dtype)
        return worse.reshape(array.shape)
    if kind == 5:
        return np.array(str(rng.choice(["", "{}", "[1]", "null", '{"format": 3}'])))
    if kind == 6 and array.ndim == 1:
        return array[::-1]
    if kind == 7:
        return array[None]
    return np.array(rng.integers(-5, 5))


def spoilt_members(content, rng):
    """Return a whole `.npz` with wrong members: checksums agree, so that readers look further."""
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        members = dict(archive)
    for _ in range(rng.integers(1, 3)):
        name = str(rng.choice(list(members)))
        kind = rng.integers(5)
        if kind == 0 and len(members) > 1:
            del members[name]
        elif kind == 1:
            members[str(rng.choice(list(members)))] = members[name]
        elif kind == 2 and members[name].dtype.kind == "U":
            text = str(members[name]).encode()
            members[name] = np.array(_spoil(text, rng).decode("utf-8", "replace").replace("\0", ""))
        else:
            members[name] = spoilt_array(members[name], rng)
    stream = io.BytesIO()
    np.savez(stream, **members)
    return stream.getvalue()


def inside_gzip(content, rng):
    return gzip.compress(spoilt(gzip.decompress(content), rng), 1)


def text_files():
    """Return {format: {file name: content}}, a few dozen lines each."""
    rng = np.random.default_rng(5)
    pairs = sorted({(int(u), int(i)) for u, i in rng.integers(0, 12, size=(60, 2))})
    plays = [(u, i, 1 + (u * i) % 7) for u, i in pairs]
    names = "".join(f"{i}\tArtist {i} \u00e9\n" for i in range(12)).encode()
    table = "".join(f"{u},{i},{n}\n" for u, i, n in plays)
    texts = "".join(f'"u {u}",a{i},{n}.5\n' for u, i, n in plays)
    users = sorted({u for u, _ in pairs})
    lists = "".join(" ".join(map(str, [u, *(i for v, i in pairs if v == u)])) + "\n" for u in users)
    ratings = "".join(f"{u}\t{i}\t{n}\t97830{n}\n" for u, i, n in plays)
    negatives = "".join(f"({u},{i})\t1\t2\t3\n" for u, i in pairs[:9])
    dump = {
        "user_artist_data.txt": "".join(f"{u} {i} {n}\n" for u, i, n in plays).encode(),
        "artist_data.txt": names,
        "artist_alias.txt": b"3\t4\n4\t5\n7\t7\n",
    }
    return {
        "audioscrobbler": dump,
        "hetrec": {
            "user_artists.dat": b"userID\tartistID\tweight\n"
            + "".join(f"{u}\t{i}\t{n}\n" for u, i, n in plays).encode(),
            "artists.dat": b"id\tname\turl\tpictureURL\n"
            + "".join(f"{i}\tName {i}\tu\tp\n" for i in range(12)).encode(),
        },
        "ncf": {
            "x.train.rating": ratings.encode(),
            "x.test.rating": "".join(f"{u}\t{i}\t1\t1\n" for u, i in pairs[:9]).encode(),
            "x.test.negative": negatives.encode(),
        },
        "lightgcn": {"train.txt": lists.encode(), "test.txt": lists[: len(lists) // 2].encode()},
        "table of numbers": {"t.csv": table.encode()},
        "table of texts": {"t.csv": ("user,item,plays\n" + texts).encode()},
        "table with ::": {"t.dat": table.replace(",", "::").encode()},
        "audioscrobbler in tar.gz": {"dump.tar.gz": _tar(dump)},
        "table in gzip": {"t.tsv.gz": gzip.compress(table.replace(",", "\t").encode())},
    }


def _tar(files):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"dump/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def archive(kind):
    """Return a small `.npz` with data: "dataset", or the name of one of SciPy's formats."""
    from halfstep.datasets.triples import from_triples

    stream = io.BytesIO()
    if kind != "dataset":
        sparse.save_npz(stream, awkward(20, 8).asformat(kind))
        return stream.getvalue()
    rng = np.random.default_rng(6)
    users, items = rng.integers(0, 9, size=(2, 40))
    data = from_triples(users, [f"item {i}" for i in items], name="fuzz")
    with tempfile.TemporaryDirectory() as folder:
        data.save(Path(folder) / "data.npz")
        return (Path(folder) / "data.npz").read_bytes()


def zip_bomb(path, name="user_factors", gigabytes=0.0, claimed=None, repeated=1):
    """Write a small archive whose members unpack to so many gigabytes each, or one that claims to."""
    size = int(claimed or gigabytes * 1e9)
    header = io.BytesIO()
    description = {"descr": "<f4", "fortran_order": False, "shape": (size // 4,)}
    np.lib.format.write_array_header_1_0(header, description)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
            member.write(header.getvalue())
            for _ in range(0 if claimed else size >> 24):
                member.write(bytes(1 << 24))
        # The directory names the same compressed bytes again and again, as the worst bombs do.
        first = archive.filelist[0]
        for copy in range(1, repeated):
            again = zipfile.ZipInfo(f"{name}{copy}.npy")
            for part in ("CRC", "compress_size", "file_size", "header_offset", "compress_type"):
                setattr(again, part, getattr(first, part))
            archive.filelist.append(again)


def gzip_bomb(path, unit, size):
    """Write a small `.gz` that unpacks to so many bytes of a unit said over and over."""
    piece = unit * ((1 << 20) // len(unit))
    with gzip.open(path, "wb", compresslevel=9) as file:
        for _ in range(size >> 20):
            file.write(piece)


SECONDS = 20


def outcome(read):
    """Return "read" or "refused"; anything else that happens is the test's failure."""
    with at_most(SECONDS):
        try:
            read()
        except InputError as error:
            message = str(error)
        else:
            return "read as sound data"
    assert message
    assert "\n" not in message
    return "refused in one line"


def check_data(path):
    data = datasets.load(path)
    matrix = data.interactions
    assert matrix.has_canonical_format
    assert np.isfinite(matrix.data).all()
    assert 0 <= matrix.indices.min() <= matrix.indices.max() < matrix.shape[1]
    assert len(data.user_ids) == matrix.shape[0]
    assert repr(data)
