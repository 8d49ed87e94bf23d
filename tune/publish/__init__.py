"""What a search leaves for people and for other programs: files, TensorBoard, optuna-dashboard."""
