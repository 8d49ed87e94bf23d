"""From annotation files to batches: records, split, geometry, heatmaps, samples, streams, drawn people."""
