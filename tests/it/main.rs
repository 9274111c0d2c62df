//! End-to-end tests: through the front door, against a GitHub stand-in.
