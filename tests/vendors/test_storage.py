"""Storage settings are codecs: vendor settings to store URL and back, every number of every table."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vendors.agora import storage as agora
from vendors.storage import Scheme, StorageSettingsError, StoreLocation, huawei, parse_store_url, store_url
from vendors.zego import storage as zego

HIDDEN = "not-to-be-seen"

AGORA: dict[str, dict[str, object]] = {
    "s3://lessons/?region=us-east-1": {"vendor": 1, "region": 0, "bucket": "lessons", "fileNamePrefix": []},
    "s3://lessons/2026/room-a/?region=cn-northwest-1": {
        "vendor": 1,
        "region": 16,
        "bucket": "lessons",
        "fileNamePrefix": ["2026", "room-a"],
    },
    "oss://lessons/AB_Test/?region=cn-hangzhou": {
        "vendor": 2,
        "region": 0,
        "bucket": "lessons",
        "fileNamePrefix": ["AB_Test"],
    },
    "oss://lessons/?region=ap-southeast-5": {"vendor": 2, "region": 13, "bucket": "lessons", "fileNamePrefix": []},
    "cos://lessons-1250000000/?region=ap-beijing-1": {
        "vendor": 3,
        "region": 0,
        "bucket": "lessons-1250000000",
        "fileNamePrefix": [],
    },
    "cos://lessons-1250000000/?region=ap-beijing": {
        "vendor": 3,
        "region": 1,
        "bucket": "lessons-1250000000",
        "fileNamePrefix": [],
    },
    "s3://lessons/a/?region=auto&endpoint=https://storage.googleapis.com": {
        "vendor": 6,
        "region": 0,
        "bucket": "lessons",
        "fileNamePrefix": ["a"],
    },
    "s3://lessons/?region=cn-north-4&endpoint=https://obs.cn-north-4.myhuaweicloud.com&addressing=virtual": {
        "vendor": 7,
        "region": 1,
        "bucket": "lessons",
        "fileNamePrefix": [],
    },
    "s3://lessons/a/?endpoint=https://store.example:9000/s3": {
        "vendor": 11,
        "region": 0,
        "bucket": "lessons",
        "fileNamePrefix": ["a"],
        "extensionParams": {"endpoint": "https://store.example:9000/s3"},
    },
}

S3_LIKE: dict[str, object] = {
    "Vendor": 10,
    "Region": "eu-1",
    "Bucket": "lessons",
    "EndPoint": "https://store.example",
}
ZEGO: dict[str, dict[str, object]] = {
    "s3://lessons/?region=cn-north-1": {"Vendor": 1, "Region": "cn-north-1", "Bucket": "lessons"},
    "oss://lessons/?region=cn-hangzhou": {"Vendor": 2, "Region": "oss-cn-hangzhou", "Bucket": "lessons"},
    "cos://lessons-1250000000/?region=ap-guangzhou": {
        "Vendor": 3,
        "Region": "ap-guangzhou",
        "Bucket": "lessons-1250000000",
    },
    "s3://lessons/?region=cn-north-4&endpoint=https://obs.cn-north-4.myhuaweicloud.com&addressing=virtual": {
        "Vendor": 7,
        "Region": "cn-north-4",
        "Bucket": "lessons",
    },
    "s3://lessons/?region=auto&endpoint=https://storage.googleapis.com": {"Vendor": 8, "Bucket": "lessons"},
    "s3://lessons/?region=eu-1&endpoint=https://store.example": S3_LIKE,
    "s3://lessons/?region=eu-1&endpoint=https://store.example&addressing=path": S3_LIKE | {"S3ForcePathStyle": True},
    "s3://lessons/?region=eu-1&endpoint=https://store.example&addressing=virtual": S3_LIKE
    | {"S3ForcePathStyle": False},
}


@pytest.mark.parametrize("url", AGORA)
def test_agoras_settings_and_store_urls_say_the_same(url: str) -> None:
    place = agora.location(AGORA[url] | {"accessKey": HIDDEN, "secretKey": HIDDEN})
    assert store_url(place) == url
    assert agora.storage_config(parse_store_url(url)) == AGORA[url]


@pytest.mark.parametrize("url", ZEGO)
def test_zegos_settings_and_store_urls_say_the_same(url: str) -> None:
    place = zego.location(ZEGO[url] | {"AccessKeyId": HIDDEN, "AccessKeySecret": HIDDEN})
    assert store_url(place) == url
    assert zego.storage_params(parse_store_url(url)) == ZEGO[url]


AGORA_TABLES: dict[int, tuple[Scheme, Mapping[int, str]]] = {
    1: ("s3", agora.S3_REGIONS),
    2: ("oss", agora.OSS_REGIONS),
    3: ("cos", agora.COS_REGIONS),
    7: ("s3", agora.HUAWEI_REGIONS),
}


@pytest.mark.parametrize(
    ("vendor", "number"), [(vendor, number) for vendor, (_, table) in AGORA_TABLES.items() for number in table]
)
def test_every_number_of_agora_goes_both_ways(vendor: int, number: int) -> None:
    scheme, table = AGORA_TABLES[vendor]
    config = {"vendor": vendor, "region": number, "bucket": "b-1", "fileNamePrefix": ["a", "b"]}
    place = agora.location(config)
    assert (place.scheme, place.region) == (scheme, table[number])
    assert agora.storage_config(place) == config


@pytest.mark.parametrize("table", [table for _, table in AGORA_TABLES.values()])
def test_no_region_has_two_numbers(table: Mapping[int, str]) -> None:
    assert len(set(table.values())) == len(table)


# As Agora's table has them, in the order of their numbers; `-` where it leaves one out.
AGORAS_NAMES = {
    1: """US_EAST_1 US_EAST_2 US_WEST_1 US_WEST_2 EU_WEST_1 EU_WEST_2 EU_WEST_3 EU_CENTRAL_1 AP_SOUTHEAST_1
        AP_SOUTHEAST_2 AP_NORTHEAST_1 AP_NORTHEAST_2 SA_EAST_1 CA_CENTRAL_1 AP_SOUTH_1 CN_NORTH_1 CN_NORTHWEST_1 -
        AF_SOUTH_1 AP_EAST_1 AP_NORTHEAST_3 EU_NORTH_1 ME_SOUTH_1 - AP_SOUTHEAST_3 EU_SOUTH_1""",
    2: """CN_Hangzhou CN_Shanghai CN_Qingdao CN_Beijing CN_Zhangjiakou CN_Huhehaote CN_Shenzhen CN_Hongkong US_West_1
        US_East_1 AP_Southeast_1 AP_Southeast_2 AP_Southeast_3 AP_Southeast_5 AP_Northeast_1 AP_South_1 EU_Central_1
        EU_West_1 EU_East_1 AP_Southeast_6 CN_Heyuan CN_Guangzhou CN_Chengdu CN_Nanjing CN_Fuzhou CN_Wulanchabu
        CN_Northeast_2 CN_Southeast_7""",
    3: """AP_Beijing_1 AP_Beijing AP_Shanghai AP_Guangzhou AP_Chengdu AP_Chongqing AP_Shenzhen_FSI AP_Shanghai_FSI
        AP_Beijing_FSI AP_Hongkong AP_Singapore AP_Mumbai AP_Seoul AP_Bangkok AP_Tokyo NA_Siliconvalley NA_Ashburn
        NA_Toronto EU_Frankfurt EU_Moscow""",
    7: """CN_North_1 CN_North_4 CN_East_2 CN_East_3 CN_South_1 CN_Southwest_2 AP_Southeast_1 AP_Southeast_2
        AP_Southeast_3 AF_South_1 SA_Argentina_1 SA_Peru_1 NA_Mexico_1 SA_Brazil_1 LA_South_2 SA_Chile_1""",
}
OTHERWISE = {
    (1, 17): "us-gov-west-1",
    (1, 23): "us-gov-east-1",
    (2, 18): "me-east-1",
    (2, 26): "ap-northeast-2",
    (2, 27): "ap-southeast-7",
}


@pytest.mark.parametrize("vendor", AGORAS_NAMES)
def test_a_number_means_the_region_that_agora_names(vendor: int) -> None:
    names = enumerate(AGORAS_NAMES[vendor].lower().replace("_", "-").split())
    expected = {number: OTHERWISE.get((vendor, number), name) for number, name in names}
    assert dict(AGORA_TABLES[vendor][1]) == expected


@pytest.mark.parametrize(("vendor", "number"), OTHERWISE)
def test_a_region_that_agora_names_otherwise_is_a_guess(vendor: int, number: int) -> None:
    assert agora.location({"vendor": vendor, "region": number, "bucket": "b"}).guess is not None


def test_what_no_document_confirms_is_said_and_makes_no_difference() -> None:
    dubai = agora.location({"vendor": 2, "region": 18, "bucket": "b"})
    assert dubai.guess is not None
    assert "EU_East_1" in dubai.guess
    assert dubai == StoreLocation(scheme="oss", bucket="b", region="me-east-1")
    assert huawei("b", "cn-north-4").guess is not None
    assert agora.location({"vendor": 2, "region": 0, "bucket": "b"}).guess is None


@pytest.mark.parametrize(("folder", "prefix"), [("", ""), ("record/", "record/"), ("a/b/", "a/b/")])
def test_zegos_folder_is_the_prefix(folder: str, prefix: str) -> None:
    place = zego.location(ZEGO["s3://lessons/?region=cn-north-1"], output_folder=folder)
    assert (place.prefix, place.guess) == (prefix, None)


def test_a_folder_of_zego_without_its_slash_is_a_guess() -> None:
    place = zego.location(ZEGO["s3://lessons/?region=cn-north-1"], output_folder="record")
    assert place.prefix == "record/"
    assert place.guess is not None
    both = zego.location({"Vendor": 7, "Region": "cn-north-4", "Bucket": "b"}, output_folder="record").guess
    assert both == f"{huawei('b', 'cn-north-4').guess}; {place.guess}"


def test_an_endpoint_without_a_scheme_is_https() -> None:
    bare = {"vendor": 11, "bucket": "b", "extensionParams": {"endpoint": "store.example"}}
    assert agora.location(bare).endpoint == "https://store.example"
    assert zego.location(S3_LIKE | {"EndPoint": "store.example"}).endpoint == "https://store.example"


def test_a_region_of_oss_without_its_prefix_is_understood() -> None:
    assert zego.location({"Vendor": 2, "Region": "cn-hangzhou", "Bucket": "b"}).region == "cn-hangzhou"


@pytest.mark.parametrize(
    ("vendor", "name"), [(0, "Qiniu"), (4, "Kingsoft"), (5, "Azure"), (8, "Baidu"), (9, "9 is no vendor")]
)
def test_agoras_unreadable_stores_are_named(vendor: int, name: str) -> None:
    with pytest.raises(StorageSettingsError, match=name) as caught:
        agora.location({"vendor": vendor, "region": 0, "bucket": "b"})
    assert "1 Amazon S3" in caught.value.known
    assert caught.value.advice in str(caught.value)


@pytest.mark.parametrize(
    ("vendor", "name"), [(4, "Qiniu"), (5, "Alibaba Cloud VOD"), (6, "Tencent Cloud VOD"), (9, "EOS"), (11, "11 is no")]
)
def test_zegos_unreadable_stores_are_named(vendor: int, name: str) -> None:
    with pytest.raises(StorageSettingsError, match=name) as caught:
        zego.location({"Vendor": vendor, "Region": "z0", "Bucket": "b"})
    assert "10 any S3-compatible store" in caught.value.known


WRONG_AGORA: dict[str, dict[str, object]] = {
    "vendor of Agora's storage settings is missing": {"region": 0, "bucket": "b"},
    "vendor of Agora's storage settings is a str": {"vendor": HIDDEN, "region": 0, "bucket": "b"},
    "vendor of Agora's storage settings is a bool": {"vendor": True, "region": 0, "bucket": "b"},
    "region of Agora's storage settings is missing": {"vendor": 1, "bucket": "b"},
    "region 99 of Amazon S3": {"vendor": 1, "region": 99, "bucket": "b"},
    "bucket of Agora's storage settings is a int": {"vendor": 1, "region": 0, "bucket": 5},
    "fileNamePrefix": {"vendor": 1, "region": 0, "bucket": "b", "fileNamePrefix": "a/b"},
    "fileNamePrefix of Agora": {"vendor": 1, "region": 0, "bucket": "b", "fileNamePrefix": ["a", ""]},
    "endpoint of Agora's storage settings is missing": {"vendor": 11, "region": 0, "bucket": "b"},
    "does not end in its account's number": {"vendor": 3, "region": 0, "bucket": "lessons"},
}


@pytest.mark.parametrize("message", WRONG_AGORA)
def test_wrong_settings_of_agora_are_named_without_their_value(message: str) -> None:
    with pytest.raises(StorageSettingsError, match=message) as caught:
        agora.location(WRONG_AGORA[message])
    assert HIDDEN not in str(caught.value)


def test_path_style_is_yes_or_no() -> None:
    with pytest.raises(StorageSettingsError, match="S3ForcePathStyle"):
        zego.location(S3_LIKE | {"S3ForcePathStyle": "true"})


def test_a_region_without_a_number_is_refused_with_those_that_have_one() -> None:
    with pytest.raises(StorageSettingsError, match="no number for the region me-central-1 of Amazon S3") as caught:
        agora.storage_config(parse_store_url("s3://b/?region=me-central-1"))
    assert "me-south-1" in caught.value.known


@pytest.mark.parametrize("prefix", ["a//b/", "/", f"{'a' * 129}/"])
def test_a_prefix_that_agora_would_not_take_is_refused(prefix: str) -> None:
    with pytest.raises(StorageSettingsError, match="no fileNamePrefix"):
        agora.storage_config(StoreLocation(scheme="s3", bucket="b", prefix=prefix, region="us-east-1"))


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("oss://lessons/a/?region=cn-hangzhou", "https://oss-cn-hangzhou-internal.aliyuncs.com"),
        ("cos://lessons-12/a/?region=ap-guangzhou", "https://cos.accelerate.myqcloud.com"),
    ],
)
def test_how_we_reach_a_bucket_is_nothing_to_a_vendor(url: str, endpoint: str) -> None:
    place = parse_store_url(f"{url}&endpoint={endpoint}")
    assert place == parse_store_url(url)
    assert agora.storage_config(place) == agora.storage_config(parse_store_url(url))
    assert zego.storage_params(place) == zego.storage_params(parse_store_url(url))


def test_zego_needs_a_region_for_every_store_but_googles() -> None:
    with pytest.raises(StorageSettingsError, match="needs the region"):
        zego.storage_params(parse_store_url("s3://b/?endpoint=https://store.example"))


WRONG_URLS = {
    "no store of a vendor": "ftp://b/?region=us-east-1",
    "has no region": "oss://b/",
    "holds no credentials": f"s3://key:{HIDDEN}@b/?region=us-east-1",
    "no credentials": f"s3://{HIDDEN}@b/?region=us-east-1",
    "'region' is empty": "s3://b/?region=",
    "there twice": "s3://b/?region=us-east-1&region=us-east-2",
    "is no region": "s3://b/?region=US_EAST_1",
    "option=value": "s3://b/?us-east-1",
    "no addressing": "oss://b/?region=cn-hangzhou&addressing=path",
    "store has no region": "cos://b-12/?endpoint=https://cos-internal.ap-guangzhou.tencentcos.cn",
    "no plain address": f"s3://b/?endpoint=https://key%3A{HIDDEN}%40store.example",
    "endpoint is no address": "s3://b/?endpoint=https://store.example%3Aport",
    "addressing='both'": "s3://b/?region=us-east-1&addressing=both",
    "is written s3://bucket": "s3://b/?region=us-east-1#a",
    "control character": "s3://b/a\nb/?region=us-east-1",
    "percent-encoded UTF-8": "s3://b/%FF/?region=us-east-1",
    "this is no URL": "s3://[b/?region=us-east-1",
    "account's number": "cos://b/?region=ap-guangzhou",
}


@pytest.mark.parametrize("message", WRONG_URLS)
def test_a_wrong_url_is_explained_and_shows_no_secret(message: str) -> None:
    with pytest.raises(StorageSettingsError, match=message) as caught:
        parse_store_url(WRONG_URLS[message])
    assert HIDDEN not in str(caught.value)


def test_a_prefix_always_ends_in_a_slash() -> None:
    assert parse_store_url("s3://b/a/b?region=us-east-1").prefix == "a/b/"
    with pytest.raises(StorageSettingsError, match="no '/' at its end"):
        StoreLocation(scheme="s3", bucket="b", prefix="a", region="us-east-1")


def test_signs_that_mean_something_in_a_url_are_encoded() -> None:
    place = StoreLocation(scheme="s3", bucket="a@b:c", prefix="50%/a+b?#/ä /", region="us-east-1")
    assert store_url(place) == "s3://a%40b%3Ac/50%25/a%2Bb%3F%23/%C3%A4%20/?region=us-east-1"
    assert parse_store_url(store_url(place)) == place


PREFIXES = st.lists(st.text(min_size=1), max_size=4).map(lambda parts: "".join(f"{part}/" for part in parts))


@given(
    bucket=st.text(min_size=1).filter(lambda text: "/" not in text),
    prefix=PREFIXES,
    endpoint=st.sampled_from([None, "https://store.example", "http://127.0.0.1:9000/s3"]),
)
def test_any_folder_is_read_back_from_its_url(bucket: str, prefix: str, endpoint: str | None) -> None:
    place = StoreLocation(scheme="s3", bucket=bucket, prefix=prefix, region="us-east-1", endpoint=endpoint)
    assert parse_store_url(store_url(place)) == place
    assert store_url(place).isascii()


@given(text=st.text())
def test_any_text_is_a_location_or_an_error_of_ours(text: str) -> None:
    for url in (text, f"s3://{text}", f"s3://b/{text}", f"s3://b/?region=us-east-1&{text}"):
        try:
            place = parse_store_url(url)
        except StorageSettingsError:
            continue
        assert parse_store_url(store_url(place)) == place
