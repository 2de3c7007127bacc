"""What can be done with a call (replay, grpcurl command, diff, export)."""
