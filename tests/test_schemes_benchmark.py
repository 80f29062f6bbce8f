"""The records of the training benchmark, and the table made of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from benchmarks.schemes import Case, cases
from benchmarks.schemes_table import RECORDS, Record, read_records, rows, write_records

RECORD = Record(2.5, 0.93, 0.925, 31.2, 100, 50, 8)


def test_records_are_read_as_they_were_written(tmp_path: Path) -> None:
    wrote = dict.fromkeys(cases("vgg7", "fashion", 3), RECORD)
    write_records(tmp_path / "some.csv", wrote)
    assert read_records(tmp_path / "some.csv") == wrote
    first = (tmp_path / "some.csv").read_bytes()
    write_records(tmp_path / "some.csv", dict(reversed(wrote.items())))
    assert (tmp_path / "some.csv").read_bytes() == first
    assert read_records(tmp_path / "none.csv") == {}


def test_a_row_is_the_mean_of_its_seeds_and_tells_what_the_dense_network_lost() -> None:
    sparse = Case("vgg7", "fashion", "incremental", ratio=0.5)
    records = {
        sparse.dense: RECORD,
        replace(sparse.dense, seed=1): replace(RECORD, float_accuracy=0.95),
        sparse: replace(RECORD, int8_accuracy=0.91),
        replace(sparse, seed=1): replace(RECORD, int8_accuracy=0.93, time_us=33.2),
    }
    dense, found = ([cell.strip() for cell in row.strip("|").split("|")] for row in rows(records))
    assert dense[2:5] == ["dense", "", "0%"] and dense[7:9] == ["2", "94.00"]
    assert found[2:5] == ["incremental", "8x8xK", "50%"]
    assert found[7:] == ["2", "93.00", "92.00", "-2.00", "32.2"]


def test_the_records_kept_are_of_cases_that_there_are() -> None:
    for case, record in read_records(RECORDS).items():
        known = (one.name for one in cases(case.net, case.data, case.seed))
        assert case.name in known
        assert record.agree == 8
        assert bool(record.zero_blocks) == (case.ratio > 0 and case.block != "1x1")
