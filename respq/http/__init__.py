"""The HTTP sidecar: health, readiness, metrics."""
