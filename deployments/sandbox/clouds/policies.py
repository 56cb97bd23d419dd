"""The policy languages of the three clouds, as much of them as `deployments/policies` uses: IAM, RAM and CAM.

All three refuse what no statement allows, and a statement that denies wins. What is not understood raises, since a
part that is skipped would make a policy look tighter or wider than it is. Documents: "IAM JSON policy elements
reference" and "Actions, resources, and condition keys for Amazon S3"; "OSS authorization syntax and elements"; "Working
with COS API authorization policies", "Conditions" and "Descriptions and use cases of condition keys" of COS.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote

May = Callable[[str, str, str], bool]


class PolicyNotUnderstoodError(ValueError):
    """A policy document has a part that is not imitated here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Language:
    """One cloud's policy language. `elements` are the names of effect, action, resource and condition.

    `prefix_actions` are the actions whose requests carry the prefix that `prefix_key` compares; for any other action
    the key is absent and its condition fails.
    """

    cloud: str
    version_element: str
    statement_element: str
    elements: tuple[str, str, str, str]
    ignored: frozenset[str]
    effects: Mapping[str, bool]
    services: tuple[str, ...]
    like: str
    equals: str
    boolean: str
    prefix_key: str
    prefix_actions: frozenset[str]
    transport_key: str
    encodes_prefix: bool = False


_S3 = _Language(
    cloud="S3",
    version_element="Version",
    statement_element="Statement",
    elements=("Effect", "Action", "Resource", "Condition"),
    ignored=frozenset({"Sid"}),
    effects={"Allow": True, "Deny": False},
    services=("s3:", "kms:"),
    like="StringLike",
    equals="StringEquals",
    boolean="Bool",
    prefix_key="s3:prefix",
    prefix_actions=frozenset({"s3:ListBucket", "s3:ListBucketVersions"}),
    transport_key="aws:SecureTransport",
)
_OSS = replace(
    _S3,
    cloud="OSS",
    ignored=frozenset(),
    services=("oss:",),
    prefix_key="oss:Prefix",
    prefix_actions=frozenset({"oss:ListObjects"}),
    transport_key="acs:SecureTransport",
)
_COS = _Language(
    cloud="COS",
    version_element="version",
    statement_element="statement",
    elements=("effect", "action", "resource", "condition"),
    ignored=frozenset(),
    effects={"allow": True, "deny": False},
    services=("name/cos:",),
    like="string_like",
    equals="string_equal",
    boolean="bool_equal",
    prefix_key="cos:prefix",
    prefix_actions=frozenset(
        {"name/cos:GetBucket", "name/cos:GetBucketObjectVersions", "name/cos:ListMultipartUploads"}
    ),
    transport_key="cos:secure-transport",
    encodes_prefix=True,
)
_LANGUAGES = {("Version", "2012-10-17"): _S3, ("Version", "1"): _OSS, ("version", "2.0"): _COS}
"""By the element that holds the version, and the version."""


@dataclass(frozen=True, slots=True)
class _Request:
    action: str
    resource: str
    prefix: str
    secure: bool


_Test = Callable[[_Request], bool]


@dataclass(frozen=True, slots=True)
class _Rule:
    """One statement: it speaks of a request when all of its tests hold."""

    allows: bool
    tests: tuple[_Test, ...]

    def applies(self, request: _Request) -> bool:
        return all(test(request) for test in self.tests)


def allows(documents: Sequence[Mapping[str, object]], *, secure: bool = True) -> May:
    """What a key with these policies may do, as `may(action, resource, prefix)`; `secure` says that requests use TLS.

    Actions are written `s3:GetObject`, `oss:GetObject`, `name/cos:GetObject`; resources `arn:aws:s3:::bucket/key`,
    `acs:oss:*:*:bucket/key`, `qcs::cos:region:uid/appid:bucket-appid/key`, a bucket itself without the key (COS keeps
    the slash). `prefix` is that of a listing, as the client means it; other requests pass "". Raises
    PolicyNotUnderstoodError at once for any part of a document that is not imitated.
    """
    rules = [rule for document in documents for rule in _rules(document)]

    def may(action: str, resource: str, prefix: str) -> bool:
        request = _Request(action, resource, prefix, secure)
        verdicts = [rule.allows for rule in rules if rule.applies(request)]
        return bool(verdicts) and all(verdicts)

    return may


def _rules(document: Mapping[str, object]) -> Iterator[_Rule]:
    language = _language(document)
    if unknown := document.keys() - {language.version_element, language.statement_element}:
        raise PolicyNotUnderstoodError(f"elements beside the statements of {language.cloud}: {sorted(unknown)}")
    statements = document.get(language.statement_element)
    if not isinstance(statements, list) or not all(isinstance(statement, Mapping) for statement in statements):
        raise PolicyNotUnderstoodError(f"the statements of {language.cloud} are no list of objects")
    for statement in statements:
        yield _rule(language, statement)


def _language(document: Mapping[str, object]) -> _Language:
    for (element, version), language in _LANGUAGES.items():
        if document.get(element) == version:
            return language
    raise PolicyNotUnderstoodError(f"no policy of S3, OSS or COS has these elements: {', '.join(document)}")


def _rule(language: _Language, statement: Mapping[str, object]) -> _Rule:
    effect, action, resource, condition = language.elements
    if unknown := statement.keys() - {*language.elements, *language.ignored}:
        raise PolicyNotUnderstoodError(f"elements of a statement of {language.cloud}: {sorted(unknown)}")
    allowed = language.effects.get(str(statement.get(effect)))
    if allowed is None:
        raise PolicyNotUnderstoodError(f"the effect {statement.get(effect)!r}")
    actions = _texts(statement.get(action))
    for name in actions:
        if name != "*" and not name.startswith(language.services):
            raise PolicyNotUnderstoodError(f"the action {name!r} in a policy of {language.cloud}")
    tests = (_matches_action(actions), _matches_resource(_texts(statement.get(resource))))
    return _Rule(allowed, (*tests, *_conditions(language, statement.get(condition, {}))))


def _matches_action(patterns: Sequence[str]) -> _Test:
    matches = _any_of(patterns)
    return lambda request: matches(request.action)


def _matches_resource(patterns: Sequence[str]) -> _Test:
    matches = _any_of(patterns)
    return lambda request: matches(request.resource)


def _conditions(language: _Language, condition: object) -> Iterator[_Test]:
    """All of them must hold; of the values of one key, any."""
    for operator, keys in _items(condition):
        for key, value in _items(keys):
            yield _condition(language, operator, key, _texts(value))


def _condition(language: _Language, operator: str, key: str, values: Sequence[str]) -> _Test:
    if (operator, key) == (language.boolean, language.transport_key):
        if not set(values) <= {"true", "false"}:
            raise PolicyNotUnderstoodError(f"{key} is {values}, neither true nor false")
        return lambda request: ("true" if request.secure else "false") in values
    if key == language.prefix_key and operator == language.like:
        return _prefix_test(language, _any_of(values))
    if key == language.prefix_key and operator == language.equals:
        return _prefix_test(language, lambda prefix: prefix in values)
    raise PolicyNotUnderstoodError(f"the condition {operator} of {key} in a policy of {language.cloud}")


def _prefix_test(language: _Language, matches: Callable[[str], bool]) -> _Test:
    def holds(request: _Request) -> bool:
        if request.action not in language.prefix_actions:
            return False
        return matches(quote(request.prefix, safe="") if language.encodes_prefix else request.prefix)

    return holds


def _any_of(patterns: Sequence[str]) -> Callable[[str], bool]:
    """Whether a text fits one of the patterns: `*` is any text, also none, and `?` any one character."""
    if variables := [pattern for pattern in patterns if "${" in pattern]:
        raise PolicyNotUnderstoodError(f"variables: {variables}")
    translated = ("".join(_WILDCARDS.get(char) or re.escape(char) for char in pattern) for pattern in patterns)
    expression = re.compile("|".join(f"(?:{pattern})" for pattern in translated), re.DOTALL)
    return lambda text: expression.fullmatch(text) is not None


_WILDCARDS = {"*": ".*", "?": "."}


def _items(value: object) -> Iterator[tuple[str, object]]:
    if not isinstance(value, Mapping):
        raise PolicyNotUnderstoodError(f"a condition is no object: {value!r}")
    yield from value.items()


def _texts(value: object) -> tuple[str, ...]:
    """A text or a list of texts; JSON's true and false are read as their words."""
    values = value if isinstance(value, list) and value else [value]
    words = [str(item).lower() if isinstance(item, bool) else item for item in values]
    if not all(isinstance(word, str) for word in words):
        raise PolicyNotUnderstoodError(f"neither text nor a list of texts: {value!r}")
    return tuple(word for word in words if isinstance(word, str))
