"""What a training run leaves to look at: the model card, and the pictures that MLflow shows beside it."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from models.gate import Values
from models.metrics import bootstrap_interval

SEED = 20_180_101
LABELS = {"all": "all users", "new_users": "new users", "tail_items": "tail items"}


def card(facts: Mapping[str, Any], results: Mapping[str, Values], curve: list[dict[str, float]]) -> str:
    """Markdown in the order of Mitchell et al. 2019 (Model Cards): the model, its data, its numbers, its limits."""
    lines = [
        f"# {facts['model_name']} {facts['version']}",
        "",
        f"Recommends items to the known users of a shop, once a night. Learned up to {facts['learned_until']}, chosen"
        f" on the days up to {facts['cutoff']}, judged on the purchases of {facts['cutoff']} to {facts['until']}"
        f" (the first day excluded); it scores nights after {facts['until']}.",
        "",
        "## Data",
        "",
        f"- lake version {facts['lake_version']}, digest `{facts['digest'][:16]}`",
        f"- {facts['events']:,} events of {facts['users']:,} users with {facts['items']:,} items in"
        f" {facts['training_days']} days",
        f"- purchases repeat: {'yes' if facts['repeat_purchases'] else 'no, items already bought are masked'}",
        "",
        "## NDCG@10 on the held-out days (95 % interval over users)",
        "",
        "| model | " + " | ".join(LABELS[part] for part in next(iter(results.values()))) + " |",
        "|---|" + "---|" * len(next(iter(results.values()))),
    ]
    for name, values in results.items():
        lines.append(f"| {name} | " + " | ".join(_cell(per_user) for per_user in values.values()) + " |")
    if facts.get("weights"):
        lines += ["", "Weights of the blend, learned on the validation days:", ""]
        for segment, weights in facts["weights"].items():
            told = ", ".join(f"{name} {weight:.2f}" for name, weight in weights.items())
            lines.append(f"- {LABELS.get(segment, 'regular users')}: {told}")
    lines += _second_stage(facts.get("second_stage"))
    if curve:
        lines += ["", f"Trained for {len(curve)} epochs; the best was epoch {facts['best_epoch']}."]
    lines += [
        "",
        "## Limits",
        "",
        "- Judged offline on what people bought, not on what they would have bought had they seen other lists.",
        "- Knows nothing of an item before its first events; new items come from the floors or not at all.",
        "- No attribute of a person is read, only events; fairness between groups of people was not measured.",
        "",
        "The artefact is safetensors and JSON; loading it runs no code, and its digest is checked first.",
    ]
    return "\n".join(lines) + "\n"


def _second_stage(found: Mapping[str, Any] | None) -> list[str]:
    if not found:
        return []
    gain = ", ".join(f"{name} {share:.0%}" for name, share in list(found["gain"].items())[:6])
    return [
        "",
        f"Second stage (LambdaRank): learned from {found['candidates']:,} candidates of {found['users']:,} buyers of"
        f" the validation days, {found['rounds']} trees in each of {found['folds']} folds over users. There its"
        f" NDCG@10 was {found['validation_ndcg']:.4f} on users it had not learned from, the blend's"
        f" {found['validation_ndcg_of_the_blend']:.4f}. Tail items are lifted by {found['lift']:.2f}.",
        f"What its splits gained from: {gain}. A score is the probability that the user buys the item in the horizon,"
        f" given that they buy anything; calibration error of the listed ten on the held-out days:"
        f" {found['calibration_error']:.4f}.",
    ]


def _cell(per_user: Any) -> str:
    if not len(per_user):
        return "nobody"
    low, high = bootstrap_interval(per_user, SEED)
    return f"{per_user.mean():.4f} [{low:.4f}, {high:.4f}]"


def curves(curve: list[dict[str, float]]) -> Figure:
    """Loss and validation NDCG@10 by epoch."""
    figure = Figure(figsize=(8, 3.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = [row["epoch"] for row in curve]
    left.plot(epochs, [row["loss"] for row in curve], marker=".")
    left.set(title="training loss", xlabel="epoch", ylabel="cross-entropy, nats")
    right.plot(epochs, [row.get("validation", float("nan")) for row in curve], marker=".", color="tab:green")
    right.set(title="validation", xlabel="epoch", ylabel="NDCG@10")
    return figure


def comparison(results: Mapping[str, Values]) -> Figure:
    """NDCG@10 of every model on every slice, with its interval."""
    parts = list(next(iter(results.values())))
    figure = Figure(figsize=(4 * len(parts), 0.45 * len(results) + 1.4), layout="constrained")
    for axis, part in zip(figure.subplots(1, len(parts), squeeze=False)[0], parts, strict=True):
        for row, (name, values) in enumerate(reversed(list(results.items()))):
            if len(values[part]):
                low, high = bootstrap_interval(values[part], SEED)
                axis.plot([low, high], [row, row], color="tab:blue" if name != "blend" else "tab:red")
                axis.plot(values[part].mean(), row, "o", color="tab:blue" if name != "blend" else "tab:red")
        axis.set_yticks(range(len(results)), list(results)[::-1])
        axis.set(title=LABELS[part], xlabel="NDCG@10, 95 % interval")
        axis.grid(axis="x", alpha=0.3)
    return figure
