"""The memory of an exercise is its own, also where other threads of the process take some."""

import threading
import time

from halfstep.lab.ladder.exercise import most_bytes


def test_memory_of_another_thread_is_not_the_calls():
    ended = threading.Event()

    def other():
        while not ended.is_set():
            held = bytearray(1 << 20)
            time.sleep(0.002)
            del held
            time.sleep(0.001)

    thread = threading.Thread(target=other)
    thread.start()
    try:
        few = most_bytes(lambda: time.sleep(0.05))
        many = most_bytes(lambda: (bytearray(4 << 20), time.sleep(0.05)))
    finally:
        ended.set()
        thread.join()
    assert few < 1 << 19
    assert 3 << 20 < many < 5 << 20
