# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
#   lesson:
#     title: Your own network
#     paper: All of it, on what is yours
#     minutes: 30
#     needs: "03"
# ---

# %% [markdown]
# ## The question
# So far every network was ours. Does any of this work on yours, with your pictures, at their size?
#
# **You will be able to** open any convolutional classifier, load its weights without running foreign code, look into
# its channels with pictures of your own, and make a study of a folder on which this whole course runs.
#
# **The paper's claim**: none. But it used two networks only, at 32×32 pixels. Methods that stop there would not be
# worth learning.

# %% [markdown]
# ## A network from elsewhere
# Torchvision's ResNet-18 with random weights, so that nothing is downloaded; `weights="DEFAULT"` brings the trained
# one. A network that does not normalise its images itself needs the mean and standard deviation that it was trained
# with.

# %%
import time
import warnings
from pathlib import Path

import torch
import torchvision

torch.manual_seed(lesson.seed)
network = torchvision.models.resnet18(weights=None)
imagenet = {"size": (224, 224), "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
lens = nl.Lens(network, **imagenet, name="resnet18, random weights")
{stage: lens.layers[stage] for stage in lens.stages}

# %% [markdown]
# ## Predict

# %%
opened = nw.Prediction(
    "12-opened",
    "Of six families (ResNet, SqueezeNet, DenseNet, MobileNet, EfficientNet, ConvNeXt), how many open as they are?",
    ["two or three", "four or five", "all six"],
)
opened

# %%
slower = nw.Prediction(
    "12-slower",
    "A climb's step at 224×224: how much longer does it take for a logit than for a channel of the first stage?",
    ["less than twice", "two to ten times", "more than ten times"],
)
slower

# %% [markdown]
# ## See: your own pictures
# A folder with a folder for each class is enough; a fifth of the pictures is kept for testing. Here we write such a
# folder first, from the built-in study. Yours may hold pictures of any size: they are scaled, and the ends of the
# longer side are cut.

# %%
rendered, demo = nl.open_study("planted").test, Path("neurolens_demo")  # put a folder of yours in its place
for i in range(lesson.pick(fast=100, cpu=300, gpu=1000)):
    folder = demo / "pictures" / rendered.classes[rendered.labels[i]]
    folder.mkdir(parents=True, exist_ok=True)
    torchvision.utils.save_image(rendered.rgb([i]), folder / f"{i}.png")

# %%
mine = nl.load_images(demo / "pictures", "train", size=(224, 224), progress=False)
nl.figures.contact_sheet(mine.only(*mine.classes[:4]), seed=lesson.seed)

# %% [markdown]
# **NeuroLens 12-a.** Your pictures as the network sees them.
#
# *Look for:* what the cut took away. A network trained on whole objects may miss it.

# %% [markdown]
# ## See: what do its channels like?
# One pass over the pictures, and a few optima.

# %%
shown = mine.sample(lesson.pick(fast=20, cpu=100, gpu=len(mine)), seed=lesson.seed)
scan = nl.scan(lens, shown, lens.stages, [], batch_size=5, progress=False)
units = [f"{stage}.C{i}" for stage in lens.stages[-4:] for i in range(2)]
atlas = nl.build_atlas(lens, units, steps=lesson.pick(fast=2, cpu=30, gpu=100), progress=False)
nl.figures.unit_cards(lens, shown, scan, atlas, units[::2])

# %% [markdown]
# **NeuroLens 12-b.** As in notebook 03: top pictures, optimum, histogram. *Different:* nobody has trained this network.
#
# *Look for:* top pictures that have something in common all the same. What does that say of top pictures as evidence?

# %% [markdown]
# ## Play
# Three things to try:
#
# 1. Climb a channel of the lowest stage, then one of the highest. Which one costs you patience?
# 2. Put `weights="DEFAULT"` in the cell above, if you are online, and climb `logit:281` (a tabby cat).
# 3. Replace `mine` by a folder of your own.

# %% tags=["play"]
studio = nw.AscentStudio(lens, shown, f"{lens.stages[-4]}.C5", learning_rate=10.0)
studio

# %% [markdown]
# And one picture at a time, with all that is known of it, in a trained network of the course's own. Drop a picture of
# yours; on the command line it is `neurolens probe cat.png --html report.html`.

# %%
study = lesson.study_with("all")
probe = nw.Probe(study)
probe.look(study.test.rgb([0])[0], "a test picture", blocking=True)
probe

# %% [markdown]
# ## Exercises
# Replace the dots, then run the check below. It says what it tried and what came out; nothing breaks, and what you
# solve is kept beside the notebook.

# %% [markdown]
# ### 1 · What the network sees
# A pixel's red value is 0.5. The mean is 0.485, the standard deviation 0.229. Which number does the first convolution
# get?
#
# <details><summary>Hint</summary>As many standard deviations as it is above the mean.</details>

# %% tags=["exercise"]
seen = ...

# %% tags=["solution"]
seen = (0.5 - 0.485) / 0.229

# %% tags=["check"]
nl.course.check("12-normalised", seen)

# %% [markdown]
# ### 2 · Positions
# How many neurons has a channel of the last stage of `lens`?
#
# <details><summary>Hint</summary><code>lens.layers</code> has (channels, height, width).</details>

# %% tags=["exercise"]
neurons = ...

# %% tags=["solution"]
_, height, width = lens.layers[lens.stages[-1]]
neurons = height * width

# %% tags=["check"]
nl.course.check("12-positions", neurons, lens)

# %% [markdown]
# ### 3 · An address in a network you did not make
# Of the stages with 64 channels, one has the smallest map. Write the address of its channel 5.
#
# <details><summary>Hint</summary>The shapes stand in the second cell.</details>

# %% tags=["exercise"]
address = ...  # a text

# %% tags=["solution"]
address = "layer1.C5"

# %% tags=["check"]
nl.course.check("12-low", address, lens)

# %% [markdown]
# ## Measure: six families
# Each with random weights at 224×224. A lens works on a copy in which batch norm is folded into the convolutions; are
# its logits the network's own?

# %%
x = shown.rgb([0])


def gap(name):
    plain = getattr(torchvision.models, name)(weights=None).eval()
    one = nl.Lens(plain, **imagenet, name=name)
    with torch.no_grad():
        own = plain(one.normalised(x))
    apart = ((one.logits(x) - own).abs().max() / own.abs().max()).item()
    print(f"{name}: logits agree to {apart:.0e}; stages {', '.join(one.stages)}")
    return apart


names = ["resnet18", "squeezenet1_1", "densenet121", "mobilenet_v3_small", "efficientnet_b0", "convnext_tiny"]
same = {name: gap(name) for name in names[: lesson.pick(fast=2, cpu=6, gpu=6)]}

# %% [markdown]
# And what it cannot do, it says: a transformer's tokens are no channels with positions.

# %%
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    transformer = nl.Lens(torchvision.models.swin_t(weights=None), size=(64, 64), name="swin_t")
print(*[one.message for one in said], transformer.stages, sep="\n")

# %% [markdown]
# ## Measure: what does depth cost?
# A forward pass ends at the unit that is asked for, and the way back to the pixels begins there.

# %%
seconds = {}
for address in (f"{lens.stages[0]}.C5", "logit:281"):
    climb = nl.Ascent(lens, address, x, 0.1, steps=lesson.pick(fast=2, cpu=20, gpu=50))
    started = time.perf_counter()
    climb.run()
    seconds[address] = (time.perf_counter() - started) / climb.steps
    print(f"{address}: {1000 * seconds[address]:.0f} ms a step")

# %% [markdown]
# ## Weights from a file
# A file that `torch.save` wrote may hold code. `nl.load_checkpoint` takes tensors alone, and changes nothing where they
# do not fit.

# %%
torch.save(network.state_dict(), demo / "weights.pt")
torch.save(network, demo / "whole_network.pt")
nl.load_checkpoint(network, demo / "weights.pt")
try:
    nl.load_checkpoint(network, demo / "whole_network.pt")
except ValueError as error:
    print(error)

# %% [markdown]
# ## Verdict

# %%
right = sum(apart < 1e-4 for apart in same.values())
answer = opened.choices[0 if right < 4 else 1 if right < 6 else 2] if len(same) == 6 else None
opened.reveal(answer, f"{right} of {len(same)} with the network's own logits")

# %%
low, high = seconds.values()
slower.reveal(slower.choices[sum(high / low >= edge for edge in (2, 10))], f"{high / low:.1f} times as long")

# %% [markdown]
# ## Recap
# - A lens needs a network, the size of its pictures, and how they are normalised. It finds the rest.
# - `neurolens study new my_images/` trains the five networks of this course on a folder; with
#   `NEUROLENS_STUDY=my_images` every notebook runs on them.
# - Read weights, not objects: whoever opens a foreign checkpoint runs its code.
