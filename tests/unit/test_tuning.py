"""The rules of `doctor --tune`, and what this machine offers. Expected values were worked out by hand or come from pgtune."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics_pipeline.commands.tune import machine_of
from analytics_pipeline.errors import UsageError
from analytics_pipeline.warehouse import tuning
from analytics_pipeline.warehouse.connection import Capabilities
from analytics_pipeline.warehouse.machine import this_machine
from analytics_pipeline.warehouse.tuning import Suggestion, magnitude, suggest

GB, MB = 2**30, 2**20
PLAIN = Capabilities(server_version=160004, timescaledb="none", timescaledb_version=None, raw_events="partitions")
TIMESCALE = Capabilities(server_version=170005, timescaledb="community", timescaledb_version="2.23.0", raw_events="hypertable")

# min_val and max_val of pg_settings, the narrowest of PostgreSQL 16 to 18 and of 32 and 64 bits; memory in bytes.
RANGES = {
    "shared_buffers": (16 * 8192, 1073741823 * 8192),
    "effective_cache_size": (8192, 2147483647 * 8192),
    "work_mem": (64 * 1024, 2097151 * 1024),
    "maintenance_work_mem": (1024 * 1024, 2097151 * 1024),
    "max_wal_size": (2 * MB, 2147483647 * MB),
    "min_wal_size": (2 * MB, 2147483647 * MB),
    "checkpoint_completion_target": (0, 1),
    "random_page_cost": (0, 1.79769e308),
    "effective_io_concurrency": (0, 1000),
    "default_statistics_target": (1, 10000),
    "max_worker_processes": (0, 262143),
    "max_parallel_workers": (0, 1024),
    "max_parallel_workers_per_gather": (0, 1024),
    "max_parallel_maintenance_workers": (0, 1024),
    "timescaledb.max_background_workers": (0, 1000),
    "max_locks_per_transaction": (10, 2147483647),
    "autovacuum_vacuum_insert_scale_factor": (0, 100),
    "autovacuum_analyze_scale_factor": (0, 100),
}
WORDS = {
    "wal_compression": {"pglz", "lz4", "zstd", "on", "off"},
    "synchronous_commit": {"local", "remote_write", "remote_apply", "on", "off"},
    "jit": {"on", "off"},
}
MACHINES = st.tuples(
    st.integers(tuning.LEAST_MEMORY, tuning.MOST_MEMORY),
    st.integers(1, tuning.MOST_CORES),
    st.sampled_from([PLAIN, TIMESCALE]),
    st.integers(1, 10_000),
    st.integers(0, 100_000),
)
Inputs = tuple[int, int, Capabilities, int, int]


def values(memory: int, cores: int, can: Capabilities = PLAIN, connections: int = 100, chunks: int = 0) -> dict[str, str]:
    return {s.name: s.value for s in suggest(memory, cores, can, connections, chunks)}


def numbers(*inputs: int | Capabilities) -> dict[str, float]:
    return {name: number for name, value in values(*inputs).items() if (number := magnitude(value)) is not None}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("gigabytes", "cores", "memory", "log", "workers", "locks"),
    [
        (2, 1, ("512MB", "1536MB", "6MB", "256MB"), ("2GB", "512MB"), ("8", "20", "1", "0", "0"), "64"),
        (24, 2, ("6GB", "18GB", "73MB", "2047MB"), ("16GB", "4GB"), ("8", "21", "2", "1", "1"), "256"),
        (64, 16, ("16GB", "48GB", "146MB", "2047MB"), ("16GB", "4GB"), ("19", "35", "16", "8", "4"), "512"),
        (256, 64, ("64GB", "192GB", "315MB", "2047MB"), ("16GB", "4GB"), ("67", "83", "64", "32", "4"), "512"),
    ],
)
def test_a_machine_gets_what_the_formulas_give_by_hand(
    gigabytes: int, cores: int, memory: tuple[str, ...], log: tuple[str, ...], workers: tuple[str, ...], locks: str
) -> None:
    plain, timescale = values(gigabytes * GB, cores), values(gigabytes * GB, cores, TIMESCALE)
    assert tuple(plain[n] for n in ("shared_buffers", "effective_cache_size", "work_mem", "maintenance_work_mem")) == memory
    assert (plain["max_wal_size"], plain["min_wal_size"]) == log
    parallel = ("max_parallel_workers", "max_parallel_workers_per_gather", "max_parallel_maintenance_workers")
    found = (plain["max_worker_processes"], timescale["max_worker_processes"], *(plain[n] for n in parallel))
    assert found == workers
    assert plain["max_locks_per_transaction"] == locks
    assert timescale["timescaledb.max_background_workers"] == "16"
    assert "timescaledb.max_background_workers" not in plain


@pytest.mark.parametrize(
    ("gigabytes", "cores", "published"),
    [
        (
            12,
            4,
            """shared_buffers=3GB effective_cache_size=9GB maintenance_work_mem=1536MB checkpoint_completion_target=0.9
            default_statistics_target=500 random_page_cost=1.1 effective_io_concurrency=200 max_parallel_workers=4
            max_parallel_workers_per_gather=2 max_parallel_maintenance_workers=2""",
        ),
        (
            128,
            40,
            """shared_buffers=32GB effective_cache_size=96GB checkpoint_completion_target=0.9
            default_statistics_target=500 random_page_cost=1.1 effective_io_concurrency=200 min_wal_size=4GB
            max_wal_size=16GB max_parallel_workers_per_gather=20 max_parallel_workers=40""",
        ),
    ],
)
def test_it_agrees_with_what_pgtune_printed_for_a_warehouse_on_an_ssd(gigabytes: int, cores: int, published: str) -> None:
    expected = dict(pair.split("=") for pair in published.split())
    assert {name: values(gigabytes * GB, cores)[name] for name in expected} == expected


@given(MACHINES)
def test_every_value_parses_and_lies_in_the_range_that_the_server_allows(inputs: Inputs) -> None:
    for s in suggest(*inputs):
        if s.name in WORDS:
            assert s.value in WORDS[s.name]
        else:
            assert re.fullmatch(r"\d+(\.\d+)?|\d+(kB|MB|GB|TB)", s.value)
            number, (least, most) = magnitude(s.value), RANGES[s.name]
            assert number is not None
            assert least <= number <= most, s


@given(MACHINES)
def test_no_setting_is_named_twice_and_each_has_a_reason_of_one_sentence(inputs: Inputs) -> None:
    suggestions = suggest(*inputs)
    assert len({s.name for s in suggestions}) == len(suggestions)
    assert {s.name for s in suggestions} | {"timescaledb.max_background_workers"} == RANGES.keys() | WORDS.keys()
    for s in suggestions:
        assert 20 < len(s.reason) < 130
        assert not re.search(r"\.\s|\.$|\n", s.reason), s.reason


@given(MACHINES)
def test_all_that_may_be_taken_at_once_fits_into_the_memory(inputs: Inputs) -> None:
    """Each connection and worker sorts three times, three vacuums work; only the floor of work_mem may break it."""
    memory, cores, _, connections, _ = inputs
    found = numbers(*inputs)
    taken = (min(connections, 40) + cores) * 3 * found["work_mem"] + 3 * found["maintenance_work_mem"] + found["shared_buffers"]
    assert taken <= memory or found["work_mem"] == 4 * MB


@given(MACHINES)
def test_the_lock_table_has_room_for_every_chunk_for_all_who_work_at_once(inputs: Inputs) -> None:
    _, _, _, connections, chunks = inputs
    assert numbers(*inputs)["max_locks_per_transaction"] * connections >= chunks * 6 * min(connections, 40)


@given(MACHINES)
def test_the_worker_processes_cover_parallel_workers_and_those_of_timescaledb(inputs: Inputs) -> None:
    found = numbers(*inputs)
    jobs = found.get("timescaledb.max_background_workers", 0)
    assert found["max_worker_processes"] >= found["max_parallel_workers"] + jobs + 3


@given(MACHINES, st.integers(0, 512 * GB), st.integers(0, 64), st.integers(0, 1000))
def test_a_larger_machine_or_history_never_gets_less(inputs: Inputs, memory: int, cores: int, chunks: int) -> None:
    before = numbers(*inputs)
    more_memory = numbers(min(inputs[0] + memory, tuning.MOST_MEMORY), *inputs[1:])
    more_cores = numbers(inputs[0], min(inputs[1] + cores, tuning.MOST_CORES), *inputs[2:])
    more_chunks = numbers(*inputs[:4], inputs[4] + chunks)
    for name, number in before.items():
        assert more_memory[name] >= number
        assert more_chunks[name] >= number
        assert more_cores[name] >= number or name == "work_mem"
    assert more_cores["work_mem"] <= before["work_mem"]


def test_present_workers_of_timescaledb_are_never_lowered_and_are_covered() -> None:
    found = {s.name: s for s in suggest(64 * GB, 16, TIMESCALE, 100, 0, timescale_workers=40)}
    assert found["timescaledb.max_background_workers"].suits("40")
    assert found["max_worker_processes"].value == str(16 + 40 + 3)


def test_a_timescaledb_without_background_workers_is_not_told_to_have_some() -> None:
    found = {s.name: s.value for s in suggest(64 * GB, 16, TIMESCALE, 100, 0, timescale_workers=None)}
    assert "timescaledb.max_background_workers" not in found
    assert found["max_worker_processes"] == "19"


def test_a_server_without_lz4_is_not_told_to_use_it() -> None:
    found = {has: {s.name: s for s in suggest(GB, 1, PLAIN, 100, 0, has_lz4=has)} for has in (True, False)}
    assert found[True]["wal_compression"].value == "lz4"
    assert found[False]["wal_compression"].value == "on"
    assert not found[True]["wal_compression"].suits("off")
    assert found[True]["wal_compression"].suits("zstd")


def test_asynchronous_reads_of_postgresql_18_keep_its_default_depth() -> None:
    eighteen = Capabilities(server_version=180001, timescaledb="none", timescaledb_version=None, raw_events="partitions")
    assert values(GB, 1, eighteen)["effective_io_concurrency"] == "16"
    assert values(GB, 1)["effective_io_concurrency"] == "200"


@pytest.mark.parametrize(
    ("suggestion", "fine", "not_fine"),
    [
        (Suggestion("work_mem", "64MB", ""), ["64MB", "65536kB", "52MB", "80MB"], ["51MB", "81MB", "1GB"]),
        (Suggestion("max_wal_size", "4GB", "", "at least"), ["4GB", "4096MB", "1TB"], ["4095MB", "0"]),
        (Suggestion("autovacuum_analyze_scale_factor", "0.05", "", "at most"), ["0.05", "0", "0.01"], ["0.1"]),
        (Suggestion("max_parallel_workers_per_gather", "0", ""), ["0"], ["1", "2"]),
        (Suggestion("synchronous_commit", "on", "", also_fine=("local",)), ["on", "local"], ["off"]),
    ],
)
def test_what_a_server_has_is_fine_where_it_is_as_good(suggestion: Suggestion, fine: list[str], not_fine: list[str]) -> None:
    assert [current for current in fine if not suggestion.suits(current)] == []
    assert [current for current in not_fine if suggestion.suits(current)] == []


def test_another_server_has_to_be_described() -> None:
    for memory, cores in ((None, None), ("32GB", None), (None, 8)):
        with pytest.raises(UsageError, match="--memory 32GB --cores 8"):
            machine_of(False, memory, cores)
    described = machine_of(False, "32GB", 8)
    assert (described.memory, described.cores) == (32 * GB, 8)


@pytest.mark.parametrize(
    ("text", "size"), [("512MB", 512 * MB), ("1.5TB", 1536 * GB), ("32gb", 32 * GB), ("32 GiB", 32 * GB), ("8G", 8 * GB)]
)
def test_sizes_are_read_as_people_write_them(text: str, size: int) -> None:
    assert machine_of(False, text, 1).memory == size


@pytest.mark.parametrize("text", ["32", "511MB", "a lot", "-1GB", "17000GB", "1e3GB", ""])
def test_a_size_that_is_none_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match="for example 32GB"):
        machine_of(False, text, 1)


def test_the_embedded_server_leaves_memory_to_the_pipeline_beside_it() -> None:
    here, mine = this_machine(), machine_of(True, None, None)
    assert mine.memory <= max(here.memory - min(2 * GB, here.memory // 2), tuning.LEAST_MEMORY)
    assert mine.cores == here.cores
    assert machine_of(True, "1GB", 3).memory == GB
    assert machine_of(True, None, 3).cores == 3


def group(root: Path, name: str, **files: str) -> None:
    (root / name).mkdir(parents=True, exist_ok=True)
    for file, text in files.items():
        (root / name / file.replace("_", ".", 1)).write_text(text + "\n")


@pytest.mark.parametrize(
    ("outer", "inner", "expected"),
    [
        ({"memory_max": "max", "cpu_max": "max 100000"}, {"memory_max": "268435456", "cpu_max": "50000 100000"}, (256 * MB, 1)),
        ({"memory_max": "134217728", "cpu_max": "100000 100000"}, {"memory_max": "268435456"}, (128 * MB, 1)),
    ],
)
def test_the_tightest_control_group_counts(
    tmp_path: Path, outer: dict[str, str], inner: dict[str, str], expected: tuple[int, int]
) -> None:
    root, membership = tmp_path / "cgroup", tmp_path / "membership"
    group(root, "", **outer)
    group(root, "system.slice/mine", **inner)
    group(root, "other", memory_max="1", cpu_max="1 100000")
    membership.write_text("0::/system.slice/mine\n")
    here = this_machine(root, membership)
    assert (here.memory, here.cores) == expected


def test_control_groups_of_version_1_count_too(tmp_path: Path) -> None:
    root, membership = tmp_path / "cgroup", tmp_path / "membership"
    (root / "memory" / "box").mkdir(parents=True)
    (root / "memory" / "box" / "memory.limit_in_bytes").write_text("134217728\n")
    (root / "cpu" / "box").mkdir(parents=True)
    (root / "cpu" / "box" / "cpu.cfs_quota_us").write_text("100000\n")
    (root / "cpu" / "box" / "cpu.cfs_period_us").write_text("100000\n")
    membership.write_text("4:memory:/box\n2:cpu,cpuacct:/box\n0::/\n")
    here = this_machine(root, membership)
    assert (here.memory, here.cores) == (128 * MB, 1)


@pytest.mark.skipif(not Path("/proc/meminfo").exists(), reason="only Linux says elsewhere how much memory there is")
def test_without_control_groups_the_machine_itself_counts(tmp_path: Path) -> None:
    root, membership = tmp_path / "cgroup", tmp_path / "membership"
    bare = this_machine(root, membership)
    group(root, "", memory_max="max", cpu_max="max 100000")
    membership.write_text("0::/\n")
    total = next(int(line.split()[1]) for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    assert this_machine(root, membership) == bare
    assert bare.memory == total * 1024
    assert bare.cores >= 1
