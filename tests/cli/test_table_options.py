"""The options that say how a table is to be read, on every command that takes data."""

import json

import pytest
from typer.testing import CliRunner

from halfstep.cli.main import app
from halfstep.cli.show_reading import lines
from halfstep.cli.tables import table_options, words
from halfstep.datasets.tables.options import AS_FOUND, TableOptions
from halfstep.errors import InputError

TAKES_DATA = ["fit", "evaluate", "tune", "compare", "bench", "doctor", "recommend", "explain"]
TABLE = "when;who;what;often\n" + "".join(
    f"2024-01-{1 + (3 * u + i) % 28:02d};u{u};i{(u + i) % 9};{1 + i}\n"
    for u in range(30)
    for i in range(6)
)
SAID = ["--user-column", "who", "--item-column", "3", "--value-column", "often"]


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(TABLE)
    return path


def run(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.mark.parametrize("command", [*TAKES_DATA, "data info", "data convert", "data describe"])
def test_every_command_with_data_has_the_options(command):
    shown = run(*command.split(), "--help").output
    for option in ("--user-column", "--separator", "--no-header", "--negative", "--half-life"):
        assert option in shown


def test_the_options_reach_the_reader_and_are_printed(table, tmp_path):
    report = tmp_path / "info.json"
    result = run("data", "info", table, *SAID, "--time-column", "when", "--json", report)
    assert result.exit_code == 0
    assert "read log.csv: text, utf-8, separated by semicolons" in result.output.lower()
    assert "user: who, item: what, value: often, time: when" in result.output
    account = json.loads(report.read_text())["reading"]
    assert account["columns"] == {"user": "who", "item": "what", "value": "often", "time": "when"}
    assert account["rows"] == 180


def test_what_cannot_be_told_is_asked(table):
    with pytest.raises(InputError, match="--user-column"):
        run("data", "info", table)


def test_evaluate_prints_what_was_taken(table):
    output = run(
        "evaluate", "--data", table, *SAID, "--factors", "4", "--iterations", "2", "--threads", "1"
    ).output
    assert "user: who, item: what, value: often" in output


def test_ratings_are_not_added(tmp_path):
    path = tmp_path / "r.csv"
    path.write_text(
        "user,item,value\n" + "".join(f"{u},{i},{1 + u}\n" for u in range(5) for i in (1, 2, 2))
    )
    added = run("doctor", "--data", path).output
    kept = run("doctor", "--data", path, "--confidence", "explicit").output
    assert "5 more rows of the same user and item: added" in added
    assert "5 more rows of the same user and item: last kept" in kept


def test_queries_read_data_with_the_options(table, tmp_path):
    model = tmp_path / "m.npz"
    run("fit", "-o", model, "--data", table, *SAID, "--factors", "3", "--iterations", "1")
    output = run("recommend", model, "--user", "u3", "--data", table, *SAID).output
    assert "user: who, item: what, value: often" in output
    assert "For user u3" in output
    with pytest.raises(InputError, match="--user-column has no meaning without --data"):
        run("recommend", model, "--user", "u3", *SAID)


def test_what_halves_and_what_judges_are_not_both_said(table):
    with pytest.raises(InputError, match="--half-life"):
        run("evaluate", "--data", table, *SAID, "--half-life", "9", "--min-value", "2")


def test_options_have_no_meaning_for_a_preset():
    with pytest.raises(InputError, match="--user-column"):
        run("data", "info", "music-small", "--user-column", "who")


def test_a_command_line_is_written_as_it_was_read():
    said = TableOptions(user="a b", item=2, separator="\t", header=False, negative="keep")
    assert words(said) == (
        " --user-column 'a b' --item-column 2 --separator '\\t' --no-header --negative keep"
    )
    assert words(AS_FOUND) == words(TableOptions(ratings=True)) == ""


@pytest.mark.parametrize(
    ("given", "message"),
    [({"negative": "hide"}, "--negative must be"), ({"half_life": 0.0}, "--half-life must be")],
)
def test_wrong_values_name_the_option(given, message):
    nothing = dict.fromkeys(("user", "item", "value", "time", "name", "separator", "header"))
    with pytest.raises(InputError, match=message):
        table_options(**{**nothing, **given})


def test_the_account_names_rows_left_out():
    account = {
        "format": "csv", "files": ["a.csv"], "columns": {"user": "u", "item": "i"}, "unused": ["x"],
        "header": True, "separator": "\t", "encoding": "cp1252", "rows": 12, "duplicates": 0,
        "left_out": {"missing user": 7}, "first": {"missing user": [2, 3, 4, 5, 6]},
        "duplicates_rule": "", "notes": ["times are days"], "numbered": "row",
    }  # fmt: skip
    shown = lines(account, 5)
    assert shown[0] == "read a.csv: csv, cp1252, separated by tabs, the first line has the names"
    assert "value: none, each row counts 1; not used: x" in shown[1]
    assert "left out, missing user: 7 (row 2, 3, 4, 5, 6, ...)" in shown[3]
    assert lines(None, 5) == []
