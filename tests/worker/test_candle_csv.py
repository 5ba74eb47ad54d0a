"""CSV candles: what is read, and which row is named when something is wrong."""

import pytest

from tests.support.candle_rows import bars_in
from worker.candle_csv import read_csv
from worker.candle_rows import Bar, Refused, Rows

HEADER = "timestamp,open,high,low,close,volume\n"
GOOD = HEADER + "2020-01-02,10,12,9,11,100\n2020-01-03,11,13,10,12,0\n"


def bars_of(content: str | bytes) -> list[Bar]:
    return bars_in(rows_of(content))


def rows_of(content: str | bytes) -> Rows:
    return read_csv(content.encode() if isinstance(content, str) else content)


def refusal(content: str | bytes) -> Refused:
    raw = content.encode() if isinstance(content, str) else content
    with pytest.raises(Refused) as caught:
        read_csv(raw)
    return caught.value


def test_reads_every_column_by_its_name() -> None:
    first, second = bars_of(GOOD)
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
    bars = bars_of(f"{header}\n2020-01-02,10,12,9,11,100\n")
    assert bars == [Bar(1_577_923_200_000, 10.0, 12.0, 9.0, 11.0, 100.0)]


def test_columns_in_any_order() -> None:
    bars = bars_of("volume,close,low,high,open,date\n7,11,9,12,10,2020-01-02\n")
    assert bars == [Bar(1_577_923_200_000, 10.0, 12.0, 9.0, 11.0, 7.0)]


@pytest.mark.parametrize("ending", ["\r\n", "\n", "\n\n\n", ""])
def test_line_endings_and_empty_lines_at_the_end(ending: str) -> None:
    content = GOOD.strip().replace("\n", "\r\n") + ending
    assert bars_of(content) == bars_of(GOOD)


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
        ("2020-01-06,11,13,10,12", "5 columns where the first line has 6"),
        ("2020-01-06,11,13,10,12,5,6", "7 columns where the first line has 6"),
        ("2020-01-06;11;13;10;12;5", "1 columns where the first line has 6"),
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
        (
            "2020-01-02,10,12,9,11,100\n",
            "row 1: no column timestamp or open or high or low or close among '2020-01-02', '10', "
            "'12', '9', '11', …; the first line must name the columns timestamp,open,high,low,",
        ),
        ("1577923200,10,12,9,11,100\n", "row 1: no column timestamp"),
        ("timestamp,volume\n", "row 1: no column open or high or low or close"),
        ("open,high,low,close,volume\n", "row 1: no column timestamp among"),
        ("time,open,high,low,Close,close,volume\n", "row 1: column close is named twice"),
        ("time,Time,open,high,low,close,volume\n", "row 1: column time is named twice"),
        ("\n" + GOOD, "row 1: no column"),
        ("time open high low close\n2020-01-02 1 1 1 1\n", "row 1: no column"),
    ],
)
def test_a_file_that_is_no_candle_file(content: str, complaint: str) -> None:
    assert complaint in str(refusal(content))


def test_a_parquet_file_is_no_text() -> None:
    assert "not UTF-8" in str(refusal(b"PAR1\x15\x04\x15\x80\x80"))


def test_a_message_does_not_repeat_a_huge_cell() -> None:
    assert len(str(refusal(f"{GOOD}2020-01-06,{'1' * 100_000}x,13,10,12,5\n"))) < 200


FIRST, SECOND = bars_of(GOOD)


def test_newest_first_is_turned_round() -> None:
    rows = rows_of(f"{HEADER}2020-01-03,11,13,10,12,0\n2020-01-02,10,12,9,11,100\n")
    assert bars_in(rows) == [FIRST, SECOND]
    assert list(rows.numbers) == [3, 2]
    assert rows.notes == ["the file runs newest first and was turned round"]


@pytest.mark.parametrize(
    ("day", "complaint"),
    [
        ("2020-01-05", "row 4: its time lies after row 3's, and the file runs newest first"),
        ("2020-01-02", "row 4: its time repeats row 3's"),
    ],
)
def test_newest_first_must_be_so_throughout(day: str, complaint: str) -> None:
    line = ",10,12,9,11,1\n"
    assert str(refusal(f"{HEADER}2020-01-03{line}2020-01-02{line}{day}{line}")) == complaint


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_other_delimiters(delimiter: str) -> None:
    assert bars_of(GOOD.replace(",", delimiter)) == bars_of(GOOD)


def test_a_decimal_comma_is_refused_where_it_stands() -> None:
    refused = refusal("time;open;high;low;close;volume\n2020-01-02;10,5;12;9;11;1\n")
    assert str(refused) == "row 2: open is '10,5', expected a positive finite price"


def test_no_volume_is_none_and_is_noted() -> None:
    rows = rows_of("date,open,high,low,close\n2020-01-02,10,12,9,11\n")
    assert bars_in(rows) == [FIRST._replace(volume=0.0)]
    assert rows.notes == ["there is no volume; it is 0"]


def test_adjusted_closes_and_the_like_are_left_out() -> None:
    rows = rows_of(
        "Date,Open,High,Low,Close,Adj Close,Volume,Dividends\n2020-01-02,10,12,9,11,5.5,100,0\n"
    )
    assert bars_in(rows) == [FIRST]
    assert rows.notes == ["ignored columns: 'Adj Close', 'Dividends'"]


def test_many_columns_that_are_left_out_are_counted() -> None:
    extra = ",".join(f"x{number}" for number in range(7))
    (note,) = rows_of(f"{HEADER.strip()},{extra}\n2020-01-02,1,1,1,1,1{',0' * 7}\n").notes
    assert note == "ignored columns: 'x0', 'x1', 'x2', 'x3', 'x4' and 2 more"


@pytest.mark.parametrize(
    "content",
    [
        "Date,Time,Open,High,Low,Close,Volume\n20200102,093000,10,12,9,11,100\n",
        "Date,Time,Open,High,Low,Close,Volume\n2020-01-02,09:30,10,12,9,11,100\n",
        "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\n"
        "2020.01.02\t09:30:00\t10\t12\t9\t11\t100\n",
        ",open,high,low,close,volume\n2020-01-02 09:30:00+00:00,10,12,9,11,100\n",
        "unix,symbol,open,high,low,close,Volume BTC,Volume USD\n1577957400,X,10,12,9,11,100,1100\n",
        "ts;o;h;l;c;v\n1577957400000;10;12;9;11;100\n",
    ],
)
def test_files_as_other_programs_write_them(content: str) -> None:
    assert bars_of(content) == [FIRST._replace(time=1_577_957_400_000)]


def test_half_of_a_split_time_is_an_empty_time() -> None:
    content = "Date,Time,Open,High,Low,Close,Volume\n2020-01-02,,10,12,9,11,100\n"
    assert str(refusal(content)) == "row 2: timestamp is empty"


BINANCE = "{0},10,12,9,11,100,{0},1100,7,50,550,0\n"


@pytest.mark.parametrize("unit", [1, 1000])
def test_binance_dumps_have_no_header_and_two_units_of_time(unit: int) -> None:
    content = "".join(BINANCE.format((FIRST.time + step * 60_000) * unit) for step in range(2))
    rows = rows_of(content)
    assert bars_in(rows) == [FIRST, FIRST._replace(time=FIRST.time + 60_000)]
    assert list(rows.numbers) == [1, 2]
    assert rows.notes == ["read as a Binance dump"]


def test_a_bad_row_of_a_binance_dump_is_counted_from_its_first_line() -> None:
    refused = refusal(BINANCE.format(FIRST.time) + BINANCE.format(FIRST.time).replace("12", "8"))
    assert refused.row == 2


def test_binance_dumps_with_a_header() -> None:
    header = (
        "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,"
        "taker_buy_quote_volume,ignore\n"
    )
    assert bars_of(header + BINANCE.format(FIRST.time)) == [FIRST]
