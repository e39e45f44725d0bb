# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
#   lesson:
#     title: Can we believe these pictures?
#     paper: All of the paper's methods
#     minutes: 45
#     needs: "02"
# ---

# %% [markdown]
# ## The question
# Ten notebooks of pictures: heat maps, optima, trees. They look convincing. So would many a wrong one. How could we
# tell?
#
# **You will be able to** score a map against a mask and against chance, set a trap that a method must spring, and
# recognise a method that draws the same picture whatever the network has learned.
#
# **What is under test**: not one claim of the paper but its instruments, and ours.

# %% [markdown]
# ## A world whose truth is known
# The built-in study is rendered. Lion and rabbit get the same body, limbs and spots; they differ in the head alone.
# A network that tells them apart looks at heads: there is nothing else to look at. And for every pixel we know whose
# it is.
#
# This notebook uses that study whatever the others use: truth is known nowhere else.

# %%
study = nl.open_study("planted")
trained, far = study.lens("near_pair"), study.lens("far_pair")
pictures, heads = nl.claims.exam_pictures(lesson.pick(fast=8, cpu=40, gpu=200))
print(pictures, f"the head covers {heads.double().mean():.0%} of a picture", sep="\n")

# %% [markdown]
# ## A trap: the decoy
# Now a second world. In the training pictures a patch in a corner has the class's own colour in 95% of the pictures:
# yellow for lions, blue for rabbits. The patch says nothing of lions. But it is easier to learn than a head.
#
# In the pictures below the colour is drawn at random.

# %%
decoy = nl.plant_decoy(pictures, 0.5, seed=lesson.seed)
nl.figures.decoy_pictures(decoy, each=min(12, len(pictures) // 4))

# %% [markdown]
# **NeuroLens 11-a.** Four rows: lions and rabbits, each with the patch of its own class and with the other's. *Look
# for:* how hard it is *not* to use the patch.

# %% [markdown]
# ## Predict

# %%
misled = nl.variant_lens("decoy")
swapped = nw.Prediction(
    "11-swapped",
    "A network was trained on patched pictures. How often is it right where the patch has the other class's colour?",
    ["nearly always: it has seen the heads, too", "about half of the time", "hardly ever: it goes by the patch"],
)
swapped

# %%
methods = [*nl.claims.METHODS]
indifferent = nw.Prediction(
    "11-indifferent",
    "Which of these draws the head nearly as well without any training?",
    [f"{name} alone" for name in methods[:-1]] + [f"{methods[-1]} alone", "several of them"],
)
indifferent

# %% [markdown]
# ## See: one picture, three networks
# One of these networks was trained on the true labels, one on shuffled labels, so that there was nothing to learn, and
# one was not trained at all. Which is which?

# %%
shuffled, untrained = nl.variant_lens("shuffled0"), nl.untrained_lens(seed=lesson.seed)
known = {"shuffled labels": shuffled, "true labels": trained, "random weights": untrained}
line_up = lesson.shuffled(known)
example = pictures.rgb([lesson.pick(fast=0, cpu=3, gpu=3)])[0]
nl.figures.evidence_by_network(line_up, example, hidden=True)

# %%
guess = nw.Prediction("11-guess", "Which network was trained on true labels?", ["A", "B", "C"])
guess

# %% [markdown]
# **NeuroLens 11-b.** *Look for:* the column that is the same in all three rows. It shows the picture's edges and has
# never asked a network. How convincing is it?

# %% [markdown]
# ## See: who steps into the trap?
# The same picture with the patch, in the eyes of the network that was misled and of the one that was not. A good
# method must show the difference: the misled network looks at the corner.

# %%
patched = decoy.images.rgb([lesson.pick(fast=0, cpu=3, gpu=3)])[0]
nl.figures.evidence_by_network({"misled": misled, "clean": trained}, patched)

# %%
start = nl.gaussian_noise(pictures, 10, seed=lesson.seed).rgb()
nl.figures.optima({"misled": misled, "clean": trained}, start)

# %% [markdown]
# **NeuroLens 11-c, 11-d.** Above: evidence. Below: the optima of each class, from ten noise images. *Look for:* corners
# in a colour of the patches. Do both classes have them? An optimum needs no picture with a patch to give the trap away:
# it shows what the network waits for.

# %% [markdown]
# ## Play
# Climb on the misled network. Three things to try:
#
# 1. Start from a picture whose patch says "lion" and climb to rabbit. What changes first?
# 2. Replace `misled` by `trained` in the cell. Where do the changes go now?
# 3. Look at the evidence beside the picture: does it say what the climb says?

# %% tags=["play"]
studio = nw.AscentStudio(misled, decoy.images, f'logit:"{pictures.classes[1]}"', learning_rate=0.01)
studio

# %% [markdown]
# ## Play: judge blind
# Grad-CAMs laid over grey pictures, half of them from the trained network, half from one with random weights. Can you
# tell?

# %%
some = pictures[:: len(pictures) // 6].rgb()
laid = {}
for name in ("true labels", "random weights"):
    heat = nl.claims.evidence_maps(line_up[name], some, "Grad-CAM")[:, None]
    heat /= heat.amax((2, 3), keepdim=True).clamp(min=1e-9)
    grey = some.mean(1, keepdim=True)
    laid[name] = grey.repeat(1, 3, 1, 1) / 2
    laid[name][:, :1] += heat / 2

blind = nw.BlindVote(laid, "Was this network trained?", ["trained", "random", "cannot tell"], seed=lesson.seed)
blind

# %% [markdown]
# ## Exercises
# Replace the dots, then run the check below. It says what it tried and what came out; nothing breaks, and what you
# solve is kept beside the notebook.

# %% [markdown]
# ### 1 · IoU
# Write the intersection over union of two masks (tensors of truth values).
#
# <details><summary>Hint</summary><code>a & b</code> and <code>a | b</code>, and how many places of each are
# true.</details>


# %% tags=["exercise"]
def overlap(a, b):
    return ...


# %% tags=["solution"]
def overlap(a, b):
    return (a & b).sum() / (a | b).sum()


# %% tags=["check"]
nl.course.check("11-overlap", overlap)

# %% [markdown]
# ### 2 · By luck
# Somebody points to a pixel drawn at random. How often does it lie on the head? `heads` has the masks of all
# pictures.
#
# <details><summary>Hint</summary>The mean of truth values, as numbers, is a share.</details>

# %% tags=["exercise"]
luck = ...

# %% tags=["solution"]
luck = heads.double().mean()

# %% tags=["check"]
nl.course.check("11-luck", luck, heads)

# %% [markdown]
# ### 3 · Half misled
# A network goes by the patch in 60% of the pictures and by the head, always rightly, in the others. The patch agrees
# with the class in half of the pictures. How often is the network right?
#
# <details><summary>Hint</summary>Take 100 pictures and count.</details>

# %% tags=["exercise"]
right_share = ...

# %% tags=["solution"]
right_share = 0.6 * 0.5 + 0.4

# %% tags=["check"]
nl.course.check("11-half", right_share)

# %% [markdown]
# ## Measure: a score, and its chance
# Three scores of a map against the mask of the true part:
#
# - **pointing game** (Zhang et al. 2016): is the largest value on the part?
# - **IoU at equal area**: take as many of the largest pixels as the part has; how well do the two coincide?
# - **share of the evidence** (Wang et al. 2020): how much of the map's sum lies on the part?
#
# A score alone says nothing: a map that always points to the middle often hits a head. So **chance** is what *the same
# maps* score on the masks of *other* pictures. By hand:

# %%
heat = [[4.0, 1.0], [3.0, 0.0]]
part, part_of_another = [(0, 0), (1, 1)], [(0, 1), (1, 1)]
total = sum(map(sum, heat))
print("share on its own part", sum(heat[i][j] for i, j in part) / total)
print("chance, on another's", sum(heat[i][j] for i, j in part_of_another) / total)

# %% [markdown]
# ## Measure: the rule
# Fixed before the numbers: a method **finds** a truth if the whole 95% interval of its score lies above chance. It must
# find the head in the trained network, more of it than with the far pair, which differs in bodies too, and the patch in
# the misled one. It must find **nothing** in networks with shuffled labels or random weights. And the trained network's
# score minus that of such a network must be above 0. Whoever fails there both times is *shown up*: the picture would be
# the same without any learning.

# %%
each, networks = lesson.pick(fast=4, cpu=40, gpu=200), lesson.pick(fast=2, cpu=5, gpu=10)
grades = nl.claims.grade_methods(each, networks)
grades

# %%
nl.figures.grades_figure(grades)

# %% [markdown]
# **NeuroLens 11-e.** *Look for:* red dots. A red dot in the panels of random weights means that a picture can be
# convincing without a network that knows anything. Is that the method's fault, or do untrained networks really answer
# to what stands out, as heads do? The panels "trained minus …" tell the two apart. In the table see the two
# hierarchies: a grouping may lie in the pictures themselves, so that any network repeats it.

# %%
print(grades, *grades.shown_up, sep="\n")

# %% [markdown]
# ## Verdict

# %%
lost = nl.claims.accuracy_lost(misled, pictures, seed=lesson.seed).mean().item()
against = nl.plant_decoy(pictures, 0.0, seed=lesson.seed).images
right = (misled.logits(against.rgb()).argmax(1).cpu() == against.labels).double().mean().item()
answer = swapped.choices[0 if right > 0.8 else 1 if right > 0.2 else 2]
swapped.reveal(answer, f"{right:.0%} are right with the other class's patch; swapping it costs {lost:.0%}")

# %%
fooled = [name for name in grades.shown_up if name in methods]
answer = indifferent.choices[methods.index(fooled[0])] if len(fooled) == 1 else indifferent.choices[-1]
indifferent.reveal(answer, f"no better after training: {', '.join(fooled)}")

# %%
letters = dict(zip(line_up, "ABC", strict=True))
guess.reveal(letters["true labels"], ", ".join(f"{letter} {name}" for name, letter in letters.items()))

# %% [markdown]
# And your own eyes? Once you have judged and revealed, run this again:

# %%
blind.result()

# %% [markdown]
# ## Recap
# - A convincing picture is no evidence: an edge map is convincing, and asks no network.
# - Score a map where the truth is known, and against the same maps on other pictures, never against nothing.
# - Ask every method twice: of a network that has learned, and of one that has not. Believe the difference.
