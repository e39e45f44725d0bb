# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
#   lesson:
#     title: Online update
#     paper: Paper §3.1, §3.2
#     minutes: 45
#     needs: "07, 09"
# ---

# %% [markdown]
# ## The question
# The paper makes two proposals for training, and tests neither. When new images arrive: train on, but only "the
# weights related to the critical filters" on their paths. And while a network is trained: let a mistake between far
# categories cost more than one between near ones.
#
# **You will be able to** name every weight that belongs to a filter, update a network without touching the others,
# and tell the effect of a choice from that of any other choice of the same size.
#
# **The paper's claims**: this update makes retraining unnecessary; the distance of categories "can be multiplied to
# the original loss function as a cross-category penalty".

# %% [markdown]
# ## Predict

# %%
choice = nw.Prediction(
    "10-choice",
    "Trained on, which filters learn the new images better?",
    ["the critical ones", "as many random ones", "both alike"],
)
choice

# %%
mistakes = nw.Prediction(
    "10-mistakes",
    "With the penalty, a wrong prediction lands, in the tree of categories, …",
    ["nearer", "as far off", "farther off"],
)
mistakes

# %% [markdown]
# ## See: what arrives
# Small networks, each of which has never seen one of the classes. For them there are four kinds of new images: those
# they know, **rotated** by 90°, **recoloured** (in complementary colours) or **blurred**; and the class that is new.

# %%
study = lesson.study_with("all")
few = study.train.sample(lesson.pick(fast=500, cpu=5000, gpu=len(study.train)), seed=lesson.seed)
test = study.test.sample(lesson.pick(fast=100, cpu=1000, gpu=len(study.test)), seed=lesson.seed)
seeds = range(2, 2 + lesson.pick(fast=2, cpu=3, gpu=5))  # 0 and 1 were seen when the rule was written

# %%
small = study.recipe(
    "all",
    width=lesson.pick(fast=4, cpu=8, gpu=32),
    epochs=lesson.pick(fast=1, cpu=8, gpu=24),
    coarse_share=0.5,
)
lenses = nl.claims.without_a_class(small, few, test, seeds)
lens = lenses[0]
lens

# %%
new = lesson.pick(fast=16, cpu=200, gpu=200)
arrival = nl.arrive(lens, few, test, "rotated", new, lesson.seed)
arrival

# %% [markdown]
# ## See: their paths
# Each category has its prediction tree (chapter 09). A new image goes down the tree of the category it is taken for;
# at each node there is a critical filter. We count, for every channel, how many paths pass one of its neurons.

# %%
per_tree = lesson.pick(fast=8, cpu=100, gpu=100)
trees = {name: nl.grow_category_tree(lens, few.only(name).sample(per_tree, lesson.seed), name) for name in lens.classes}
counts = nl.count_paths(lens, trees, arrival.fresh)
counts

# %% [markdown]
# ## See: which weights are a filter's?
# A channel has, of the stage's last convolution, the slice that makes it; of the batch norm behind, its scale and
# shift; of the head, the column that reads it. No other channel of the stage depends on these. We take the quarter of
# the channels that most paths pass.

# %%
share = 0.25
critical = counts.most_frequent(round(share * len(counts.counts)))
weights = nl.filter_weights(lens.network, counts.layer, critical)
for name, chosen in weights.items():
    print(f"{name}: {int(chosen.sum())} of {chosen.numel()}")

# %%
steps = lesson.pick(fast=3, cpu=100, gpu=100)
updated = nl.update(lens.network, arrival.learn, weights, steps=steps, learning_rate=0.1, seed=lesson.seed)
for name, value in updated.state_dict().items():
    same = value == lens.network.state_dict()[name]
    if not same.all():
        print(f"{name}: {int((~same).sum())} numbers changed")

# %% [markdown]
# All else is the same bit for bit, the running statistics of the batch norms among it: a copy was trained in which
# every other weight was held, and `lens.network` itself was not touched.

# %% [markdown]
# ## Play
# Change the first line and run the cell again. Three things to try:
#
# 1. `what = "blurred"`, or the name of the class that the network does not know.
# 2. `part = 1.0`: all channels of the stage. Does the choice matter less, the more are chosen?
# 3. `rate = 1.0`. What becomes of the old images?

# %%
what, part, rate = "recoloured", 0.1, 0.1
case = nl.arrive(lens, few, test, what, new, lesson.seed)
ranked = nl.count_paths(lens, trees, case.fresh).most_frequent(len(counts.counts))
size = max(1, round(part * len(ranked)))
for kind, channels in (("most frequent", ranked[:size]), ("least frequent", ranked[-size:])):
    chosen = nl.filter_weights(case.network, counts.layer, channels)
    trained = nl.update(case.network, case.learn, chosen, steps=steps, learning_rate=rate)
    scores = [
        nl.studies.training.accuracy(network, images)
        for images in (case.new, case.old)
        for network in (case.network, trained)
    ]
    print("{}: new {:.2f} → {:.2f}, old {:.2f} → {:.2f}".format(kind, *scores))

# %% [markdown]
# ## Exercises
# Replace the dots, then run the check below. It says what it tried and what came out; nothing breaks, and what you
# solve is kept beside the notebook.

# %% [markdown]
# ### 1 · A filter's weights
# How many weights belong to one channel of the last stage: of the last convolution, the batch norm behind it, and the
# head?
#
# <details><summary>Hint</summary><code>weights</code> above has them for a quarter of the channels,
# <code>critical</code>.</details>

# %% tags=["exercise"]
one = ...

# %% tags=["solution"]
one = sum(int(chosen.sum()) for chosen in weights.values()) / len(critical)

# %% tags=["check"]
nl.course.check("10-weights", one, lens)

# %% [markdown]
# ### 2 · The penalty's factor
# The network gives an image of class 0 the probabilities 0.7, 0.2 and 0.1. The classes 1 and 2 are 0.2 and 0.8 away
# from class 0; the mean distance of all classes is 0.5. By what is the loss multiplied?
#
# <details><summary>Hint</summary>$\sum_j p_j\,d(y, j) / \bar d$, and $d(0, 0) = 0$.</details>

# %% tags=["exercise"]
factor = ...

# %% tags=["solution"]
factor = (0.2 * 0.2 + 0.1 * 0.8) / 0.5

# %% tags=["check"]
nl.course.check("10-factor", factor)

# %% [markdown]
# ### 3 · Four networks
# In four networks critical filters beat random ones by these differences. Write half the width of the 95% interval of
# their mean, by Student's $t$: $t\,s / \sqrt{n}$, with $t = 3.182$ for four values.
#
# <details><summary>Hint</summary><code>nl.statistics.over_seeds</code> gives the interval; half its width is
# <code>(high - low) / 2</code>.</details>


# %% tags=["exercise"]
def reach(differences):
    return ...


# %% tags=["solution"]
def reach(differences):
    found = nl.statistics.over_seeds(differences)
    return (found.high - found.low) / 2


# %% tags=["check"]
nl.course.check("10-interval", reach)

# %% [markdown]
# ## Measure: four ways to update
# The rule first. Then, for every network and arrival: the critical filters, as many random ones, the head alone, and
# everything. All see the same new images, and as many old ones again.

# %%
nl.claims.CLAIMS["online-update"]

# %%
found = nl.claims.online_update(lenses, seeds, few, test, new=new, per_tree=per_tree, share=share, steps=steps)
nl.figures.update_effects(found)

# %% [markdown]
# **NeuroLens 10-a** (no figure of the paper). A dot for each network, a bar for their mean; the dotted line is where
# the new images start. *Look for:* whether the critical filters stand out from the random ones, and how far both are
# from what training everything gives.

# %%
for kind in nl.claims.updating.KINDS:
    worth = (found.over_seeds(name, kind).value for name in ("new", "old", "weights", "seconds"))
    print("{:16}: new {:.2f}, old {:.2f}, {:6.0f} weights, {:.1f} s".format(kind, *worth))

# %% [markdown]
# ## Measure: the category penalty
# An image of class $y$ has the loss $-\log p_y$. Multiplied by the distance that the prediction is expected to be off,
# $\sum_j p_j\,d(y, j) / \bar d$, it cares for *which* wrong class is likely. With all distances alike the factor is
# $1 - p_y$: that is the focal loss, and the fair comparison.

# %%
nl.claims.CLAIMS["penalty"]

# %%
categories = nl.measure_categories(study.lens("all"), few.sample(min(1000, len(few)), seed=lesson.seed))
known = nl.levels_apart(nl.studies.planted.HIERARCHY, test.classes) if study.name == "planted" else None
short = study.recipe("all", width=small.width, epochs=max(1, small.epochs // 2), coarse_share=0.5)
again = range(3, 3 + lesson.pick(fast=2, cpu=8, gpu=8))  # 0 to 2 were seen when the rule was written
trials = nl.claims.penalty_training(categories, few, test, short, again, known=known)
nl.figures.penalty_effects(trials)

# %% [markdown]
# **NeuroLens 10-b** (no figure of the paper). A line for each seed. A mistake's tree distance is that at which the two
# categories come together in the hierarchy of chapter 07; 1 is that of a mistake drawn at random. *Look for:* lines
# that all go the same way.

# %% [markdown]
# ## Verdict

# %%
update, penalty = found.verdict(), trials.verdict()
print(update, penalty, sep="\n\n")

# %%
gap = found.over_seeds("new", "critical filters", minus="random filters")
answer = dict(zip((1, -1, 0), choice.choices, strict=True)).get(gap.side(0, alike=0.02))
choice.reveal(answer, f"critical minus random, accuracy on new images: {gap}")

# %%
change = penalty.measured["tree distance of a mistake, with the penalty minus plain"]
answer = dict(zip((-1, 0, 1), mistakes.choices, strict=True)).get(change.side(0, alike=0.02))
mistakes.reveal(answer, f"tree distance of a mistake, with the penalty minus plain: {change}")

# %%
nl.stored_verdicts(lesson.notebook)

# %% [markdown]
# ## Recap
# - "Only the critical filters" says three things: few weights are enough, these are the right ones, and the old images
#   survive. Each needs a comparison of its own.
# - A choice is worth something if it beats as many chosen by lot.
# - A weight on the loss changes its size, too. The same weight without the hierarchy tells the two apart.
