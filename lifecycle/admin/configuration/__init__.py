"""The configuration's pages in the admin: drafting, checking, previewing, publishing and rolling back a lifecycle.

``pages`` has the addresses. A draft is a document (``drafts``) that is shown as rows (``sheet``, laid out by
``layout``, sent back through ``posted``, written by ``documents``) or as text (``json_text``), judged as it is at every
step (``judging``), its findings filed at the rows they are about (``places``).
"""
