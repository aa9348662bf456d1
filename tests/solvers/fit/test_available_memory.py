"""The memory there is: the machine's, the container's, the process's; the least of them counts."""

import sys

import pytest

from halfstep import InputError, memory


def machine(tmp_path, monkeypatch, files):
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    monkeypatch.setattr(memory, "_ROOT", tmp_path)
    monkeypatch.setattr(memory, "_address_space", lambda: iter(()))


MEMINFO = {"proc/meminfo": "MemTotal: 16000000 kB\nMemFree: 1 kB\nMemAvailable: 8000000 kB\n"}
UNIFIED = {
    "proc/self/cgroup": "0::/jobs/one\n",
    "sys/fs/cgroup/memory.max": "max\n",
    "sys/fs/cgroup/jobs/memory.max": "3000000000\n",
    "sys/fs/cgroup/jobs/memory.current": "2500000000\n",
    "sys/fs/cgroup/jobs/memory.stat": "anon 7\ninactive_file 300000000\nactive_file 200000000\n",
    "sys/fs/cgroup/jobs/one/memory.max": "max\n",
}
FIRST_VERSION = {
    "proc/self/cgroup": "5:cpu,cpuacct:/x\n4:memory:/not/mounted/here\n0::/\n",
    "sys/fs/cgroup/memory/memory.limit_in_bytes": "2000000000\n",
    "sys/fs/cgroup/memory/memory.usage_in_bytes": "1500000000\n",
    "sys/fs/cgroup/memory/memory.stat": "total_inactive_file 100000000\n",
}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (MEMINFO, 8_192_000_000),
        (MEMINFO | UNIFIED, 1_000_000_000),
        (MEMINFO | FIRST_VERSION, 600_000_000),
        (MEMINFO | {"proc/self/cgroup": "0::/\n"}, 8_192_000_000),
    ],
)
def test_the_least_limit_counts(files, expected, tmp_path, monkeypatch):
    monkeypatch.delenv(memory.VARIABLE, raising=False)
    machine(tmp_path, monkeypatch, files)
    assert memory.available() == expected


def test_without_files_to_read_there_is_still_an_answer(tmp_path, monkeypatch):
    monkeypatch.delenv(memory.VARIABLE, raising=False)
    machine(tmp_path, monkeypatch, {})
    found = memory.available()
    assert found is None or found > 1e8


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/statm")
def test_the_limit_on_the_address_space_counts(monkeypatch):
    import resource

    monkeypatch.delenv(memory.VARIABLE, raising=False)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1 << 40, 1 << 40))
    (left,) = memory._address_space()
    assert 0 < left < 1 << 40
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1 << 20, 1 << 20))
    assert memory.available() == 0


def test_the_variable_overrules(monkeypatch):
    monkeypatch.setenv(memory.VARIABLE, "2.5")
    assert memory.available() == 2_500_000_000
    for wrong in ("many", "-1", "0", "nan", "inf"):
        monkeypatch.setenv(memory.VARIABLE, wrong)
        with pytest.raises(InputError, match=f"positive number of gigabytes, got '{wrong}'"):
            memory.available()
