"""Where a kernel's machine code comes from: numba, or a library that was made before."""
