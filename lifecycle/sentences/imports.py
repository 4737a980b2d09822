"""Sentences for why a file of customers is not read. What ends in _on_page is for a page, which has no options."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

IMPORTS: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "check_stopped": _("It was stopped after line %(line)s."),
        "import_stopped": _(
            "It was stopped after line %(line)s. What was imported stays. It can go on behind that line."
        ),
        "import_cannot_go_on": _(
            "This import cannot go on where it stopped: its columns were changed since, or it is over. Nothing was"
            " changed; start it again, and imported customers are skipped."
        ),
        "import_needs_agreement": _(
            "This import cannot go on where it stopped: more automations would start than were agreed to. Nothing was"
            " changed. Make another dry run and start the import again; imported customers are skipped."
        ),
        "file_not_kept": _("The file is no longer kept. Upload it again."),
        "effects_not_agreed": _(
            "More of “%(effect)s” would start than the dry run has counted. The import stopped before that; what was"
            " imported stays, and is skipped next time. Make another dry run."
        ),
        "import_without_configuration": _(
            "There is no lifecycle configuration: publish one first. Nothing was imported."
        ),
        "import_undecryptable": _(
            "It cannot be decrypted; the log of the worker says why. Try it again, or upload the file again."
        ),
        "import_undecryptable_after": _(
            "It cannot be decrypted after line %(line)s. What was imported before stays; the log of the worker says"
            " why. Try it again, or upload the file again."
        ),
        "import_failed": _(
            "It failed because of an internal error; the log of the worker says why. Try it again, or upload the file"
            " again."
        ),
        "import_failed_after": _(
            "It failed because of an internal error after line %(line)s. What was imported before stays; the log of the"
            " worker says why. Try it again, or upload the file again."
        ),
        "no_external_id": _(
            "No column is the customer's id in your systems. The file has %(columns)s; say with --mapping which of them"
            " is “external_id”."
        ),
        "no_external_id_on_page": _(
            "No column is the customer's id in your systems. The file has %(columns)s; choose “external_id” for one of"
            " them."
        ),
        "several_external_ids": _(
            "Each of %(columns)s could be the customer's id in your systems, and they differ. Say which with --mapping,"
            " a file with %(mappings)s. Nothing was imported."
        ),
        "several_external_ids_on_page": _(
            "Each of %(columns)s could be the customer's id in your systems, and they differ. Choose “external_id” for"
            " one of them. Nothing was imported."
        ),
        "mapping_of_no_column": _("The mapping names a column “%(column)s”; the file has %(columns)s."),
        "mapping_to_no_field": _("The mapping names a field “%(field)s”; the fields are %(fields)s."),
        "mapping_to_one_field": _("The mapping gives “%(field)s” to two columns, “%(first)s” and “%(second)s”."),
        "column_twice": _("Two columns are called “%(column)s”: rename one, or leave it out of the file."),
        "unknown_encoding": _(
            "“%(wanted)s” is not a known encoding; some that are: %(known)s. Or save the file as UTF-8."
        ),
        "encoding_is_utf8": _("The file is in UTF-8, not in %(wanted)s; leave --encoding out."),
        "encoding_is_utf8_on_page": _("The file is in UTF-8, not in %(wanted)s; choose UTF-8."),
        "encoding_says_utf8": _("The file says that it is in UTF-8, not in %(wanted)s; leave --encoding out."),
        "encoding_says_utf8_on_page": _("The file says that it is in UTF-8, not in %(wanted)s; choose UTF-8."),
        "no_encoding": _(
            "The file is not in UTF-8, and in no other encoding that gives readable words; save it as CSV UTF-8, or say"
            " with --encoding what it is in."
        ),
        "no_encoding_on_page": _(
            "The file is not in UTF-8, and in no other encoding that gives readable words; save it as CSV UTF-8, or say"
            " what it is in."
        ),
        "several_encodings": _(
            "The file is not in UTF-8. It could be in %(candidates)s. Say which with --encoding, for example --encoding"
            " %(example)s, or save it as CSV UTF-8."
        ),
        "several_encodings_on_page": _(
            "The file is not in UTF-8, and it is not certain what it is in. Choose the encoding in which the word is"
            " right, or save the file as CSV UTF-8 and upload that."
        ),
        "utf8_or_others": _(
            "It is not certain which encoding the file is in. It could be in %(candidates)s. Say which with --encoding,"
            " for example --encoding %(example)s, or save it as CSV UTF-8 with more of the customers in it."
        ),
        "utf8_or_others_on_page": _(
            "It is not certain which encoding the file is in. Choose the one in which the word is right, or save the"
            " file as CSV UTF-8 with more of the customers in it and upload that."
        ),
        "seven_bit": _(
            "The file is in %(encoding)s, not in UTF-8: it has “%(raw)s” where “%(word)s” is meant. Save it as CSV"
            " UTF-8. If it is right as it is, say so with --encoding utf-8."
        ),
        "seven_bit_on_page": _(
            "The file is in %(encoding)s, not in UTF-8: it has “%(raw)s” where “%(word)s” is meant. Save it as CSV"
            " UTF-8 and upload that. If it is right as it is, choose UTF-8."
        ),
        "no_good_line": _(
            "No line of the file can be read: line %(line)s %(error)s. Write one JSON object per line (NDJSON), without"
            " commas between them."
        ),
        "no_good_row": _("No line of the file can be read: line %(line)s %(error)s."),
        "no_such_file": _("%(path)s does not exist."),
        "symbolic_link": _("%(path)s is a symbolic link; name the file itself."),
        "unreadable_file": _("%(path)s cannot be read: %(error)s."),
        "empty_file": _("%(path)s is empty."),
        "no_plain_file": _("%(path)s is not a file."),
        "unknown_format": _("%(path)s is neither .csv, .tsv, .txt nor .ndjson, .jsonl: say which with --format."),
        "unknown_format_on_page": _("%(path)s is neither .csv, .tsv, .txt nor .ndjson, .jsonl: choose what it is."),
        "wrong_header": _("The header in line %(line)s %(error)s."),
        "no_header": _("The file has no header."),
        "header_too_wide": _(
            "The header has %(columns)s columns; at most %(most)s are read. Leave out of the file those that say"
            " nothing about customers."
        ),
        "too_many_alike": _(
            "More than %(most)s columns are called as if they were “%(field)s”, “%(column)s” among them; leave out"
            " of the file those that are not."
        ),
        "rejects_no_plain_file": _("The reject file %(path)s is not a plain file; name another with --reject-file."),
        "rejects_unwritable": _("The reject file %(path)s cannot be written: %(error)s."),
        "other_kind": _("The file is %(what)s; %(advice)s."),
        # A clause of its own: what follows is what to do in that case.
        "other_kind_if": _("The file is %(what)s, %(advice)s."),
        "kind_xls": _("an Excel workbook of the old kind (.xls) or one with a password"),
        "kind_gzip": _("compressed with gzip"),
        "kind_bzip2": _("compressed with bzip2"),
        "kind_xz": _("compressed with xz"),
        "kind_zstd": _("compressed with zstd"),
        "kind_7z": _("a 7z archive"),
        "kind_rar": _("a RAR archive"),
        "kind_pdf": _("a PDF document"),
        "kind_rtf": _("an RTF document"),
        "kind_sqlite": _("an SQLite database"),
        "kind_parquet": _("a Parquet file"),
        "kind_avro": _("an Avro file"),
        "kind_arrow": _("an Arrow file"),
        "kind_image": _("an image"),
        "kind_tar": _("a tar archive"),
        "kind_binary": _("no text"),
        "kind_ods": _("an OpenDocument spreadsheet (.ods)"),
        "kind_xlsx": _("an Excel workbook (.xlsx)"),
        "kind_numbers": _("a Numbers spreadsheet"),
        "kind_word": _("a Word document"),
        "kind_zip": _("a ZIP archive"),
        "kind_html": _("a web page, even if it is called a spreadsheet; if it shows the customers"),
        "kind_xml": _("XML; if a spreadsheet program wrote it"),
        "kind_json_array": _("a JSON array"),
        "kind_json_document": _("one JSON document over several lines"),
        "kind_events": _("a list of events (CloudEvents), whose ids are not those of customers"),
        "kind_json": _("JSON, not CSV"),
        "kind_utf32": _("in UTF-32"),
        "kind_utf16": _("in UTF-16"),
        "kind_utf16_bare": _("in UTF-16 without a byte order mark"),
        "save_as_csv": _("open it in a spreadsheet program and save it as CSV UTF-8"),
        "unpack": _("unpack it and import the file inside"),
        "write_lines": _("write one object per line (NDJSON), for example with jq -c '.[]'"),
        "export_as_text": _("export the customers as CSV UTF-8 or NDJSON"),
        "save_as_utf8": _("save it as UTF-8 (in Excel: CSV UTF-8)"),
        "send_to_broker": _("send them to the broker"),
        "call_it_ndjson": _("call it .ndjson if it has one object per line"),
        "upload_too_large": _(
            "The file has %(size)s bytes; at most %(most)s can be uploaded. Nothing was kept: split it, or have it"
            " imported with manage.py import_customers."
        ),
        "no_lines": _("The file has no lines to import."),
        "rejects_into_itself": _("The reject file cannot be the import file itself."),
        "mapping_malformed": _(
            'The mapping %(path)s must be a JSON object such as {"Column": "field", "Other": null}.'
        ),
        "upload_gone": _(
            "The file is no longer stored: it was discarded, it expired, or a customer was erased. What was imported"
            " stays; upload the file again for the rest."
        ),
        "upload_changed": _(
            "The file was just updated by someone else: it is now “%(state)s”. Nothing was changed; look at it as it"
            " is, and decide again."
        ),
        "upload_in_another_state": _("The file is in another state than the page showed. Nothing was changed."),
        "upload_not_checked": _(
            "Do a dry run first: it counts the automations that new customers start. Nothing was imported."
        ),
        "upload_effects_unconfirmed": _(
            "The import would start %(count)s automations. Type that number to confirm it. Nothing was imported."
        ),
        "upload_empty": _("The file is empty. Nothing was kept."),
        "too_many_uploads": _("%(most)s files are kept already. Nothing was kept: discard one of them first."),
    }
)
