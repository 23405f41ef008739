"""The mutants of a source file: every place where one small change makes another program.

Rules: a mutant replaces one node of the syntax tree. Changed are comparisons, and/or, not,
arithmetic, integers, byte strings, conditions, min/max, any/all, the direction of sorted(),
arguments of one kind beside each other, returned values; simple statements are removed. Left alone
are annotations, decorators, docstrings and the texts of errors. Nothing here runs anything.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType

COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
OPPOSITES = {"min": "max", "max": "min", "any": "all", "all": "any"}
SKIPPED_FIELDS = {"annotation", "returns", "decorator_list", "type_params"}
OPAQUE = (ast.JoinedStr, ast.Raise, ast.Import, ast.ImportFrom)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
REMOVABLE = (ast.Expr, ast.AugAssign, ast.Raise, ast.Continue, ast.Break, ast.Delete)


@dataclass(frozen=True)
class Mutant:
    """One changed program; `function` is its outermost function, empty outside of any."""

    file: str
    function: str
    line: int
    before: str
    after: str
    tree: ast.Module
    parent: ast.AST
    field: str
    index: int | None
    node: ast.AST
    nth: int = 1
    """Of those with the same function and text."""

    @property
    def name(self) -> str:
        """What it is listed by; it does not change when lines move."""
        where = f"{self.file} {self.function or 'module'}"
        again = f" #{self.nth}" if self.nth > 1 else ""
        return f"{where}: {self.before} => {self.after}{again}"

    def compile(self) -> CodeType:
        """The changed module's code; the tree is left as it was."""
        held = getattr(self.parent, self.field)
        if self.index is None:
            setattr(self.parent, self.field, self.node)
        else:
            original, held[self.index] = held[self.index], self.node
        try:
            return compile(self.tree, self.file, "exec", dont_inherit=True)
        finally:
            if self.index is None:
                setattr(self.parent, self.field, held)
            else:
                held[self.index] = original


def mutants_of(file: str, source: str, functions: tuple[str, ...] = ()) -> list[Mutant]:
    """All mutants in the order of the source; of these functions only, if any are named."""
    tree = ast.parse(source)
    found: list[Mutant] = []
    seen: Counter[tuple[str, str, str]] = Counter()
    for parent, field, index, child, scope in _places(tree, []):
        if functions and ".".join(scope) not in functions:
            continue
        for node in _changes(child, parent):
            ast.copy_location(node, child)
            ast.fix_missing_locations(node)
            inside = bool(scope) and scope[-1] != "<class>"
            name = ".".join(part for part in scope if part != "<class>") if inside else ""
            line = getattr(child, "lineno", 0)
            before, after = _text(child), _text(node)
            seen[name, before, after] += 1
            nth = seen[name, before, after]
            place = (tree, parent, field, index, node)
            found.append(Mutant(file, name, line, before, after, *place, nth))
    return found


Place = tuple[ast.AST, str, int | None, ast.AST, list[str]]


def _places(node: ast.AST, scope: list[str]) -> Iterator[Place]:
    """Every node that may be replaced, with where it hangs and in which function."""
    for field, value in ast.iter_fields(node):
        if field in SKIPPED_FIELDS:
            continue
        for index, child in enumerate(value if isinstance(value, list) else [value]):
            if not isinstance(child, ast.AST) or _is_text(child):
                continue
            yield node, field, index if isinstance(value, list) else None, child, scope
            if not isinstance(child, OPAQUE):
                yield from _places(child, _inner(child, scope))


def _inner(node: ast.AST, scope: list[str]) -> list[str]:
    within_function = bool(scope) and scope[-1] != "<class>"
    if within_function or not isinstance(node, (*FUNCTIONS, ast.ClassDef)):
        return scope
    outer = [part for part in scope if part != "<class>"]
    return [*outer, node.name, *(["<class>"] if isinstance(node, ast.ClassDef) else [])]


def _is_text(node: ast.AST) -> bool:
    """A docstring, or another text standing alone."""
    constant = node.value if isinstance(node, ast.Expr) else None
    return isinstance(constant, ast.Constant) and isinstance(constant.value, str)


def _text(node: ast.AST) -> str:
    return " ".join(ast.unparse(node).split())


# -- what may take a node's place -----------------------------------------------------------------


def _changes(node: ast.AST, parent: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Compare():
            yield from _comparisons(node)
        case ast.BoolOp(op=op, values=values):
            yield ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield operand
        case ast.BinOp(left=left, op=op, right=right) if type(op) in ARITHMETIC:
            yield ast.BinOp(left, ARITHMETIC[type(op)](), right)
        case ast.Constant(value=bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(value=int() as value):
            yield ast.Constant(value + 1)
        case ast.Constant(value=bytes() as value) if value:
            yield ast.Constant(value + b"!")
        case ast.Call():
            yield from _calls(node)
        case ast.Return(value=value) if value is not None:
            yield from _returns(value)
        case ast.Assign(targets=targets) if not isinstance(targets[0], ast.Name | ast.Tuple):
            yield ast.Pass()
        case _ if isinstance(node, REMOVABLE):
            yield ast.Pass()
    if _negatable(node, parent):
        yield ast.UnaryOp(ast.Not(), node)


def _negatable(node: ast.AST, parent: ast.AST) -> bool:
    """A condition that no other operator negates."""
    if isinstance(node, ast.UnaryOp) or (isinstance(node, ast.Compare) and len(node.ops) == 1):
        return False
    if isinstance(parent, ast.comprehension):
        return any(node is condition for condition in parent.ifs)
    if isinstance(parent, ast.BoolOp):
        return any(node is value for value in parent.values)
    return isinstance(parent, ast.If | ast.IfExp | ast.While) and node is parent.test


def _comparisons(node: ast.Compare) -> Iterator[ast.AST]:
    for index, op in enumerate(node.ops):
        for other in COMPARISONS[type(op)]:
            ops = [*node.ops[:index], other(), *node.ops[index + 1 :]]
            yield ast.Compare(node.left, ops, node.comparators)


def _calls(node: ast.Call) -> Iterator[ast.AST]:
    match node.func:
        case ast.Name(id=name) if name in OPPOSITES:
            yield ast.Call(ast.Name(OPPOSITES[name], ast.Load()), node.args, node.keywords)
        case ast.Name(id="sorted"):
            turned = [k for k in node.keywords if k.arg != "reverse"]
            if len(turned) == len(node.keywords):
                turned.append(ast.keyword("reverse", ast.Constant(True)))
            yield ast.Call(node.func, node.args, turned)
    for index in range(len(node.args) - 1):
        one, two = node.args[index : index + 2]
        if _alike(one, two):
            args = [*node.args[:index], two, one, *node.args[index + 2 :]]
            yield ast.Call(node.func, args, node.keywords)


def _alike(one: ast.expr, two: ast.expr) -> bool:
    """Two plain names, or two attributes of one value: the likely mistake is to swap them."""
    if isinstance(one, ast.Name) and isinstance(two, ast.Name):
        return True
    if isinstance(one, ast.Attribute) and isinstance(two, ast.Attribute):
        return ast.dump(one.value) == ast.dump(two.value)
    return False


def _returns(value: ast.expr) -> Iterator[ast.AST]:
    if isinstance(value, ast.Constant):
        return  # its other values are mutants of the constant
    yield ast.Return(ast.Constant(None))
    truth = isinstance(value, ast.Compare | ast.BoolOp) or (
        isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.Not)
    )
    if truth:
        yield ast.Return(ast.Constant(True))
