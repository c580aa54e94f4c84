"""Sending many frames on many sockets with one system call: a small io_uring (`io_uring(7)`, Linux 5.6 and newer).

Each send is done, or refused, before the call returns. A socket that does not take a whole frame has what is left
handed to its transport, which knows how to wait. So nothing is ever under way here, to be cancelled or awaited.
"""

import ctypes
import errno
import mmap
import os
import socket
import sys
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

import numpy as np

from e2e.clients.framing import Frames
from e2e.clients.lane import Lane
from e2e.clients.outlet import DirectOutlet, write

ENTRIES = 128

# From include/uapi/linux/io_uring.h; the numbers of the system calls are the same on all architectures.
_SETUP, _ENTER = 425, 426
_GET_EVENTS = _SINGLE_MMAP = 1
_SUBMISSIONS = 0x10000000  # where to map them
_OP_SEND = 26

# struct io_uring_params as 32-bit words.
_PARAMS, _SQ_ENTRIES, _CQ_ENTRIES, _FEATURES = 30, 0, 1, 5
_SQ_TAIL, _SQ_ARRAY, _CQ_HEAD, _CQ_TAIL, _CQES = 11, 16, 20, 21, 25

# A submission is 64 bytes: in words of 32 bits, and of 64. A completion is 16 bytes, its result the third word.
_FD, _LENGTH, _FLAGS, _ADDRESS, _RESULT = 1, 6, 7, 2, 2

_WRAP = 0xFFFFFFFF


class SendRing:
    """An outlet over io_uring. Linux only; containers often forbid it.

    Raises:
        OSError: there is none, or it does not work as it should.
    """

    name = "ring"
    _fd = -1

    def __init__(self) -> None:
        if sys.platform != "linux" or sys.byteorder != "little":
            raise OSError(errno.ENOSYS, "not on this system")
        libc = ctypes.CDLL(None, use_errno=True)
        self._syscall = libc.syscall
        self._syscall.restype = ctypes.c_long
        self._syscall.argtypes = (ctypes.c_long, *(ctypes.c_size_t,) * 6)
        params = (ctypes.c_uint32 * _PARAMS)()
        self._fd = self._call(_SETUP, ENTRIES, ctypes.addressof(params))
        self._tail = self._head = 0
        try:
            self._map(params)
            self._prove()
        except BaseException:
            self._close()
            raise

    def _map(self, params: "ctypes.Array[ctypes.c_uint32]") -> None:
        if not params[_FEATURES] & _SINGLE_MMAP or params[_SQ_ENTRIES] != ENTRIES:
            raise OSError(errno.ENOSYS, "the kernel is too old")
        size = max(params[_SQ_ARRAY] + 4 * ENTRIES, params[_CQES] + 16 * params[_CQ_ENTRIES])
        rings = memoryview(mmap.mmap(self._fd, size))
        self._shared = rings.cast("I")
        completions = np.frombuffer(rings, np.int32, 4 * params[_CQ_ENTRIES], params[_CQES])
        self._results = completions[_RESULT::4]
        submissions = mmap.mmap(self._fd, 64 * ENTRIES, offset=_SUBMISSIONS)
        words = np.frombuffer(submissions, np.uint32)
        self._fds, self._lengths = words[_FD::16], words[_LENGTH::16]
        self._addresses = np.frombuffer(submissions, np.uint64)[_ADDRESS::8]
        # Where the entries from number k on lie, round and round.
        self._places = np.arange(2 * ENTRIES) % ENTRIES
        self._sq_tail, self._cq_head, self._cq_tail = (params[at] // 4 for at in (_SQ_TAIL, _CQ_HEAD, _CQ_TAIL))
        self._cq_entries = params[_CQ_ENTRIES]
        for i in range(ENTRIES):
            self._shared[params[_SQ_ARRAY] // 4 + i] = i
            submissions[64 * i] = _OP_SEND
        # As one record each: else the kernel adds frames to the last that waits, and takes more than its limit.
        words[_FLAGS::16] = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL | socket.MSG_EOR

    def _prove(self) -> None:
        """Send something, and see that it arrives: some sandboxes have the system call and not the operation."""
        near, far = socket.socketpair()
        with near, far:
            far.setblocking(False)
            lane = Lane(Frames([b"e2e"]), 0, 1, lambda stream, lane: None)
            lane.join(_Proof(near.fileno()), 0)  # type: ignore[arg-type]
            lane.begin_turn()
            self.send(lane, 0, 1)
            if self._fd < 0 or far.recv(64) != lane.frames.whole[0]:
                raise OSError(errno.EIO, "it does not send")

    def send(self, lane: Lane, first: int, last: int) -> None:
        # Frames are left alone: they lie anywhere in memory, and only the kernel needs them near.
        pieces, n = lane.pieces[first:last], last - first
        sizes = lane.frames.sizes[pieces]
        at = self._tail % ENTRIES
        places = self._places[at : at + n]
        self._fds[places] = lane.sockets[first:last]
        self._lengths[places] = sizes
        self._addresses[places] = lane.frames.addresses[pieces]
        taken = self._submit(n)
        if taken.tobytes() != sizes.tobytes():  # as numbers they would take three times as long to compare
            self._finish(lane, first, sizes.tolist(), taken.tolist())

    def _submit(self, n: int) -> "np.ndarray[Any, np.dtype[np.int32]]":
        """Submit what was prepared. Returns how many bytes each took, in order; a negative number is an error."""
        shared, at = self._shared, self._head % self._cq_entries
        self._tail = shared[self._sq_tail] = (self._tail + n) & _WRAP
        try:
            left = n
            while left:
                left -= self._call(_ENTER, self._fd, left, left, _GET_EVENTS)
        except OSError:
            self._give_up()
        done = (shared[self._cq_tail] - self._head) & _WRAP
        results = self._results[at : at + done]
        if len(results) < done:
            results = np.concatenate((results, self._results[: done - len(results)]))
        self._head = shared[self._cq_head] = (self._head + done) & _WRAP
        return results

    def _finish(self, lane: Lane, first: int, sizes: Sequence[int], taken: Sequence[int]) -> None:
        """Hand to the transports what the sockets did not take; the results of the last may be missing."""
        for row, (size, sent) in enumerate(zip_longest(sizes, taken, fillvalue=0), first):
            if sent != size:
                # Also what failed: the transport will meet the same error, and knows what to do about it.
                write(lane, row, max(0, sent))

    def _give_up(self) -> None:
        """From now on, all goes through the transports."""
        self._close()
        self.send = DirectOutlet().send  # type: ignore[method-assign]

    def _call(self, number: int, *arguments: int) -> int:
        while (result := self._syscall(number, *arguments, *(0,) * (6 - len(arguments)))) < 0:
            code = ctypes.get_errno()
            if code != errno.EINTR:
                raise OSError(code, os.strerror(code))
        return result

    def _close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        self._close()


class _Proof:
    """A stream, and the line that it goes on, that nothing else uses."""

    count, rider = None, None

    def __init__(self, fd: int) -> None:
        self.raw_fd = fd
        self.line = self.transport = self

    def write(self, data: bytes) -> None:
        """What did not go through the ring goes nowhere."""
