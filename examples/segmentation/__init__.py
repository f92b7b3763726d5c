"""White matter on slices of an averaged brain that nilearn ships."""
