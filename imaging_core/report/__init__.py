"""The report: pages and figures from metrics.json and the ledger."""
