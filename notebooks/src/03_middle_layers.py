# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
#   lesson:
#     title: Middle layers
#     paper: Paper §2.3, Fig. 4, 5
#     minutes: 45
#     needs: "02"
# ---

# %% [markdown]
# ## The question
# A class's score is the network's last word. What do the hundreds of filters before it look for, and how does that
# change from the first layer to the last?
#
# **You will be able to** find a unit's favourite pictures among thousands, read its histogram, and measure whether it
# minds colour, shape or frequency.
#
# **The paper's claim**: "the high convolutional layers mainly focus on high-level semantics like objects, parts, while
# the low convolutional layers mainly focus on the low-level features like textures, colors".

# %% [markdown]
# ## One pass over all pictures
# For every unit we want the pictures that it answers to most, and the distribution of its answers. One forward pass
# over the data finds both, for all units at once and in little memory.

# %%
study = lesson.study_with("all")
lens, images = study.lens("all"), study.images("all", "test")
scan = nl.open_scan(study, "all")
scan

# %% [markdown]
# And what each unit would like to see best of all: the **atlas** holds an optimum for every channel, climbed from the
# same grey noise.

# %%
units = lesson.pick(
    fast=[f"{layer}.C{i}" for layer in lens.stages for i in range(4)],
    cpu=None,
    gpu=None,
)
atlas = nl.open_atlas(study, "all", **({} if units is None else {"units": units, "steps": 3}))
nl.figures.atlas_rows(lens, atlas, columns=4 if units else 16)

# %% [markdown]
# **NeuroLens 3-a ↔ paper Fig. 4.** Optima of the first channels of every stage, from the image upwards. *Same:*
# activation maximization in a network of ten classes. *Different:* our training, and Adam instead of SGD.
#
# *Look for:* how coarse the pattern is in each row, and how regular. Where do you see the first curve? The first eye?

# %% [markdown]
# ## Predict

# %%
entropy = nw.Prediction(
    "03-entropy",
    "Of a channel of the last stage, how many classes are among its nine favourite pictures, typically?",
    ["one or two", "three to five", "six or more"],
)
entropy

# %%
bell = nw.Prediction(
    "03-bell",
    "A channel's values over thousands of pictures: whose histogram is like a bell?",
    ["the first stage's", "the last stage's", "both", "neither"],
)
bell

# %% [markdown]
# ## See: a unit's whole card
# The top pictures, the optimum, and the histogram. The red line is the score of the optimum.

# %%
low, high = lens.stages[1], lens.stages[-1]
nl.figures.unit_cards(lens, images, scan, atlas, [f"{low}.C1", f"{low}.C3", f"{high}.C0", f"{high}.C3"])

# %% [markdown]
# **NeuroLens 3-b ↔ paper Fig. 5.** Upper rows: channels of a low layer. Lower rows: of the highest. *Same:* natural
# optima beside generated ones, and the histogram. *Different:* the paper chose its units; these are simply early
# ones in the list.
#
# *Look for:* how far to the right of everything real the red line stands. The optimum is no typical picture.

# %% [markdown]
# ## Play
# Every unit of every layer, with its pictures, optimum, histogram and classes. Three things to try:
#
# 1. Sort the last layer by class preference. Is there a unit for every class?
# 2. Find a unit that you would call a *part* (a head, a wheel), and label it.
# 3. Go down from a channel to one of its neurons. Does it look for the same thing?

# %%
picker = nw.FilterPicker(lens, images, scan, atlas, notice=study.notice)
picker

# %% [markdown]
# ## Exercises
# Replace the dots, then run the check below. It says what it tried and what came out; nothing breaks, and what you
# solve is kept beside the notebook.

# %% [markdown]
# ### 1 · A favourite
# Which class do most of the nine top pictures of channel 0 of the last stage show? `places` says where they stand in
# `images`.
#
# <details><summary>Hint</summary><code>images.labels[places]</code> has their classes' numbers,
# <code>images.classes</code> the names; <code>.mode()</code> finds the most frequent.</details>

# %% tags=["exercise"]
places = scan.units[lens.stages[-1]].top.images[:, 0]
favourite = ...  # a name

# %% tags=["solution"]
places = scan.units[lens.stages[-1]].top.images[:, 0]
favourite = images.classes[images.labels[places].mode().values]

# %% tags=["check"]
nl.course.check("03-majority", favourite, scan, images, lens)

# %% [markdown]
# ### 2 · Class entropy
# Further down we count classes among the top pictures by their **entropy** in bits, $-\sum_k p_k \log_2 p_k$: 0 where
# all are of one class, 1 for two alike. Write it for a list of names.
#
# <details><summary>Hint</summary><code>labels.count(name) / len(labels)</code> is the share of a name,
# <code>{*labels}</code> are the different names; <code>math.log2</code> is in Python's own
# <code>math</code>.</details>


# %% tags=["exercise"]
def class_entropy(labels):
    return ...


# %% tags=["solution"]
def class_entropy(labels):
    import math

    shares = [labels.count(name) / len(labels) for name in {*labels}]
    return -sum(share * math.log2(share) for share in shares)


# %% tags=["check"]
nl.course.check("03-entropy", class_entropy)

# %% [markdown]
# ### 3 · Skewness
# The mean of $(x - \bar x)^3$, divided by $\sigma^3$, with $\sigma^2$ the mean of $(x - \bar x)^2$. Write it for a
# tensor.
#
# <details><summary>Hint</summary><code>x - x.mean()</code>, its powers, and their means.</details>


# %% tags=["exercise"]
def skewness(x):
    return ...


# %% tags=["solution"]
def skewness(x):
    d = x - x.mean()
    return (d**3).mean() / (d**2).mean() ** 1.5


# %% tags=["check"]
nl.course.check("03-skewness", skewness)

# %% [markdown]
# ## Measure: what do units mind?
# Labels by eye are one thing. For numbers we take something away from the pictures and see whether a unit minds: the
# **colour** (grey pictures), the **shape** (patches in another order). We show gratings of growing **frequency** and
# note which one each unit likes best. And we count the **classes** among its top pictures. The rule first:

# %%
nl.claims.CLAIMS["semantics-depth"]

# %%
few = images.sample(lesson.pick(fast=20, cpu=250, gpu=1000), seed=lesson.seed)
semantics = nl.claims.semantics_depth(lens, images, scan, few)
semantics

# %% [markdown]
# First and last stage are two points. The way between them:

# %%
colour, shape = (nl.sensitivity(lens, few.rgb(), change) for change in (nl.greyscale, nl.shuffled))
entropies = {name: nl.top_class_entropy(scan, images.labels, name) for name in lens.stages}
frequency = nl.preferred_frequency(lens)
measures = {"class entropy (bits)": entropies, "minds colour": colour, "minds shape": shape}
nl.figures.by_depth(lens, {**measures, "frequency (cycles)": frequency}, images.source)

# %% [markdown]
# ## Measure: bells and tails
# The second claim is about histograms: bell-shaped below, "only a small number of dataset images can highly activate"
# above. **Skewness** and **excess kurtosis** are 0 for a bell; **sparseness** is near 1 for a unit that is silent but
# for a few pictures. The rule first:

# %%
nl.claims.CLAIMS["histogram-depth"]

# %%
histograms = nl.claims.histogram_depth(lens, scan)
histograms

# %%
moments = {layer: scan.units[layer].moments for layer in lens.stages}
shapes = {
    "skewness": {layer: m.skewness for layer, m in moments.items()},
    "excess kurtosis": {layer: m.kurtosis for layer, m in moments.items()},
    "sparseness": {layer: m.sparseness for layer, m in moments.items()},
}
nl.figures.by_depth(lens, shapes, f"{len(scan)} images of {images.source}")

# %% [markdown]
# A doubt that the paper does not raise: its low units are channels, means over a thousand positions, and means of
# many things are bell-shaped whatever the things are. Its high units are single neurons. Compare like with like: the
# rule above takes channels on both sides, and the neurons' numbers stand below it.

# %% [markdown]
# ## Verdict

# %%
print(semantics, histograms, sep="\n\n")

# %%
middle = entropies[high].median().item()
answer = entropy.choices[0 if middle <= 1 else 1 if middle <= 2.33 else 2]
entropy.reveal(answer, f"median class entropy of {high}: {middle:.2f} bits (1 bit: two classes alike)")

# %%
found = {layer: (moments[layer].skewness, moments[layer].kurtosis) for layer in (lens.stages[0], high)}
typical = {layer: [values.nanmedian().item() for values in pair] for layer, pair in found.items()}
bells = tuple(abs(skewness) <= 0.5 and abs(kurtosis) <= 1 for skewness, kurtosis in typical.values())
answer = bell.choices[[(True, False), (False, True), (True, True), (False, False)].index(bells)]
bell.reveal(answer, "; ".join(f"{layer}: skewness {s:.2f}, kurtosis {k:.2f}" for layer, (s, k) in typical.items()))

# %%
nl.stored_verdicts(lesson.notebook)

# %% [markdown]
# ## Recap
# - A unit is known by what it likes, what it ignores and how often it speaks; a single picture shows none of these.
# - The generated optimum scores far beyond anything real: it exaggerates.
# - Compare like with like: a mean over many positions is bell-shaped for reasons of its own.
