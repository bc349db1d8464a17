"""Apache Kafka for tests: one broker in KRaft mode, from jars, on one data folder that survives its crashes."""

import base64
import hashlib
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.services.server import Server, Unavailable, free_port, one_at_a_time

POM = Path(__file__).parent / "kafka_jars" / "pom.xml"
CACHE = Path(__file__).parents[2] / ".cache"
# Fast start and a small footprint; full optimisation would pay off only after the tests are over.
JVM = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xms64m", "-Xmx320m", "-XX:-UsePerfData")

USER, PASSWORD = "fraud", "only-for-tests"

# One partition and replica for what Kafka keeps for itself; quick fencing, so a killed broker is back within seconds.
PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller_port}
listeners=CLIENT://127.0.0.1:{port},SASL://127.0.0.1:{sasl_port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=CLIENT://127.0.0.1:{port},SASL://127.0.0.1:{sasl_port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=CLIENT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,CLIENT:PLAINTEXT,SASL:SASL_PLAINTEXT
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.sasl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
log.dirs={folder}/data
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.session.timeout.ms=1500
broker.heartbeat.interval.ms=300
log.cleaner.dedupe.buffer.size=8388608
log.cleaner.threads=1
num.network.threads=2
num.io.threads=4
background.threads=2
"""


class Broker:
    """One broker; `kill` and `restart` keep its data."""

    def __init__(self, folder: Path, port: int, sasl_port: int, controller_port: int) -> None:
        """Format the storage and describe the server."""
        self.bootstrap = f"127.0.0.1:{port}"
        self.sasl_bootstrap = f"127.0.0.1:{sasl_port}"
        """Asks for USER and PASSWORD by SCRAM-SHA-512."""
        self._port = port
        self._properties = folder / "server.properties"
        ports = {"port": port, "sasl_port": sasl_port, "controller_port": controller_port}
        self._properties.write_text(PROPERTIES.format(**ports, folder=folder))
        self._java = [_required("java"), *JVM, "-cp", f"{_jars()}/*"]
        self._format()
        self._server = Server("kafka", [*self._java, "kafka.Kafka", str(self._properties)], folder)

    @property
    def pid(self) -> int:
        """Process id of the broker."""
        return self._server.pid

    def start(self) -> None:
        """Start on what is stored."""
        self._server.start(self._port)

    def stop(self) -> None:
        """Shut down in order."""
        self._server.stop()

    def kill(self) -> None:
        """Crash."""
        self._server.kill()

    def restart(self) -> None:
        """Crash and start again on the same data and ports."""
        self.kill()
        self.start()

    def _format(self) -> None:
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")
        arguments = ["format", "--standalone", "-t", cluster_id, "-c", str(self._properties)]
        arguments += ["--add-scram", f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]"]
        subprocess.run([*self._java, "kafka.tools.StorageTool", *arguments], check=True, capture_output=True)


@contextmanager
def running(folder: Path) -> Iterator[Broker]:
    """A started broker with its data under `folder`; Unavailable when Java or its jars cannot be had."""
    with free_port() as port, free_port() as sasl_port, free_port() as controller_port:
        broker = Broker(folder, port, sasl_port, controller_port)
        try:
            broker.start()
            yield broker
        finally:
            broker.stop()


def _jars() -> Path:
    digest = hashlib.sha256(POM.read_bytes()).hexdigest()[:12]
    jars = CACHE / f"kafka-{digest}"
    with one_at_a_time(CACHE / f"kafka-{digest}.lock"):
        if not jars.exists():
            _copy_jars(jars)
    return jars


def _copy_jars(jars: Path) -> None:
    half_done = jars.with_suffix(".half_done")
    shutil.rmtree(half_done, ignore_errors=True)
    command = [_required("mvn"), "-q", "-B", "-f", str(POM), "dependency:copy-dependencies"]
    copied = subprocess.run([*command, f"-DoutputDirectory={half_done}"], capture_output=True, text=True, check=False)
    if copied.returncode != 0:
        raise Unavailable(f"mvn could not copy Kafka's jars: {copied.stdout.strip().splitlines()[:1]}")
    half_done.rename(jars)


def _required(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise Unavailable(f"`{program}` is not installed (Kafka needs Java 17 and Maven)")
    return path
