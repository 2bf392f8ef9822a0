"""Which area of Python's standard library a module belongs to.

The areas are chapters of the official library reference, some put together. Modules that serve
every area (``os``, ``logging``, ``ctypes``) have none.
"""

from __future__ import annotations

_MODULES = {
    # Text Processing Services, Binary Data Services, Data Types
    "data types": """
        string re sre_compile sre_constants sre_parse difflib textwrap stringprep unicodedata codecs
        encodings struct datetime _pydatetime _strptime zoneinfo calendar collections
        _collections_abc heapq bisect array weakref _weakrefset types copy pprint reprlib enum
        graphlib
        """,
    # Numeric and Mathematical Modules, Functional Programming Modules
    "mathematics": """
        numbers math decimal _pydecimal fractions random statistics functools operator itertools
        colorsys _pylong
        """,
    # File and Directory Access, Data Persistence, Data Compression and Archiving, File Formats
    "files": """
        pathlib posixpath ntpath genericpath nturl2path fileinput stat filecmp tempfile glob fnmatch
        linecache shutil pickle pickletools copyreg shelve dbm sqlite3 gzip bz2 lzma zipfile tarfile
        compression _compression csv configparser tomllib netrc plistlib xdrlib io _pyio
        """,
    # Concurrent Execution, asyncio
    "concurrency": """
        threading _threading_local multiprocessing concurrent subprocess sched queue asyncio
        selectors signal contextvars _dummy_thread
        """,
    # Networking and Interprocess Communication, Internet Protocols
    "internet": """
        socket ssl socketserver http urllib ftplib poplib imaplib smtplib smtpd nntplib telnetlib
        xmlrpc ipaddress wsgiref webbrowser cgi cgitb asyncore asynchat
        """,
    # Internet Data Handling, Structured Markup Processing Tools
    "mail and markup": """
        email json mailbox mailcap mimetypes base64 binhex quopri uu html xml _markupbase
        """,
    # Graphical User Interfaces, Program Frameworks, Internationalization, Command Lines
    "user interface": """
        tkinter turtle curses cmd argparse optparse getopt getpass gettext locale rlcompleter
        _pyrepl
        """,
    # Development Tools, Debugging and Profiling, Language Services, Packaging
    "development": """
        typing pydoc doctest unittest bdb faulthandler pdb timeit trace tracemalloc pstats profile
        cProfile profiling ast symtable token tokenize tabnanny pyclbr py_compile compileall dis
        opcode distutils venv zipapp
        """,
    # Python Runtime Services, Importing Modules, Custom Interpreters
    "runtime": """
        importlib pkgutil modulefinder runpy zipimport imp abc _py_abc contextlib warnings
        dataclasses atexit traceback inspect site sysconfig code codeop annotationlib __future__
        """,
}
_AREA_OF = {module: area for area, modules in _MODULES.items() for module in modules.split()}
AREAS = tuple(sorted(_MODULES))


def area_of(module: str) -> str | None:
    """Return the area of a module by its dotted name, or None if it has none."""
    return _AREA_OF.get(module.partition(".")[0])
