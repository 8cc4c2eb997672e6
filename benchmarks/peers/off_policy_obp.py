"""The Open Bandit data inside the package obp, the policies of its two logs, and its own estimators.

Question `load`: writes each log and the two policies as .npz. Question `estimate`: what obp makes of given arrays.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from obp import ope
from obp.dataset import OpenBanditDataset
from obp.policy import BernoulliTS, Random

CAMPAIGNS = ("all", "men", "women")
SEED = 12345  # that of obp's own example of this evaluation
SIMULATIONS = 100_000  # and its number of draws


def load(folder: Path) -> dict[str, Any]:
    """One file a campaign: the two policies [actions, places], the Thompson prior's alpha and beta [2, actions]; one
    file a log: its columns, sorted by time.
    """
    sizes = {}
    for campaign in CAMPAIGNS:
        for name in ("random", "bts"):
            data = OpenBanditDataset(behavior_policy=name, campaign=campaign)
            kept = data.obtain_batch_bandit_feedback()
            np.savez(
                folder / f"{name}_{campaign}.npz",
                action=kept["action"], position=kept["position"], reward=kept["reward"], propensity=kept["pscore"],
                moment=np.unique(data.data["timestamp"], return_inverse=True)[1],
            )  # fmt: skip
            sizes[f"{name}_{campaign}"] = int(kept["n_rounds"])
        common = {"n_actions": data.n_actions, "len_list": data.len_list, "random_state": SEED}
        thompson = BernoulliTS(is_zozotown_prior=True, campaign=campaign, **common)
        np.savez(
            folder / f"policies_{campaign}.npz",
            bts=thompson.compute_batch_action_dist(n_sim=SIMULATIONS, n_rounds=1)[0],
            random=Random(**common).compute_batch_action_dist(n_rounds=1)[0],
            prior=np.array([thompson.alpha, thompson.beta]),
        )
    return sizes


def estimate(file: str, shrinkage: float) -> dict[str, float]:
    """Value by each estimator of obp on the arrays in `file`, named as we name ours."""
    given = np.load(file)
    wide = np.broadcast_to(given["policy"], given["model"].shape)
    return {
        name: float(
            estimator.estimate_policy_value(
                reward=given["reward"], action=given["action"], position=given["position"], pscore=given["propensity"],
                action_dist=wide, estimated_rewards_by_reg_model=given["model"],
            )
        )
        for name, estimator in {
            "ips": ope.InverseProbabilityWeighting(), "snips": ope.SelfNormalizedInverseProbabilityWeighting(),
            "dm": ope.DirectMethod(), "dr": ope.DoublyRobust(), "sndr": ope.SelfNormalizedDoublyRobust(),
            "dros": ope.DoublyRobustWithShrinkage(lambda_=shrinkage),
        }.items()
    }  # fmt: skip


question = json.loads(Path(sys.argv[1]).read_text())
if "load" in question:
    answer: dict[str, Any] = load(Path(question["load"]))
else:
    answer = {name: estimate(**asked) for name, asked in question["estimate"].items()}
Path(sys.argv[2]).write_text(json.dumps(answer))
