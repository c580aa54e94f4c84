"""What the kernel knows of a TCP connection and does not say by itself: Linux only, elsewhere nothing is known.

A peer that stops reading goes unnoticed for long: its kernel takes some four seconds of audio, and ours some more,
before a write is refused. What waits in our kernel, and the window that the peer still offers, show it earlier.
"""

import socket
import struct
import sys

if sys.platform == "linux":
    import fcntl
    import termios

    def unsent(fd: int) -> int:
        """Bytes in the send queue of a socket: not sent, or not yet acknowledged (`tcp(7)`, SIOCOUTQ)."""
        return int.from_bytes(fcntl.ioctl(fd, termios.TIOCOUTQ, b"\0\0\0\0"), sys.byteorder)

    def peer_window(sock: socket.socket) -> int | None:
        """Bytes that the peer is ready to take (`tcpi_snd_wnd`, Linux 5.4 and newer); None: not known."""
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _WINDOW_OFFSET + 4)
        return struct.unpack_from("I", info, _WINDOW_OFFSET)[0] if len(info) >= _WINDOW_OFFSET + 4 else None

else:

    def unsent(fd: int) -> int:
        """Nothing is known."""
        return 0

    def peer_window(sock: socket.socket) -> int | None:
        """Nothing is known."""
        return None


_WINDOW_OFFSET = 228  # of tcpi_snd_wnd in struct tcp_info (include/uapi/linux/tcp.h)
