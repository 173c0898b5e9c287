"""The interests the embedded engine can write for, as data.

`INTERESTS` maps each name, as it stands in a prompt, to the words that explain it; whoever maps free text
to the nearest interest embeds the explanation, since one bare word means little to a sentence encoder.
"""

from collections.abc import Mapping

ANYONE = "anyone"
"""What a prompt says for an audience without one of the interests."""

INTERESTS: Mapping[str, str] = {
    "hiking": "hiking, hill walking, trails, mountains and boots",
    "cooking": "cooking, baking, recipes, kitchens and good food",
    "yoga": "yoga, stretching, meditation on the mat",
    "gaming": "video games, consoles, controllers and players",
    "music": "music, songs, instruments, concerts and vinyl",
    "travel": "travel, flights, luggage, holidays and city breaks",
    "photography": "photography, cameras, lenses and pictures",
    "gardening": "gardening, plants, flowers, seeds and greenhouses",
    "fitness": "fitness, gym training, weights and workouts",
    "reading": "reading, books, novels and quiet evenings",
    "cycling": "cycling, bikes, road riding and helmets",
    "technology": "technology, gadgets, computers and smart homes",
    "parenting": "parenting, babies, children, toys and family life",
    "pets": "pets, dogs, cats, treats and walkies",
    "fashion": "fashion, clothes, shoes, outfits and style",
    "wellness": "wellness, self-care, baths, candles and skincare",
    "sustainability": "sustainability, recycling, low-waste and eco-friendly living",
    "football": "football, match day, teams and stadiums",
    "art": "art, painting, drawing, crafts and galleries",
    "camping": "camping, tents, campfires and sleeping outdoors",
}
