"""JSON files value by value, each with the line it begins on."""

import gzip
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gloze.core.errors import DataError
from gloze.tasks.json_files import parse_json, read_values


def write(folder, content, name="data.json"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ('[{"a": 1},\n {"a":\n 2},\n\n 3]\n', [(1, {"a": 1}), (2, {"a": 2}), (5, 3)]),
        ('[\n\n"x"\n]', [(3, "x")]),
        ('{"a": 1}\n{"a": 2}\n', [(1, {"a": 1}), (2, {"a": 2})]),
        ('\n{"a":\n1}', [(2, {"a": 1})]),
        ("\ufeff[1]\r\n", [(1, 1)]),
    ],
)
def test_values_come_with_their_lines(tmp_path, content, found):
    path = write(tmp_path, content)
    assert list(read_values(path)) == found
    packed = write(tmp_path, gzip.compress(path.read_bytes()), "data.json.gz")
    assert list(read_values(packed)) == found


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(values=st.lists(JSON, min_size=1, max_size=5), indent=st.sampled_from([None, 1]))
def test_any_array_comes_back_whole(tmp_path_factory, values, indent):
    path = write(tmp_path_factory.mktemp("json"), json.dumps(values, indent=indent))
    assert [value for _, value in read_values(path)] == values


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "nothing in it"),
        ("[]", "nothing in it"),
        ("[1,\n2", ":2: not valid JSON .*does not go on or end"),
        ("[1,\n2 3]", ":2: not valid JSON .*does not go on or end"),
        ("[1,\n]", ":1: not valid JSON .*does not go on or end"),
        ("[1]\n[2]", ":1: text after the end"),
        ('[{"a": 1}, {"a":\n', r":\d: not valid JSON"),
        ('[1,\n{"a": NaN}]', ":2: not valid JSON .*NaN is not JSON"),
        ('[\n{"a": 1, "a": 2}]', ":2: not valid JSON .*a name is given twice"),
        ('["\\ud800"]', "a lone surrogate"),
        ("[" * 100_000, "too deeply nested"),
        (b'["\xff"]', ":1: not UTF-8: byte 0xff"),
        ('[1,\n"\0"]', ":2: a NUL character"),
        ("[1]".encode("utf-16"), "not text but UTF-16: save it as UTF-8"),
    ],
)
def test_what_is_no_json_is_refused_where_it_breaks(tmp_path, content, message):
    with pytest.raises(DataError, match=message) as caught:
        list(read_values(write(tmp_path, content)))
    assert caught.value.exit_code == 3


def test_one_value_is_the_whole_text():
    assert parse_json(' {"a": 1} ') == {"a": 1}
    with pytest.raises(ValueError, match="text after its end"):
        parse_json("{} {}")
