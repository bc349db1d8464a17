import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """scikit-learn's threads wait by spinning: beside other test processes they cost more than they bring."""
    with threadpool_limits(1):
        yield
