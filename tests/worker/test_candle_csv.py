"""CSV candles: what is read, and which row is named when something is wrong."""

import pytest

from worker.candle_csv import Bar, Refused, read_csv

HEADER = "timestamp,open,high,low,close,volume\n"
GOOD = HEADER + "2020-01-02,10,12,9,11,100\n2020-01-03,11,13,10,12,0\n"


def refusal(content: str | bytes) -> Refused:
    raw = content.encode() if isinstance(content, str) else content
    with pytest.raises(Refused) as caught:
        read_csv(raw)
    return caught.value


def test_reads_every_column_by_its_name() -> None:
    first, second = read_csv(GOOD.encode())
    assert first == Bar(1_577_923_200_000, 10.0, 12.0, 9.0, 11.0, 100.0)
    assert second.time - first.time == 86_400_000
    assert second.volume == 0.0


@pytest.mark.parametrize(
    "header",
    [
        "Timestamp,Open,High,Low,Close,Volume",
        "TIMESTAMP,OPEN,HIGH,LOW,CLOSE,VOLUME",
        "Date, Open, High, Low, Close, Volume",
        "datetime,open,high,low,close,volume",
        '"time","open","high","low","close","volume"',
        "\ufefftime,open,high,low,close,volume",
    ],
)
def test_header_in_either_case_and_any_name_of_time(header: str) -> None:
    bars = read_csv(f"{header}\n2020-01-02,10,12,9,11,100\n".encode())
    assert bars == [Bar(1_577_923_200_000, 10.0, 12.0, 9.0, 11.0, 100.0)]


def test_columns_in_any_order() -> None:
    bars = read_csv(b"volume,close,low,high,open,date\n7,11,9,12,10,2020-01-02\n")
    assert bars == [Bar(1_577_923_200_000, 10.0, 12.0, 9.0, 11.0, 7.0)]


@pytest.mark.parametrize("ending", ["\r\n", "\n", "\n\n\n", ""])
def test_line_endings_and_empty_lines_at_the_end(ending: str) -> None:
    content = GOOD.strip().replace("\n", "\r\n") + ending
    assert read_csv(content.encode()) == read_csv(GOOD.encode())


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("2020-01-06,,13,10,12,5", "open is empty"),
        ("2020-01-06,11,13,10,,5", "close is empty"),
        ("2020-01-06,11,13,10,12,", "volume is empty"),
        (",11,13,10,12,5", "timestamp is empty"),
        ("2020-01-06,11,13,10, ,5", "close is empty"),
        ("2020-01-06,nan,13,10,12,5", "open is 'nan'"),
        ("2020-01-06,11,inf,10,12,5", "high is 'inf'"),
        ("2020-01-06,11,1e999,10,12,5", "high is '1e999'"),
        ("2020-01-06,11,13,0,12,5", "low is '0'"),
        ("2020-01-06,11,13,-1,12,5", "low is '-1'"),
        ("2020-01-06,1_1,13,10,12,5", "open is '1_1'"),
        ("2020-01-06,eleven,13,10,12,5", "open is 'eleven'"),
        ("2020-01-06,11,13,10,12,-5", "volume is '-5'"),
        ("2020-01-06,11,13,10,12,nan", "volume is 'nan'"),
        ("2020-01-06,11,10,13,12,5", "high 10 is below low 13"),
        ("2020-01-06,14,13,10,12,5", "open 14 lies outside low 10 to high 13"),
        ("2020-01-06,11,13,10,9,5", "close 9 lies outside low 10 to high 13"),
        ("2020-01-03,11,13,10,12,5", "its time repeats row 3's"),
        ("2020-01-01,11,13,10,12,5", "its time lies before row 3's"),
        ("06.01.2020,11,13,10,12,5", "timestamp is '06.01.2020', expected a date"),
        ("2020-01-06,11,13,10,12", "5 columns where the header has 6"),
        ("2020-01-06,11,13,10,12,5,6", "7 columns where the header has 6"),
        ("2020-01-06;11;13;10;12;5", "1 columns where the header has 6"),
        ('2020-01-06,"11"x,13,10,12,5', "not readable as CSV"),
    ],
)
def test_a_bad_row_is_named(line: str, complaint: str) -> None:
    refused = refusal(f"{GOOD}{line}\n2020-01-07,12,13,10,12,5\n")
    assert refused.row == 4
    assert str(refused).startswith("row 4: ")
    assert complaint in str(refused)


def test_the_first_of_several_bad_rows_is_named() -> None:
    assert refusal(f"{GOOD}2020-01-06,11,10,13,12,5\n,,,,,\n2020-01-01,1,1,1,1,1\n").row == 4


def test_an_empty_line_between_rows_is_a_gap() -> None:
    refused = refusal(f"{GOOD}\n2020-01-06,11,13,10,12,5\n")
    assert (refused.row, str(refused)) == (4, "row 4: the row is empty")


def test_bytes_that_are_no_text_are_placed() -> None:
    refused = refusal(GOOD.encode() + b"2020-01-06,11,13,10,12,\xff\n")
    assert (refused.row, str(refused)) == (4, "row 4: the file is not UTF-8 text")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "the file is empty"),
        (HEADER, "the file has a header and no rows"),
        (HEADER + "\n\n", "the file has a header and no rows"),
        ("2020-01-02,10,12,9,11,100\n", "row 1: unknown column '2020-01-02'"),
        ("timestamp;open;high;low;close;volume\n", "separated by commas"),
        ("timestamp,open,high,low,close,volume,adj\n", "row 1: unknown column 'adj'"),
        ("timestamp,open,high,low,close\n", "row 1: no column volume"),
        ("timestamp,volume\n", "row 1: no column open or high or low or close"),
        ("time,date,open,high,low,close,volume\n", "row 1: column timestamp is named twice"),
        ("\n" + GOOD, "row 1: no column"),
    ],
)
def test_a_file_that_is_no_candle_file(content: str, complaint: str) -> None:
    assert complaint in str(refusal(content))


def test_a_parquet_file_is_no_text() -> None:
    assert "not UTF-8" in str(refusal(b"PAR1\x15\x04\x15\x80\x80"))


def test_a_message_does_not_repeat_a_huge_cell() -> None:
    assert len(str(refusal(f"{GOOD}2020-01-06,{'1' * 100_000}x,13,10,12,5\n"))) < 200
