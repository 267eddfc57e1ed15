//! Backends, operators with their gradients, and the tape.
