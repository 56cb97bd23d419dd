"""What the policy files for operators allow and what they refuse, by an evaluator of the clouds' policy languages."""

from collections.abc import Iterator
from typing import cast

import pytest

from deployments.sandbox.clouds.policies import May, PolicyNotUnderstoodError, allows
from tests.sandbox.operations import BY_NAME, CLOUDS, KMS_KEY, POLICIES, PREFIX, Cloud, policy

INSIDE = (f"{PREFIX}/a.ts", f"{PREFIX}/room 1/ä+%2F?*.m3u8", f"{PREFIX}/.hidden", f"{PREFIX}/")
OUTSIDE = ("a.ts", "school/a.ts", PREFIX, f"{PREFIX}x/a.ts", f"x/{PREFIX}/a.ts", f"{PREFIX.upper()}/a.ts", "")
LISTED_INSIDE = (f"{PREFIX}/", f"{PREFIX}/room", f"{PREFIX}/room 1/ä+")
LISTED_OUTSIDE = ("", "school/", PREFIX, f"{PREFIX}x/", f"{PREFIX}%2F", f"/{PREFIX}/", f"{PREFIX.upper()}/")


def key_with(name: str, kind: str, *, secure: bool = True) -> tuple[Cloud, May]:
    return BY_NAME[name], allows([policy(f"{name}-{kind}.json")], secure=secure)


def granted(name: str, kind: str) -> Iterator[tuple[str, str, str]]:
    """Action, resource and prefix of every operation that this key is for."""
    cloud = BY_NAME[name]
    if kind == "doctor":
        yield from ((action, cloud.bucket(), "") for action in cloud.settings)
        return
    actions = cloud.read if kind == "source" else (*cloud.read, *cloud.write)
    yield from ((action, cloud.object(key), "") for action in actions for key in INSIDE)
    lists = (cloud.list_objects,) if kind == "source" else (cloud.list_objects, cloud.list_uploads)
    yield from ((action, cloud.bucket(), prefix) for action in lists for prefix in LISTED_INSIDE)


@pytest.mark.parametrize("name", CLOUDS)
@pytest.mark.parametrize("kind", POLICIES)
def test_every_operation_that_the_key_is_for_is_allowed(name: str, kind: str) -> None:
    _, may = key_with(name, kind)
    assert [request for request in granted(name, kind) if not may(*request)] == []


@pytest.mark.parametrize("name", CLOUDS)
@pytest.mark.parametrize("kind", POLICIES)
def test_nothing_is_allowed_in_another_bucket(name: str, kind: str) -> None:
    cloud, may = key_with(name, kind)
    for action, _, prefix in granted(name, kind):
        assert not may(action, cloud.object(INSIDE[0], "other"), prefix)
        assert not may(action, cloud.bucket("lessons2"), prefix)
        assert not may(action, cloud.bucket("other"), prefix)


@pytest.mark.parametrize("name", CLOUDS)
@pytest.mark.parametrize("kind", ["source", "output"])
def test_no_object_outside_of_the_prefix_is_touched(name: str, kind: str) -> None:
    cloud, may = key_with(name, kind)
    for action in (*cloud.read, *cloud.write):
        assert [key for key in OUTSIDE if may(action, cloud.object(key), "")] == []


@pytest.mark.parametrize("name", CLOUDS)
@pytest.mark.parametrize("kind", ["source", "output"])
def test_nothing_outside_of_the_prefix_is_listed(name: str, kind: str) -> None:
    cloud, may = key_with(name, kind)
    assert [prefix for prefix in LISTED_OUTSIDE if may(cloud.list_objects, cloud.bucket(), prefix)] == []


@pytest.mark.parametrize("name", CLOUDS)
def test_uploads_are_listed_by_who_writes_and_under_the_prefix_where_the_cloud_compares_it(name: str) -> None:
    cloud, output = key_with(name, "output")
    _, source = key_with(name, "source")
    shown = [output(cloud.list_uploads, cloud.bucket(), prefix) for prefix in LISTED_OUTSIDE]
    assert shown == [not cloud.uploads_know_prefix] * len(LISTED_OUTSIDE)
    assert not source(cloud.list_uploads, cloud.bucket(), f"{PREFIX}/")


@pytest.mark.parametrize("name", CLOUDS)
@pytest.mark.parametrize("kind", ["source", "doctor"])
def test_a_source_is_never_written(name: str, kind: str) -> None:
    cloud, may = key_with(name, kind)
    assert [action for action in cloud.write for key in INSIDE if may(action, cloud.object(key), "")] == []


@pytest.mark.parametrize("name", CLOUDS)
@pytest.mark.parametrize("kind", POLICIES)
def test_no_key_deletes_shares_or_reconfigures(name: str, kind: str) -> None:
    cloud, may = key_with(name, kind)
    for key in INSIDE:
        assert [action for action in cloud.forbidden_on_objects if may(action, cloud.object(key), "")] == []
    for prefix in ("", f"{PREFIX}/"):
        assert [action for action in cloud.forbidden_on_buckets if may(action, cloud.bucket(), prefix)] == []


@pytest.mark.parametrize("name", CLOUDS)
def test_of_exports_the_files_are_deleted_and_nothing_beside_them(name: str) -> None:
    cloud, may = key_with(name, "output")
    delete, below = cloud.forbidden_on_objects[0], f"{PREFIX}/exports/{'0' * 32}"
    files = [f"{below}/cut.mp4", f"{below}/all of us.zip"]
    kept = [f"{PREFIX}/media/agora/t1/mix/0123456789abcdef.mp4", "exports/cut.mp4", f"{PREFIX}/exports.mp4"]
    if name != "cos":  # whether it compares endings, its documents do not say
        kept += [f"{file}.certificate.json" for file in files]
    assert [key for key in files + kept if may(delete, cloud.object(key), "")] == files
    for kind in ("source", "doctor"):
        _, other = key_with(name, kind)
        assert [key for key in files + kept if other(delete, cloud.object(key), "")] == []


@pytest.mark.parametrize("name", CLOUDS)
@pytest.mark.parametrize("kind", ["source", "output"])
def test_workers_read_no_settings(name: str, kind: str) -> None:
    cloud, may = key_with(name, kind)
    assert [action for action in cloud.settings if may(action, cloud.bucket(), f"{PREFIX}/")] == []


@pytest.mark.parametrize("name", CLOUDS)
def test_the_doctor_sees_no_objects(name: str) -> None:
    cloud, may = key_with(name, "doctor")
    assert [action for action in cloud.read if may(action, cloud.object(INSIDE[0]), "")] == []
    assert not may(cloud.list_objects, cloud.bucket(), f"{PREFIX}/")


@pytest.mark.parametrize("name", CLOUDS)
@pytest.mark.parametrize("kind", ["source", "output"])
def test_plain_http_is_refused_whatever_else_the_key_may(name: str, kind: str) -> None:
    own = policy(f"{name}-{kind}.json")
    wide = {
        "s3": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]},
        "oss": {"Version": "1", "Statement": [{"Effect": "Allow", "Action": ["oss:*"], "Resource": ["*"]}]},
        "cos": {"version": "2.0", "statement": [{"effect": "allow", "action": ["*"], "resource": ["*"]}]},
    }[name]
    cloud = BY_NAME[name]
    anything = [*granted(name, kind), (cloud.forbidden_on_objects[0], cloud.object("a"), "")]
    over_http, over_tls = allows([own, wide], secure=False), allows([own, wide])
    assert [request for request in anything if over_http(*request)] == []
    assert [request for request in anything if not over_tls(*request)] == []


@pytest.mark.parametrize("name", CLOUDS)
def test_source_and_output_of_one_key_add_up(name: str) -> None:
    cloud = BY_NAME[name]
    may = allows([policy(f"{name}-source.json"), policy(f"{name}-output.json")])
    assert may(cloud.write[0], cloud.object(INSIDE[0]), "")
    assert not may(cloud.forbidden_on_objects[0], cloud.object(INSIDE[0]), "")


def test_the_kms_key_is_used_through_s3_only() -> None:
    """Not evaluated: which service asks the KMS is nothing that our requests say."""
    (statement,) = cast("list[dict[str, object]]", policy("s3-kms.json")["Statement"])
    assert statement["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
    assert statement["Resource"] == KMS_KEY
    assert statement["Condition"] == {"StringEquals": {"kms:ViaService": "s3.ap-guangzhou.amazonaws.com"}}


S3_RULES: dict[str, object] = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}


def s3_policy(**changes: object) -> dict[str, object]:
    return {"Version": "2012-10-17", "Statement": [S3_RULES | changes]}


NOT_UNDERSTOOD: dict[str, dict[str, object]] = {
    "no version": {"Statement": [S3_RULES]},
    "an older version": {"Version": "2008-10-17", "Statement": [S3_RULES]},
    "a part beside the statements": s3_policy() | {"Id": "x"},
    "one statement without a list": {"Version": "2012-10-17", "Statement": S3_RULES},
    "NotAction": s3_policy(NotAction="s3:DeleteObject"),
    "NotResource": s3_policy(NotResource="*"),
    "a principal": s3_policy(Principal="*"),
    "an effect": s3_policy(Effect="allow"),
    "no action": s3_policy(Action=None),
    "an empty list": s3_policy(Resource=[]),
    "an action of another cloud": s3_policy(Action="oss:GetObject"),
    "a number": s3_policy(Action=[1]),
    "a variable": s3_policy(Resource="arn:aws:s3:::b/${aws:username}/*"),
    "a condition that is no object": s3_policy(Condition="Bool"),
    "keys that are no object": s3_policy(Condition={"Bool": "true"}),
    "an operator": s3_policy(Condition={"StringNotLike": {"s3:prefix": "a/*"}}),
    "an operator on an absent key": s3_policy(Condition={"StringLikeIfExists": {"s3:prefix": "a/*"}}),
    "a key": s3_policy(Condition={"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}}),
    "a key in other case": s3_policy(Condition={"StringLike": {"s3:Prefix": "a/*"}}),
    "a key of another cloud": s3_policy(Condition={"Bool": {"acs:SecureTransport": "true"}}),
    "neither true nor false": s3_policy(Condition={"Bool": {"aws:SecureTransport": "yes"}}),
    "IAM's words in CAM": {"version": "2.0", "statement": [S3_RULES]},
    "an action of COS without name/": {
        "version": "2.0",
        "statement": [{"effect": "allow", "action": "cos:GetObject", "resource": "*"}],
    },
    "a name of a statement in RAM": {
        "Version": "1",
        "Statement": [{"Sid": "a", "Effect": "Allow", "Action": "oss:GetObject", "Resource": "*"}],
    },
}


@pytest.mark.parametrize("part", NOT_UNDERSTOOD)
def test_what_is_not_understood_is_refused_at_once(part: str) -> None:
    with pytest.raises(PolicyNotUnderstoodError):
        allows([NOT_UNDERSTOOD[part]])


def test_without_a_policy_nothing_is_allowed() -> None:
    assert not allows([])("s3:GetObject", "arn:aws:s3:::b/a", "")


def test_a_denial_wins_in_any_order() -> None:
    deny = s3_policy(Effect="Deny", Resource="arn:aws:s3:::b/secret/*")
    for documents in ([s3_policy(), deny], [deny, s3_policy()]):
        may = allows(documents)
        assert may("s3:GetObject", "arn:aws:s3:::b/a", "")
        assert not may("s3:GetObject", "arn:aws:s3:::b/secret/a", "")


@pytest.mark.parametrize(
    ("pattern", "fitting", "other"),
    [
        ("arn:aws:s3:::b/*", ["arn:aws:s3:::b/", "arn:aws:s3:::b/a/b\nc"], ["arn:aws:s3:::b", "arn:aws:s3:::bc/"]),
        ("arn:aws:s3:::b/?.ts", ["arn:aws:s3:::b/1.ts"], ["arn:aws:s3:::b/.ts", "arn:aws:s3:::b/1ats"]),
        ("*", ["arn:aws:s3:::b", ""], []),
    ],
)
def test_wildcards(pattern: str, fitting: list[str], other: list[str]) -> None:
    may = allows([s3_policy(Resource=pattern)])
    assert [text for text in (*fitting, *other) if may("s3:GetObject", text, "")] == fitting


def test_a_prefix_is_compared_where_the_request_has_one() -> None:
    equal = allows([s3_policy(Action="s3:*", Condition={"StringEquals": {"s3:prefix": ["", "a/*"]}})])
    assert [prefix for prefix in ("", "a/", "a/*", "b") if equal("s3:ListBucket", "arn:aws:s3:::b", prefix)] == [
        "",
        "a/*",
    ]
    assert not equal("s3:ListBucketMultipartUploads", "arn:aws:s3:::b", "")
    assert not equal("s3:GetObject", "arn:aws:s3:::b/a", "")


def test_all_conditions_of_a_statement_must_hold() -> None:
    both = s3_policy(
        Action="s3:ListBucket",
        Condition={"StringLike": {"s3:prefix": "a/*"}, "Bool": {"aws:SecureTransport": True}},
    )
    requests = [("s3:ListBucket", "arn:aws:s3:::b", prefix) for prefix in ("a/", "b/")]
    assert [allows([both])(*request) for request in requests] == [True, False]
    assert [allows([both], secure=False)(*request) for request in requests] == [False, False]
