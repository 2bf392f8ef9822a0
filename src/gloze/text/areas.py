"""Which area of the standard library a module is from, and which split it is in.

Grouped after the chapters of the library reference (https://docs.python.org/3/library/). A
module is in one split only. The held-out modules were drawn once, by the order of the SHA-256 of
their names among those that every supported Python has, until about a fifth of an area's
docstrings were for testing and a tenth for development; they are fixed here so that figures
compare from one Python to another. Modules that span areas or have an area to themselves
(tkinter, idlelib, lib2to3, turtle) are not listed.
"""

from __future__ import annotations

from typing import Literal

Split = Literal["train", "dev", "test"]
SPLITS: tuple[Split, ...] = ("train", "dev", "test")

AREAS: dict[str, dict[Split, str]] = {
    "text and data types": {
        "train": "string textwrap stringprep rlcompleter codecs encodings zoneinfo _collections_abc "
        "heapq bisect weakref types copy pprint reprlib enum graphlib _strptime locale gettext",
        "dev": "re calendar difflib",
        "test": "collections datetime",
    },
    "numbers and functions": {
        "train": "numbers decimal secrets hmac hashlib colorsys",
        "dev": "functools random",
        "test": "operator statistics fractions",
    },
    "files and archives": {
        "train": "posixpath ntpath genericpath filecmp tempfile glob fnmatch linecache copyreg "
        "shelve dbm sqlite3 gzip bz2 zipfile tarfile tomllib netrc io _compression compression "
        "xdrlib aifc wave sunau chunk",
        "dev": "stat csv fileinput pickle plistlib shutil",
        "test": "configparser lzma pathlib",
    },
    "concurrency and processes": {
        "train": "asyncio subprocess sched _threading_local signal",
        "dev": "threading concurrent",
        "test": "queue multiprocessing",
    },
    "networking": {
        "train": "ssl socketserver urllib http smtplib nntplib telnetlib smtpd asyncore asynchat "
        "ipaddress uuid webbrowser cgi",
        "dev": "selectors ftplib wsgiref",
        "test": "imaplib poplib socket xmlrpc",
    },
    "mail and markup": {
        "train": "email mailcap quopri uu xml _markupbase",
        "dev": "mimetypes html",
        "test": "json base64 mailbox",
    },
    "development and testing": {
        "train": "typing pydoc bdb pdb profile cProfile distutils ensurepip venv zipapp",
        "dev": "trace doctest",
        "test": "pstats tracemalloc timeit unittest",
    },
    "runtime and language": {
        "train": "sysconfig contextlib abc __future__ site codeop importlib pkgutil modulefinder "
        "runpy zipimport ast token tokenize tabnanny pyclbr py_compile compileall pickletools "
        "keyword opcode imp annotationlib",
        "dev": "code traceback symtable",
        "test": "dis inspect dataclasses warnings",
    },
    "system and command line": {
        "train": "logging getopt getpass curses pty tty pipes crypt _osx_support _aix_support",
        "dev": "argparse optparse platform",
        "test": "cmd shlex ctypes os",
    },
}

_PLACES: dict[str, tuple[str, Split]] = {
    module: (area, split)
    for area, splits in AREAS.items()
    for split, modules in splits.items()
    for module in modules.split()
}


def place_of(module: str) -> tuple[str, Split] | None:
    """Return area and split of a top-level module, or None if it is not listed.

    A twin written in Python (``_pydatetime``, ``_py_warnings``) has the docstrings of the public
    module, so it goes where that one goes.
    """
    public = module.removeprefix("_py").removeprefix("_") if module.startswith("_py") else module
    return _PLACES.get(module) or _PLACES.get(public)
