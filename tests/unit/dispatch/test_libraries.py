"""The private and undocumented parts of Celery and kombu that this room uses. A failure names a part that changed."""
# ruff: noqa: SLF001 - private parts are what this file is about

import os
from inspect import getsource, signature
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from celery.apps import beat, worker
from celery.concurrency import asynpool, prefork
from celery.worker import state
from kombu import Connection
from kombu.transport import redis as kombu_redis
from kombu.utils.scheduling import priority_cycle

from workers.dispatch.processes.pool import Processes


@pytest.mark.parametrize(("pool_class", "makes_another"), [(asynpool.AsynPool, False), (Processes, True)])
def test_celerys_pool_keeps_a_processs_sentinel_in_its_attribute(pool_class: Any, makes_another: bool) -> None:
    """After a sentinel was dropped, Celery's pool goes on with None. Ours makes another sentinel."""
    reading, writing = os.pipe()
    process, hub = SimpleNamespace(_popen=SimpleNamespace(sentinel=reading)), Mock()
    pool = pool_class.__new__(pool_class)
    pool._track_child_process(process, hub)
    hub.add_reader.assert_called_with(process._sentinel_poll, pool._event_process_exit, hub, process)
    pool._untrack_child_process(process, hub)
    assert process._sentinel_poll is None
    pool._track_child_process(process, hub)
    assert (process._sentinel_poll is not None) is makes_another
    hub.add_reader.assert_called_with(process._sentinel_poll, pool._event_process_exit, hub, process)
    for descriptor in filter(None, (reading, writing, process._sentinel_poll)):
        os.close(descriptor)


def test_celerys_prefork_pool_names_its_class_of_processes() -> None:
    assert prefork.TaskPool.Pool is asynpool.AsynPool


def test_celerys_pool_repeats_the_calls_in_its_timers_and_tells_which_tasks_wait() -> None:
    assert isinstance(asynpool.AsynPool.timers, property)
    assert "self.timers.items()" in getsource(asynpool.AsynPool.register_with_event_loop)
    assert "self._processes += 1" in getsource(asynpool.AsynPool.grow)
    assert state.reserved_requests is not state.active_requests


def test_celerys_programs_have_the_hooks_that_ours_override() -> None:
    assert list(signature(worker.Worker.stop).parameters) == ["self", "in_sighandler", "exitcode"]
    assert "concurrency" in signature(worker.Worker.setup_defaults).parameters
    assert "self.on_before_init(" in getsource(worker.Worker.__init__)
    assert list(signature(worker.Worker.emit_banner).parameters) == ["self"]
    assert list(signature(worker.safe_say).parameters)
    assert "self.quiet" in getsource(beat.Beat.run)


def test_kombus_redis_channel_has_the_options_that_ours_sets() -> None:
    options = {"ack_emulation": True, "do_restore": True, "queue_order_strategy": "round_robin"}
    assert {name: getattr(kombu_redis.Channel, name) for name in options} == options
    assert kombu_redis.Transport.Channel is kombu_redis.Channel
    assert list(signature(priority_cycle.consume).parameters) == ["self", "n"]


def test_kombus_channel_in_memory_gives_a_message_as_a_dictionary() -> None:
    with Connection("memory://") as connection:  # type: ignore[no-untyped-call]
        connection.SimpleQueue("q").put({"key": "value"})
        message = connection.default_channel._get("q")
    assert message.keys() == {"body", "content-encoding", "content-type", "headers", "properties"}
    assert "delivery_tag" in message["properties"]
