# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
#   lesson:
#     title: Fooling by pixels
#     paper: Paper §2.1, Fig. 2
#     minutes: 40
#     needs: "00"
# ---

# %% [markdown]
# ## The question
# Can a change that nobody sees turn a cat into a dog? And why do some cats resist?
#
# **You will be able to** write one step of gradient ascent on pixels, read Grad-CAM and the difference map,
# and test what is said about images that are easy to fool.
#
# **The paper's claim**: after 100 small steps "some of the cat images are misclassified as dog, with a high
# convincing possibility", and "images with a messy and complex background are more vulnerable".

# %% [markdown]
# ## The network
# A ResNet-18 that knows two classes and nothing else. The paper's network gets 92.7% of its validation
# images right. Before we try to fool ours, we ask how good it is. First the rule, then the number.

# %%
study = lesson.study
lens = study.lens("near_pair")
cat, dog = lens.classes
nl.claims.CLAIMS["acc-cat-dog"]

# %%
test = study.images("near_pair", "test")
seen = test.sample(lesson.pick(fast=100, cpu=len(test), gpu=len(test)), seed=lesson.seed)
accuracy = nl.claims.acc_cat_dog(lens, seen)
accuracy

# %% [markdown]
# ## Predict
# We shall climb the dog score from many cats, as the paper does: 100 steps, each moving a pixel by the learning
# rate, 0.0001, times its gradient. The pixels run from 0 to 1. Two guesses before you look:

# %%
steps = 100
how_many = nw.Prediction(
    "01-how-many",
    f"Of 100 cats that the network takes for cats, how many does it take for dogs after {steps} steps?",
    ["fewer than 5", "5 to 24", "25 to 49", "50 or more"],
)
how_many

# %%
which = nw.Prediction(
    "01-which",
    "Which cats are fooled more easily?",
    ["those before a plain background", "those before a messy one", "it does not matter"],
)
which

# %% [markdown]
# ## See: one step by hand
# Equation (1) of the paper looks for the image $x$ with the largest score $\Phi(x)$. With the weights
# fixed, the gradient belongs to the pixels. One step of ascent adds a little of it:
#
# $$x \leftarrow x + \eta \, \nabla_x \Phi(x)$$

# %%
cats = test.only(cat)
start = cats.rgb([0]).requires_grad_()
score = lens.outputs(start, ["output"])["output"][0, 1]
score.backward()
by_hand = (start + 1e-4 * start.grad).detach().clamp(0, 1)

# %% [markdown]
# `Ascent` does the same, step after step, and keeps the pixels between 0 and 1. After one step the two
# agree to rounding:

# %%
ascent = nl.Ascent(lens, f'logit:"{dog}"', cats.rgb([0]), learning_rate=1e-4, steps=1).run()
(ascent.images.cpu() - by_hand).abs().max().item()

# %% [markdown]
# ## See: many steps on many cats
# Now the paper's experiment. Images that the network took for dogs from the start cannot be fooled, so they
# do not count.

# %%
cats = cats.sample(min(lesson.pick(fast=24, cpu=640, gpu=5000), len(cats)), seed=lesson.seed)
few = cats[: lesson.pick(fast=12, cpu=64, gpu=500)]
fooled = nl.fool(lens, few.rgb(), dog, learning_rate=1e-4, steps=steps)
fooled

# %% [markdown]
# Below are the two cats whose dog probability rose most and the two that are hardest to move; what "hard" means
# is measured further down.

# %%
tried = (~fooled.was_target).nonzero()[:, 0]
gain, hard = (fooled.after - fooled.before)[tried], fooled.robustness[tried]
rows = [*tried[gain.topk(2).indices].tolist(), *tried[hard.topk(2).indices].tolist()]
nl.figures.fooling_rows(lens, fooled, rows, cats.source)

# %% [markdown]
# **NeuroLens 1-a ↔ paper Fig. 2.** Columns: the image, the image after the climb, Grad-CAM for what the
# network says before and after, and the difference $\sqrt{\sum_c (x_f - x_s)^2}$. Upper two rows: fooled
# most. Lower two: robust. *Same:* the objective, the learning rate, the number of steps. *Different:* our
# images, and our network's training.
#
# *Look for:* the first two columns, which look alike. The difference maps share one scale, given beside
# them; on the scale of the images they would be black.

# %% [markdown]
# ## Play
# Fool one yourself, and watch both kinds of evidence while it happens. Three things to try:
#
# 1. Run with the learning rate at 0.0001 on several cats. Which of them flip?
# 2. Take one that resists and raise the learning rate while it runs. Does it flip before you see a change?
# 3. Let the difference map grow. Do you recognise the cat in it, or is it noise?

# %% tags=["play"]
studio = nw.AscentStudio(lens, few[tried], learning_rate=1e-4, notice=study.notice)
studio

# %% [markdown]
# ## Exercises
# Replace the dots, then run the check below. It says what it tried and what came out; nothing breaks, and what you
# solve is kept beside the notebook.

# %% [markdown]
# ### 1 · One step
# Write the step of Eq. (1) as a function of the pixels, their gradient and the learning rate. Pixels stay in [0, 1].
#
# <details><summary>Hint</summary>It stands above, by hand: <code>start + 1e-4 * start.grad</code>, and
# <code>clamp</code>.</details>


# %% tags=["exercise"]
def step(x, gradient, rate):
    return ...


# %% tags=["solution"]
def step(x, gradient, rate):
    return (x + rate * gradient).clamp(0, 1)


# %% tags=["check"]
nl.course.check("01-step", step)

# %% [markdown]
# ### 2 · What ten steps do
# From the picture `begin`, climb the second class's logit for ten steps at a learning rate of 0.001. By how much does
# that logit rise? The climb is made; the rise is yours.
#
# <details><summary>Hint</summary><code>lens.logits(begin)</code> has a row for each picture and a column for each
# class.</details>

# %% tags=["exercise"]
begin = cats.rgb([0])
end = nl.Ascent(lens, f'logit:"{dog}"', begin, 1e-3, steps=10).run().images.cpu()
rise = ...

# %% tags=["solution"]
begin = cats.rgb([0])
end = nl.Ascent(lens, f'logit:"{dog}"', begin, 1e-3, steps=10).run().images.cpu()
rise = (lens.logits(end) - lens.logits(begin))[0, 1].item()

# %% tags=["check"]
nl.course.check("01-rise", rise, lens, begin, end)

# %% [markdown]
# ### 3 · Robust or not
# Further down, the **robustness** of an image is $R = \eta\,T / \lVert x_T - x_0 \rVert_2$: how far it must be moved
# for each unit of score. 50 steps at a learning rate of 0.001 moved an image by 0.8. What is its $R$?
#
# <details><summary>Hint</summary>$\eta$ is the learning rate, $T$ the number of steps.</details>

# %% tags=["exercise"]
robustness = ...

# %% tags=["solution"]
robustness = 0.001 * 50 / 0.8

# %% tags=["check"]
nl.course.check("01-robustness", robustness)

# %% [markdown]
# ## Measure: subtle and effective?
# The claim has two halves: the images look the same, and some of them flip while others resist. The rule
# first, as it stood before this run:

# %%
nl.claims.CLAIMS["fool-subtle"]

# %%
subtle = nl.claims.fool_subtle(lens, fooled)
subtle

# %% [markdown]
# ## Measure: is a messy background easier to fool?
# The paper judges by eye, on four images. We need numbers for both sides. **Background complexity** is the
# mean edge strength near the border, where the cat is not. **Robustness** is the distance an image must be
# moved to raise the dog score by one:
#
# $$R = \frac{\eta\,T}{\lVert x_T - x_0 \rVert_2}$$

# %% [markdown]
# Why is this a distance per unit of score? With a gradient of length $g$, the climb covers $D = \eta T g$ and gains
# $\eta T g^2$: that is $1/g$ per unit, and $1/g = \eta T / D$. On a straight climb it depends neither on the
# learning rate $\eta$ nor on the number of steps $T$. So we may take fewer, longer steps and ask many more cats. Do
# both climbs rank the same cats alike?

# %%
wide = nl.fool(lens, cats.rgb(), dog, learning_rate=1e-3, steps=steps // 10)
print(nl.statistics.rank_correlation(fooled.robustness, wide.robustness[: len(few)]))

# %% [markdown]
# Near 1 means that they do. If the claim holds, the cloud below falls to the right. The rule first:

# %%
nl.claims.CLAIMS["fool-messy"]

# %%
nl.figures.messiness(lens, wide, cats.source)

# %%
messy = nl.claims.fool_messy(lens, wide)
messy

# %% [markdown]
# ## Measure: noise or a sketch?
# "The difference image of vulnerable images seems to be randomly sampled, while that of robust images tends
# to reflect the rough sketch of a cat." A sketch follows edges. So we correlate, pixel by pixel, each
# difference map with the edges of its image, less its correlation with the edges of *another* image (photographs
# have much in common), and compare the most robust quarter with the least robust.

# %%
nl.claims.CLAIMS["fool-sketch"]

# %%
sketch = nl.claims.fool_sketch(lens, wide)
sketch

# %% [markdown]
# ## Verdict
# All rows of this notebook in short, and your own predictions beside them. A number from one network and
# one draw of images is not the last word: the interval says how far the draw alone can move it.

# %%
print(accuracy, subtle, messy, sketch, sep="\n\n")

# %%
flips = subtle.measured["share that flips"]
how_many.reveal(how_many.choices[sum(flips.value >= edge for edge in (0.05, 0.25, 0.5))], str(flips))

# %%
correlation, chance = messy.measured.values()
answer = {1: which.choices[1], -1: which.choices[0], 0: which.choices[2]}.get(chance.side(0.5, alike=0.1))
which.reveal(answer, f"chance that a fooled image has the messier background: {chance}")

# %%
nl.stored_verdicts(lesson.notebook)

# %% [markdown]
# ## Recap
# - The gradient on the pixels is all it takes: a change of less than one grey level turns some answers and not others.
# - How far an image must be moved per unit of score belongs to image and network; we call it robustness.
# - What looks true on four images becomes a claim only with a measure, a rule and an interval.
