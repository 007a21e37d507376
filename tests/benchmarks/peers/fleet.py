"""Tools that are used instead of Stemvault's fleet, each as its own documentation shows.

    python fleet.py NAME JOBS.json S3_URL [AUTHORITY.pem]

JOBS.json is a list of [URL, key]. Prints "ready" when imports and clients are there, waits for a line, copies, and
prints its figures as JSON: wall and CPU seconds, its children's included. Runs in an environment of its own
(requirements.txt).
"""

import asyncio
import json
import os
import resource
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

BUCKET = "bench"
CONCURRENT = int(os.environ.get("BENCH_AT_ONCE", "16"))
PART = 8 * 1024**2
PROGRAMS = Path(sys.executable).parent

Jobs = list[tuple[str, str]]
S3_URL = sys.argv[3]
AUTHORITY = sys.argv[4] if len(sys.argv) > 4 else None


def _boto3(**options: object):
    import boto3
    from botocore.config import Config

    return boto3.client("s3", endpoint_url=S3_URL, verify=AUTHORITY, config=Config(max_pool_connections=64, **options))


def _session():
    import requests
    from requests.adapters import HTTPAdapter

    session = requests.Session()
    session.verify = AUTHORITY or True
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=64))
    return session


def _threads(copy: Callable[[str, str], object], most: int = CONCURRENT) -> Callable[[Jobs], None]:
    pool = ThreadPoolExecutor(most)

    def run(jobs: Jobs) -> None:
        list(pool.map(lambda job: copy(*job), jobs))

    return run


def example():
    """The providers' own example: requests.get, then put, one after the other."""
    import requests

    s3 = _boto3()

    def run(jobs: Jobs) -> None:
        for url, key in jobs:
            s3.put_object(Bucket=BUCKET, Key=key, Body=requests.get(url, verify=AUTHORITY or True).content)

    return run


def upload_fileobj():
    """Threads, 16 unless said otherwise, and requests' raw stream into boto3's upload_fileobj."""
    s3, session = _boto3(), _session()

    def copy(url: str, key: str) -> None:
        with session.get(url, stream=True) as response:
            s3.upload_fileobj(response.raw, BUCKET, key)

    return _threads(copy)


def smart_open():
    """16 threads, smart_open on both sides."""
    import smart_open as library

    s3, session = _boto3(), _session()

    def copy(url: str, key: str) -> None:
        source = {"session": session, "buffer_size": 1024**2}
        with (
            library.open(url, "rb", transport_params=source, compression="disable") as incoming,
            library.open(f"s3://{BUCKET}/{key}", "wb", transport_params={"client": s3}) as outgoing,
        ):
            while piece := incoming.read(1024**2):
                outgoing.write(piece)

    return _threads(copy)


def scrapy():
    """Scrapy's FilesPipeline with an S3 store. One process for each run: its reactor cannot be started twice."""
    import scrapy as library
    from scrapy.crawler import CrawlerProcess
    from scrapy.pipelines.files import FilesPipeline

    class Named(FilesPipeline):
        def file_path(self, request, response=None, info=None, *, item=None):
            return request.meta["key"]

        def get_media_requests(self, item, info):
            for url, key in zip(item["file_urls"], item["keys"], strict=True):
                yield library.Request(url, meta={"key": key})

    def run(jobs: Jobs) -> None:
        class Spider(library.Spider):
            name = "assets"

            async def start(self):
                yield {"file_urls": [url for url, _ in jobs], "keys": [key for _, key in jobs]}

        process = CrawlerProcess(_scrapy_settings(Named))
        process.crawl(Spider)
        process.start()

    return run


def _scrapy_settings(pipeline):
    return {
        "ITEM_PIPELINES": {pipeline: 1},
        "FILES_STORE": f"s3://{BUCKET}/",
        "AWS_ENDPOINT_URL": S3_URL,
        "AWS_VERIFY": AUTHORITY,
        "AWS_USE_SSL": S3_URL.startswith("https"),
        "CONCURRENT_REQUESTS": CONCURRENT,
        "CONCURRENT_REQUESTS_PER_DOMAIN": CONCURRENT,
        "DOWNLOAD_DELAY": 0,
        "DOWNLOAD_MAXSIZE": 0,
        "DOWNLOAD_WARNSIZE": 0,
        "LOG_ENABLED": False,
        "MEDIA_ALLOW_REDIRECTS": True,
        "TELNETCONSOLE_ENABLED": False,
    }


def obstore(unsigned_payload: bool = True):
    """obstore (Rust's object_store), 16 at a time unless said otherwise; payloads unsigned, as ours."""
    import obstore as library
    from obstore.store import HTTPStore, S3Store

    trust = {"root_certificate": Path(AUTHORITY).read_text()} if AUTHORITY else {"allow_http": True}
    s3 = S3Store(
        BUCKET,
        endpoint=S3_URL,
        region="us-east-1",
        virtual_hosted_style_request=False,
        unsigned_payload=unsigned_payload,
        client_options=trust,
    )
    sources: dict[str, HTTPStore] = {}

    async def copy(url: str, key: str, free: asyncio.Semaphore) -> None:
        scheme, _, rest = url.partition("://")
        host, _, path = rest.partition("/")
        if host not in sources:
            sources[host] = HTTPStore.from_url(f"{scheme}://{host}", client_options=trust)
        async with free:
            found = await library.get_async(sources[host], path)
            if found.meta["size"] <= PART:
                await library.put_async(s3, key, await found.bytes_async(), use_multipart=False)
            else:
                await library.put_async(s3, key, found.stream(min_chunk_size=PART), chunk_size=PART)

    async def all_of(jobs: Jobs) -> None:
        free = asyncio.Semaphore(CONCURRENT)
        await asyncio.gather(*(copy(url, key, free) for url, key in jobs))

    return lambda jobs: asyncio.run(all_of(jobs))


def obstore_signed():
    """The same as it is by default: with a SHA-256 over each payload in its signature."""
    return obstore(unsigned_payload=False)


def _processes(command: Callable[[str, str], str]) -> Callable[[Jobs], None]:
    def copy(url: str, key: str) -> None:
        subprocess.run(["sh", "-c", command(url, key)], check=True, capture_output=True)

    return _threads(copy, 8)


def _curl(url: str) -> str:
    return shlex.join(["curl", "-sSf", *(["--cacert", AUTHORITY] if AUTHORITY else []), url])


def curl_s5cmd():
    """curl | s5cmd pipe, a pair of processes a URL, 8 at a time."""
    program = [str(PROGRAMS / "s5cmd"), "--endpoint-url", S3_URL, *(["--no-verify-ssl"] if AUTHORITY else [])]
    return _processes(lambda url, key: f"{_curl(url)} | {shlex.join([*program, 'pipe', f's3://{BUCKET}/{key}'])}")


def _rclone() -> list[str]:
    remote = f":s3,provider=Other,env_auth=true,region=us-east-1,no_check_bucket=true,endpoint='{S3_URL}':{BUCKET}"
    trust = ["--ca-cert", AUTHORITY] if AUTHORITY else []
    return [str(PROGRAMS / "rclone"), "--config", os.devnull, "--ignore-checksum", *trust, "copyurl"], remote


def rclone_each():
    """rclone copyurl, a process a URL, 8 at a time."""
    program, remote = _rclone()
    return _processes(lambda url, key: shlex.join([*program, url, f"{remote}/{key}"]))


def rclone_batch():
    """rclone copyurl --urls: one process for all, 16 transfers at a time unless said otherwise."""
    program, remote = _rclone()

    def run(jobs: Jobs) -> None:
        listed = Path(sys.argv[2]).with_suffix(".csv")
        listed.write_text("".join(f"{url},{key}\n" for url, key in jobs))
        subprocess.run([*program, "--transfers", str(CONCURRENT), "--urls", str(listed), remote], check=True)

    return run


def curl_to_nowhere():
    """The limit: one curl that reads everything, 16 at a time, and keeps nothing."""

    def run(jobs: Jobs) -> None:
        wanted = [word for url, _ in jobs for word in ("-o", os.devnull, url)]
        trust = ["--cacert", AUTHORITY] if AUTHORITY else []
        command = [
            "curl",
            "-sSf",
            "--no-progress-meter",
            "--parallel",
            "--parallel-max",
            str(CONCURRENT),
            *trust,
            *wanted,
        ]
        subprocess.run(command, check=True)

    return run


def _used() -> float:
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(usage.ru_utime + usage.ru_stime for usage in map(resource.getrusage, who))


if __name__ == "__main__":
    wanted = [tuple(job) for job in json.loads(Path(sys.argv[2]).read_text())]
    copy_all = globals()[sys.argv[1]]()
    print("ready", flush=True)
    sys.stdin.readline()
    began, used = time.perf_counter(), _used()
    copy_all(wanted)
    print(json.dumps({"wall": time.perf_counter() - began, "cpu": _used() - used}), flush=True)
