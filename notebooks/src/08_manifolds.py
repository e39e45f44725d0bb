# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
#   lesson:
#     title: Manifolds
#     paper: Paper §3.1, Fig. 9
#     minutes: 40
#     needs: "07"
# ---

# %% [markdown]
# ## The question
# To a computer an image is a point: 3,072 numbers. Do the points of one category lie together from the start, or does
# the network bring them together? And is what a map in two dimensions shows really there?
#
# **You will be able to** read a map of points with care, put a number on "these classes are separate", and tell what
# is in the data from what the map's maker added.
#
# **The paper's claim**: in a 3-D UMAP the raw images of all classes overlap; the network's features, in only 2-D, fall
# into clear groups.

# %% [markdown]
# ## Two spaces
# A raw image is its RGB values; a feature vector is all that the last stage puts out for it, every channel at every
# position. **UMAP** places points so that neighbours stay neighbours. The first use takes a while: it compiles itself,
# half a minute on a fresh machine.

# %%
study = lesson.study_with("all")
lens = study.lens("all")
few, most = min(2000, len(study.test)), min(10_000, len(study.test))
test = study.test.sample(lesson.pick(fast=200, cpu=most, gpu=most), seed=lesson.seed)
test

# %% [markdown]
# ## Predict

# %%
neighbours = nw.Prediction(
    "08-neighbours",
    "Of an image's ten nearest neighbours among the raw images, is the majority of its own class?",
    ["for fewer than a quarter of the images", "for a quarter to a half", "for more than half"],
)
neighbours

# %%
before = nw.Prediction(
    "08-before",
    "Groups on the features' map: does UMAP make them, or were the classes apart before it?",
    ["UMAP makes them", "they were apart before, and look it more on the map", "the map changes nothing"],
)
before

# %% [markdown]
# ## See: Fig. 9

# %%
raw = nl.embed_pixels(test, seed=lesson.seed)
raw

# %%
features = nl.embed_features(lens, test, seed=lesson.seed)
features

# %%
nl.figures.manifold_map(raw, features)

# %% [markdown]
# **NeuroLens 8-a ↔ paper Fig. 9.** *Same:* UMAP, raw images in 3-D beside the last stage's features in 2-D.
# *Different:* our training; UMAP's default settings, as the paper names none; and the numbers above each map.
#
# *Look for:* how the three views of the left map overlap, and which groups touch in the right one. Do not read
# distances between far groups: UMAP promises nothing about them.

# %%
flat = nl.embed_pixels(test, method="pca", seed=lesson.seed)
plain = nl.embed_features(lens, test, method="pca", seed=lesson.seed)
nl.figures.manifold_map(flat, plain)

# %% [markdown]
# **NeuroLens 8-b** (beyond the paper). The same by PCA, which only turns the space and casts its shadow: it can hide
# what is apart, but cannot part what is together. *Look for:* what of the groups is left.

# %% [markdown]
# ## Play
# Three things to try:
#
# 1. Drag a rectangle over a group and look at its images. Then find a point that lies in another class's group, and
#    see whether you understand why.
# 2. Select a class, switch to the raw images and turn them with the arrow keys. Where is it now?
# 3. Go down the layers. In which do the classes come apart? And what does the near pair's network, which knows two
#    classes, make of the others?

# %%
explorer = nw.ManifoldMap(study, test, seed=lesson.seed)
explorer

# %% [markdown]
# ## Exercises
# Replace the dots, then run the check below. It says what it tried and what came out; nothing breaks, and what you
# solve is kept beside the notebook.

# %% [markdown]
# ### 1 · A feature vector
# How many numbers does a feature vector of the last stage have?
#
# <details><summary>Hint</summary><code>lens.layers[lens.stages[-1]]</code> is (channels, height, width).</details>

# %% tags=["exercise"]
numbers = ...

# %% tags=["solution"]
channels, height, width = lens.layers[lens.stages[-1]]
numbers = channels * height * width

# %% tags=["check"]
nl.course.check("08-numbers", numbers, lens)

# %% [markdown]
# ### 2 · Two points
# How far apart are the first two images of `test` in the space of raw images (RGB in [0, 1])?
#
# <details><summary>Hint</summary><code>test.rgb([0, 1])</code>; a tensor has <code>.norm()</code>.</details>

# %% tags=["exercise"]
apart_by = ...

# %% tags=["solution"]
first, second = test.rgb([0, 1])
apart_by = (first - second).norm()

# %% tags=["check"]
nl.course.check("08-apart", apart_by, test)

# %% [markdown]
# ### 3 · A silhouette
# An image is `own` away from its own class on average, and `other` from the nearest other class. Its silhouette is
# their difference over the larger of the two. Write it.
#
# <details><summary>Hint</summary>1 is far from the others, 0 on the border, below 0 on the wrong side.</details>


# %% tags=["exercise"]
def silhouette(own, other):
    return ...


# %% tags=["solution"]
def silhouette(own, other):
    return (other - own) / max(own, other)


# %% tags=["check"]
nl.course.check("08-silhouette", silhouette)

# %% [markdown]
# ## Measure: the paper's claim
# Three numbers stand in for "separate". **10-NN accuracy**: for how many images most of the ten nearest others are of
# the same class. **Silhouette**: how much nearer the own class is than the next one, 1 far apart, 0 on the border.
# **Trustworthiness**: whether neighbours on the map were neighbours before. The rule first:

# %%
nl.claims.CLAIMS["umap"]

# %%
apart = nl.claims.umap(raw, features)
apart

# %% [markdown]
# ## Measure: the map, or the space?
# The same numbers where the map was made from. What is apart there, no map has made up.

# %%
for one in (raw, flat, features, plain):
    print(f"{one.title}: {one.scored}")

# %% [markdown]
# ## Measure: another seed
# The interval above is over images, of one map. UMAP throws dice, too: how far apart are maps of the same vectors?

# %%
some = test.sample(min(few, len(test)), seed=lesson.seed)
seeds = range(lesson.pick(fast=2, cpu=3, gpu=5))
again = [nl.embed_features(lens, some, seed=seed) for seed in seeds]
print("silhouettes:", ", ".join(f"{one.separation.silhouette.value:.3f}" for one in again))

# %% [markdown]
# ## Measure: layer by layer
# Where does the network bring a class together? No map is involved, but a layer of more than 512 numbers is seen
# through 512 random directions: that costs low layers a few hundredths of accuracy.

# %%
for layer in lens.stages:
    space = nl.embed_features(lens, some, layer, method="pca", seed=lesson.seed).original
    print(f"{layer}: 10-NN accuracy {space.accuracy}, silhouette {space.silhouette}")

# %% [markdown]
# ## Measure: a network that was never told
# The near pair's network learned two classes. If it separates the other eight as well, features serve beyond what they
# were trained for.

# %%
pair = lesson.study_with("near_pair")
shown = pair.test.sample(len(some), seed=lesson.seed)
for name in ("near_pair", "all"):
    if name in pair.cards():
        space = nl.embed_features(pair.lens(name), shown, method="pca", seed=lesson.seed).original
        print(f"{pair.name}/{name}: 10-NN accuracy {space.accuracy}, silhouette {space.silhouette}")

# %% [markdown]
# ## Verdict

# %%
print(apart)

# %%
share = raw.original.accuracy.value
neighbours.reveal(neighbours.choices[0 if share < 0.25 else 1 if share <= 0.5 else 2], f"for {share:.0%} of the images")

# %%
there, here = (space.silhouette.value for space in (features.original, features.separation))
kept = features.original.accuracy.value
answer = before.choices[2 if abs(here - there) < 0.05 else 1 if kept > 0.8 else 0]
before.reveal(answer, f"10-NN accuracy {kept:.0%} before UMAP; silhouette {there:.2f} before, {here:.2f} after")

# %%
nl.stored_verdicts(lesson.notebook)

# %% [markdown]
# ## Recap
# - Raw images of a class are not neighbours; what the last stage makes of them is.
# - A map shows more than was there: compare it with the space it comes from, with PCA, and with another seed.
# - "Separate" by eye is an opinion; accuracy of neighbours, silhouette and trustworthiness are numbers.
