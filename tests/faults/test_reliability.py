"""The page of a soak keeps the sections of parts that were not run again."""

import json

from faults.reliability import main, written


def test_a_part_of_the_soak_writes_its_own_section(tmp_path):
    numbers = ["Numbers", "share | of all", 0.00179, 0.05]
    whole = {
        "share": 1,
        "counts": [["Long fits", "killed", "same", 1200], ["Numbers", "a | b", "done", 3]],
        "worst": [["Memory", "a, f = 3, float32", 1.06, 1.1], numbers],
    }
    part = {"share": 1, "counts": [["Long fits", "killed", "other", 7]], "worst": []}
    record, page = tmp_path / "record.json", tmp_path / "page.md"
    record.write_text(json.dumps(whole))
    main(str(record), str(page))
    assert written(page.read_text()) == {kind: whole[kind] for kind in ("counts", "worst")}
    record.write_text(json.dumps(part))
    main(str(record), str(page))
    counts = [*part["counts"], whole["counts"][1]]
    assert written(page.read_text()) == {"counts": counts, "worst": whole["worst"]}
    record.write_text(json.dumps({**part, "share": 0.1}))
    main(str(record), str(page))
    assert written(page.read_text()) == {"counts": part["counts"], "worst": []}
