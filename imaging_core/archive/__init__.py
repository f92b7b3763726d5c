"""What becomes of a run after it has ended: its provenance record, checking it again, and cleaning up."""
