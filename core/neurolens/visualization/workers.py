"""The workers of a Dask scheduler: how to reach them, and what to say when there are none."""

import re
import time
from typing import TYPE_CHECKING, Any

from neurolens.device import warn_user
from neurolens.watching import Bar

if TYPE_CHECKING:
    from distributed import Client, Future

RETRIES = 3  # of work whose worker died
PATIENCE = 60.0  # seconds
FETCH = 10.0  # seconds to hand over a result, or its worker is gone
LOOKS, SAYS = 1.0, 2.0  # how often to look whether there are workers, and for how long none until it is said
ADDRESS = re.compile(r"((tcp|tls|ws|wss|ucx)://)?(\[[\da-fA-F:.]+\]|[^\s:/@\[\]]+):(\d+)/?")


def connect(address: str) -> "Client":
    """Return a client of the scheduler at an address such as `tcp://10.0.0.5:8786`.

    Raises:
        ImportError: If the extra is not installed.
        ValueError: If this is no address.
        OSError: If nothing answers there.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise ImportError('a scan on many machines needs Dask; pip install "neurolens[distributed]"') from error
    found = ADDRESS.fullmatch(address)
    if found is None or not 0 < int(found[4]) < 2**16:  # a client that is given it would leave a traceback behind
        raise ValueError(
            f"`scheduler` (={address!r}) must be host and port, such as 'tcp://10.0.0.5:8786'; `dask scheduler` prints "
            "its own when it starts"
        )
    try:
        return Client(address, timeout="10s", set_as_default=False)
    except (OSError, ValueError) as error:
        raise OSError(f"`scheduler` (={address!r}) does not answer ({error}); start it: dask scheduler") from error


def address_of(client: "Client") -> str:
    """Return the address of a client's scheduler."""
    assert client.scheduler is not None  # it has answered
    return str(client.scheduler.address)


class Workers:
    """Looks whether a scheduler still has workers; says so where it has none, and gives up after a while.

    Args:
        client: Of the scheduler.
        patience: For how many seconds to wait for a worker when there is none.
        bar: Of all images, which shows the waiting.

    Attributes:
        handed_over: How many images' scans have come from the workers, or were there before.
    """

    def __init__(self, client: "Client", patience: float, bar: Bar):
        self._client, self._patience, self._bar = client, patience, bar
        self.handed_over = int(bar.n)
        self._address = address_of(client)
        self._looked = time.monotonic()
        self._alone: float | None = None  # since when
        self._said = False

    def look(self) -> None:
        """Look, where that was not just done.

        Raises:
            TimeoutError: If there has been no worker for longer than there is patience.
        """
        now = time.monotonic()
        if now < self._looked + LOOKS:
            return
        self._looked = now
        if self._client.status == "running" and self._client.scheduler_info(n_workers=-1)["workers"]:
            if self._said:
                self._bar.set_postfix_str("")
            self._alone, self._said = None, False
            return
        self._alone = now if self._alone is None else self._alone
        left = self._alone + self._patience - now
        cure = f"start one: dask worker {self._address}"
        if left <= 0:
            raise TimeoutError(f"{self._none} came back within {self._patience:g} s; {self._scanned}; {cure}")
        if now >= self._alone + SAYS and not self._said:
            warn_user(f"{self._none} is left; {self._scanned}; waiting for {left:.0f} s; {cure}")
            self._said = True
        if self._said:
            self._bar.set_postfix_str(f"no worker, waiting for {left:.0f} s")

    def fetched(self, future: "Future") -> Any:
        """Return what a worker has made, or None where it has died with it.

        Raises:
            OSError: If the scheduler is gone, or the work has killed its workers; and what the work itself raised.
        """
        from distributed import KilledWorker

        if future.status not in ("finished", "error"):
            raise ConnectionError(f"the scheduler {self._address} is gone; {self._scanned}; start it: dask scheduler")
        try:
            return future.result(timeout=FETCH)
        except TimeoutError:
            return None
        except KilledWorker as error:
            raise OSError(
                f"a shard has killed {RETRIES + 1} workers of {self._address}; {self._scanned}; give them more memory, "
                "or make the shards smaller"
            ) from error

    @property
    def _none(self) -> str:
        return f"no worker of {self._address}"

    @property
    def _scanned(self) -> str:
        return f"{self.handed_over:,} of {self._bar.total:,} images are scanned and here"
