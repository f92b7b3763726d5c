"""ECVL's operators on batched tensors, on any device: pure functions, one family a file.

Images are N x channels x height x width of uint8, uint16 or a floating type, with any number of channels; what comes
back has the same type unless the function says otherwise. Where a function makes integers of fractions, it rounds half
to even and keeps to the type's range, as OpenCV does. "Equals" means on the CPU, against OpenCV 5.0, scikit-image 0.26
or SciPy 1.17; "exactly" means every bit of an integer image. Nothing waits for the device unless the function says so.
"""
