# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
#   lesson:
#     title: Start here
#     paper: The paper at a glance, Fig. 1
#     minutes: 15
#     needs: nothing
# ---

# %% [markdown]
# ## The question
# A network says "cat". What in the picture made it say so, and what would make it say "dog"?
#
# This course opens trained networks with the tools of one paper, *What do CNN neurons learn: Visualization
# & Clustering* ([arXiv 2010.11725](https://arxiv.org/abs/2010.11725)). Each notebook takes one of its
# sections, lets you play with the idea, repeats the experiment, and says whether the paper's claim holds.
#
# **You will be able to** run a notebook of this course, find your way in the paper's first figure, and call
# any unit of a network by its address.

# %% [markdown]
# The line above says where you are: versions, device, budget and study. The **budget** is how much a
# notebook may compute; the **study** is a data set with the networks trained on it. On CIFAR-10 our pair of
# classes is cat and dog, as in the paper. On another study, read its first class wherever the text says
# cat, and its second wherever it says dog.

# %%
study = lesson.study
lens = study.lens("near_pair")
lens

# %% [markdown]
# A `Lens` holds a trained network without touching it. The arrow shows the way of an image: through the
# stages, each a block of convolutions, to one score per class. These are some of the images it sorts.

# %%
images = study.images("near_pair", "test")
nl.figures.contact_sheet(images, seed=lesson.seed)

# %% [markdown]
# ## Predict
# Soon we change pictures of cats, a little at a time, so that the network's score for "dog" rises. Before you
# see it: say what you expect. Your answer is kept and shown again at the end.

# %%
steps = lesson.pick(fast=20, cpu=100, gpu=100)
guess = nw.Prediction(
    "00-change",
    f"After {steps} small steps, how far has a pixel moved, on average? (From black to white is 100%.)",
    ["less than 1%", "1 to 5%", "5 to 20%", "more than 20%"],
)
guess

# %% [markdown]
# ## See: the paper in one figure
# We climb the dog score from a few cats that the network takes for cats. The gradient tells for every pixel
# whether brighter or darker makes the score larger; each step moves all pixels a little that way. The network's
# weights never change.

# %%
cat, dog = lens.classes
cats = images.only(cat).sample(lesson.pick(fast=10, cpu=32, gpu=64), seed=lesson.seed)
cats = cats[lens.logits(cats.rgb()).argmax(1).cpu() == 0]
fooled = nl.fool(lens, cats.rgb(), dog, learning_rate=1e-3, steps=steps)
fooled

# %%
row = (fooled.after - fooled.before).argmax(keepdim=True)
nl.figures.overview(lens, fooled.start[row], fooled.end[row], f"{cats.source}, lr 1e-3, {fooled.steps} steps")

# %% [markdown]
# **NeuroLens 0-a ↔ paper Fig. 1 (a)–(d).** *(a)* The image as it was. *(b)* The same image after the climb.
# *(c)* Grad-CAM: where the network finds evidence for each class, in both images. *(d)* What one low layer
# makes of (a): every tile is one channel.
#
# *Look for:* how little (b) differs from (a), and how far the evidence in (c) moves all the same.

# %% [markdown]
# The figure goes on. Climb much farther than that, and the picture shows what the network *wants*: a "super-dog".
# Is it the same dog for a network that tells dogs from cats and for one that tells dogs from planes?

# %%
networks = lesson.study_with("near_pair", "far_pair")
near, far = (networks.lens(name) for name in ("near_pair", "far_pair"))
shared = near.classes[1]
others = networks.test.only(near.classes[0], far.classes[0])
begin, _ = nl.starting_points(others, 6, seed=lesson.seed)

# %%
steps = lesson.pick(fast=5, cpu=100, gpu=500)
supers = {one: nl.super_images(one, begin, f'logit:"{shared}"', [0.1], steps=steps) for one in (near, far)}
nl.figures.super_pair(supers, networks.test.source, rate=0)

# %% [markdown]
# **NeuroLens 0-b ↔ paper Fig. 1 (e).** The last start is noise. *Look for:* what one row has and the other has not.
# Notebook 02 measures it.
#
# Part *(f)* asks which neurons made a cat a cat. A hundred cats are merged pair by pair, the closest first. At each
# merge one neuron holds the two together more than any other: the **critical filter**. What comes out is a tree.

# %%
members = images.only(cat).sample(100, seed=lesson.seed)
tree = nl.grow_category_tree(lens, members, cat)
path = tree.path(fooled.start[row][0], lens)
nl.figures.tree_figure(tree, members, tree.shape.pruned(branches=6), path)

# %% [markdown]
# **NeuroLens 0-c ↔ paper Fig. 1 (f).** In red: the way that image (a) takes from the root to the cat most like it.
# A dashed line passes nodes that are not drawn. Below, for the first critical filters on that way, drawn or not, the
# cats that they answer to most.

# %%
nl.figures.path_filters(tree, members, path)

# %% [markdown]
# *Look for:* something that all pictures of a row share. Do you find a word for it? Notebook 09 asks whether these
# filters decide anything.

# %% [markdown]
# ## Every unit has an address
# The paper asks about units of all sizes: a class score, a layer, a channel, one neuron. Here each has an
# address, and the same text works in Python, in the widgets and on the command line. The stages and their
# shapes, as (channels, height, width):

# %%
{stage: lens.layers[stage] for stage in lens.stages}

# %% [markdown]
# | address | is | value |
# |---|---|---|
# | `layer4` | a layer | mean of all its numbers |
# | `layer4.C5` | channel 5 of it | mean over the channel's positions |
# | `layer4.C5N10` | neuron 10 of the channel | one number; positions count row by row |
# | `logit:dog` | a class | the score before the softmax |
# | `softmax:dog` | a class | its probability |
#
# To see that an address means what it says, we look up by hand the neuron that answers
# most to the first picture.

# %%
last = lens.stages[-1]
features = lens.outputs(cats.rgb([0]), [last])[last]
channel, place = divmod(int(features[0].argmax()), features[0, 0].numel())
row, column = divmod(place, features.shape[-1])
neuron = lens[f"{last}.C{channel}N{place}"]
neuron, neuron.score({last: features}, lens.classes).item(), features[0, channel, row, column].item()

# %% [markdown]
# Addresses add up. The next one asks for much dog and little cat at once, as a single thing to climb.

# %%
lens[f'logit:"{dog}"'] - 0.5 * lens[f'logit:"{cat}"']

# %% [markdown]
# And an address that does not exist is answered with those that do:

# %%
try:
    lens["layer9.C5"]
except ValueError as error:
    print(error)

# %% [markdown]
# ## Play
# In the studio you do the climb yourself. Choose a picture, press **Run**, and watch the prediction. Three
# things to try:
#
# 1. Keep the learning rate low and find a picture that resists.
# 2. While it runs, drag the learning rate up: the next step already uses it. When do *you* see a change?
# 3. Type `layer1.C5` as the objective. Which pattern grows when nobody asks for a class?

# %% tags=["play"]
studio = nw.AscentStudio(lens, cats, notice=study.notice)
studio

# %% [markdown]
# ## Exercises
# Replace the dots, then run the check below. It says what it tried and what came out; nothing breaks, and what you
# solve is kept beside the notebook.

# %% [markdown]
# ### 1 · An address
# Which address has the neuron in row 2 and column 3 (both counted from 0) of channel 7 of the last stage?
#
# <details><summary>Hint</summary>The shapes above give the stage's name and its width. Positions count row by row,
# from N0.</details>

# %% tags=["exercise"]
address = ...  # a text, such as "layer1.C5N10"

# %% tags=["solution"]
last = lens.stages[-1]
address = f"{last}.C7N{2 * lens.layers[last][2] + 3}"

# %% tags=["check"]
nl.course.check("00-address", address, lens)

# %% [markdown]
# ### 2 · A sum
# Write the address that grows with the second class's logit and falls twice as fast with the first one's.
#
# <details><summary>Hint</summary>Classes have names, <code>lens.classes</code>. A weight stands before its
# unit.</details>

# %% tags=["exercise"]
wish = ...  # a text, such as "logit:cat + 3*logit:dog"

# %% tags=["solution"]
first, second = lens.classes
wish = f'logit:"{second}" - 2*logit:"{first}"'

# %% tags=["check"]
nl.course.check("00-sum", wish, lens)

# %% [markdown]
# ### 3 · How sure?
# How sure is the network that the first of all `images` shows the first class? A number between 0 and 1.
#
# <details><summary>Hint</summary><code>lens.probabilities</code> takes a batch, and <code>images.rgb([0])</code> is
# one of a single picture.</details>

# %% tags=["exercise"]
sure = ...

# %% tags=["solution"]
sure = lens.probabilities(images.rgb([0]))[0, 0].item()

# %% tags=["check"]
nl.course.check("00-sure", sure, lens, images)

# %% [markdown]
# ## Measure and verdict
# Each notebook ends with rows of a ledger. A row holds the paper's claim and number, the **rule** by which
# we judge, written before the run, then our number with its interval, and one of four verdicts:
# *reproduced*, *partly*, *not reproduced*, *not testable*. An honest "not reproduced" is a result. This row
# is still open; the next notebook fills it.

# %%
nl.claims.CLAIMS["acc-cat-dog"]

# %% [markdown]
# And here is your prediction, beside the mean change of all pixels in all the images above.

# %%
moved = (fooled.end - fooled.start).abs().mean().item()
answer = guess.choices[sum(moved >= edge for edge in (0.01, 0.05, 0.2))]
guess.reveal(answer, f"{moved:.2%}; {int(fooled.flipped.sum())} of {len(fooled)} images flipped")

# %% [markdown]
# ## Recap
# - Climbing a class score on the *pixels* shows what the network would like to see more of.
# - `layer4.C5N10` is one neuron, `logit:dog` a class score, and sums of addresses are addresses.
# - A claim is judged by a rule that was written before the number was seen, or says when it was changed.
