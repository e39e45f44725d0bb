# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
#   lesson:
#     title: Discriminative evidence
#     paper: Paper §2.2, Fig. 3
#     minutes: 35
#     needs: "01"
# ---

# %% [markdown]
# ## The question
# What makes a dog a dog? Does it depend on what it is told apart from?
#
# **You will be able to** make a super image, measure evidence by occlusion, and say how much of an image a
# network's evidence covers.
#
# **The paper's claim**: a network that tells dogs from cats looks at heads, and one that tells dogs from planes
# looks at whole dogs. "A CNN's discriminative evidence is related to the training dataset."

# %% [markdown]
# ## Two networks that share a class
# Both know dogs. One has seen cats besides, the other planes. Architecture and recipe are the same.

# %%
study = lesson.study_with("near_pair", "far_pair")
near, far = study.lens("near_pair"), study.lens("far_pair")
shared = near.classes[1]
print(near, far, sep="\n")

# %% [markdown]
# ## Predict
# We shall ask both networks where, in the same pictures, the evidence for the class lies that they share.

# %%
wider = nw.Prediction(
    "02-wider",
    "Which network's evidence covers more of the picture?",
    ["that of the near pair", "that of the far pair", "both alike"],
)
wider

# %%
convinced = nw.Prediction(
    "02-convinced",
    "A super image climbed on the near pair's network: does the far pair's network take it for that class, too?",
    ["yes, nearly always", "sometimes", "hardly ever"],
)
convinced

# %%
finds = nw.Prediction(
    "02-finds",
    "In rendered pictures whose near pair differs in the head alone, how much of its occlusion map lies on the head?",
    ["more than half", "more than the head's share of the area, but not half", "no more than that share"],
)
finds

# %% [markdown]
# ## See: super images
# In notebook 01 the steps were so small that nobody saw them. Now we raise the learning rate by factors of
# ten and climb on, until the picture shows what the network wants to see.

# %%
name = f'logit:"{shared}"'
others = study.test.only(near.classes[0], far.classes[0])
begin, names = nl.starting_points(others, 4, seed=lesson.seed)
steps = lesson.pick(fast=5, cpu=150, gpu=1000)

# %%
supers = {lens: nl.super_images(lens, begin, name, steps=steps) for lens in (near, far)}
data = f"{study.test.source}, starts drawn with seed {lesson.seed}"
nl.figures.super_grid(near, supers[near], data, names)

# %%
nl.figures.super_grid(far, supers[far], data, names)

# %% [markdown]
# **NeuroLens 2-a, 2-b ↔ paper Fig. 3.** Above: the near pair's network. Below: the far pair's. *Same:* the
# objective, five learning rates, real starts and noise. *Different:* our starts, our training, and in the budget
# `cpu` fewer steps than the paper's 1,000 (the caption has the number).
#
# *Look for:* shapes that come back in every row of one figure and in no row of the other. Heads? Whole bodies?
# Be honest about what you would have seen without being told.

# %% [markdown]
# ## See: does one network believe the other's super images?
# If both looked for the same dog, each would believe the other's picture of it.

# %%
for maker, judge in ((near, far), (far, near)):
    best = supers[maker].end[-2]  # the second largest learning rate
    chances = judge.probabilities(best)[:, judge.classes.index(shared)]
    print(f"{judge.name} on the super images of {maker.name}:", [f"{p:.0%}" for p in chances.tolist()])

# %% [markdown]
# ## Play
# Climb from a picture of your choice, with the learning rate at 1 or more. Three things to try:
#
# 1. Start from noise. At which step do you see the first shape?
# 2. Start from a picture that shows the other class. Does the network keep its body and change its head?
# 3. Replace `near` by `far` in the cell and compare.

# %% tags=["play"]
studio = nw.AscentStudio(near, study.images("near_pair"), name, learning_rate=1.0, notice=study.notice)
studio

# %% [markdown]
# ## Play: judge blind
# Super images of both networks from starts of their own, shuffled. Judge each before you know whose it is; you may
# stop at any time, and go on another day.

# %%
more, _ = nl.starting_points(others, lesson.pick(fast=3, cpu=11, gpu=19), seed=lesson.seed + 1)
climbed = {lens: nl.super_images(lens, more, name, (1.0,), steps).end[0] for lens in (near, far)}
sources = {"the near pair": climbed[near], "the far pair": climbed[far]}
heads = nw.BlindVote(sources, f"What do you see of a {shared}?", ["head", "whole body", "neither"], seed=lesson.seed)
heads

# %% [markdown]
# ## Exercises
# Replace the dots, then run the check below. It says what it tried and what came out; nothing breaks, and what you
# solve is kept beside the notebook.

# %% [markdown]
# ### 1 · The effective area
# Further down we measure evidence by $A = (\sum m)^2 / (P \sum m^2)$, with $P$ the number of places. Write it for a
# map `m` without negative values.
#
# <details><summary>Hint</summary><code>m.numel()</code> is P.</details>


# %% tags=["exercise"]
def area(m):
    return ...


# %% tags=["solution"]
def area(m):
    return m.sum() ** 2 / (m.numel() * m.square().sum())


# %% tags=["check"]
nl.course.check("02-area", area)

# %% [markdown]
# ### 2 · In your head
# Evidence lies evenly on a quarter of the picture, and nowhere else. What is its effective area?
#
# <details><summary>Hint</summary>Take four places of which one has the value 1.</details>

# %% tags=["exercise"]
area_of_a_quarter = ...

# %% tags=["solution"]
area_of_a_quarter = 1 / 4

# %% tags=["check"]
nl.course.check("02-quarter", area_of_a_quarter)

# %% [markdown]
# ### 3 · Occlusion by hand
# Paint rows and columns 8 to 15 of `picture` in the picture's mean colour. How far does the near network's logit of
# the shared class fall?
#
# <details><summary>Hint</summary><code>picture.mean((2, 3), keepdim=True)</code> is the mean colour; paint on a
# <code>clone()</code>.</details>

# %% tags=["exercise"]
picture = study.test.only(shared).rgb([0])
fall = ...

# %% tags=["solution"]
picture = study.test.only(shared).rgb([0])
painted = picture.clone()
painted[:, :, 8:16, 8:16] = picture.mean((2, 3), keepdim=True)
fall = (near.logits(picture) - near.logits(painted))[0, 1].item()

# %% tags=["check"]
nl.course.check("02-cover", fall, near, picture)

# %% [markdown]
# ## Measure: how much of the picture carries the evidence?
# Eyes see heads where they look for heads. So we measure, on real test pictures of the shared class, the
# **effective area** of the evidence map $m$ with $P$ places:
#
# $$A = \frac{(\sum m)^2}{P \sum m^2}$$
#
# It is 1 where the evidence is spread evenly and $1/P$ where it sits at one place. Three maps: Grad-CAM; occlusion
# (how far the score falls when a patch is painted over); and the change that a short climb makes. The rule first:

# %%
nl.claims.CLAIMS["evidence-pair"]

# %%
seen = study.test.only(shared)
seen = seen.sample(lesson.pick(fast=12, cpu=min(500, len(seen)), gpu=len(seen)), seed=lesson.seed)
climbs = lesson.pick(fast=4, cpu=64, gpu=256)
evidence = nl.claims.evidence_pair(near, far, seen, climbs=climbs)
evidence

# %% [markdown]
# ## Measure: and where the truth is known?
# The planted study is rendered from parts, and its near pair differs in the head alone. There the right answer is
# known: a network of the near pair has nothing to go by but heads. Does occlusion find that?

# %%
truth, each = nl.open_study("planted"), lesson.pick(fast=5, cpu=100, gpu=100)
on_parts = {pair: nl.claims.evidence_on_parts(truth, pair, each) for pair in ("near_pair", "far_pair")}
for pair, found in on_parts.items():
    for part, (inside, area) in found.items():
        print(f"{pair}: {inside} of the evidence on the {part}, {area:.3f} of the area")

# %% [markdown]
# ## Verdict

# %%
print(evidence)

# %%
difference = evidence.measured["area of the occlusion map, far pair minus near pair"]
answer = {1: wider.choices[1], -1: wider.choices[0], 0: wider.choices[2]}.get(difference.side(0, alike=0.02))
wider.reveal(answer, f"area of the occlusion map, far minus near: {difference}")

# %%
share = (far.probabilities(supers[near].end[-2])[:, far.classes.index(shared)] > 0.5).double().mean().item()
answer = convinced.choices[0 if share > 0.9 else 1 if share > 0.1 else 2]
convinced.reveal(answer, f"{share:.0%} of {len(begin)} super images")

# %%
nl.stored_verdicts(lesson.notebook)

# %%
(inside, area), (elsewhere, _) = (on_parts[pair]["head"] for pair in ("near_pair", "far_pair"))
sides = inside.side(0.5, alike=0), inside.side(area, alike=0)
answer = {(1, 1): finds.choices[0], (-1, 1): finds.choices[1], (-1, -1): finds.choices[2]}.get(sides)
finds.reveal(answer, f"on the head: {inside}; its area: {area:.3f}; with the far pair's network: {elsewhere}")

# %% [markdown]
# And your own eyes? Once you have judged and revealed, run this again:

# %%
heads.result()

# %% [markdown]
# ## Recap
# - "Evidence for a dog" means evidence against what the network knows besides. Change that, and it changes.
# - A super image shows what would raise the score, not what raised it in a real picture; occlusion asks the latter.
# - Where the truth is planted, a map of evidence can be scored and not only admired.
