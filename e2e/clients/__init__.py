"""One connection at a time: the wire, a listen session, a pusher session, the HTTP API."""
