"""What machines are started with: an image, a job for Kubernetes, a dashboard for Grafana, spot machines' notices."""
