# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
#   lesson:
#     title: Category clustering
#     paper: Paper §3.1, Fig. 8
#     minutes: 45
#     needs: "03"
# ---

# %% [markdown]
# ## The question
# A network that tells ten classes apart was never told that a cat is more like a dog than like a truck. Does it know
# all the same? And what is in the middle of everything it knows?
#
# **You will be able to** run the paper's Algorithm 1 by hand, read a spanning tree and a dendrogram, and say how much
# of either would come back with other images.
#
# **The paper's claim**: cat is the centre of the spanning tree (with noise as a category, noise is); cat and dog merge
# first; and the last merge separates animals from vehicles.

# %% [markdown]
# ## One vector for each category
# Take the last stage's output for all images of a category and average it: a vector $\mu_c$. Two categories are as far
# apart as the angle between their vectors says:
#
# $$d(a, b) = \tfrac{1}{2}\,(1 - \cos(\mu_a, \mu_b))$$

# %%
study = lesson.study_with("all")
lens = study.lens("all")
test = study.test.sample(lesson.pick(fast=100, cpu=len(study.test), gpu=len(study.test)), seed=lesson.seed)
noise = nl.gaussian_noise(study.train, len(test) // len(test.classes), seed=lesson.seed)

# %%
replicates = lesson.pick(fast=10, cpu=100, gpu=1000)
categories = nl.measure_categories(lens, test, noise, replicates=replicates, seed=lesson.seed)
real = categories.only(*test.classes)
categories

# %% [markdown]
# ## Predict

# %%
middle = nw.Prediction(
    "07-middle",
    "Which category has the most edges in the minimum spanning tree?",
    [*test.classes],
)
middle

# %%
kingdoms = nw.Prediction(
    "07-kingdoms",
    "The last merge joins two groups. Are they the living and the made?",
    ["yes, exactly", "yes, but for one or two", "no"],
)
kingdoms

# %% [markdown]
# ## See: Algorithm 1
# **Minimum spanning tree**: the shortest edges that connect everything (Borůvka). **Hierarchy**: merge the closest two,
# let the pair be as far from every other as its two on average, and begin again.

# %%
nl.figures.category_map(real)

# %% [markdown]
# **NeuroLens 7-a ↔ paper Fig. 8 (left).** *Same:* features of the last stage, the distance, both algorithms.
# *Different:* our training; and a number at each merge that the paper does not have: in how many of the resampled data
# sets the very same group comes back.
#
# *Look for:* merges with a low number. What would you still say about them?

# %%
nl.figures.category_map(categories)

# %% [markdown]
# **NeuroLens 7-b ↔ paper Fig. 8 (right).** The same with Gaussian noise as one more category. *Look for:* which
# category noise is nearest to, and whether it became the centre.

# %% [markdown]
# ## Play
# Merge by merge, in any layer of any network of all classes. Three things to try:
#
# 1. Move the slider from 0 and say, before each step, which pair is next.
# 2. Go down to a low layer. Which neighbours make sense there, and by what?
# 3. Click a category and look at what it is mistaken for. Are these its neighbours?

# %%
explorer = nw.CategoryMap(study, test.sample(min(1000, len(test)), seed=lesson.seed))
explorer

# %% [markdown]
# ## Exercises
# Replace the dots, then run the check below. It says what it tried and what came out; nothing breaks, and what you
# solve is kept beside the notebook.

# %% [markdown]
# ### 1 · The distance
# Write $d(a, b) = \frac{1}{2}(1 - \cos(a, b))$ for two tensors.
#
# <details><summary>Hint</summary>$\cos(a, b) = a \cdot b / (\lVert a \rVert \lVert b \rVert)$; a tensor has
# <code>.norm()</code>, and <code>a @ b</code> is the product.</details>


# %% tags=["exercise"]
def distance(a, b):
    return ...


# %% tags=["solution"]
def distance(a, b):
    return (1 - a @ b / (a.norm() * b.norm())) / 2


# %% tags=["check"]
nl.course.check("07-distance", distance)

# %% [markdown]
# ### 2 · One merge by hand
# Cat and dog are at 0.1 and merge first. The cat is 0.3 from the frog, the dog 0.5. How far is the pair from the
# frog?
#
# <details><summary>Hint</summary>As far as its two on average.</details>

# %% tags=["exercise"]
pair_to_frog = ...

# %% tags=["solution"]
pair_to_frog = (0.3 + 0.5) / 2

# %% tags=["check"]
nl.course.check("07-merge", pair_to_frog)

# %% [markdown]
# ### 3 · The length of the tree
# Add up the distances along the edges of the spanning tree of `real`, the categories without noise.
#
# <details><summary>Hint</summary><code>real.spanning_tree()</code> is a networkx graph; its
# <code>edges(data="weight")</code> come with their distances.</details>

# %% tags=["exercise"]
length = ...

# %% tags=["solution"]
length = sum(weight for *_, weight in real.spanning_tree().edges(data="weight"))

# %% tags=["check"]
nl.course.check("07-length", length, real)

# %% [markdown]
# ## Measure: the paper's claims
# The paper shows one tree. A tree can always be drawn; so each claim is measured on every resampled data set, and the
# intervals are over these. The rules first:

# %%
nl.claims.CLAIMS["mst-centre"]

# %%
centre = nl.claims.mst_centre(categories, expected=study.pairs["near_pair"][0])
centre

# %%
nl.claims.CLAIMS["near-pairs"]

# %%
pairs = nl.claims.near_pairs(categories, first=study.pairs["near_pair"])
pairs

# %%
nl.claims.CLAIMS["two-kingdoms"]

# %%
known = nl.claims.KINGDOMS.get(study.name, nl.claims.KINGDOMS["cifar10"])
split = nl.claims.two_kingdoms(categories, known)
split

# %% [markdown]
# ## Measure: would another tree do as well?
# Dasgupta's cost asks how early a hierarchy separates what is close: a good one does so late. We compare with random
# trees over the same distances, and ask how well the hierarchy's own distances follow the measured ones.

# %%
hierarchy = real.hierarchy()
print(nl.against_random(hierarchy, seed=lesson.seed))
print(f"cophenetic correlation {nl.cophenetic_correlation(hierarchy):.2f}")

# %%
print("distance against confusion:", nl.confusion_correlation(real, nl.confusions(lens, test)))
print("average against single linkage:", nl.agreement(hierarchy, real.hierarchy("single")))

# %% [markdown]
# ## Measure: another network, another layer
# Does the grouping belong to the data, or to this one network and this one layer?

# %%
others = [name for name in study.cards() if name not in (*study.pairs, "all")]
for name in others:
    other = nl.measure_categories(study.lens(name), test)
    print(name, nl.agreement(hierarchy, other.hierarchy()))

# %%
for layer in lens.stages[:-1]:
    lower = nl.measure_categories(lens, test, layer=layer)
    print(layer, nl.agreement(hierarchy, lower.hierarchy()))

# %% [markdown]
# ## Measure: and where the truth is known?
# The built-in study's categories share parts by a planted hierarchy. How much of it does Algorithm 1 recover from a
# network that tells all ten apart nearly without a mistake?

# %%
truth = nl.open_study("planted")
seen = truth.test.sample(lesson.pick(fast=100, cpu=1000, gpu=1000), seed=lesson.seed)
for name in ("all", "reseeded", "vgg16"):
    found = nl.measure_categories(truth.lens(name), seen).hierarchy()
    print(name, nl.recovery(found, nl.studies.planted.HIERARCHY))

# %% [markdown]
# ## Verdict

# %%
print(centre, pairs, split, sep="\n\n")

# %%
tree = real.spanning_tree()
middle.reveal(min(nl.centres(tree)), ", ".join(f"{name} {edges}" for name, edges in tree.degree))

# %%
living, branch = set(known[0]), set(hierarchy.branches[0])
astray = min(len(living ^ branch), len(living ^ (set(test.classes) - branch)))
answer = kingdoms.choices[0 if astray == 0 else 1 if astray <= 2 else 2] if split.outcome != "not testable" else None
kingdoms.reveal(answer, " | ".join(", ".join(branch) for branch in hierarchy.branches))

# %%
nl.stored_verdicts(lesson.notebook)

# %% [markdown]
# ## Recap
# - Algorithm 1 always draws a tree. Resampling says which of its branches are more than luck.
# - "The centre" is a count of edges: ask how many more it has than the next, and whether one more category moves it.
# - Planted truth shows what the picture cannot: whether the grouping is that of the data or of the classifier.
