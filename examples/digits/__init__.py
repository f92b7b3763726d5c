"""1,797 scanned digits that scikit-learn ships: the demo."""
