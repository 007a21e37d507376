"""A context with a provider whose answers the test sets."""

import pytest

from tests.unit.polling.scripted import Scripted, with_provider
from workers.context import WorkerContext


@pytest.fixture
def provider() -> Scripted:
    return Scripted()


@pytest.fixture
def context(context: WorkerContext, provider: Scripted) -> WorkerContext:
    return with_provider(context, provider)
