"""ONNX files as networks: opened safely, checked against the card, run by onnxruntime, written from our own."""
