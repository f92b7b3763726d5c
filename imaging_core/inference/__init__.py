"""The staged inference pipeline and its ledger."""
