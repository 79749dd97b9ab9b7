"""The words the miniature's detectors know. The order is the order of the networks' outputs: append, never reorder."""

from __future__ import annotations

HAIR_COLORS = ("blonde", "black", "brown", "red", "orange", "pink", "blue", "green", "purple", "white")
HAIR_LENGTHS = ("short", "long")
EYE_COLORS = ("blue", "red", "green", "yellow", "purple", "brown")
AHOGE_STATES = ("none", "tuft", "ahoge")
HAND_STATES = ("holds", "minor", "fused", "lost")
# What a closer look at a place says: the state of the arm's end there, or that none can be seen.
END_ANSWERS = (*HAND_STATES, "none")
HEAD_PARTS = ("background", "skin", "hair", "ahoge", "ribbon", "other hair", "other ahoge")
PEOPLE_CLASSES = ("person", "head", "hand")
# Channels of the hand network's maps: name and width, in order.
HAND_MAPS = {"heat": 1, "state": 4, "gripping": 1, "size": 2, "shift": 2, "owner": 2, "keypoints": 12}
OUTFITS = ("serafuku", "blazer", "vest", "dress", "hoodie", "t-shirt")
OUTFIT_COLORS = ("red", "blue", "green", "yellow", "purple", "white", "black", "pink")
# What one person does; in poses with roles, who is below (carries, is sat upon) and who is above.
ROLES = (
    "standing", "arms_up", "waving", "sitting", "apart", "together", "hug", "piggyback_below", "piggyback_above",
    "princess_carry_below", "princess_carry_above", "lap_sit_below", "lap_sit_above",
)  # fmt: skip
ARMS = ("free", "crossed", "behind")
LIMBS = ("whole", "extra", "missing")
GHOSTS = ("clean", "doubled", "leftover", "burnt")
FACES = ("whole", "broken")
CONTACT_MAPS = ("boundary", "fused")
