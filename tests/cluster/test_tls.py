"""A fit over a cluster whose connections are encrypted: rows go from worker to worker by TLS, too."""

import warnings

import pytest
from cases.cluster.fits import in_process, over, plays, same_bits

pytestmark = pytest.mark.usefixtures("by_blocks")


def test_rows_travel_encrypted(tmp_path):
    pytest.importorskip("cryptography", reason="cryptography, which makes certificates, is missing")
    from distributed import Client, LocalCluster
    from distributed.security import Security

    from halfstep.distributed.fitting.clusters import quiet

    quiet()
    security = Security.temporary()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with (
            LocalCluster(
                n_workers=2,
                threads_per_worker=1,
                processes=True,
                host="tls://127.0.0.1",
                dashboard_address=None,
                security=security,
                silence_logs=50,
            ) as cluster,
            Client(cluster, security=security) as client,
        ):
            assert all(
                address.startswith("tls://") for address in client.scheduler_info()["workers"]
            )
            model = over(client, plays(), tmp_path, factors=7)
            same_bits(model, in_process(plays(), factors=7))
