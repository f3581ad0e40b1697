#!/usr/bin/env bash
# torch takes seeds of 64 bits (torch.Generator.manual_seed). Do two different ones give different numbers?
# On the processor only the lower 32 bits count: seeds 5 and 5 + 2**32 give the same noise, bit for bit, without a word, although
# initial_seed() still tells them apart. Whoever hashes a name or a number into a 63-bit seed for each sample, to make them independent,
# has two equal samples among some 77,000 as likely as not. NumPy's SeedSequence uses every bit; or check the lower halves for repeats.
#
# Seen with torch 2.13.0 and numpy 2.4.6, Python 3.11. Fails as soon as another answer comes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

"${PYTHON:-python3}" -m venv environment
environment/bin/pip install --quiet torch==2.13.0 numpy==2.4.6

cat > question.py <<'END'
import numpy as np
import torch

low, high = 5, 5 + 2**32
one, other = (torch.Generator().manual_seed(seed) for seed in (low, high))
print("torch", torch.__version__.split("+")[0], "numpy", np.__version__)
print("initial seeds:", one.initial_seed(), other.initial_seed())
print("torch, same numbers:", torch.equal(torch.randn(1000, generator=one), torch.randn(1000, generator=other)))
print("numpy, same numbers:", np.array_equal(*(np.random.default_rng(seed).normal(size=1000) for seed in (low, high))))
END

cat > seen <<'END'
torch 2.13.0 numpy 2.4.6
initial seeds: 5 4294967301
torch, same numbers: True
numpy, same numbers: False
END

environment/bin/python -W ignore question.py | tee now
diff seen now && echo "as seen"
