# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
#   lesson:
#     title: Super images
#     paper: Paper §2.3, Fig. 6
#     minutes: 30
#     needs: "03"
# ---

# %% [markdown]
# ## The question
# A super image has a score that no photograph reaches. Does it hold what a network has to know about its class?
#
# **You will be able to** make super images of all classes at once, train a network on a handful of pictures, and
# tell a high score from information.
#
# **The paper's claim**: training on "a small number of super images" instead of the data does not work: "the
# information entropy is increased out of thin air thus it's impossible".

# %% [markdown]
# ## Predict
# A **super image** is noise that climbed the score of its class. A small network is trained from scratch on $k$
# super images of each class, another on $k$ photographs of each. Both are tested on photographs.

# %%
better = nw.Prediction(
    "04-better",
    "With as many pictures of each class, which training teaches more?",
    ["super images", "photographs", "both alike"],
)
better

# %%
tuning = nw.Prediction(
    "04-tuning",
    "And if a trained network's highest stage is tuned on the super images alone, its accuracy …",
    ["rises", "stays within one percent", "falls"],
)
tuning

# %% [markdown]
# ## See: one super image for each class
# Every picture starts as noise of its own, and climbs the score of its own class. All climb in one batch.

# %%
study = lesson.study_with("all")
lens = study.lens("all")
each = lesson.pick(fast=1, cpu=3, gpu=5)
steps = lesson.pick(fast=5, cpu=100, gpu=1000)
supers = nl.claims.super_set(lens, study.train, each, steps=steps, learning_rate=1.0, seed=lesson.seed)
nl.figures.super_rows(supers)

# %% [markdown]
# **NeuroLens 4-a ↔ paper Fig. 6.** A column for each class, from different noise in each row. *Same:* the score
# before the softmax is climbed, in a network of ten classes. *Different:* our training, and the paper does not say
# how many steps it took.
#
# *Look for:* what comes back in all rows of a column. That is what the network knows; the rest is the noise's.

# %% [markdown]
# ## Are they better than photographs?
# By the network's own measure, and by far:

# %%
tests = study.test.sample(lesson.pick(fast=500, cpu=len(study.test), gpu=len(study.test)), seed=lesson.seed)
real = lens.logits(tests.rgb()).max(1).values
fake = lens.logits(supers.rgb()).max(1).values
print(f"largest logit: test images up to {real.max():.1f}, super images {fake.min():.1f} to {fake.max():.1f}")

# %% [markdown]
# ## Play
# Climb a class yourself, from noise, and watch the probabilities of the others.

# %% tags=["play"]
studio = nw.AscentStudio(lens, study.test, learning_rate=1.0, notice=study.notice)
studio.start_index = -1
studio

# %% [markdown]
# ## Exercises
# Replace the dots, then run the check below. It says what it tried and what came out; nothing breaks, and what you
# solve is kept beside the notebook.

# %% [markdown]
# ### 1 · How much is in it?
# How many numbers make up three super images of each class?
#
# <details><summary>Hint</summary>A picture has <code>lens.size</code> pixels of three colours.</details>

# %% tags=["exercise"]
numbers = ...

# %% tags=["solution"]
numbers = 3 * len(lens.classes) * 3 * lens.size[0] * lens.size[1]

# %% tags=["check"]
nl.course.check("04-numbers", numbers, lens)

# %% [markdown]
# ### 2 · Their own scores
# What is, on average, the logit that the super images have for their own class?
#
# <details><summary>Hint</summary><code>supers.labels</code> has a class for each; <code>lens.logits(…)[range(n),
# labels]</code> picks one number in each row.</details>

# %% tags=["exercise"]
own = ...

# %% tags=["solution"]
own = lens.logits(supers.rgb())[range(len(supers)), supers.labels].mean()

# %% tags=["check"]
nl.course.check("04-own", own, lens, supers)

# %% [markdown]
# ### 3 · Beyond chance
# Among ten classes a network that learned from photographs is right in 46% of the cases, one that learned from super
# images in 22%. Which share of what photographs teach *beyond chance* do super images teach?
#
# <details><summary>Hint</summary>Who has learned nothing is right in a tenth of the cases.</details>

# %% tags=["exercise"]
beyond = ...

# %% tags=["solution"]
beyond = (0.22 - 0.1) / (0.46 - 0.1)

# %% tags=["check"]
nl.course.check("04-beyond", beyond)

# %% [markdown]
# ## Measure: learn from super images
# The rule first. Then for each $k$ and each seed two small networks: one sees $k$ super images of each class, the
# other $k$ photographs, for the same number of steps.

# %%
nl.claims.CLAIMS["super-train"]

# %%
found = nl.claims.super_training(
    lens,
    study.train,
    study.test.sample(lesson.pick(fast=200, cpu=1000, gpu=10000), seed=lesson.seed),
    lesson.pick(fast=(1, 3), cpu=(1, 3, 10, 30), gpu=(1, 3, 10, 30, 100)),
    seeds=lesson.pick(fast=2, cpu=3, gpu=5),
    width=lesson.pick(fast=4, cpu=16, gpu=32),
    updates=lesson.pick(fast=10, cpu=100, gpu=1000),
    steps=lesson.pick(fast=3, cpu=30, gpu=200),
)

# %%
nl.figures.learning_curves(found)

# %% [markdown]
# **NeuroLens 4-b** (the paper gives no numbers). The band spans the seeds. Both curves rest on the same number of
# pictures and of training steps; only what the pictures show differs.

# %% [markdown]
# ## Measure: tune the highest stage only
# The paper names a way out: "fine-tune just the high convolutional layers in a pre-trained network". The super
# images come from that very network, so they can hardly tell it anything new; do they at least do no harm?

# %%
before = found.tuned["before"][0]
print(f"accuracy before: {before:.1%}")
for kind in ("super", "real"):
    after = nl.statistics.over_seeds(found.tuned[kind])
    print(f"after tuning on {kind} images: {after.value:.1%} [{after.low:.1%}, {after.high:.1%}], n = {after.n} seeds")

# %% [markdown]
# ## Verdict

# %%
verdict = found.verdict()
verdict

# %%
gap = verdict.measured["accuracy with most super images minus that with as many real ones"]
taught = max(found.accuracies["real"][found.counts[-1]]) > found.chance + 0.02  # else there is nothing to compare
answer = dict(zip((1, -1, 0), better.choices, strict=True)).get(gap.side(0, alike=0.02)) if taught else None
better.reveal(answer, f"super minus real, {found.counts[-1]} of each class: {gap}")

# %%
change = sum(found.tuned["super"]) / len(found.tuned["super"]) - before
answer = tuning.choices[0 if change > 0.01 else 2 if change < -0.01 else 1]
tuning.reveal(answer, f"change of accuracy: {change:+.1%}")

# %%
nl.stored_verdicts(lesson.notebook)

# %% [markdown]
# ## Recap
# - A super image answers "what raises this score?", and not "what do dogs look like?".
# - What tells the classes apart for one network need not do so for another that starts from nothing.
# - Whether something holds information is found out by learning from it.
