"""Files as programs write them: what is read, what is refused, and that nothing in them is guessed."""

import gzip
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lifecycle.services.imports.columns import plan_columns
from lifecycle.services.imports.encoding_names import EncodingRefused, find_codec
from lifecycle.services.imports.files import RecordReader, find_kind, open_file
from lifecycle.services.imports.lines import read_line
from lifecycle.services.imports.survey import survey_columns
from lifecycle.services.imports.texts import FileRefused
from tests.services.import_files import Rows, read, write

TEXTS = [
    ("windows-1250", "Zakłady Łódź\nŠkoda Plzeň"),
    ("iso-8859-2", "Żabka Łódź\nŠkoda Plzeň"),
    ("windows-1251", "Ромашка и партнёры"),
    ("koi8-r", "Ромашка и партнёры\nООО Север"),
    ("iso-8859-5", "Ромашка и партнёры"),
    ("cp866", "Ромашка и партнёры"),
    ("windows-1252", "Crème Brûlée\nSociété Générale"),
    ("iso-8859-1", "José Núñez"),
    ("windows-1253", "Αθήνα Ενέργεια\nΕλληνικά Τρόφιμα"),
    ("windows-1254", "Işık Şirketi İstanbul\nÇağdaş Güneş"),
    ("iso-8859-9", "Işık Şirketi İstanbul"),
    ("windows-1255", "שלום חברה בעמ"),
    ("windows-1256", "شركة النور للتجارة"),
    ("windows-1257", "Rīgas Šķēles\nŽalgiris Ąžuolas"),
    ("windows-874", "บริษัท ไทย จำกัด"),
    ("mac-roman", "Crème Brûlée\nMüller Söhne"),
    ("cp850", "São João\nConceição Avô"),
    ("cp850", "Größe"),
    ("mac-latin2", "Łódź\nZakłady"),
    ("shift-jis", "株式会社トヨタ自動車\nソニー"),
    ("euc-jp", "株式会社トヨタ自動車\nソニー"),
    ("gb18030", "北京科技有限公司\n上海贸易"),
    ("big5", "台灣積體電路公司\n鴻海精密工業"),
    ("euc-kr", "삼성전자 주식회사\n현대자동차"),
]


@pytest.mark.parametrize(("encoding", "names"), TEXTS)
def test_names_in_another_encoding_are_refused_or_read_by_its_name_and_never_garbled(
    encoding: str, names: str, tmp_path: Path
) -> None:
    lines = "".join(f"{number},{name}\r\n" for number, name in enumerate(names.split("\n"), 1))
    path = write(tmp_path / "a.csv", f"id,name\r\n{lines}", find_codec(encoding))
    with pytest.raises(FileRefused) as refusal:
        read(path)
    assert encoding in str(refusal.value)
    assert "Say which with --encoding" in str(refusal.value)
    rows, sentences, _ = read(path, encoding)
    assert ([name for _, name in rows], sentences) == (names.split("\n"), [])


def test_what_reads_the_same_in_every_likely_encoding_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,name\n1,Müller & Söhne\n2,Straßenbau Grünberg\n", "cp1252")
    assert read(path)[0] == [("1", "Müller & Söhne"), ("2", "Straßenbau Grünberg")]


def test_a_letter_far_down_in_the_file_makes_it_ambiguous(tmp_path: Path) -> None:
    lines = "".join(f"{number},Müller & Söhne\n" for number in range(3_000))
    path = write(tmp_path / "a.csv", f"id,name\n{lines}last,Crème\n", "cp1252")
    with pytest.raises(FileRefused, match="could be in windows-1252"):
        read(path)


def test_a_file_in_utf_8_is_not_read_as_anything_else(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,name\n1,Müller\n")
    with pytest.raises(FileRefused, match="The file is in UTF-8, not in windows-1252; leave --encoding out"):
        read(path, "windows-1252")
    assert read(path, "utf-8")[0] == [("1", "Müller")]


@pytest.mark.parametrize("name", ["klingon", "utf-16", "utf-7", "iso-2022-jp", "rot13", "hex", "cp037", "", "a\0b"])
def test_encodings_that_are_none_are_refused_with_some_that_are(name: str) -> None:
    with pytest.raises(EncodingRefused, match="is not a known encoding; some that are: utf-8"):
        find_codec(name)


def test_bad_bytes_under_a_named_encoding_cost_their_own_line_and_stay_as_they_were(tmp_path: Path) -> None:
    invalid = b"2,\x81\x20 invalid\r\n"
    path = write(tmp_path / "a.csv", "id,name\r\n1,株式会社\r\n".encode("cp932") + invalid)
    rows, sentences, _ = read(path, "shift-jis")
    assert (rows, sentences) == ([("1", "株式会社")], ["The line is not text in the file's encoding."])
    assert (tmp_path / "rejected-a.csv").read_bytes().endswith(invalid)


# --- files of other kinds -----------------------------------------------------------------------------------------


def zipped(path: Path, *names: str) -> bytes:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return path.read_bytes()


def test_files_of_other_kinds_are_named_with_what_to_do(tmp_path: Path) -> None:
    text = "id,name\n1,One\n2,Two\n3,Three\n"
    save = "open it in a spreadsheet program and save it as CSV UTF-8."
    web = "a web page, even if it is called a spreadsheet; if it shows the customers,"
    objects = "write one object per line (NDJSON), for example with jq -c '.[]'."
    sheet = b"PK\x03\x04mimetypeapplication/vnd.oasis.opendocument.spreadsheet"
    old = "an Excel workbook of the old kind (.xls) or one with a password"
    neither = "export the customers as CSV UTF-8 or NDJSON."
    wide = "save it as UTF-8 (in Excel: CSV UTF-8)."
    kinds: list[tuple[bytes, str]] = [
        (zipped(tmp_path / "x", "[Content_Types].xml", "xl/workbook.xml"), f"an Excel workbook (.xlsx); {save}"),
        (zipped(tmp_path / "x", "customers.csv"), "a ZIP archive; unpack it and import the file inside."),
        (sheet, f"an OpenDocument spreadsheet (.ods); {save}"),
        (b"\xd0\xcf\x11\xe0" + bytes(600), f"{old}; {save}"),
        (gzip.compress(text.encode()), "compressed with gzip; unpack it and import the file inside."),
        (b"%PDF-1.7\n1 0 obj", f"a PDF document; {neither}"),
        (b"PAR1\x15\x04", f"a Parquet file; {neither}"),
        (b"\xef\xbb\xbf\n<HTML><body><table><tr><td>id", f"{web} {save}"),
        (b"<?xml version='1.0'?><Workbook>", f"XML; if a spreadsheet program wrote it, {save}"),
        (b'[{"id": "1"}]', f"a JSON array; {objects}"),
        (b'\n[\n  {"id": "1"}\n]', f"a JSON array; {objects}"),
        (b'{\n  "id": "1"\n}', f"one JSON document over several lines; {objects}"),
        (
            b'{"id": "e-1", "specversion": "1.0", "data": {"external_id": "C-1"}}\n',
            "a list of events (CloudEvents), whose ids are not those of customers; send them to the broker.",
        ),
        (text.encode("utf-16"), f"in UTF-16; {wide}"),
        (text.encode("utf-16-le"), f"in UTF-16 without a byte order mark; {wide}"),
        (text.encode("utf-16-be"), f"in UTF-16 without a byte order mark; {wide}"),
        (text.encode("utf-32"), f"in UTF-32; {wide}"),
    ]
    for content, sentence in kinds:
        with pytest.raises(FileRefused) as refusal:
            read(write(tmp_path / "a.csv", content))
        assert str(refusal.value) == f"The file is {sentence}"
    with pytest.raises(FileRefused, match=r"JSON, not CSV; call it \.ndjson"):
        read(write(tmp_path / "a.csv", '{"id": "1"}\n'))


# --- lines --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ("id,name\rA,One\rB,Two\r", [("A", "One"), ("B", "Two")]),
        ('id,name\rA,"On\re"\rB,Two', [("A", "On e"), ("B", "Two")]),
        ("\ufeffsep=;\r\nid;name\r\nA;One, Ltd\r\n", [("A", "One, Ltd")]),
        ('"sep=|"\nid|name\nA|One; Two\n', [("A", "One; Two")]),
        ("SEP=\t\nid\tname\nA\tOne\n", [("A", "One")]),
        ("sep = ;\r\nid;name\r\nA;One, Ltd\r\n", [("A", "One, Ltd")]),
        (" sep= | \nid|name\nA|One; Two\n", [("A", "One; Two")]),
        ("sep=;;\r\nid;name\r\nA;One\r\n", [("A", "One")]),
        ("id,name,arr,owner\nA\nB,Two\nC,Three,100,maya,\n", [("A", ""), ("B", "Two"), ("C", "Three")]),
        ("id,name,arr,owner\nD,Four,,,,\n", [("D", "Four")]),
        ('id,name,arr,owner\nA,"One\nHolding"\nB,Two\n', [("A", "One Holding"), ("B", "Two")]),
        ('id,name\n="00124","=""Text"""\n"=""007""",Bond\n', [("00124", "Text"), ("007", "Bond")]),
        ('="id",="name"\n1,One\n', [("1", "One")]),
    ],
)  # fmt: skip
def test_files_of_old_macs_of_excel_and_with_short_lines_are_read(content: str, rows: Rows, tmp_path: Path) -> None:
    assert read(write(tmp_path / "a.csv", content))[:2] == (rows, [])


def test_a_file_that_mixes_line_ends_is_said_to_do_so(tmp_path: Path) -> None:
    sentence = "a carriage return by itself is in the middle of the line; save the file with one kind of line end."
    with pytest.raises(FileRefused) as refusal:
        read(write(tmp_path / "a.csv", "id,name\rA,One\r\nB,Two\r\n"))
    assert str(refusal.value) == f"The header in line 1 is not valid CSV: {sentence}"
    rows, sentences, _ = read(write(tmp_path / "b.csv", "id,name\r\nA,One\rB,Two\r\nC,Three\r\n"))
    assert (rows, sentences) == ([("C", "Three")], [f"The line is not valid CSV: {sentence}"])
    _, sentences, _ = read(write(tmp_path / "c.csv", 'id,name\nA,"One" Ltd\nC,Three\n'))
    assert sentences == [
        "The line is not valid CSV: something comes after the end of a quoted field; double the quotes that belong"
        " to the text."
    ]


@pytest.mark.parametrize(
    ("name", "line", "sentence"),
    [
        ("a.csv", "2,MÃ¼ller GmbH", "The line was turned into UTF-8 twice"),
        ("a.csv", "2,FranÃ\u00a7ais Ã\u00a0 Paris", "The line was turned into UTF-8 twice"),
        ("a.csv", "2,M\ufffdller", "“name” has lost letters in another program"),
        ("a.ndjson", '{"id": "2", "name": "M\\ufffdller"}', "“name” has lost letters in another program"),
        ("a.csv", "id,name", "The line repeats the header."),
        ("a.csv", '"Grand Totals (2 records)"', "The line is not a customer but a total or a note"),
        (
            "a.csv",
            '"Copyright (c) 2000-2026 crm.example, inc. All rights reserved.",',
            "The line is not a customer but",
        ),
        ("a.csv", "Summe:,", "The line is not a customer but a total or a note"),
        ("a.ndjson", '{"id": "2", "id": "3"}', "The line gives a key twice"),
        ("a.ndjson", '{"id": "2", "billing": {"arr": 1, "arr": 2}}', "The line gives a key twice"),
    ],
)
def test_what_programs_before_have_spoiled_is_rejected_and_not_kept(
    name: str, line: str, sentence: str, tmp_path: Path
) -> None:
    good = "id,name\n1,Müller “MAÇÃ”" if name == "a.csv" else '{"id": "1", "name": "Müller “MAÇÃ”", "note": "a\\": b"}'
    rows, sentences, _ = read(write(tmp_path / name, f"{good}\n{line}\n"))
    assert rows == [("1", "Müller “MAÇÃ”")]
    assert len(sentences) == 1
    assert sentences[0].startswith(sentence)


def test_a_customer_is_no_total_by_its_name(tmp_path: Path) -> None:
    content = "id,name,arr\nTotal,Total SE,5\nTOTAL-2,,5\nA B,Total,\nC,,\n"
    rows = [("Total", "Total SE"), ("TOTAL-2", ""), ("A B", "Total"), ("C", "")]
    assert read(write(tmp_path / "a.csv", content))[1] == []
    assert [(a, b or "") for a, b in read(write(tmp_path / "a.csv", content))[0]] == rows


@pytest.mark.parametrize(
    "content",
    [
        "name,id,industry,arr\nTotal,C-17,,500\n",
        "name,id,industry,arr\nSum,1017,,500\n",
        "name,customer_id,industry,arr\nSumme,1017\n",
        "id,name,industry,arr\nTotal,Total SE,,500\n",
        "id,name,industry,arr\nSUMA,,Steel,\n",
    ],
)
def test_a_customer_who_is_called_total_is_read_though_a_cell_is_empty(content: str, tmp_path: Path) -> None:
    rows, sentences, _ = read(write(tmp_path / "a.csv", content))
    assert (len(rows), sentences) == (1, [])


@pytest.mark.parametrize(
    "line",
    [
        "Total,,,500",
        "Grand Total:,,,EUR 1.500",
        "Totals,,12,$500",
        "Summe,,,-1 500 EUR",
        "Razem",
        "Subtotal,,,55%",
    ],
)
@pytest.mark.parametrize("header", ["name,id,number,arr", "id,name,number,arr"])
def test_a_total_is_no_customer_wherever_the_id_is(header: str, line: str, tmp_path: Path) -> None:
    rows, sentences, _ = read(write(tmp_path / "a.csv", f"{header}\nD-1,D-1x,5,7\n{line}\nD-2,D-2x,5,7\n"))
    assert (len(rows), len(sentences)) == (2, 1)
    assert sentences[0].startswith("The line is not a customer but a total or a note")


def test_what_is_no_customer_is_none_in_a_corrected_reject_file_either(tmp_path: Path) -> None:
    lines = ["id,name,arr", "A,One,5", "id,name,arr", "B,Two,many", "Total,,5", "Grand Totals (1 record)"]
    rows, sentences, _ = read(write(tmp_path / "a.csv", "".join(f"{line}\n" for line in lines)))
    assert (rows, len(sentences)) == ([("A", "One")], 4)
    rejected = tmp_path / "rejected-a.csv"
    rejected.write_text(rejected.read_text().replace("B,Two,many", "B,Two,7"))
    others = [sentence for sentence in sentences if "many" not in sentence]
    rows, again, _ = read(rejected)
    assert (rows, again) == ([("B", "Two")], others)
    twice = tmp_path / "rejected-rejected-a.csv"
    twice.write_text(f"{twice.read_text()}9,,4,,C,Three,7\n")
    rows, again, _ = read(twice)
    assert (rows, again) == ([("C", "Three")], others)


def test_a_word_by_itself_below_a_table_is_no_customer_and_a_short_line_in_it_is_one(tmp_path: Path) -> None:
    """As a CRM ends a file: the name of the report, whose it is, who made it, and the company's name."""
    table = ["Account ID,Account Name", "001A,Acme", "001B", "001C,Cyan"]
    below = ["", "", '"Customers"', '"Copyright (c) 2026 crm.example."', '"Generated By:  Ann 3/31/2026"', '"Example"']
    rows, sentences, _ = read(write(tmp_path / "a.csv", "".join(f"{line}\r\n" for line in table + below)))
    assert ([id_ for id_, _name in rows], len(sentences)) == (["001A", "001B", "001C"], 4)
    assert set(sentences) == {"The line is not a customer but a total or a note, as programs write them below a table."}
    rejected = tmp_path / "rejected-a.csv"
    rejected.write_bytes(rejected.read_bytes() + b"9,,001D,Dune\r\n")
    rows, again, _ = read(rejected)
    assert (rows, again) == ([("001D", "Dune")], sentences)


def test_a_file_of_ids_alone_may_have_blanks_in_them(tmp_path: Path) -> None:
    _, sentences, _ = read(write(tmp_path / "a.csv", "id\nA B\nC D\n"))
    assert sentences == []


def test_lost_letters_in_a_column_that_is_not_read_cost_no_line(tmp_path: Path) -> None:
    content = "id,name,_notes\n1,Acme,Caf\ufffd\n2,Caf\ufffd,fine\n"
    rows, sentences, _ = read(write(tmp_path / "a.csv", content))
    assert rows == [("1", "Acme")]
    assert sentences == ["“name” has lost letters in another program: “\ufffd” stands for them; export it again."]


@pytest.mark.parametrize(("people", "expected"), [("[]", []), ("[{}]", None), ('[{"name": " "}, {}]', None)])
def test_a_list_of_people_of_whom_nothing_is_said_takes_no_one_away(
    people: str, expected: list[Any] | None, tmp_path: Path
) -> None:
    path = write(tmp_path / "a.ndjson", f'{{"id": "1", "name": "Acme", "contacts": {people}}}\n')
    with open_file(path) as file:
        reader = RecordReader(file, find_kind(file, path))
        evidence = survey_columns(reader, ())
        plan = plan_columns(tuple(evidence.columns), None, evidence)
        (line,) = [read_line(record, plan, now=datetime.now(UTC)) for record in reader]
    assert line.contacts == expected


def test_a_sign_of_dos_at_the_end_of_a_file_is_no_line(tmp_path: Path) -> None:
    assert read(write(tmp_path / "a.csv", b"id,name\r\n1,One\r\n\x1a"))[:2] == ([("1", "One")], [])


@pytest.mark.parametrize("line", ['{"id": "1"},', "{'id': '1'}", '{"id": NaN}', '{"id": "1"}{"id": "2"}'])
def test_lines_of_which_none_is_json_are_said_to_be_none(line: str, tmp_path: Path) -> None:
    with pytest.raises(FileRefused) as refusal:
        read(write(tmp_path / "a.ndjson", f"{line}\n{line}\n"))
    assert str(refusal.value) == (
        "No line of the file can be read: line 1 is not JSON. Write one JSON object per line (NDJSON), without commas"
        " between them."
    )


def test_a_line_with_more_than_the_header_has_is_set_aside(tmp_path: Path) -> None:
    rows, sentences, _ = read(write(tmp_path / "a.csv", "id,name\nA,One,more\nB,Two\n"))
    assert (rows, sentences) == ([("B", "Two")], ["The line has 3 fields, the header has 2."])


@pytest.mark.parametrize(
    ("name", "content", "fix"),
    [
        ("a.csv", "\ufeffsep=;\r\nid;name\r\n1E+11;Ä\r\n2;Two\r\n".encode(), (b"1E+11", b"111")),
        ("b.csv", b"id,name\r1E+11,One\r2,Two\r", (b"1E+11", b"111")),
        ("c.csv", b"id,name,arr\n1E+11,One\n2,Two", (b"1E+11", b"111")),
        (
            "d.ndjson",
            b'{"id": 12345678901234567890, "deep": {"n": 1.10}}\r\n',
            (b'"id": 12345678901234567890', b'"id": "111"'),
        ),
    ],
)  # fmt: skip
def test_a_reject_file_is_like_the_file_and_can_be_corrected(
    name: str, content: bytes, fix: tuple[bytes, bytes], tmp_path: Path
) -> None:
    _, sentences, _ = read(write(tmp_path / name, content))
    assert len(sentences) == 1
    rejected = tmp_path / f"rejected-{name}"
    before = rejected.read_bytes()
    assert fix[0] in before
    assert before.startswith(b"\xef\xbb\xbfsep=;\r\n_line;_error;id;name") == content.startswith(b"\xef\xbb\xbf")
    rows, sentences, _ = read(write(tmp_path / f"corrected-{name}", before.replace(*fix)))
    assert ([external_id for external_id, _ in rows], sentences) == (["111"], [])
