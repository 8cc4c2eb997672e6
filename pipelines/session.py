"""One Spark session, three engines: Sail in this process, a local Apache Spark, or a cluster behind `sc://`.

The code of the jobs is the same for all three: PySpark DataFrames over Spark Connect, no Python function inside.
"""

import contextlib
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import cast

import grpc
from pyspark.errors.exceptions.connect import SparkConnectGrpcException
from pyspark.sql import SparkSession
from pyspark.sql.connect.client.retries import DefaultPolicy
from pyspark.sql.connect.session import SparkSession as ConnectSession

from pipelines.connect import ANSWER_SECONDS, SECRET, VARIABLE, Channel, hidden, token
from pipelines.doctor import require_java
from pipelines.errors import NightmarketError, Unavailable, UsageError
from pipelines.settings import Settings

SAIL_MEMORY_BYTES = 3 * 1024**3
"""What Sail's operators may hold before they spill. The process needs about twice as much: buffers are not counted."""

SPARK_DRIVER_MEMORY = "3g"

RETRIES = 7
"""Of one call, two minutes in all. A server that comes back later than that has lost the session; the scheduler's next
try starts anew."""

CONFIG = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.mapKeyDedupPolicy": "LAST_WIN",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",  # Spark's default is INT96, in nanoseconds
    "spark.sql.parquet.compression.codec": "zstd",
}


@contextlib.contextmanager
def spark_session(settings: Settings) -> Iterator[SparkSession]:
    """A session on the engine that the settings name; whatever was started is stopped at the end.

    Raises UsageError for an unknown engine, NightmarketError where the engine cannot be started or reached.
    """
    # Spark starts Python workers with this one, or finds none where the name `python` is not on the path.
    os.environ["PYSPARK_PYTHON"] = sys.executable
    engine = settings.engine
    if engine == "sail":
        with _sail(settings) as remote, _connected(Channel(remote)) as session:
            yield session
    elif engine == "spark":
        require_java()
        with _local_spark(settings) as session:
            yield session
    elif engine.startswith("sc://"):
        with _connected(Channel(engine, token())) as session:
            yield session
    else:
        raise UsageError(f"engine {engine!r} is unknown; use sail, spark or sc://host:port")


@contextlib.contextmanager
def _sail(settings: Settings) -> Iterator[str]:
    spill = settings.run / "spill"
    spill.mkdir(parents=True, exist_ok=True)
    # Sail reads its configuration from the environment when the server starts. What the operator has set stays.
    defaults = {
        "RUST_LOG": "error",
        "SAIL_RUNTIME__MEMORY_POOL__TYPE": "fair",
        "SAIL_RUNTIME__MEMORY_POOL__FAIR__MAX_SIZE": str(SAIL_MEMORY_BYTES),
        "SAIL_RUNTIME__TEMPORARY_FILES__PATHS": f'["{spill}"]',
        "SAIL_PARQUET__SKIP_ARROW_METADATA": "true",  # else readers see Sail's string_view instead of string
        "SAIL_EXECUTION__BATCH_SIZE": "32768",  # preprocess takes a tenth less time than with Sail's own 8,192
        "SAIL_PARQUET__COMPRESSION": "zstd(1)",  # as small as its own 3 on events, in three quarters of the time
    }
    added = {name: value for name, value in defaults.items() if name not in os.environ}
    os.environ.update(added)
    from pysail.spark import SparkConnectServer

    server = SparkConnectServer("127.0.0.1", 0)
    try:
        server.start(background=True)
        address = server.listening_address
        if address is None:
            raise Unavailable("Sail did not open its port on 127.0.0.1; run again, or use engine spark")
        yield f"sc://{address[0]}:{address[1]}"
    finally:
        with contextlib.suppress(RuntimeError):  # it never started
            server.stop()
        for name in added:
            os.environ.pop(name, None)


@contextlib.contextmanager
def _connected(channel: Channel) -> Iterator[SparkSession]:
    channel.require_answer(ANSWER_SECONDS)
    builder = ConnectSession.builder.channelBuilder(channel)
    os.environ["SPARK_CONNECT_MODE_ENABLED"] = "1"  # as `builder.remote` does: functions then make Connect's columns
    with _opened(lambda: cast(SparkSession, builder.create()), f"sc://{channel.endpoint}") as session:
        yield session


@contextlib.contextmanager
def _local_spark(settings: Settings) -> Iterator[SparkSession]:
    if SparkSession.getActiveSession() is not None:  # getOrCreate would hand that one out, whatever its engine
        raise NightmarketError("engine spark cannot start beside another open session of this process")
    builder = SparkSession.builder.remote("local[2]")
    for name, value in _local_config(settings).items():
        builder = builder.config(name, value)
    with _opened(builder.getOrCreate, "local[2]") as session:
        yield session


@contextlib.contextmanager
def _opened(opened: Callable[[], SparkSession], where: str) -> Iterator[SparkSession]:
    try:
        with warnings.catch_warnings():  # a local Spark sets once more what the JVM was started with, and warns
            warnings.simplefilter("ignore", UserWarning)
            session = opened()
    except Exception as error:  # gRPC, JVM and Connect each raise their own
        raise _not_opened(error, where) from error
    try:
        session.client.set_retry_policies([DefaultPolicy(max_retries=RETRIES)])
        for name, value in CONFIG.items():
            session.conf.set(name, value)
    except Exception as error:  # as above: what was opened is closed, and the reason is said in a line of ours
        with contextlib.suppress(Exception):  # it must not stay the process's session
            session.stop()
        raise _not_opened(error, where) from error
    try:
        yield session
    finally:
        session.stop()


def _not_opened(error: Exception, where: str) -> NightmarketError:
    if isinstance(error, NightmarketError):
        return error
    if _status(error) is grpc.StatusCode.UNAUTHENTICATED:
        return NightmarketError(
            f"the Spark Connect server at {where} refuses the token: give it the server's own"
            f" (secret {SECRET}, or {VARIABLE})"
        )
    return Unavailable(f"cannot reach the Spark engine at {where}: {_line(error)}")


def engine_failed(settings: Settings, what: str, error: Exception) -> NightmarketError:
    """What a failure of the engine in the middle of a step means: one that went away may be back in a minute."""
    line = _line(error)
    if _status(error) is grpc.StatusCode.UNAVAILABLE or "[INVALID_HANDLE" in line:  # gone, or back without our session
        return Unavailable(f"{what}: the engine {settings.engine} went away; see that it runs, then run again ({line})")
    return NightmarketError(f"{what}: the engine {settings.engine} failed: {line}")


def _status(error: Exception) -> grpc.StatusCode | None:
    return error.getGrpcStatusCode() if isinstance(error, SparkConnectGrpcException) else None


def _line(error: Exception) -> str:
    """The error in one line, without the token; of gRPC's many lines, the one that says what happened."""
    text = hidden(str(error)).strip() or type(error).__name__
    said = re.search(r'details = "(.*)"', text) if text.startswith("<_") else None
    return (said.group(1) if said else text.splitlines()[0])[:300]


def _local_config(settings: Settings) -> dict[str, str]:
    scratch = settings.run / "spark"
    scratch.mkdir(parents=True, exist_ok=True)
    return {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.driver.memory": SPARK_DRIVER_MEMORY,
        "spark.local.dir": str(scratch),
        "spark.sql.shuffle.partitions": "8",
    }
