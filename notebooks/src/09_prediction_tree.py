# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
#   lesson:
#     title: The prediction tree
#     paper: Paper §3.2, Fig. 10 and 1f
#     minutes: 45
#     needs: "07"
# ---

# %% [markdown]
# ## The question
# Thousands of filters answer to a picture of a horse. Which of them, and in which order, make it a horse?
#
# **You will be able to** run the paper's Algorithm 2 by hand, read a prediction tree and the path of an image, and test
# with ablations whether a filter that is called critical is.
#
# **The paper's claim**: from root to leaf, semantics go from rough to fine, and the critical filters on an image's path
# contribute most to its prediction. The paper shows a tree; it measures neither.

# %% [markdown]
# ## A filter that holds two images together
# Take two images' values $u, v$ of all $d$ filters. Leave out one filter $F$ and compare the two again. The *critical*
# filter is the one without which they are least alike:
#
# $$F = \arg\min_F\; \cos(u_{\setminus F},\, v_{\setminus F})$$
#
# Algorithm 2 merges the two closest images, names their critical filter, strikes it from the pair's list, and goes on
# with the pair in place of the two, until nothing is left to merge.

# %%
study = lesson.study_with("all")
lens = study.lens("all")
test = study.test.sample(lesson.pick(fast=300, cpu=min(2000, len(study.test)), gpu=len(study.test)), seed=lesson.seed)
category = study.pairs["near_pair"][1]

# %%
u, v = (3, 1, 2, 0), (2, 1, 0, 2)


def cosine(left_out=None):
    pairs = [(a, b) for i, (a, b) in enumerate(zip(u, v, strict=True)) if i != left_out]
    return sum(a * b for a, b in pairs) / (sum(a * a for a, _ in pairs) * sum(b * b for _, b in pairs)) ** 0.5


print(f"with all: {cosine():.2f}")
for filter in range(4):
    print(f"without filter {filter}: {cosine(filter):.2f}")

# %% [markdown]
# Filter 0 is the critical one: large in both. Filter 2 is large in one of them only: without it they are *more* alike.

# %% [markdown]
# ## Predict

# %%
loss = nw.Prediction(
    "09-loss",
    "We switch off the critical filters on an image's path. What else, as many, costs its logit more?",
    ["nothing", "the most active filters", "random filters"],
)
loss

# %%
own = nw.Prediction(
    "09-own",
    "Send the images that a tree was grown on down the tree. How many arrive at their own leaf?",
    ["all", "more than half", "less than half"],
)
own

# %% [markdown]
# ## See: the tree of a category

# %%
tree = nl.grow_category_tree(lens, test, category)
tree

# %%
strangers = study.train.only(category).rgb(slice(20))
path = max((tree.path(image, lens) for image in strangers), key=len)
nl.figures.tree_figure(tree, test, path=path)

# %% [markdown]
# **NeuroLens 9-a ↔ paper Fig. 10 and 1f.** *Same:* neurons of the last stage, Algorithm 2, the path of an image that
# is not among them in red, the longest of twenty. *Different:* our training; the ten largest branches; a dashed line
# passes nodes that are not drawn.
#
# *Look for:* what the images of a branch have in common. Would you have put them together?

# %%
path

# %% [markdown]
# ## Play
# Open the tree, look at what a node's critical filter answers to, and send images down. Three things to try:
#
# 1. Pick an image and say, at each turn, which way it will go. The bars say how active the critical filters are.
# 2. Trace two images of the same pose. Where do their paths part?
# 3. Trace an image of another category. Where does it fall off?

# %%
explorer = nw.TreeExplorer(study, "all", category, most=lesson.pick(fast=20, cpu=300, gpu=1000))
explorer

# %% [markdown]
# ## Exercises
# Replace the dots, then run the check below. It says what it tried and what came out; nothing breaks, and what you
# solve is kept beside the notebook.

# %% [markdown]
# ### 1 · The critical filter
# Write what finds the critical filter of two images: the place without which their cosine is smallest. A list each.
#
# <details><summary>Hint</summary><code>cosine</code> above does it for its own two; leave out each place in turn, and
# take the smallest with <code>min(range(d), key=…)</code>.</details>


# %% tags=["exercise"]
def critical_filter(a, b):
    return ...


# %% tags=["solution"]
def critical_filter(a, b):
    def without(i):
        pairs = [(x, y) for j, (x, y) in enumerate(zip(a, b, strict=True)) if j != i]
        lengths = sum(x * x for x, _ in pairs) * sum(y * y for _, y in pairs)
        return sum(x * y for x, y in pairs) / lengths**0.5

    return min(range(len(a)), key=without)


# %% tags=["check"]
nl.course.check("09-critical", critical_filter)

# %% [markdown]
# ### 2 · What is left
# A branch begins with 8,192 filters. After three merges, one above the other, from how many can the next critical
# filter be chosen?
#
# <details><summary>Hint</summary>What happens to a filter that was critical?</details>

# %% tags=["exercise"]
left = ...

# %% tags=["solution"]
left = 8192 - 3

# %% tags=["check"]
nl.course.check("09-struck", left)

# %% [markdown]
# ### 3 · A contribution
# After the last stage the network is linear: it averages each channel over its positions and weighs it. What does
# channel 0 contribute to the category's logit for `picture`?
#
# <details><summary>Hint</summary><code>lens.outputs(picture, [layer])[layer][0, 0]</code> is the channel's map,
# <code>lens.network.head.weight[k, 0]</code> its weight.</details>

# %% tags=["exercise"]
picture = test.only(category).rgb([0])
k = lens.classes.index(category)
part = ...

# %% tags=["solution"]
picture = test.only(category).rgb([0])
k = lens.classes.index(category)
active = lens.outputs(picture, [lens.stages[-1]])[lens.stages[-1]][0, 0].mean()
part = lens.network.head.weight[k, 0] * active

# %% tags=["check"]
nl.course.check("09-part", part, lens, picture, k)

# %% [markdown]
# ## Measure: what is a contribution?
# The paper leaves open "how much a filter's activation attributes to the final prediction". After the last stage the
# network is linear, so there the answer is exact: weight times activation, and all of them add up to the logit.

# %%
few = test.only(category).rgb(slice(lesson.pick(fast=2, cpu=8, gpu=32)))
exact = nl.contributions(lens, few, nl.logit(category), kind="neurons")
print(exact, f"largest gap {exact.gap.abs().max():.1g}", sep="\n")

# %% [markdown]
# One stage lower nothing is linear any more, and every method has its own answer. Some still add up; the others do not.

# %%
samples = lesson.pick(fast=2, cpu=10, gpu=50)
for method in ("gradient", "integrated", "zero", "mean", "shapley"):
    print(nl.contributions(lens, few, nl.logit(category), lens.stages[-2], method=method, samples=samples))

# %% [markdown]
# ## Measure: are critical filters critical?
# For images that the tree has not seen: switch off the filters on their paths, from the root down, and beside it as
# many others; and the other way round, leave nothing else on. The rule first:

# %%
nl.claims.CLAIMS["critical-filters"]

# %%
curves = nl.claims.measure_removal(lens, test, each=lesson.pick(fast=3, cpu=50, gpu=200), seed=lesson.seed)
nl.figures.removal_curves(curves)

# %% [markdown]
# **NeuroLens 9-b.** *Look for:* the order of the lines. Black, the largest contributions, is as high as any line can be
# in the upper rows. Green is the same algorithm where every filter's values were shuffled among the images: what it
# gets is owed to single filters, and only what the red line has beyond it is owed to the tree.

# %%
critical = nl.claims.critical_filters(curves)
critical

# %% [markdown]
# ## Measure: from rough to fine?
# If it is so, the images below a node have the more in common the deeper it lies. Common by whose measure? That of a
# network which did not grow the tree. A random tree of the same shape shows what depth alone does.

# %%
nl.claims.CLAIMS["tree-coarse-to-fine"]

# %%
judge = next(name for name in ("reseeded", "vgg16", "near_pair") if name in study.cards())
by_depth = nl.claims.measure_coherence(lens, study.lens(judge), test, seed=lesson.seed)
fine = nl.claims.tree_coarse_to_fine(by_depth)
fine

# %% [markdown]
# ## Measure: the whole image space
# The paper's further work: one tree over all categories. Do its branches follow them?

# %%
every = test.sample(lesson.pick(fast=200, cpu=min(1000, len(test)), gpu=len(test)), seed=lesson.seed)
whole = nl.class_branches(nl.grow_category_tree(lens, every), every.labels.numpy(), every.classes)
nl.figures.purity_by_depth(by_depth, whole)

# %% [markdown]
# **NeuroLens 9-c.** *Look for:* the last panel against the others. A network was trained for classes, and the tree
# follows them early; how much more than classes does it know?

# %%
print(whole)
for filter, classes in list(whole.serves.items())[:5]:
    print(f"{filter} serves {', '.join(classes)}")

# %% [markdown]
# Classes are known everywhere. Parts and backdrops are known in the built-in study alone: does its tree of all classes
# follow them, too? From the root to the leaves, beside random trees of the same shape:

# %%
truth = nl.open_study("planted")
seen = truth.test[: lesson.pick(fast=200, cpu=1000, gpu=1000)]
traits = nl.claims.planted_traits(len(seen))
of_all = nl.grow_category_tree(truth.lens("all"), seen)
for name, (ours, chance) in nl.claims.traits_by_depth(of_all, traits).items():
    print(f"{name:9} {' → '.join(f'{x:.2f}' for x in ours)}   random {' → '.join(f'{x:.2f}' for x in chance)}")

# %% [markdown]
# ## Measure: where do others fall off?
# Images that the tree has not seen go down until all of a node's images are nearer to its middle than they are. The
# share that leaves, and how far down the way they come:

# %%
others = study.train.sample(min(lesson.pick(fast=300, cpu=2000, gpu=10_000), len(study.train)), seed=lesson.seed)
left = nl.claims.falling_off(tree, lens, others, each=lesson.pick(fast=3, cpu=50, gpu=200))
for name, (share, way) in sorted(left.items(), key=lambda one: -one[1][1]):
    print(f"{name:10} {share.value:4.0%} leave [{share.low:.0%}, {share.high:.0%}], after {way:.0%} of the way")

# %% [markdown]
# ## Measure: what if we had read it otherwise?
# The paper leaves three things open: a pair's vector (mean or midpoint), whether the distance counts reachable filters
# only, and whether an effect is a fall or any change. How much of tree and paths stays, over all classes? *Look for:*
# which reading leaves the tree as it is and changes only the filters' names.

# %%
for reading, numbers in nl.claims.other_readings(lens, test, each=lesson.pick(fast=3, cpu=20, gpu=50)).items():
    print(reading, *(f"{what} {estimate}" for what, estimate in numbers.items()), sep="\n   ")

# %% [markdown]
# ## Measure: would it come back?
# Other images of the category, the same images mirrored, another network: how much of tree and path is the same? An
# image's path shares filters with *any* other image's, so that is the number to compare with.

# %%
for name, estimate in nl.claims.tree_stability(lens, study.lens(judge), test, seed=lesson.seed).items():
    print(f"{name:45} {estimate}")

# %% [markdown]
# ## Measure: and where the truth is known?
# In the built-in study we know each picture's pose, coat and backdrop, and which pixels are which part. First: what do
# the images of a node share? Then: do the filters of a path look at the parts, more than other active filters do?

# %%
print(nl.claims.measure_coherence(truth.lens("all"), truth.lens("reseeded"), seen, traits=traits))
on_parts = nl.claims.filters_on_parts(truth, each=lesson.pick(fast=2, cpu=20, gpu=50))
for part, (on_path, random, _, area) in on_parts.items():
    print(f"{part:10} path {on_path.value:.2f}, other active filters {random.value:.2f}, area {area:.2f}")

# %% [markdown]
# ## Verdict

# %%
print(critical, fine, sep="\n\n")

# %%
orders = ("path", "highest activation", "random filters")
path_loss, most_active, chance = (curves.lost[order].mean().item() for order in orders)
dearest = max(most_active, chance)
answer = loss.choices[0 if path_loss >= dearest else 1 if most_active == dearest else 2]
loss.reveal(answer, f"of the logit: path {path_loss:.0%}, most active {most_active:.0%}, random {chance:.0%}")

# %%
arrived = curves.own_leaf.mean().item()
own.reveal(own.choices[0 if arrived == 1 else 1 if arrived > 0.5 else 2], f"{arrived:.0%} do")

# %%
nl.stored_verdicts(lesson.notebook)

# %% [markdown]
# ## Recap
# - A critical filter holds images together. That is not the same as making a prediction: for that, ablate it.
# - Deeper nodes hold images that are more alike to the tree's own network; whether they mean more needs another judge.
# - A greedy path is a weak search: even the images that a tree was grown on often miss their own leaf.
