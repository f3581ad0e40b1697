"""One thread a process: small tensors on two busy cores are many times slower with more."""

import torch

torch.set_num_threads(1)
