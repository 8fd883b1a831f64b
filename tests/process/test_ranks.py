"""Two real ranks, in processes of their own that talk to one another: together they train on every example once."""

import hashlib
import json
import subprocess
import sys

from whygap.process import Fresh, SequenceRegression, Stream

SCRIPT = """
import hashlib, json, sys, warnings
import torch, torch.distributed as dist
from whygap.process import Fresh, SequenceRegression, Stream
from whygap.process.loaders.torch import TorchLoader

dist.init_process_group("gloo", init_method="file://" + sys.argv[1], rank=int(sys.argv[2]), world_size=2)
s = Stream(process=SequenceRegression(), regime=Fresh(100), batch_size=16, rank=dist.get_rank(), n_ranks=dist.get_world_size())
loader = TorchLoader(s, num_workers=1)
rows = []
for _ in range(2):
    for x, y in loader:
        total = y.sum()
        dist.all_reduce(total)  # in step: it would wait for ever if one rank had a batch more
        rows += [hashlib.sha256(row.numpy().tobytes()).hexdigest() for row in x]
dist.destroy_process_group()
print(json.dumps(rows))
"""


def test_two_ranks_see_every_example_of_an_epoch_once(tmp_path):
    ranks = [
        subprocess.Popen([sys.executable, "-c", SCRIPT, str(tmp_path / "meet"), str(rank)], stdout=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    told = [rank.communicate(timeout=120)[0] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0]
    found = [json.loads(text.splitlines()[-1]) for text in told]
    s = Stream(process=SequenceRegression(), regime=Fresh(100), batch_size=100)
    whole = [hashlib.sha256(row.tobytes()).hexdigest() for epoch in range(2) for row in s.batch(epoch * 100)[0]]
    assert sorted(found[0] + found[1]) == sorted(whole)
    assert len(set(whole)) == 200
