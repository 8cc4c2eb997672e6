"""RecTools' ARP and catalogue coverage of given lists. Runs in RecTools' environment."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from rectools import Columns
from rectools.metrics import AvgRecPopularity, CatalogCoverage

question = json.loads(Path(sys.argv[1]).read_text())
lists, item = np.load(question["lists"]), np.load(question["item"])
users, k = lists.shape
shown = pd.DataFrame(
    {
        Columns.User: np.repeat(np.arange(users), k),
        Columns.Item: lists.ravel(),
        Columns.Rank: np.tile(np.arange(k) + 1, users),
    }
)
before = pd.DataFrame({Columns.User: np.zeros(len(item), dtype=int), Columns.Item: item})
arp = AvgRecPopularity(k=k).calc_per_user(shown, before)
coverage = CatalogCoverage(k=k, normalize=True).calc(shown, range(question["catalogue"]))
answer = {"arp": float(arp.mean()), "arp_of_users": arp.sort_index().tolist(), "coverage": float(coverage)}
Path(sys.argv[2]).write_text(json.dumps(answer))
