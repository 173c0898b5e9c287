"""The kinds of products the embedded engine can write about, as data.

A kind decides which scenes, verbs and calls to action fit. Its `examples` are what free text is compared
with, by embedding, when a brief does not name the kind; its `interests` are those of which such a product is
a part (a tent, of camping), so that copy may show the one in use for the other.
"""

from collections.abc import Mapping

import msgspec

UNKNOWN = "goods"
"""What a prompt says of a product whose kind nobody knows: anything at all."""


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of product."""

    examples: tuple[str, ...]
    interests: frozenset[str] = frozenset()


def _kind(*examples: str, interests: str = "") -> Kind:
    return Kind(examples=examples, interests=frozenset(interests.split()))


KINDS: Mapping[str, Kind] = {
    "kitchen": _kind(
        "pots, pans and cookware",
        "kitchen knife and chopping board",
        "baking tin, whisk and rolling pin",
        "apron and oven glove",
        "kitchen scales, timer and utensils",
        interests="cooking",
    ),
    "tableware": _kind(
        "mug or cup and saucer",
        "plates and bowls",
        "tea set and teapot",
        "wine glasses and tumblers",
        "keep cup and sippy cup",
        "cake stand",
        "cutlery, napkins and placemats",
        interests="cooking",
    ),
    "food": _kind(
        "chocolate, biscuits and sweets",
        "spices, sauces and jam",
        "snack bars, nuts and cereal",
        "cheese, pasta and olive oil",
        interests="cooking",
    ),
    "drinks": _kind(
        "coffee beans and espresso",
        "loose leaf tea",
        "wine, beer and gin",
        "fruit juice, cordial and soda",
    ),
    "garden": _kind(
        "garden tools, trowel and secateurs",
        "plant pot, planter and compost",
        "seeds, bulbs and flowers to plant",
        "watering can and garden hose",
        "bird feeder and garden ornament",
        interests="gardening",
    ),
    "decor": _kind(
        "cushion and cushion cover",
        "picture frame, photo album and wall art",
        "wall clock, mirror and vase",
        "decorative ornament, hanging heart and sign",
        "doormat, hook and door knob",
        "paperweight and glass gems",
    ),
    "candles": _kind(
        "scented candle",
        "incense sticks and cones",
        "tealight holder and candle holder",
        "lantern, lamp and fairy lights",
        "oil burner, diffuser and fragrance oil",
        interests="wellness",
    ),
    "textiles": _kind(
        "blanket, throw and quilt",
        "bed linen, duvet and pillow",
        "bath towel and bathrobe",
        "curtain, rug and tablecloth",
        interests="wellness",
    ),
    "storage": _kind(
        "storage box and tin",
        "basket, hamper and crate",
        "jar and container",
        "drawer organiser and small cases",
    ),
    "beauty": _kind(
        "face cream, serum and skincare",
        "soap, shampoo and bath salts",
        "make-up, lipstick and nail polish",
        "hand balm and lip balm",
        "perfume",
        interests="wellness",
    ),
    "clothing": _kind(
        "coat, jacket and jumper",
        "shirt, dress and trousers",
        "socks and underwear",
        "scarf, hat and gloves",
        interests="fashion",
    ),
    "shoes": _kind(
        "trainers and running shoes",
        "leather boots",
        "slippers and sandals",
        interests="fashion",
    ),
    "bags": _kind(
        "tote bag and shopper bag",
        "backpack and rucksack",
        "handbag, purse and wallet",
        "suitcase and travel bag",
        "luggage tag and passport cover",
        "lunch bag",
        interests="travel fashion",
    ),
    "jewellery": _kind(
        "necklace, earrings and bracelet",
        "wrist watch",
        "hair clip, hair slide and brooch",
        "key ring and key chain",
        interests="fashion",
    ),
    "electronics": _kind(
        "headphones and earbuds",
        "computer monitor, keyboard and mouse",
        "phone case, charger and cable",
        "smart speaker and robot vacuum",
        "tablet, laptop and projector",
        interests="technology",
    ),
    "cameras": _kind(
        "digital camera, lens and filter",
        "camera tripod and strap",
        "film roll, flash and camera bag",
        interests="photography",
    ),
    "music": _kind(
        "guitar, ukulele and violin",
        "vinyl record and turntable",
        "piano, drum kit and sheet music",
        "guitar strings, capo and tuner",
        interests="music",
    ),
    "games": _kind(
        "video game and console",
        "game controller and gaming headset",
        "board game and playing cards",
        "jigsaw puzzle",
        interests="gaming",
    ),
    "toys": _kind(
        "soft toy and teddy bear",
        "wooden train set and toy car",
        "doll, building blocks and spinning top",
        "toy for children, stickers and craft for kids",
        interests="parenting",
    ),
    "baby": _kind(
        "swaddle blanket and baby clothes",
        "baby bottle and pram",
        "nappy bag, night light and baby monitor",
        "bedtime picture book for toddlers",
        interests="parenting",
    ),
    "pets": _kind(
        "dog lead, collar and dog bed",
        "cat scratching post and cat toy",
        "pet food, treats and feeding bowl",
        interests="pets",
    ),
    "fitness": _kind(
        "yoga mat and meditation cushion",
        "dumbbell, kettlebell and weights",
        "resistance band and foam roller",
        "gym towel and skipping rope",
        interests="fitness yoga",
    ),
    "outdoor": _kind(
        "tent and sleeping bag",
        "hiking poles and head torch",
        "insulated flask and camping stove",
        "compass, map case and rain cover",
        interests="hiking camping travel",
    ),
    "cycling": _kind(
        "bicycle and bike frame",
        "bike helmet, lights and lock",
        "bike pump, saddle bag and panniers",
        interests="cycling",
    ),
    "sport": _kind(
        "football and goal net",
        "football shirt, shin pads and team scarf",
        "tennis racket and cricket bat",
        interests="football",
    ),
    "books": _kind(
        "novel and short stories",
        "biography, history and travel book",
        "cookbook and guide book",
        "bookmark, bookends and reading journal",
        interests="reading",
    ),
    "stationery": _kind(
        "pen, pencil and eraser",
        "notebook, diary and journal",
        "greeting card",
        "wrapping paper and gift wrap",
        "paper gift bag for a present",
        "sticky tape, ruler and pencil sharpener",
        "memo pad and address book",
    ),
    "crafts": _kind(
        "watercolour paint and brushes",
        "oil pastels, gouache and acrylic tubes",
        "yarn, knitting needles and sewing kit",
        "sketchbook and drawing pencils",
        "beads, stencil and craft kit",
        interests="art",
    ),
    "gift cards": _kind(
        "gift card",
        "gift certificate for a restaurant",
        "voucher to spend in a shop",
        "store gift card collection",
    ),
    "party": _kind(
        "party bunting and balloons",
        "Christmas decoration and bauble",
        "paper plates and party bags",
        "fancy dress and party game",
        "Easter and Halloween decoration",
    ),
    "household": _kind(
        "cleaning cloth, sponge and washing-up gloves",
        "umbrella and parasol",
        "screwdriver, tape measure and tool kit",
        "pocket multitool and repair kit",
        "laundry, refill soap and bin",
        "hand fan and hot water bottle",
        interests="sustainability",
    ),
    "classes": _kind(
        "evening class and beginners' workshop",
        "online course and lessons",
        "personal coaching programme",
    ),
    "trips": _kind(
        "hotel stay and holiday",
        "train ticket and flight",
        "guided tour and day trip",
        "concert ticket and experience day",
        interests="travel",
    ),
    "apps": _kind(
        "mobile app",
        "software subscription",
        "streaming service membership",
        interests="technology",
    ),
    UNKNOWN: _kind(),
}


def belongs(kind: str, interest: str) -> bool:
    """Whether a product of this kind is a part of this interest; an unknown kind or interest is of none."""
    return kind in KINDS and interest in KINDS[kind].interests
