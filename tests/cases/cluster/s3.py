"""An object store on this machine: moto's server on 127.0.0.1, which no request leaves."""

import uuid

import pytest


@pytest.fixture(scope="module")
def s3_server():
    """Storage options of an S3 server in this process."""
    server = pytest.importorskip("moto.server", reason="moto[server] is not installed")
    pytest.importorskip("s3fs", reason="s3fs is not installed")
    with pytest.MonkeyPatch.context() as patch:
        # Neither a proxy nor a machine's own service of credentials is asked.
        patch.setenv("NO_PROXY", "127.0.0.1")
        patch.setenv("no_proxy", "127.0.0.1")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        running = server.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        running.start()
        host, port = running.get_host_and_port()
        try:
            yield {
                "key": "test",
                "secret": "test",
                "client_kwargs": {
                    "endpoint_url": f"http://{host}:{port}",
                    "region_name": "eu-central-1",
                },
            }
        finally:
            running.stop()


@pytest.fixture
def s3_folder(s3_server):
    """Return the URL of an empty folder in an S3 bucket, and the storage options for it."""
    import s3fs

    bucket = f"bucket-{uuid.uuid4().hex[:8]}"
    s3fs.S3FileSystem(**s3_server).mkdir(bucket)
    return f"s3://{bucket}/fit", s3_server
