"""Words of many languages in every encoding: they are read as they were meant, or refused with what they are in."""

import tracemalloc
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.services.imports.encoding_names import CODECS, MULTI_BYTE, EncodingRefused
from lifecycle.services.imports.encodings import find_encoding
from lifecycle.services.imports.files import RecordReader, open_file
from lifecycle.services.imports.seven_bit import find_seven_bit
from lifecycle.services.imports.texts import FileRefused

WORDS: dict[str, str] = {
    "German": "Müller Bäcker Größe Straßenbau Köln Grünberg Schäfer Österreich Ärzte Lübeck Händler Königswusterhausen",
    "French": "Crème Brûlée Société Générale Hôtel Françoise Café Noël Bibliothèque Électricité Château Forêt",
    "Spanish": "José Núñez Peñalver Compañía Cádiz Martínez Málaga Español Álvarez Niño Güell Ángel",
    "Portuguese": "São João Conceição Avô Índice Comércio Água Três Irmãos Órgão Importação",
    "Italian": "Città Università Qualità Perché Società Caffè Più Lunedì Virtù",
    "Swedish": "Malmö Göteborg Åre Västerås Örebro Skåne Företag Hälsa",
    "Danish": "Århus Københavns Søborg Brødrene Ærø Færge Nørrebro Smørrebrød",
    "Icelandic": "Reykjavík Þórður Ísafjörður Akureyrarbær Guðmundur Sæborg Öræfi",
    "Polish": "Poznań Gdańsk Łódź Zakłady Spółka Kraków Wrocław Żabka Książka Częstochowa",
    "Czech": "Škoda Plzeň Dvořák Žižkov České Královéhradecký Průmysl Košťál",
    "Hungarian": "Győr Székesfehérvár Kőbánya Élelmiszer Fűszer Tűzoltó Pécs Műszaki",
    "Romanian": "Brăila Română Timișoara Iași Constanţa Târgu Mureş Societăţi Băneasa",
    "Croatian": "Čakovec Đakovo Šibenik Zadružna Požega Tvornica Kušević Žužić",
    "Estonian": "Põlva Võru Jõhvi Tõrva Hõim Õun Pärnu Šokolaad",
    "Latvian": "Rīga Liepāja Daugavpils Šķēle Jūrmala Ēka Ķekava Uzņēmums",
    "Lithuanian": "Žalgiris Ąžuolas Šiauliai Klaipėda Panevėžys Įmonė Kūdra Šviesa",
    "Turkish": "Işık Şirketi İstanbul Çağdaş Güneş Müdürlüğü Öğretmen Ağrı",
    "Greek": "Αθήνα Ενέργεια Ελληνικά Τρόφιμα Πειραιάς Θεσσαλονίκη Ήλιος",
    "Russian": "Ромашка партнёры Север Компания Югра Чайка Электросталь ООО",
    "Ukrainian": "Київ Львів Українська Їжак Ґанок Енергія Підприємство",
    "Bulgarian": "София Пловдив Дружество България Търговия Шумен",
    "Serbian": "Београд Нови Ђерђап Предузеће Љубљана Његош Ћуприја",
    "Hebrew": "שלום חברה בעמ ירושלים תעשייה",
    "Arabic": "شركة النور للتجارة القاهرة مؤسسة",
    "Thai": "บริษัท ไทย จำกัด กรุงเทพ",
    "Japanese": "株式会社トヨタ自動車 ソニー 東京 日本電気 三菱商事 森",
    "Chinese": "北京科技有限公司 上海贸易 华为技术 中国银行",
    "Taiwanese": "台灣積體電路公司 鴻海精密工業 台北",
    "Korean": "삼성전자 주식회사 현대자동차 서울",
    "Welsh": "Tŷ Dŵr Ŵyn Llŷn Pŵer",
    "Maltese": "Għawdex Ħamrun Żurrieq Ċirkewwa",
    "Esperanto": "Ĉiutaga Ŝanĝo Ĵurnalo Aŭtobuso",
}
EAST_ASIAN = ("Japanese", "Chinese", "Taiwanese", "Korean")


def fits(word: str, codec: str) -> bool:
    try:
        return word.encode(codec).decode(codec) == word
    except UnicodeError:
        return False


def is_named(words: list[str], codec: str) -> bool:
    """Whether a file of these words is read right (False), or refused with its encoding among those named (True)."""
    raw = [word.encode(codec) for word in words]
    lines = [b"id,name\r\n", *(b"%d,%b\r\n" % (number, word) for number, word in enumerate(raw))]
    try:
        found = find_encoding(lines, None)
    except EncodingRefused as refusal:
        named = [CODECS.get(name, name) for candidate in refusal.candidates for name in candidate.names]
        readings = [[word.decode(one, "replace") for word in raw] for one in named]
        assert words in readings, f"{words} in {codec}: none of {named}"
        return True
    assert [word.decode(found, "replace") for word in raw] == words, f"{words} in {codec}, read as {found}"
    return False


@pytest.mark.parametrize("language", WORDS)
def test_no_word_is_garbled_in_silence_in_any_encoding(language: str) -> None:
    words = [word for word in WORDS[language].split() if not word.isascii()]
    count = 0
    for name, codec in CODECS.items():
        if name in MULTI_BYTE and language not in EAST_ASIAN:
            continue
        known = [word for word in words if fits(word, codec)]
        if len(known) * 2 < len(words):
            continue
        for file in (*([word] for word in known), *map(list, pairwise(known)), known):
            is_named(file, codec)
            count += 1
    assert count > len(words)


@given(st.data())
def test_no_handful_of_words_is_garbled_in_silence(data: st.DataObject) -> None:
    language = data.draw(st.sampled_from(sorted(WORDS)))
    codec = data.draw(st.sampled_from([one for name, one in CODECS.items() if name not in MULTI_BYTE]))
    known = [word for word in WORDS[language].split() if not word.isascii() and fits(word, codec)]
    if known:
        is_named(data.draw(st.lists(st.sampled_from(known), min_size=1, max_size=6)), codec)


@pytest.mark.parametrize("words", ["Müller", "Größe", "Straßenbau Grünberg", WORDS["German"]])
def test_german_is_read_as_soon_as_it_can_be_nothing_else(words: str) -> None:
    assert not is_named(words.split(), "cp1252")


@pytest.mark.parametrize("words", ["Bäcker", "Café", "Öl"])
def test_one_letter_that_could_be_several_is_asked_about(words: str) -> None:
    assert is_named(words.split(), "cp1252")
    # In a file of many, an encoding of DOS would have had other letters as well.
    assert not is_named(["Bäcker"] * 40, "cp1252")


@pytest.mark.parametrize("codec", ["cp852", "mac-latin2", "cp775"])
def test_a_word_that_is_utf_8_by_chance_is_asked_about(codec: str) -> None:
    words = {"cp852": ["Košťál"], "mac-latin2": ["Dvořák"], "cp775": ["Książka"]}[codec]
    assert words[0].encode(codec).decode() != words[0]
    assert is_named(words, codec)


@pytest.mark.parametrize(
    "text", ["5 m²", "Heart ❤️ Ltd", "Яндекс", "株式会社ABC", "ソニー", "µTorrent", "Əliyev", "Ω-Lab"]
)
def test_what_is_utf_8_is_read_however_short_it_is(text: str) -> None:
    assert find_encoding([f"1,{text}\n".encode()], None) == "utf-8"


@pytest.mark.parametrize(
    ("codec", "encoding", "text"),
    [
        ("utf-7", "UTF-7", "Müller"),
        ("utf-7", "UTF-7", "Łódź"),
        ("utf-7", "UTF-7", "Ромашка"),
        ("hz", "HZ", "北京科技有限公司"),
        ("iso2022_jp", "ISO-2022-JP", "株式会社トヨタ自動車"),
        ("iso2022_kr", "ISO-2022-KR", "삼성전자"),
    ],
)
def test_text_that_was_put_into_ascii_is_named_for_what_it_is(
    codec: str, encoding: str, text: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(f"id,name\r\n1,Smith\r\n2,{text}\r\n".encode(codec))
    with open_file(path) as file, pytest.raises(FileRefused) as refusal:
        RecordReader(file, "csv")
    assert f"The file is in {encoding}, not in UTF-8: it has “" in str(refusal.value)
    assert f"where “{text}" in str(refusal.value)
    assert "--encoding utf-8" in str(refusal.value)
    with open_file(path) as file:
        assert RecordReader(file, "csv", "utf-8").encoding == "utf-8"


@pytest.mark.parametrize(
    "line",
    [
        "1,Foo,+49-30-1234567",
        "1,+4915112345678,x",
        "Foo+Bar-Baz",
        "C++",
        "Gas+Wasser",
        "Johnson+Johnson",
        "maya+invoices@acme.example",
        "maya+Test-1@acme.example",
        "Disney+,x",
        "+1 (555) 12-3",
        "~{x}~",
        "a~{b",
    ],
)
def test_plus_signs_and_braces_are_no_encoding(line: str) -> None:
    assert find_seven_bit(line.encode()) is None


@pytest.mark.parametrize("blank", ["\u00a0", "\u202f"])
def test_a_file_whose_amounts_have_no_break_spaces_is_not_kept_in_memory(blank: str) -> None:
    """Of such a line no word is beyond ASCII, so it never becomes sure by words that the file is in UTF-8."""
    line = f"C-1,Alice,1{blank}234\n".encode().ljust(2_000, b"x")
    tracemalloc.start()
    try:
        assert find_encoding((bytes(bytearray(line)) for _ in range(5_000)), None) == "utf-8"
        _now, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Of 10 MB.
    assert most < 1_000_000


def test_words_behind_many_no_break_spaces_are_looked_at_all_the_same() -> None:
    words = ["Müller", "Bäcker", "Größe"]
    blanks = [b"1\xc2\xa0234\n"] * 200
    assert find_encoding([*blanks, *(f"{word}\n".encode() for word in words)], None) == "utf-8"
    # In windows-1252 some words are UTF-8 by chance, and others are none: more of them than of the rest.
    others = [f"{word}\n".encode("cp1252") for word in words * 100]
    assert find_encoding([*blanks, *others], "windows-1252") == "cp1252"
