import base64
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import MakeSettings
from tests.unit.conftest import START
from workers.callbacks.assets import Asset
from workers.recording.expiry import LEAST, deadline_of, url_expiry

AT = datetime(2027, 1, 15, 8, 0, tzinfo=UTC).timestamp()
IN_AN_HOUR = int(AT) + 3600
POLICY = {"Statement": [{"Resource": "*", "Condition": {"DateLessThan": {"AWS:EpochTime": IN_AN_HOUR}}}]}
CLOUDFRONT_POLICY = base64.b64encode(json.dumps(POLICY).encode()).decode().translate(str.maketrans("+=/", "-_~"))

SIGNED = {
    "S3 V4": "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20270115T080000Z&X-Amz-Expires=3600&X-Amz-Signature=x",
    "S3 V4, small letters": "x-amz-date=20270115T080000Z&x-amz-expires=3600",
    "S3 V2": f"AWSAccessKeyId=x&Expires={IN_AN_HOUR}&Signature=x",
    "CloudFront, canned": f"Expires={IN_AN_HOUR}&Signature=x&Key-Pair-Id=K",
    "CloudFront, custom": f"Policy={CLOUDFRONT_POLICY}&Signature=x&Key-Pair-Id=K",
    "GCS V4": "X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Date=20270115T080000Z&X-Goog-Expires=3600",
    "GCS V2": f"GoogleAccessId=x&Expires={IN_AN_HOUR}&Signature=x",
    "Azure SAS": "sv=2024-11-04&st=2027-01-15T08%3A00%3A00Z&se=2027-01-15T09%3A00%3A00Z&sr=b&sp=r&sig=x",
    "Aliyun V1": f"OSSAccessKeyId=x&Expires={IN_AN_HOUR}&Signature=x",
    "Aliyun V4": "x-oss-date=20270115T080000Z&x-oss-expires=3600&x-oss-signature=x",
    "Tencent": f"q-sign-algorithm=sha1&q-ak=x&q-sign-time={int(AT)};{IN_AN_HOUR}&q-key-time={int(AT)};{IN_AN_HOUR}",
    "Tencent, encoded": f"q-sign-time={int(AT)}%3B{IN_AN_HOUR}",
    "expires": f"expires={IN_AN_HOUR}",
    "exp": f"exp={IN_AN_HOUR}",
    "milliseconds": f"expires={IN_AN_HOUR}000",
    "ISO 8601": "expires=2027-01-15T09:00:00Z",
}


@pytest.mark.parametrize("how", SIGNED)
def test_a_urls_own_expiry_is_read_however_its_signer_writes_it(how: str) -> None:
    assert url_expiry(f"https://cdn.example/a.mp3?{SIGNED[how]}") == IN_AN_HOUR


@pytest.mark.parametrize(
    "query",
    [
        "",
        "expires=never",
        "expires=3600",
        "expires=99999999999999999999",
        "X-Amz-Date=yesterday&X-Amz-Expires=3600",
        "X-Amz-Date=20270115T080000Z&X-Amz-Expires=-5",
        "X-Amz-Date=20271399T080000Z&X-Amz-Expires=5",
        "Policy=!!!!",
        "Policy=e30_",
        "se=2027-01-15",
        "se=2027-99-15&sig=x",
        "q-sign-time=1;2",
        "t=1800000000",
    ],
)
def test_a_query_without_an_expiry_gives_none(query: str) -> None:
    assert url_expiry(f"https://cdn.example/a.mp3?{query}") is None


def test_of_several_expiries_the_earliest_counts() -> None:
    query = f"exp={IN_AN_HOUR + 5}&X-Amz-Date=20270115T080000Z&X-Amz-Expires=3600"
    assert url_expiry(f"https://cdn.example/a.mp3?{query}") == IN_AN_HOUR


@pytest.mark.slow
@given(st.text(max_size=80), st.sampled_from(["expires", "Policy", "X-Amz-Date", "se", "q-sign-time", "exp"]))
def test_the_expiry_of_any_url_is_read_without_error(text: str, name: str) -> None:
    for url in (text, f"http://h/?{name}={text}&sig=x", f"http://[{text}/?{name}=1"):
        expiry = url_expiry(url)
        assert expiry is None or expiry >= 0


def asset(url: str, *, short_lived: bool = False) -> Asset:
    return Asset("task", None, "cover", "mp3", url, short_lived=short_lived)


def test_the_deadline_is_the_earlier_of_retention_and_the_urls_own_expiry(make_settings: MakeSettings) -> None:
    settings = make_settings(RETENTION="15d", STREAM_RETENTION="1h")

    def left(url: str, *, short_lived: bool = False) -> float:
        return deadline_of(asset(url, short_lived=short_lived), received_at=START, settings=settings) - START

    assert left("http://h/a") == 15 * 86400
    assert left("http://h/a", short_lived=True) == 3600
    assert left(f"http://h/a?expires={START + 600:.0f}") == 600
    assert left(f"http://h/a?expires={START + 600:.0f}", short_lived=True) == 600
    assert left(f"http://h/a?expires={START + 99 * 86400:.0f}") == 15 * 86400


def test_a_url_that_says_it_has_expired_is_tried_all_the_same(make_settings: MakeSettings) -> None:
    deadline = deadline_of(asset(f"http://h/a?expires={START - 5:.0f}"), received_at=START, settings=make_settings())
    assert deadline == START + LEAST


@pytest.mark.parametrize("moment", ["9" * 400, "1e400", "-1", "NaN", "Infinity", '"x"', "[]", "1e300"])
def test_an_implausible_expiry_is_ignored(moment: str) -> None:
    text = json.dumps(POLICY).replace(str(IN_AN_HOUR), moment)
    policy = base64.b64encode(text.encode()).decode().translate(str.maketrans("+=/", "-_~"))
    assert url_expiry(f"https://x.example/a.mp3?Policy={policy}") is None
