"""Prints the path of the cuBLASLt library that PyTorch's packages bring, and fails where there is none."""
import glob

import nvidia

print(next(f for root in nvidia.__path__ for f in sorted(glob.glob(root + "/*/lib/libcublasLt.so.1[0-9]"))))
