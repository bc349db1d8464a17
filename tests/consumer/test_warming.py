"""What the first payments do not wait for."""

import subprocess
import sys

FIRST_PAYMENTS = """
import sys
from datetime import UTC, datetime, timedelta
from itertools import chain
from numba.core.registry import CPUDispatcher
from consumer.warming import warm_up
from fraud.engine import Engine
from fraud.policy import Policy
from fraud.rule_file import rule_set_of
from producer.population import Population
from tests.builders import batch_of


def ready():
    fraud = [module for name, module in sys.modules.items() if name.startswith("fraud.")]
    kernels = {id(made): made for module in fraud for made in vars(module).values() if isinstance(made, CPUDispatcher)}
    return {made.__qualname__: len(made.signatures) for made in kernels.values()}


rules = rule_set_of(open("config/rules.yaml").read(), "rules.yaml")
before = ready()
warm_up()
warm = ready()
since = datetime(2024, 3, 4, tzinfo=UTC)
drawn = chain.from_iterable(Population(users=50).payments(since, since + timedelta(days=7)))
Engine().decide(batch_of(*(payment.transaction for payment in drawn)), Policy(rules=rules), {})
print(sum(before.values()), warm == ready(), sum(warm.values()) > 0)
"""


def test_nothing_is_compiled_or_loaded_for_the_first_payments_after_warming_up():
    said = subprocess.run([sys.executable, "-c", FIRST_PAYMENTS], capture_output=True, text=True, check=True).stdout

    assert said.split() == ["0", "True", "True"]
