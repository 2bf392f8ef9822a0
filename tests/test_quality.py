"""What the code must look like where a formatter or linter cannot say it."""

from __future__ import annotations

import ast
import io
import statistics
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / "src/gloze").rglob("*.py"))
SCRIPTS = sorted((ROOT / "scripts").glob("*.py"))
MAX_FILE_LINES, MAX_FUNCTION_LINES, MEDIAN_FUNCTION_LINES, MAX_PARAMETERS = 300, 60, 8, 8

# Each runs code that a file or a text decides.
FORBIDDEN_CALLS = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "os.system",
    "os.popen",
    "yaml.load",
    "torch.load",
    "torch.save",
    "joblib.load",
    "np.save",
}
FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib"}
# May send a class to a worker process of ours, and compile a regular expression.
ALLOWED_CALLS = {"re.compile", "torch.compile"}


def ids(paths):
    return [str(path.relative_to(ROOT)) for path in paths]


def tree_of(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def functions(tree):
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [node for node in ast.walk(tree) if isinstance(node, kinds)]


def length(function):
    """Lines of a function without its docstring, which grows with its parameters."""
    body = function.body
    has_docstring = ast.get_docstring(function) is not None
    docstring = body[0].end_lineno - body[0].lineno + 1 if has_docstring else 0
    return function.end_lineno - function.lineno + 1 - docstring


def parameters(function):
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return [argument.arg for argument in named if argument.arg not in ("self", "cls")]


def dotted(node):
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return ""


@pytest.mark.parametrize("path", SOURCES, ids=ids(SOURCES))
def test_files_and_functions_stay_small(path):
    assert path.read_text(encoding="utf-8").count("\n") <= MAX_FILE_LINES
    for function in functions(tree_of(path)):
        assert length(function) <= MAX_FUNCTION_LINES, function.name


def test_half_of_all_functions_have_eight_lines_or_fewer():
    lengths = [length(function) for path in SOURCES for function in functions(tree_of(path))]
    assert statistics.median(lengths) <= MEDIAN_FUNCTION_LINES


@pytest.mark.parametrize("path", SOURCES, ids=ids(SOURCES))
def test_functions_take_few_parameters(path):
    # A verb's signature is its interface: one parameter for each option of the command. Inner
    # loops are given their arrays one by one.
    if path.parent.name in ("cli", "verbs", "kernels"):
        return
    for function in functions(tree_of(path)):
        assert len(parameters(function)) <= MAX_PARAMETERS, function.name


def forbidden(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = dotted(node.func)
            said = {k.arg: getattr(k.value, "value", None) for k in node.keywords}
            is_safe = name == "torch.load" and said.get("weights_only") is True
            if name in FORBIDDEN_CALLS - ALLOWED_CALLS and not is_safe:
                yield f"line {node.lineno}: {name}"
            for keyword in node.keywords:
                value = getattr(keyword.value, "value", None)
                if (keyword.arg, value) in (("shell", True), ("allow_pickle", True)):
                    yield f"line {node.lineno}: {keyword.arg}=True"
                if (keyword.arg, value) == ("weights_only", False):
                    yield f"line {node.lineno}: weights_only=False"
            # NumPy reads pickles unless told not to only where the caller says so: be plain.
            if name in ("np.load", "numpy.load") and "allow_pickle" not in said:
                yield f"line {node.lineno}: {name} without allow_pickle=False"
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        for name in names:
            if name.partition(".")[0] in FORBIDDEN_MODULES:
                yield f"line {node.lineno}: import {name}"


@pytest.mark.parametrize("path", SOURCES + SCRIPTS, ids=ids(SOURCES + SCRIPTS))
def test_no_file_can_make_us_run_its_code(path):
    assert list(forbidden(tree_of(path))) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "torch.load('x')",
        "torch.load('x', weights_only=False)",
        "torch.load('x', weights_only=flag)",
        "np.load('x')",
        "np.load('x', allow_pickle=True)",
        "subprocess.run('x', shell=True)",
        "eval('1')",
        "yaml.load(x)",
    ],
)
def test_the_rule_sees_what_it_forbids(source):
    assert list(forbidden(ast.parse(source)))


@pytest.mark.parametrize(
    "source",
    [
        "re.compile('x')",
        "np.load('x', allow_pickle=False)",
        "torch.load('x', weights_only=True)",
    ],
)
def test_the_rule_lets_the_harmless_pass(source):
    assert list(forbidden(ast.parse(source))) == []


def comments(path):
    text = path.read_text(encoding="utf-8")
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.string


@pytest.mark.parametrize("path", SOURCES + SCRIPTS, ids=ids(SOURCES + SCRIPTS))
def test_nothing_is_left_for_later(path):
    for comment in comments(path):
        assert not any(word in comment for word in ("TODO", "FIXME", "XXX", "HACK")), comment


@pytest.mark.parametrize("path", SOURCES, ids=ids(SOURCES))
def test_every_module_opens_with_a_sentence_and_postpones_annotations(path):
    tree = tree_of(path)
    docstring = ast.get_docstring(tree)
    assert docstring, "no docstring"
    assert docstring.splitlines()[0].endswith((".", ":")), docstring.splitlines()[0]
    annotated = [f for f in functions(tree) if f.returns]
    if annotated:
        imports = [node.module for node in tree.body if isinstance(node, ast.ImportFrom)]
        assert "__future__" in imports


def test_no_folder_is_a_drawer_for_odds_and_ends():
    names = {part for path in SOURCES for part in path.relative_to(ROOT / "src/gloze").parts}
    assert names.isdisjoint({"utils", "common", "helpers", "misc", "utils.py", "helpers.py"})
