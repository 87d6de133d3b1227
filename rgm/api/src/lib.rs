//! What commands, methods and daemons say to each other: framing, calls, blocking client.
