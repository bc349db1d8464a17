"""One proof's deployment: broker, store, the way between, a sender and consumers, each of which can be broken on its own."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from consumer.archiving import archive_group
from storage.logs.log import TRANSACTIONS
from tests.prove.fleet import ARCHIVE, ROOT, Fleet
from tests.prove.log_lines import held
from tests.prove.payments import DAYS, Traffic
from tests.prove.progress import Progress
from tests.prove.proxy import Proxy, proxy
from tests.prove.twin_archives import archived_until
from tests.road.kafka_road import KafkaRoad, kafka_road
from tests.services import kafka, mongo_wire
from tests.services.server import die_with_parent, free_port

RULES = Path(__file__).with_name("rules.yaml")
GROUP = "prove"
PARTITIONS = 4
"""Minute counters cost a write each per poll and partition, and the store of proofs does one fsync per write."""
SETTINGS = {
    "FRAUD_BATCH_SIZE": "1000",
    "FRAUD_CHECKPOINT_SECONDS": "2",
    "FRAUD_LOG_FORMAT": "json",
}
TICK = 0.05
CAUGHT_UP_WITHIN = 240.0


Servers = tuple[kafka.Broker, mongo_wire.MongoWire]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a row asks for."""

    seed: int
    count: int
    """Messages at most; event times end with the last."""
    rate: float
    """Messages per second."""
    days: float = DAYS
    """How far the event times of `count` messages reach back."""
    members: Sequence[str] = ("static-1", "static-2", "static-3")
    """Names that begin with `static` are fixed members of the group."""
    archive: bool = True
    """Whether an archive runs beside the consumers, and is held against the oracle as well."""
    settings: Mapping[str, str] = field(default_factory=dict)
    folders: Mapping[str, Path] = field(default_factory=dict)
    """Where `kafka`, `mongo` and `checkpoints` lie, when not in the temporary folder."""
    servers: Servers | None = None
    """Servers that run already."""


@dataclass(frozen=True, slots=True)
class Kill:
    """When a consumer was killed, and what it held."""

    at: float
    """Seconds since the epoch."""
    partitions: frozenset[int]


@dataclass(slots=True, kw_only=True)
class Stage:
    """Everything a fault driver can touch."""

    plan: Plan
    random: Random
    folder: Path
    broker: kafka.Broker
    server: mongo_wire.MongoWire
    way: Proxy
    road: KafkaRoad
    fleet: Fleet
    progress: Progress
    kills: list[Kill] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    whole_files: dict[int, int] = field(default_factory=dict)
    """Up to which offset the log shows a partition's files to be whole, once payments are over; partitions without any are not there."""
    _sender: "subprocess.Popen[bytes] | None" = None

    def set_up(self) -> None:
        """Topics, store, first policy, consumers, and payments before that policy rules."""
        self.road.commands.run("init", "--wait", "60")
        self._start_sender()
        self.progress.start()
        for name in [*self.plan.members, *([ARCHIVE] if self.plan.archive else [])]:
            self.fleet.start(name)
        self.run_until(lambda: self.committed > 0, "the first payments to be decided", 120.0)

    def run_for(self, seconds: float) -> None:
        """Let it all go on for a while."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._tick()

    def run_until(self, condition: Callable[[], bool], what: str, seconds: float) -> bool:
        """Let it all go on until something holds; a failure is noted when it does not in time."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                self.failures.append(f"waited {seconds:.0f} s in vain: {what}")
                return False
            self._tick()
        return True

    def kill(self, name: str) -> None:
        """SIGKILL a consumer, and remember what it held."""
        self.kills.append(Kill(time.time(), held(self.fleet, name)))
        self.fleet.kill(name)

    def catch_up(self, seconds: float = CAUGHT_UP_WITHIN, lag: int = 0) -> float:
        """Until the group is at most so far behind; seconds that took."""
        started = time.monotonic()
        self.run_until(
            lambda: self.progress.looked_at > started and self.progress.lag <= lag, f"a lag of at most {lag}", seconds
        )
        return time.monotonic() - started

    @property
    def committed(self) -> int:
        """Records that the group has committed."""
        return self.progress.committed

    @property
    def is_sending(self) -> bool:
        """Whether payments still come."""
        return self._sender is not None and self._sender.poll() is None

    @property
    def report(self) -> Path:
        """What the sender writes down at its end."""
        return self.folder / "sent.json"

    def settle(self, *, whole: bool = False) -> None:
        """The faults are over: no more payments, or the rest of them; decide what there is; everybody leaves."""
        assert self._sender is not None
        if whole:
            self.run_until(
                lambda: not self.is_sending, "the last payment to be sent", 2 * self.plan.count / self.plan.rate
            )
        elif self.is_sending:
            self._sender.send_signal(signal.SIGTERM)
        else:
            self.failures.append("payments ended before the faults did: what came last broke nothing")
        self.run_until(lambda: not self.is_sending, "the sender to end", 300.0)
        if self._sender.poll() != 0:
            said = (self.folder / "sender.log").read_text(errors="replace").splitlines()[-5:]
            self.failures.append(f"the sender ended with {self._sender.poll()}: {' / '.join(said)}")
        self.catch_up()
        if self.plan.archive:
            ends = {partition: archived_until(self.road.log, partition) for partition in range(PARTITIONS)}
            self.whole_files = {partition: end for partition, end in ends.items() if end}
            self.run_until(self._is_read_by_archive, "the archive to have committed every whole file", CAUGHT_UP_WITHIN)
        self.progress.stop()
        self.fleet.end()

    def _is_read_by_archive(self) -> bool:
        """By what its group has committed, which are ends of whole files and nothing else."""
        return self.road.log.committed(TRANSACTIONS, archive_group(GROUP)) == self.whole_files

    def _tick(self) -> None:
        self.fleet.tend()
        time.sleep(TICK)

    def _start_sender(self) -> None:
        traffic = Traffic(seed=self.plan.seed, count=self.plan.count, until=datetime.now(UTC), days=self.plan.days)
        options = {**asdict(traffic), "until": traffic.until.isoformat()}
        options |= {"log": self.road.settings.log, "rate": self.plan.rate}
        file = self.folder / "traffic.json"
        file.write_text(json.dumps(options))
        with (self.folder / "sender.log").open("ab") as output:
            self._sender = subprocess.Popen(
                [sys.executable, "-m", "tests.prove.sending", str(file), str(self.report)],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=die_with_parent if sys.platform == "linux" else None,
            )


@contextmanager
def stage(plan: Plan) -> Iterator[Stage]:
    """A deployment that is up and deciding; everything ends with the block."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="prove-")))
        broker, server = plan.servers or _servers(stack, folder, plan)
        (folder / "work").mkdir()
        rules = folder / "rules.yaml"
        rules.write_text(RULES.read_text())
        database = f"prove_{folder.name.rpartition('-')[2]}"
        way = stack.enter_context(
            proxy(stack.enter_context(free_port()), int(server.url.rpartition(":")[2].strip("/")))
        )
        road = stack.enter_context(
            kafka_road(
                folder / "work",
                bootstrap=broker.bootstrap,
                store=f"{server.url}/{database}",
                rules=rules,
                group=GROUP,
                partitions=PARTITIONS,
            )
        )
        environment = {
            **road.commands.environment,
            **SETTINGS,
            # Else the client asks the server for its address, and goes past the way.
            "FRAUD_STORE": f"{way.url}/{database}?directConnection=true",
            **plan.settings,
        }
        fleet = Fleet(environment, folder / "work")
        progress = Progress(bootstrap=broker.bootstrap, group=GROUP, partitions=PARTITIONS)
        opened = Stage(
            plan=plan,
            random=Random(plan.seed),
            folder=folder,
            broker=broker,
            server=server,
            way=way,
            road=road,
            fleet=fleet,
            progress=progress,
        )
        stack.callback(_end, opened)
        opened.set_up()
        yield opened


def _servers(stack: ExitStack, folder: Path, plan: Plan) -> Servers:
    places = {name: plan.folders.get(name, folder / name) for name in ("kafka", "mongo")}
    for place in places.values():
        place.mkdir(exist_ok=True)
    broker = stack.enter_context(kafka.running(places["kafka"]))
    return broker, stack.enter_context(mongo_wire.running(places["mongo"]))


def _end(opened: Stage) -> None:
    """Whatever still runs, whatever happened."""
    opened.progress.stop()
    for member in opened.fleet.members.values():
        member.process.kill()
        member.process.wait()
    if opened.is_sending:
        assert opened._sender is not None
        opened._sender.kill()
        opened._sender.wait()
